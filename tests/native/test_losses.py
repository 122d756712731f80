"""The softmax family against its formulas in float64."""

from __future__ import annotations

import numpy as np
import pytest
from single_kernel import native, run, to_bfloat16, to_float

SHAPES = [(1, 1), (3, 1), (1, 5), (32, 10), (7, 16), (33, 17), (5, 100), (130, 33), (2, 3, 4, 5), (2, 100_003)]
TOLERANCE = {"float32": (3e-6, 2e-7), "bfloat16": (0.0045, 1e-5)}


def softmax64(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(e / e.sum(-1, keepdims=True))


def log_softmax64(x: np.ndarray) -> np.ndarray:
    shifted = x - x.max(-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))


def values(rng: np.random.Generator, shape: tuple[int, ...], dtype: str, scale: float = 3.0) -> np.ndarray:
    x = (scale * rng.standard_normal(shape)).astype(np.float32)
    return to_bfloat16(x) if dtype == "bfloat16" else x


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("shape", SHAPES)
def test_softmax(shape: tuple[int, ...], dtype: str) -> None:
    x = values(np.random.default_rng(0), shape, dtype)
    (y,) = run("softmax", {}, [x], [(dtype, shape)], 2)
    np.testing.assert_allclose(to_float(y), softmax64(to_float(x)), *TOLERANCE[dtype])
    (y,) = run("log_softmax", {}, [x], [("float32", shape)], 2)
    np.testing.assert_allclose(to_float(y), log_softmax64(to_float(x)), 3e-6, 2e-6)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients(shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(1)
    g, x = values(rng, shape, dtype), rng.standard_normal(shape)
    y = softmax64(x).astype(np.float32)
    (dx,) = run("softmax_gradient", {}, [g, y], [("float32", shape)], 2)
    total = (to_float(g) * y).sum(-1, keepdims=True)
    np.testing.assert_allclose(dx, y * (to_float(g) - total), 1e-5, 2e-6)
    y = log_softmax64(x).astype(np.float32)
    (dx,) = run("log_softmax_gradient", {}, [g, y], [("float32", shape)], 2)
    expected = to_float(g) - np.exp(y.astype(np.float64)) * to_float(g).sum(-1, keepdims=True)
    np.testing.assert_allclose(dx, expected, 1e-5, 2e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("shape", SHAPES)
def test_crossentropy(shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(2)
    x = values(rng, shape, dtype)
    labels = rng.integers(0, shape[-1], shape[:-1]).astype(np.int32)
    kernel = "sparse_categorical_crossentropy"
    loss, probabilities = run(kernel, {}, [x, labels], [("float32", shape[:-1]), (dtype, shape)], 2)
    (alone,) = run(kernel, {}, [x, labels], [("float32", shape[:-1])])
    expected = -np.take_along_axis(log_softmax64(to_float(x)), labels[..., None].astype(int), -1)[..., 0]
    np.testing.assert_allclose(loss, expected, 3e-6, 1e-6)
    np.testing.assert_allclose(alone, expected, 3e-6, 1e-6)
    np.testing.assert_allclose(to_float(probabilities), softmax64(to_float(x)), *TOLERANCE[dtype])

    g = rng.standard_normal(shape[:-1]).astype(np.float32)
    (dx,) = run(kernel + "_gradient", {}, [g, probabilities, labels], [(dtype, shape)], 2)
    one_hot = np.arange(shape[-1]) == labels[..., None]
    expected = g[..., None].astype(np.float64) * (to_float(probabilities) - one_hot)
    np.testing.assert_allclose(to_float(dx), expected, *TOLERANCE[dtype])


def test_by_hand() -> None:
    (y,) = run("softmax", {}, [np.array([[34, 32, 25]], np.float32)], [("float32", (1, 3))])
    np.testing.assert_allclose(y[0], [0.880701, 0.119190, 0.000109], atol=1e-6)


def test_any_logit_is_safe() -> None:
    x = np.array([[3e38, -3e38, 0], [1e4, 1e4, -1e4], [-np.inf, 0, 0], [-3e38, -3e38, -3e38]], np.float32)
    labels = np.array([0, 1, 1, 2], np.int32)
    kernel = "sparse_categorical_crossentropy"
    loss, probabilities = run(kernel, {}, [x, labels], [("float32", (4,)), ("float32", (4, 3))])
    np.testing.assert_allclose(probabilities, [[1, 0, 0], [0.5, 0.5, 0], [0, 0.5, 0.5], [1 / 3] * 3], 1e-6)
    np.testing.assert_allclose(loss, [0, np.log(2), np.log(2), np.log(3)], 1e-6)


def test_nan_reaches_its_row_only() -> None:
    for size in (3, 40):
        x = np.zeros((2, size), np.float32)
        x[0, 1] = np.nan
        (y,) = run("softmax", {}, [x], [("float32", x.shape)])
        assert np.isnan(y[0]).all()
        assert np.allclose(y[1], 1 / size)


@pytest.mark.parametrize("label", [-1, 3, 2**31 - 1, -(2**31)])
def test_labels_out_of_range_fail_the_run(label: int) -> None:
    x, g = np.zeros((2, 3), np.float32), np.ones(2, np.float32)
    labels = np.array([0, label], np.int32)
    kernel = "sparse_categorical_crossentropy"
    with pytest.raises(IndexError, match="out of range"):
        run(kernel, {}, [x, labels], [("float32", (2,)), ("float32", (2, 3))])
    with pytest.raises(IndexError, match="out of range"):
        run(kernel + "_gradient", {}, [g, x, labels], [("float32", (2, 3))])


def test_refusals() -> None:
    x, labels = np.zeros((2, 3), np.float32), np.zeros(3, np.int32)
    with pytest.raises(ValueError, match="one int32 label"):
        run("sparse_categorical_crossentropy", {}, [x, labels], [("float32", (3,))])
    with pytest.raises(ValueError, match="one shape"):
        run("softmax", {}, [x], [("float32", (3, 2))])
    assert "softmax" in native.kernels()


@pytest.mark.parametrize("size", [1, 5, 40])
def test_the_gradient_of_the_cross_entropy_may_work_in_place(size: int) -> None:
    rng = np.random.default_rng(3)
    probabilities, labels = softmax64(rng.standard_normal((7, size))).astype(np.float32), rng.integers(0, size, 7)
    g = rng.standard_normal(7).astype(np.float32)
    inputs = [g, probabilities, labels.astype(np.int32)]
    kernel = "sparse_categorical_crossentropy_gradient"
    expected = g[:, None] * (probabilities - np.eye(size)[labels])
    (apart,) = run(kernel, {}, inputs, [("float32", (7, size))])
    np.testing.assert_allclose(apart, expected, 1e-6, 1e-7)
    (onto,) = run(kernel, {}, inputs, [1])
    np.testing.assert_array_equal(onto, apart)
