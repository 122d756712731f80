"""Pooling kernels against plain loops, in both storage formats, and bit for bit at any number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from single_kernel import run, to_bfloat16, to_float

rng = np.random.default_rng(31)

# (shape of the image, window, strides, padding)
CASES = [
    ((2, 8, 6, 16), (2, 2), (2, 2), ((0, 0), (0, 0))),
    ((1, 7, 9, 17), (2, 2), (2, 2), ((0, 0), (0, 0))),
    ((1, 4, 8, 20), (2, 2), (2, 2), ((0, 0), (0, 0))),  # vectors and a rest, with room for whole vectors in the row
    ((2, 4, 8, 6), (2, 2), (2, 2), ((0, 0), (0, 0))),
    ((3, 7, 5, 40), (3, 3), (2, 2), ((0, 1), (1, 1))),
    ((2, 5, 5, 3), (3, 2), (1, 1), ((1, 1), (0, 1))),
    ((2, 9, 8, 6), (2, 2), (3, 4), ((0, 0), (0, 0))),
    ((2, 5, 4, 1), (2, 2), (2, 2), ((1, 0), (1, 1))),
    ((4, 1, 1, 5), (1, 1), (1, 1), ((0, 0), (0, 0))),
    ((2, 4, 4, 33), (4, 4), (4, 4), ((0, 0), (0, 0))),
    ((3, 11, 7), (3,), (2,), ((1, 0),)),
    ((1, 40, 64), (2,), (2,), ((0, 0),)),
    ((0, 4, 4, 3), (2, 2), (2, 2), ((0, 0), (0, 0))),
]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, (*case[0], *case[1], *case[2]))))


def numbers(shape: tuple[int, ...]) -> np.ndarray:
    """Few different numbers, exact in bfloat16, so that there are ties."""
    return (rng.integers(-6, 6, shape) / 4).astype(np.float32)


def attributes(case: Any) -> dict[str, Any]:
    _, window, strides, padding = case
    return {"window": [*window], "strides": [*strides], "padding": [number for pair in padding for number in pair]}


def by_loops(case: Any) -> tuple[np.ndarray, list[tuple[Any, list[Any]]]]:
    """Room for the pooled image; and for every window its place there and the places that it covers."""
    shape, window, strides, padding = case
    counts = [(n + a + b - w) // s + 1 for n, w, s, (a, b) in zip(shape[1:-1], window, strides, padding, strict=True)]
    windows = []
    for place in np.ndindex(shape[0], *counts, shape[-1]):
        start = [o * s - a for o, s, (a, _) in zip(place[1:-1], strides, padding, strict=True)]
        inside = [
            at
            for at in (tuple(np.add(start, offset)) for offset in np.ndindex(*window))
            if all(0 <= i < n for i, n in zip(at, shape[1:-1], strict=True))
        ]
        windows.append((place, [(place[0], *at, place[-1]) for at in inside]))
    return np.zeros((shape[0], *counts, shape[-1])), windows


def stored(x: np.ndarray, dtype: str) -> np.ndarray:
    return to_bfloat16(x) if dtype == "bfloat16" else x


@every_case
@pytest.mark.parametrize("dtypes", [("float32", "float32"), ("bfloat16", "bfloat16"), ("bfloat16", "float32")], ids=str)
def test_forward(case: Any, dtypes: tuple[str, str]) -> None:
    x = numbers(case[0])
    largest, windows = by_loops(case)
    average = largest.copy()
    for place, covered in windows:
        largest[place] = max(x[at] for at in covered)
        average[place] = np.mean([x[at] for at in covered])
    for kernel, expected in (("max_pool", largest), ("average_pool", average)):
        (y,) = run(kernel, attributes(case), [stored(x, dtypes[0])], [(dtypes[1], expected.shape)])
        tolerance = 4e-3 if dtypes[1] == "bfloat16" and kernel == "average_pool" else 2e-7
        np.testing.assert_allclose(to_float(y), expected, rtol=tolerance, atol=tolerance)


@every_case
@pytest.mark.parametrize("dtypes", [("float32", "float32"), ("bfloat16", "bfloat16"), ("float32", "bfloat16")], ids=str)
def test_gradients(case: Any, dtypes: tuple[str, str]) -> None:
    x = numbers(case[0])
    y, windows = by_loops(case)
    g = numbers(y.shape)
    first, shared = np.zeros(x.shape), np.zeros(x.shape)
    for place, covered in windows:
        first[max(covered, key=lambda at: x[at])] += g[place]  # max keeps the first of several
        for at in covered:
            shared[at] += g[place] / len(covered)
    tolerance = 8e-3 if dtypes[1] == "bfloat16" else 1e-6
    operands = stored(x, dtypes[0]), stored(g, dtypes[0])
    for kernel, more, inputs, expected in (
        ("max_pool_gradient", {}, [*operands], first),
        ("max_pool_gradient", {"mask": "relu"}, [*operands], first * (x > 0)),
        ("average_pool_gradient", {}, [operands[1]], shared),
    ):
        (dx,) = run(kernel, {**attributes(case), **more}, inputs, [(dtypes[1], x.shape)])
        np.testing.assert_allclose(to_float(dx), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("overlap", [False, True])
def test_any_number_of_threads_gives_the_same_bits(overlap: bool) -> None:
    x = rng.normal(size=(9, 40, 40, 24)).astype(np.float32)
    options = attributes((x.shape, (3, 3) if overlap else (2, 2), (2, 2), ((0, overlap), (0, overlap))))
    g = rng.normal(size=(9, 20, 20, 24)).astype(np.float32)
    for kernel, inputs, shape in (
        ("max_pool", [x], g.shape),
        ("average_pool", [x], g.shape),
        ("max_pool_gradient", [x, g], x.shape),
        ("average_pool_gradient", [g], x.shape),
    ):
        for dtype in ("float32", "bfloat16"):
            results = [run(kernel, options, inputs, [(dtype, shape)], threads)[0] for threads in (1, 2, 3)]
            assert all(np.array_equal(results[0], result) for result in results[1:])


def test_nan_and_infinities() -> None:
    x = np.float32([np.nan, 1, -np.inf, -np.inf, np.inf, np.nan]).reshape(1, 6, 1)
    options = {"window": [2], "strides": [2], "padding": [0, 0]}
    (y,) = run("max_pool", options, [x], [("float32", (1, 3, 1))])
    np.testing.assert_array_equal(y.ravel(), [np.nan, -np.inf, np.nan])
    g = np.float32([1, 2, 3]).reshape(1, 3, 1)
    (dx,) = run("max_pool_gradient", options, [x, g], [("float32", x.shape)])
    assert dx.ravel().tolist() == [0, 0, 2, 0, 0, 0]


@pytest.mark.parametrize(
    ("change", "shape", "message"),
    [
        ({"padding": [0, 2, 0, 0]}, (1, 2, 2, 3), "smaller than the window"),
        ({"strides": [0, 1]}, (1, 2, 2, 3), "at least 1"),
        ({"window": [5, 2]}, (1, 2, 2, 3), "one element for each window"),
        ({}, (1, 3, 2, 3), "one element for each window"),
        ({}, (1, 2, 2, 4), "batch and the channels"),
        ({"window": [2]}, (1, 2, 2, 3), "each of 1 or 2 spatial axes"),
    ],
)
def test_refusals(change: dict[str, Any], shape: tuple[int, ...], message: str) -> None:
    options = {"window": [2, 2], "strides": [2, 2], "padding": [0, 0, 0, 0], **change}
    with pytest.raises(ValueError, match=message):
        run("max_pool", options, [np.zeros((1, 4, 4, 3), np.float32)], [("float32", shape)])
