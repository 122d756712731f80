"""`Spec`: the shape and dtype of a value that is not computed yet, and the arithmetic of shapes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import cast

from pellucid.errors import DtypeError, GraphError, ShapeError

Shape = tuple[int | None, ...]

FLOATS = ("float32", "float64")  # bfloat16 is a precision of executors, not a dtype of graphs
DTYPES = (*FLOATS, "int32", "uint32", "bool")


@dataclass(frozen=True, slots=True)
class Spec:
    """Shape and dtype of a value; a size of `None` is not known yet (the batch).

    Raises `DtypeError` for a dtype that is none of `DTYPES`, `ShapeError` for a negative size.

    >>> print(Spec((None, 3), "float32"))
    float32[?, 3]
    """

    shape: Shape
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise DtypeError(f"a value cannot have the dtype {self.dtype!r}; choose one of {', '.join(DTYPES)}")
        for size in self.shape:
            if size is not None and size < 0:
                raise ShapeError(f"the shape {show_shape(self.shape)} has a negative size; an unknown size is None")

    def __str__(self) -> str:
        return f"{self.dtype}{show_shape(self.shape)}"

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements; raises `GraphError` where a size is unknown."""
        return prod(known(self.shape))

    @property
    def is_float(self) -> bool:
        return self.dtype in FLOATS


def show_shape(shape: Iterable[int | None]) -> str:
    """
    >>> show_shape((None, 28, 28))
    '[?, 28, 28]'
    """
    return "[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"


def known(shape: Shape) -> tuple[int, ...]:
    """The same shape, once no size is unknown; raises `GraphError` otherwise."""
    if None in shape:
        raise GraphError(f"the shape {show_shape(shape)} has an unknown size; build this graph for a known batch size")
    return cast("tuple[int, ...]", shape)


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The shape that all given ones broadcast to, by NumPy's rules; raises `ShapeError` if there is none.

    >>> broadcast_shapes((None, 3), (3,), ())
    (None, 3)
    """
    larger = [shape for shape in set(shapes) if shape]  # scalars fit anything
    if len(larger) < 2:
        return larger[0] if larger else ()
    rank = max(map(len, larger))
    result: list[int | None] = []
    for sizes in zip(*((1,) * (rank - len(shape)) + shape for shape in larger), strict=True):
        fixed = {size for size in sizes if size not in (1, None)}
        if len(fixed) > 1:
            raise ShapeError("shapes " + " and ".join(map(show_shape, shapes)) + " do not broadcast together")
        result.append(fixed.pop() if fixed else None if None in sizes else 1)
    return tuple(result)


def normalize_axes(axes: int | Iterable[int] | None, rank: int, where: str) -> tuple[int, ...]:
    """Axes as ascending non-negative numbers; `None` means all. Raises `ShapeError` for one outside, or named twice.

    >>> normalize_axes(-1, 3, "sum")
    (2,)
    """
    if axes is None:
        return tuple(range(rank))
    wanted = tuple(axes) if isinstance(axes, Iterable) else (axes,)
    for axis in wanted:
        if not -rank <= axis < rank:
            allowed = f"use {-rank} to {rank - 1}" if rank else "it is a scalar"
            raise ShapeError(f"{where}: axis {axis} is outside a value of {rank} axes; {allowed}")
    chosen = tuple(sorted({int(axis) % rank for axis in wanted}))
    if len(chosen) < len(wanted):
        raise ShapeError(f"{where}: the axes {wanted} name one of {rank} axes twice; name each once")
    return chosen
