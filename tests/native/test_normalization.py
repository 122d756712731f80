"""The normalisation kernels against their formulas in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from single_kernel import native, plan_of, run, to_bfloat16, to_float

SHAPES = [(1, 1), (3, 1), (1, 5), (4, 16), (7, 17), (33, 100), (130, 33), (2, 3, 4, 5), (600, 20), (2, 70_001)]
TOLERANCE = {"float32": (1e-5, 5e-6), "bfloat16": (0.01, 0.01)}


def values(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    x = (3 * rng.standard_normal(shape) + 1).astype(np.float32)
    return to_bfloat16(x) if dtype == "bfloat16" else x


def normal(x: np.ndarray, epsilon: float, centred: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rows normalised, with their means and scales."""
    mean = x.mean(-1, keepdims=True) * centred
    scale = 1 / np.sqrt(np.square(x - mean).mean(-1, keepdims=True) + epsilon)
    return (x - mean) * scale, mean, scale


def row_gradient(g: np.ndarray, x: np.ndarray, gamma: Any, epsilon: float, centred: bool) -> list[np.ndarray]:
    n, _, scale = normal(x, epsilon, centred)
    h, rows = g * gamma, tuple(range(x.ndim - 1))
    dx = scale * (h - centred * h.mean(-1, keepdims=True) - n * (h * n).mean(-1, keepdims=True))
    return [dx, (g * n).sum(rows), g.sum(rows)]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kernel", ["layer_norm", "rms_norm"])
@pytest.mark.parametrize("shape", SHAPES)
def test_rows(shape: tuple[int, ...], kernel: str, dtype: str, threads: int) -> None:
    rng, size, centred = np.random.default_rng(0), shape[-1], kernel == "layer_norm"
    x, g = values(rng, shape, dtype), values(rng, shape, dtype)
    gamma, beta = (rng.standard_normal(size).astype(np.float32) for _ in range(2))
    kept = (2, *shape[:-1])
    y, statistics = run(kernel, {"epsilon": 1e-3}, [x, gamma, beta], [(dtype, shape), ("float32", kept)], threads)
    n, mean, scale = normal(to_float(x), 1e-3, centred)
    np.testing.assert_allclose(to_float(y), n * gamma + beta, *TOLERANCE[dtype])
    np.testing.assert_allclose(statistics[0], mean[..., 0], 1e-5, 1e-5)
    np.testing.assert_allclose(statistics[1], scale[..., 0], 1e-5)
    (plain,) = run(kernel, {"epsilon": 1e-3}, [x, None, None], [("float32", shape)])
    np.testing.assert_allclose(plain, n, *TOLERANCE["float32"])

    outputs = [(dtype, shape), ("float32", (size,)), ("float32", (size,))]
    found = run(kernel + "_gradient", {}, [g, x, gamma, statistics], outputs, threads)
    expected = row_gradient(to_float(g), to_float(x), gamma, 1e-3, centred)
    for got, want, name in zip(found, expected, ("dx", "dgamma", "dbeta"), strict=True):
        tolerance = TOLERANCE[dtype] if name == "dx" else (1e-5, 1e-4)  # of sums over the rows
        np.testing.assert_allclose(to_float(got), want, *tolerance, err_msg=name)
    (alone,) = run(kernel + "_gradient", {}, [g, x, None, statistics], [("float32", shape)], threads)
    np.testing.assert_allclose(alone, row_gradient(to_float(g), to_float(x), 1.0, 1e-3, centred)[0], 1e-5, 5e-6)


