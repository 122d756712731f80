"""Shapes and dtypes."""

from __future__ import annotations

import numpy
import pytest

from pellucid.core.spec import Spec, broadcast_shapes, known, normalize_axes, show_shape
from pellucid.errors import DtypeError, GraphError, ShapeError


def test_spec() -> None:
    spec = Spec((None, 3), "int32")
    assert (str(spec), spec.rank, spec.is_float) == ("int32[?, 3]", 2, False)
    assert Spec((2, 3)).size == 6
    assert Spec(()).size == 1
    assert Spec((2,)) == Spec((2,), "float32") != Spec((2,), "float64")
    with pytest.raises(GraphError, match=r"\[\?, 3\].*known batch size"):
        _ = spec.size


@pytest.mark.parametrize("dtype", ["float16", "int64", "bfloat16", "object", ""])
def test_unknown_dtypes(dtype: str) -> None:
    with pytest.raises(DtypeError, match="choose one of float32"):
        Spec((1,), dtype)


def test_negative_sizes() -> None:
    with pytest.raises(ShapeError, match="negative"):
        Spec((-1, 3))


@pytest.mark.parametrize(
    "shapes", [((2, 3), (3,)), ((4, 1), (1, 5)), ((), (2, 1)), ((0, 3), (1, 3)), ((1,), (0,)), ((2, 1, 3), (7, 1))]
)
def test_broadcasting_is_numpys(shapes: tuple[tuple[int, ...], ...]) -> None:
    assert broadcast_shapes(*shapes) == numpy.broadcast_shapes(*shapes)


@pytest.mark.parametrize("shapes", [((2, 3), (2,)), ((2,), (3,)), ((0,), (2,))])
def test_what_does_not_broadcast(shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ShapeError, match="do not broadcast"):
        broadcast_shapes(*shapes)


def test_unknown_sizes_broadcast() -> None:
    assert broadcast_shapes((None, 3), (1, 3)) == (None, 3)
    assert broadcast_shapes((None,), (None,)) == (None,)
    assert broadcast_shapes((None,), (4,)) == (4,)
    assert broadcast_shapes() == ()
    assert known((2, 3)) == (2, 3)
    assert show_shape(()) == "[]"


def test_axes() -> None:
    assert normalize_axes(None, 3, "sum") == (0, 1, 2)
    assert normalize_axes((-1, 0), 3, "sum") == (0, 2)
    assert normalize_axes(numpy.int64(1), 2, "sum") == (1,)
    assert normalize_axes((), 2, "sum") == ()
    for axes, rank in ((2, 2), (-3, 2), (0, 0)):
        with pytest.raises(ShapeError, match="sum: axis"):
            normalize_axes(axes, rank, "sum")
    with pytest.raises(ShapeError, match="twice"):
        normalize_axes((0, -2), 2, "sum")
