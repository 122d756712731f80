"""Reductions against NumPy in float64, and their freedom from the number of threads."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from single_kernel import run, to_bfloat16, to_float

native = pytest.importorskip("pellucid._native", reason="the extension is not built")

rng = np.random.default_rng(11)
SHAPES = [(), (1,), (5,), (17,), (300,), (40_000,), (3, 4), (64, 10), (32, 5), (200, 130), (7, 1000), (2, 3, 4, 5),
          (9, 1, 33), (70, 6, 20)]  # fmt: skip


def every_axes(rank: int) -> list[tuple[int, ...]]:
    return [axes for n in range(rank + 1) for axes in itertools.combinations(range(rank), n)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kernel", ["sum", "max", "min"])
def test_values(call: Any, kernel: str, shape: tuple[int, ...]) -> None:
    x = rng.standard_normal(shape).astype(np.float32)
    for axes in every_axes(len(shape)):
        for keepdims in (False, True):
            exact = getattr(np, kernel)(x.astype(np.float64), axis=axes, keepdims=keepdims)
            (y,) = call(kernel, [x], [("float32", exact.shape)], axes=list(axes), keepdims=int(keepdims))
            # Sums are taken in float32 within chunks, so a few units of the sum of magnitudes.
            scale = np.sum(np.abs(x.astype(np.float64)), axis=axes, keepdims=keepdims) if kernel == "sum" else 0.0
            assert np.all(np.abs(y - exact) <= 4 * 2.0**-24 * scale), (axes, keepdims)


@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
@pytest.mark.parametrize("kernel", ["sum", "max"])
def test_bfloat16_is_read_as_it_is(kernel: str, shape: tuple[int, ...]) -> None:
    x = to_bfloat16(rng.standard_normal(shape))
    exact = to_float(x)
    for axes in every_axes(len(shape)):
        expected = getattr(np, kernel)(exact, axis=axes)
        (y,) = run(kernel, {"axes": list(axes)}, [x], [("float32", expected.shape)], 2)
        scale = np.sum(np.abs(exact), axis=axes) if kernel == "sum" else 0.0
        assert np.all(np.abs(y - expected) <= 4 * 2.0**-24 * scale), axes


@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
def test_argmax(call: Any, shape: tuple[int, ...]) -> None:
    x = rng.integers(0, 9, shape).astype(np.float32)  # with ties: the first counts
    for axis in range(len(shape)):
        expected = np.argmax(x, axis=axis)
        (y,) = call("argmax", [x], [("int32", expected.shape)], axes=[axis], keepdims=0)
        np.testing.assert_array_equal(y, expected)
    (y,) = call("argmax", [x], [("int32", ())], axes=list(range(len(shape))), keepdims=0)
    assert y == np.argmax(x)


@pytest.mark.parametrize("size", [3, 40, 20_000])
@pytest.mark.parametrize("kernel", ["sum", "max", "min", "argmax"])
def test_not_a_number_wins(call: Any, kernel: str, size: int) -> None:
    for place in (0, size // 2, size - 1):
        x = np.arange(size, dtype=np.float32)
        x[place] = np.nan
        dtype = "int32" if kernel == "argmax" else "float32"
        (y,) = call(kernel, [x], [(dtype, ())], axes=[0], keepdims=0)
        assert y == place if kernel == "argmax" else np.isnan(y)


def test_infinities(call: Any) -> None:
    x = np.full((4, 50), -np.inf, np.float32)
    assert call("max", [x], [("float32", ())], axes=[0, 1])[0] == -np.inf
    assert call("sum", [x], [("float32", ())], axes=[0, 1])[0] == -np.inf
    assert call("min", [-x], [("float32", ())], axes=[0, 1])[0] == np.inf


def test_a_long_sum_keeps_its_digits(call: Any) -> None:
    x = np.full(3_000_000, 0.1, np.float32)
    (y,) = call("sum", [x], [("float32", ())], axes=[0])
    assert y == pytest.approx(np.sum(x.astype(np.float64)), rel=1e-6)


@pytest.mark.parametrize(("shape", "axes"), [((500_000,), [0]), ((3000, 200), [0]), ((3000, 200), [1])])
def test_sums_do_not_depend_on_the_threads(call: Any, shape: tuple[int, ...], axes: list[int]) -> None:
    x = rng.standard_normal(shape).astype(np.float32)
    y_shape = np.sum(x, axis=tuple(axes)).shape
    one, two = (call("sum", [x], [("float32", y_shape)], axes=axes, threads=n)[0] for n in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_integers_and_truth_values(call: Any) -> None:
    t = rng.integers(0, 2, (50, 3)).astype(bool)
    (y,) = call("sum", [t], [("int32", (3,))], axes=[0])
    np.testing.assert_array_equal(y, t.sum(0))
    i = rng.integers(-99, 99, (50, 3)).astype(np.int32)
    (y,) = call("max", [i], [("int32", (50,))], axes=[1])
    np.testing.assert_array_equal(y, i.max(1))


def test_empty(call: Any) -> None:
    x = np.zeros((0, 3), np.float32)
    np.testing.assert_array_equal(call("sum", [x], [("float32", (3,))], axes=[0])[0], np.zeros(3))
    with pytest.raises(ValueError, match="empty"):
        call("max", [x], [("float32", (3,))], axes=[0])


@pytest.mark.parametrize(
    ("shape", "attributes", "message"),
    [
        ((4,), {"axes": [0]}, r"\[4\] where \[3\]"),
        ((3,), {"axes": [2]}, "inside the shape"),
        ((3,), {"axes": [0], "keepdims": 1}, r"\[1, 3\]"),
        ((3,), {}, "axes is missing"),
    ],
)
def test_wrong_use_is_refused(shape: tuple[int, ...], attributes: dict[str, Any], message: str) -> None:
    buffers = [("input", "float32", [5, 3]), ("output", "float32", list(shape))]
    with pytest.raises(ValueError, match=message):
        native.Plan(buffers, {}, [("sum", attributes, [0], [1])])