BATCHES = [
    (1, 1),
    (5, 1),
    (1, 5),
    (7, 3),
    (40, 6),
    (1000, 16),
    (33, 17),
    (300, 100),
    (3, 1001),
    (2, 9, 9, 32),
    (9000, 3),
]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("shape", BATCHES)
def test_batch_norm(shape: tuple[int, ...], dtype: str, threads: int) -> None:
    rng, size, epsilon = np.random.default_rng(1), shape[-1], {"epsilon": 1e-2}
    x, g = values(rng, shape, dtype), values(rng, shape, dtype)
    gamma, beta = (rng.standard_normal(size).astype(np.float32) for _ in range(2))
    vector = ("float32", (size,))
    y, mean, variance = run("batch_norm", epsilon, [x, gamma, beta], [(dtype, shape), vector, vector], threads)
    rows, adjoint = (to_float(array).reshape(-1, size) for array in (x, g))
    np.testing.assert_allclose(mean, rows.mean(0), 1e-6, 1e-6)
    np.testing.assert_allclose(variance, rows.var(0), 2e-6, 1e-6)
    n = (rows - rows.mean(0)) / np.sqrt(rows.var(0) + 1e-2)
    np.testing.assert_allclose(to_float(y).reshape(-1, size), n * gamma + beta, *TOLERANCE[dtype])
    (plain, *_) = run("batch_norm", epsilon, [x, None, None], [("float32", shape), vector, vector])
    np.testing.assert_allclose(plain.reshape(-1, size), n, *TOLERANCE["float32"])

    (positive, *_) = run(
        "batch_norm", {**epsilon, "activation": "relu"}, [x, gamma, beta], [(dtype, shape), vector, vector]
    )
    np.testing.assert_array_equal(to_float(positive), np.maximum(to_float(y), 0))

    arrays, outputs = [g, x, gamma, mean, variance], [(dtype, shape), vector, vector]
    dx, dgamma, dbeta = run("batch_norm_gradient", epsilon, arrays, outputs, threads)
    np.testing.assert_allclose(dbeta, adjoint.sum(0), 1e-5, 2e-5)
    np.testing.assert_allclose(dgamma, (adjoint * n).sum(0), 1e-5, 1e-4)
    centred = adjoint - adjoint.mean(0) - n * (adjoint * n).mean(0)
    expected = centred * gamma / np.sqrt(rows.var(0) + 1e-2)
    np.testing.assert_allclose(to_float(dx).reshape(-1, size), expected, TOLERANCE[dtype][0], 3 * TOLERANCE[dtype][1])


