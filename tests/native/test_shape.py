"""Kernels that move elements, against NumPy: exact for every size of element."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from single_kernel import run

native = pytest.importorskip("pellucid._native", reason="the extension is not built")

rng = np.random.default_rng(13)


def numbers(shape: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    return rng.integers(0, 2 if dtype == "bool" else 100, shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (33, 65), (2, 3, 4), (17, 1, 20, 3), (0, 3)], ids=str)
def test_transpose(call: Any, shape: tuple[int, ...], dtype: str) -> None:
    x = numbers(shape, dtype)
    for axes in itertools.permutations(range(len(shape))):
        expected = np.transpose(x, axes)
        (y,) = call("transpose", [x], [(dtype, expected.shape)], axes=list(axes))
        np.testing.assert_array_equal(y, expected)


def test_a_large_transpose_on_two_threads(call: Any) -> None:
    x = numbers((1000, 700))
    (y,) = call("transpose", [x], [("float32", (700, 1000))], axes=[1, 0], threads=2)
    np.testing.assert_array_equal(y, x.T)


@pytest.mark.parametrize("shape", [(64, 48), (37, 130), (3, 20, 33)])
def test_transpose_of_bfloat16_keeps_every_bit(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(1).integers(0, 2**16, shape, np.uint16)
    axes = (*range(len(shape) - 2), len(shape) - 1, len(shape) - 2)
    (y,) = run("transpose", {"axes": list(axes)}, [x], [("bfloat16", tuple(shape[axis] for axis in axes))])
    np.testing.assert_array_equal(y, x.transpose(axes))


@pytest.mark.parametrize(
    ("shape", "target"),
    [((), (3, 4)), ((4,), (3, 4)), ((3, 1), (3, 4)), ((2, 1, 5), (6, 2, 3, 5)), ((1, 1), (1, 1)), ((4,), (0, 4))],
)
def test_broadcast_to(call: Any, shape: tuple[int, ...], target: tuple[int, ...]) -> None:
    for dtype in ("float32", "bool"):
        x = numbers(shape, dtype)
        (y,) = call("broadcast_to", [x], [(dtype, target)])
        np.testing.assert_array_equal(y, np.broadcast_to(x, target))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_concatenate(call: Any, axis: int) -> None:
    parts = []
    for extent in (2, 1, 0, 5):
        shape = [3, 4, 6]
        shape[axis] = extent
        parts.append(numbers(tuple(shape)))
    expected = np.concatenate(parts, axis)
    (y,) = call("concatenate", parts, [("float32", expected.shape)], axis=axis)
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(
    ("start", "stop", "step"),
    [([0, 0, 0], [5, 6, 7], [1, 1, 1]), ([1, 2, 3], [4, 6, 7], [1, 2, 3]), ([0, 5, 0], [5, 6, 7], [4, 1, 7]),
     ([2, 0, 0], [2, 6, 7], [1, 1, 1])],
)  # fmt: skip
def test_slice_and_its_adjoint_pad(call: Any, start: list[int], stop: list[int], step: list[int]) -> None:
    x = numbers((5, 6, 7))
    window = tuple(slice(a, b, s) for a, b, s in zip(start, stop, step, strict=True))
    (y,) = call("slice", [x], [("float32", x[window].shape)], start=start, stop=stop, step=step)
    np.testing.assert_array_equal(y, x[window])

    expected = np.zeros_like(x)
    expected[window] = y
    (back,) = call("pad", [y], [("float32", x.shape)], before=start, step=step)
    np.testing.assert_array_equal(back, expected)


@pytest.mark.parametrize(
    ("kernel", "attributes", "shape", "message"),
    [
        ("transpose", {"axes": [0, 2]}, (3, 4), "every axis"),
        ("transpose", {"axes": [1, 0]}, (3, 4), "new order"),
        ("broadcast_to", {}, (4, 4), "does not broadcast"),
        ("concatenate", {"axis": 2}, (3, 4), "outside the shape"),
        ("concatenate", {"axis": 0}, (4, 4), "fill y"),
        ("slice", {"start": [0, 0], "stop": [3, 5], "step": [1, 1]}, (3, 5), "extent"),
        ("slice", {"start": [0, 0], "stop": [3, 4], "step": [1, 0]}, (3, 4), "step >= 1"),
        ("pad", {"before": [1, 1], "step": [1, 1]}, (4, 4), "inside y"),
    ],
)
def test_wrong_use_is_refused(kernel: str, attributes: dict[str, Any], shape: tuple[int, ...], message: str) -> None:
    buffers = [("input", "float32", [3, 4]), ("output", "float32", list(shape))]
    with pytest.raises(ValueError, match=message):
        native.Plan(buffers, {}, [(kernel, attributes, [0], [1])])
