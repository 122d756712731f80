"""Parts of tensors: x[:, -1], x[..., ::2] or x[:, None], by NumPy's rules for whole numbers and slices."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from contextlib import suppress
from types import EllipsisType
from typing import Any

from pellucid.core.graph import Tensor, build
from pellucid.core.spec import Spec
from pellucid.errors import ArgumentError, ShapeError

Index = int | slice | EllipsisType | None


def part(x: Tensor, index: Any) -> Tensor:
    """The elements at `index`: a slice along every axis, then without the axes that a whole number was given for.

    Raises `ShapeError` for what lies outside, for more indices than axes, and for a part of an axis of unknown size;
    `ArgumentError` for an index of another kind.
    """
    shape: list[int | None] = []
    ranges: list[tuple[int, int | None, int]] = []
    for one in _one_per_axis(index, x.spec):
        if one is None:
            shape.append(1)
            continue
        ranges.append(_range(one, len(ranges), x.spec))
        if isinstance(one, slice):
            start, stop, step = ranges[-1]
            shape.append(None if stop is None else -(-(stop - start) // step))
    if ranges != [(0, size, 1) for size in x.shape]:
        starts, stops, steps = zip(*ranges, strict=True)
        x = build("slice", x, start=starts, stop=stops, step=steps)
    return x if tuple(shape) == x.shape else build("reshape", x, shape=tuple(shape))


def _one_per_axis(index: Any, spec: Spec) -> Iterator[int | slice | None]:
    """Indices, one for each axis and `None` for each new one; those that an ellipsis stands for are whole."""
    given = [_known(one) for one in (index if isinstance(index, tuple) else (index,))]
    left = spec.rank - sum(one is not None and one is not ... for one in given)
    if left < 0 or given.count(...) > 1:
        raise ShapeError(f"{_show(*given)} has too many indices for {spec}")
    for one in given if ... in given else [*given, ...]:
        if isinstance(one, EllipsisType):
            yield from [slice(None)] * left
        else:
            yield one


def _known(one: Any) -> Index:
    if one is None or one is ... or isinstance(one, slice):
        return one
    if not isinstance(one, bool):
        with suppress(TypeError):
            return operator.index(one)
    raise ArgumentError(
        f"a tensor is indexed by whole numbers, slices, ... and None, not by {one!r:.80}; ops.take() takes what a list "
        "or another tensor names, ops.where() chooses by truth values"
    )


def _range(one: int | slice, axis: int, spec: Spec) -> tuple[int, int | None, int]:
    """First, end and step along an axis."""
    size = spec.shape[axis]
    if size is None:
        if one not in (slice(None), slice(0, None), slice(None, None, 1), slice(0, None, 1)):
            raise ShapeError(f"{_show(one)} is a part of axis {axis} of {spec}, whose size is not known; take it whole")
        return 0, None, 1
    if isinstance(one, slice):
        try:
            start, stop, step = one.indices(size)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"{_show(one)} is no range along axis {axis} of {spec}: {error}") from None
        if step < 0:
            raise ArgumentError(f"{_show(one)} counts down along axis {axis}; use ops.flip(x, {axis}) first")
        return start, max(start, stop), step
    if not -size <= one < size:
        raise ShapeError(f"{_show(one)} is outside of axis {axis} of {spec}")
    return one % size, one % size + 1, 1


def _show(*given: Index) -> str:
    """Indices as they were written: [:, -1]."""
    return f"[{', '.join(map(_text, given))}]"


def _text(one: Index) -> str:
    if not isinstance(one, slice):
        return "..." if one is ... else str(one)
    first, last, step = ("" if end is None else str(end) for end in (one.start, one.stop, one.step))
    return f"{first}:{last}" + (f":{step}" if one.step is not None else "")