GROUPS = [
    ((1, 1), 1),
    ((3, 6), 2),
    ((5, 4, 6), 3),
    ((4, 7, 5, 32), 8),
    ((2, 3, 3, 33), 11),
    ((3, 40, 20), 20),
    ((2, 9, 9, 17), 1),
    ((1, 65, 65, 8), 4),
    ((2, 3, 260), 2),
]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("shape", "groups"), GROUPS)
def test_group_norm(shape: tuple[int, ...], groups: int, dtype: str, threads: int) -> None:
    rng, size = np.random.default_rng(2), shape[-1]
    settings = {"groups": groups, "epsilon": 1e-2}
    x, g = values(rng, shape, dtype), values(rng, shape, dtype)
    gamma, beta = (rng.standard_normal(size).astype(np.float32) for _ in range(2))
    kept = ("float32", (2, shape[0], groups))
    y, statistics = run("group_norm", settings, [x, gamma, beta], [(dtype, shape), kept], threads)

    def parted(values: np.ndarray) -> np.ndarray:  # [examples, groups, numbers of a group]
        flat = to_float(values).reshape(shape[0], -1, groups, size // groups)
        return flat.swapaxes(1, 2).reshape(shape[0], groups, -1)

    def whole(parts: np.ndarray) -> np.ndarray:
        return parts.reshape(shape[0], groups, -1, size // groups).swapaxes(1, 2).reshape(shape)

    rows, adjoint = parted(x), to_float(g)
    n, mean, scale = normal(rows, 1e-2, True)
    np.testing.assert_allclose(to_float(y), whole(n) * gamma + beta, *TOLERANCE[dtype])
    np.testing.assert_allclose(statistics[0], mean[..., 0], 1e-5, 1e-5)
    np.testing.assert_allclose(statistics[1], scale[..., 0], 1e-5)
    (positive,) = run("group_norm", {**settings, "activation": "relu"}, [x, gamma, beta], [(dtype, shape)], threads)
    np.testing.assert_array_equal(to_float(positive), np.maximum(to_float(y), 0))
    (plain,) = run("group_norm", settings, [x, None, None], [("float32", shape)])
    np.testing.assert_allclose(plain, whole(n), *TOLERANCE["float32"])

    vector = ("float32", (size,))
    dx, dgamma, dbeta = run(
        "group_norm_gradient", {"groups": groups}, [g, x, gamma, statistics], [(dtype, shape), vector, vector], threads
    )
    others = tuple(range(len(shape) - 1))
    np.testing.assert_allclose(dbeta, adjoint.sum(others), 1e-5, 2e-5)
    np.testing.assert_allclose(dgamma, (adjoint * whole(n)).sum(others), 1e-5, 1e-4)
    expected, *_ = row_gradient(parted(adjoint * gamma), rows, 1.0, 1e-2, True)
    np.testing.assert_allclose(to_float(dx), whole(expected), TOLERANCE[dtype][0], 3 * TOLERANCE[dtype][1])


def test_group_norm_by_hand() -> None:
    """Of the first row, groups (1, 3) and (10, 10): means 2 and 10, variances 1 and 0; with ε = 3 the root is 2."""
    x = np.array([[1, 3, 10, 10], [4, 4, 4, 4]], np.float32)
    gamma, beta = np.array([4, 4, 1, 1], np.float32), np.array([0, 0, 5, 6], np.float32)
    outputs = [("float32", (2, 4)), ("float32", (2, 2, 2))]
    y, statistics = run("group_norm", {"groups": 2, "epsilon": 3.0}, [x, gamma, beta], outputs)
    np.testing.assert_allclose(y, [[-2, 2, 5, 6], [0, 0, 5, 6]])
    np.testing.assert_allclose(statistics[0], [[2, 10], [4, 4]])
    np.testing.assert_allclose(statistics[1], [[0.5, 1 / np.sqrt(3)], [1 / np.sqrt(3)] * 2])


def test_group_norm_of_large_means() -> None:
    """A mean 10,000 times the deviation costs no digits, and NaN stays in its group of its example."""
    x = (1e4 + np.random.default_rng(5).standard_normal((2, 900, 6))).astype(np.float32)
    x[1, 7, 5] = np.nan
    (y,) = run("group_norm", {"groups": 2, "epsilon": 0.0}, [x, None, None], [("float32", x.shape)], 2)
    exact = x[..., :3].astype(np.float64)
    spread = exact - exact.mean((1, 2), keepdims=True)
    np.testing.assert_allclose(y[..., :3], spread / exact.std((1, 2), keepdims=True), atol=1e-3)
    assert np.isnan(y[1, :, 3:]).all()
    assert np.isfinite(y[0]).all()


def test_batch_norm_by_hand() -> None:
    x = np.array([[1, 10], [3, 30]], np.float32)  # means 2 and 20, variances 1 and 100; with ε = 3 the first root is 2
    gamma, beta = np.array([4, 0], np.float32), np.array([1, 5], np.float32)
    outputs = [("float32", (2, 2)), ("float32", (2,)), ("float32", (2,))]
    y, mean, variance = run("batch_norm", {"epsilon": 3.0}, [x, gamma, beta], outputs)
    np.testing.assert_allclose(y, [[-1, 5], [3, 5]])
    np.testing.assert_allclose([mean, variance], [[2, 20], [1, 100]])


def test_batch_norm_of_large_means_and_of_odd_blocks() -> None:
    """A mean 10,000 times the deviation, after a first row of zeros; and NaN, which stays in its channel."""
    x = (1e4 + np.random.default_rng(5).standard_normal((5000, 6))).astype(np.float32)
    x[:, 5] = np.nan
    outputs = [("float32", x.shape), ("float32", (6,)), ("float32", (6,))]
    y, mean, variance = run("batch_norm", {"epsilon": 0.0}, [x, None, None], outputs, 2)
    exact = x[:, :5].astype(np.float64)
    np.testing.assert_allclose(mean[:5], exact.mean(0), 1e-7)
    np.testing.assert_allclose(variance[:5], exact.var(0), 5e-5)
    np.testing.assert_allclose(y[:, :5], (exact - exact.mean(0)) / exact.std(0), atol=1e-3)
    assert np.isnan(y[:, 5]).all()
    positive, *_ = run("batch_norm", {"epsilon": 0.0, "activation": "relu"}, [x, None, None], outputs, 2)
    np.testing.assert_array_equal(positive, np.maximum(y, 0))  # NaN stays NaN
    x[0] = 0
    _, _, variance = run("batch_norm", {"epsilon": 0.0}, [x, None, None], outputs, 2)
    np.testing.assert_allclose(variance[:5], x[:, :5].astype(np.float64).var(0), 1e-5)


def test_layer_norm_by_hand() -> None:
    x = np.array([[1, 2, 3, 6]], np.float32)  # mean 3, variance (4 + 1 + 0 + 9)/4 = 3.5; with ε = 0.5 the root is 2
    gamma, beta = np.array([1, 1, 1, 2], np.float32), np.array([0, 0, 5, 0], np.float32)
    y, statistics = run("layer_norm", {"epsilon": 0.5}, [x, gamma, beta], [("float32", (1, 4)), ("float32", (2, 1))])
    np.testing.assert_allclose(y, [[-1, -0.5, 5, 3]])
    np.testing.assert_allclose(statistics, [[3], [0.5]])


def test_rows_of_any_size_of_numbers() -> None:
    """A constant row has no variance, a large mean costs no digits, and NaN stays in its row."""
    x = np.array([[7] * 5, [1e6, 1e6 + 1, 1e6 + 2, 1e6 + 3, 1e6 + 4], [np.nan, 0, 0, 0, 0]], np.float32)
    (y,) = run("layer_norm", {"epsilon": 1e-3}, [x, None, None], [("float32", (3, 5))])
    np.testing.assert_array_equal(y[0], 0)
    np.testing.assert_allclose(y[1], (np.arange(5) - 2) / np.sqrt(2.001), 1e-6)
    assert np.isnan(y[2]).all()


def test_no_rows() -> None:
    x, gamma, statistics = np.zeros((0, 3), np.float32), np.ones(3, np.float32), np.zeros((2, 0), np.float32)
    outputs = [("float32", (0, 3)), ("float32", (3,)), ("float32", (3,))]
    dx, dgamma, dbeta = run("layer_norm_gradient", {}, [x, x, gamma, statistics], outputs)
    assert dx.shape == (0, 3)
    assert (dgamma == 0).all()
    assert (dbeta == 0).all()


def test_the_same_bits_in_every_run() -> None:
    rng = np.random.default_rng(3)
    x, g = rng.standard_normal((2, 999, 64)).astype(np.float32)
    statistics = np.stack([x.mean(-1), 1 / x.std(-1)])
    outputs = [("float32", (999, 64)), ("float32", (64,)), ("float32", (64,))]
    plan, ids = plan_of("layer_norm_gradient", {}, [g, x, np.ones(64, np.float32), statistics], outputs, 3)
    results = []
    for _ in range(5):
        plan.run()
        results.append([plan.get(i).tobytes() for i in ids])
    assert all(result == results[0] for result in results)


def test_refusals() -> None:
    x = np.zeros((2, 3), np.float32)
    with pytest.raises(ValueError, match="gamma and beta"):
        run("layer_norm", {"epsilon": 1e-3}, [x, np.zeros(2, np.float32), None], [("float32", (2, 3))])
    with pytest.raises(ValueError, match="one shape"):
        run("layer_norm", {"epsilon": 1e-3}, [x, None, None], [("float32", (3, 2))])
    with pytest.raises(ValueError, match="no mean"):
        run("batch_norm", {"epsilon": 1.0}, [x[:0], None, None], [("float32", (0, 3)), *[("float32", (3,))] * 2])
    with pytest.raises(ValueError, match="for each channel"):
        run("batch_norm", {"epsilon": 1.0}, [x, x[0, :2], None], [("float32", (2, 3)), *[("float32", (3,))] * 2])
    with pytest.raises(ValueError, match="groups divide the channels"):
        run("group_norm", {"groups": 2, "epsilon": 1.0}, [x, None, None], [("float32", (2, 3))])
    with pytest.raises(ValueError, match="statistics"):
        run("layer_norm_gradient", {}, [x, x, None, np.zeros(3, np.float32)], [("float32", (2, 3))])
    assert {"layer_norm", "layer_norm_gradient", "rms_norm", "rms_norm_gradient"} <= set(native.kernels())
