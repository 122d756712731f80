"""`matmul` against NumPy in float64: odd sizes, transposed operands, every epilogue, every algorithm."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from single_kernel import native, plan_of, run, to_bfloat16, to_float

SIZES = [
    (1, 1, 1), (1, 5, 1), (1, 10, 7), (32, 1, 10), (32, 10, 5), (32, 5, 1), (10, 32, 5), (7, 3, 2), (1, 784, 33),
    (14, 16, 32), (15, 17, 33), (13, 31, 16), (16, 64, 1), (37, 19, 53), (128, 10, 65), (61, 130, 31), (29, 1, 97),
]  # fmt: skip
LARGE = [(97, 1100, 67), (131, 513, 129), (1, 2050, 300), (300, 2050, 1), (40, 1024, 64)]


def values(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    x = rng.standard_normal(shape).astype(np.float32)
    return to_bfloat16(x) if dtype == "bfloat16" else x


def swap(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.swapaxes(x, -1, -2))


def normal_share(x: np.ndarray) -> np.ndarray:
    """The standard normal distribution's share below x."""
    return np.array([0.5 * math.erfc(-number / math.sqrt(2)) for number in x.ravel()]).reshape(x.shape)


def activate(name: str, x: np.ndarray) -> np.ndarray:
    if name == "gelu":
        return np.asarray(x * normal_share(x))
    return {"": x, "relu": np.maximum(x, 0), "tanh": np.tanh(x), "sigmoid": 1 / (1 + np.exp(-x))}[name]


def gelu_derivative(x: np.ndarray) -> np.ndarray:
    return np.asarray(normal_share(x) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi))


def check(
    rng: np.random.Generator,
    size: tuple[int, int, int],
    dtypes: tuple[str, str, str] = ("float32", "float32", "float32"),
    transpose: tuple[int, int] = (0, 0),
    activation: str = "",
    bias: bool = False,
    mask: str | None = None,
    column_sums: bool = False,
    algorithm: str = "",
    threads: int = 1,
    mask_kind: str = "relu",
    addend: str | None = None,
    derivative: str | None = None,
) -> None:
    n, k, m = size
    x, w = values(rng, (n, k), dtypes[0]), values(rng, (k, m), dtypes[1])
    b = rng.standard_normal(m).astype(np.float32) if bias else None
    gate = values(rng, (n, m), mask) if mask else None
    attributes: dict[str, Any] = {"transpose_x": transpose[0], "transpose_w": transpose[1], "activation": activation}
    attributes |= {"mask": mask_kind if mask else "", "column_sums": int(column_sums), "algorithm": algorithm}
    attributes["derivative"] = int(derivative is not None)
    more = values(rng, (n, m), addend) if addend else None
    inputs = [swap(x) if transpose[0] else x, swap(w) if transpose[1] else w, b, gate, more]
    outputs: list[Any] = [(dtypes[2], (n, m))] + [("float32", (m,))] * column_sums
    if derivative:
        outputs.append((derivative, (n, m)))
    result = run("matmul", attributes, inputs, outputs, threads)

    sums = to_float(x) @ to_float(w) + (0 if b is None else b) + (0 if more is None else to_float(more))
    expected = activate(activation, sums)
    if gate is not None:
        expected = expected * (to_float(gate) if mask_kind == "multiply" else to_float(gate) > 0)
    # A sum of k products of size about 1 wanders to √k, and so does the number of rounding errors of its size.
    close = 1e-6 + 2e-7 * k
    tolerance = {"float32": (1e-6, close), "bfloat16": (0.0045, close)}[dtypes[2]]
    where = f"{size} {dtypes} {transpose} {activation} {bias} {mask} {algorithm}"
    np.testing.assert_allclose(to_float(result[0]), expected, *tolerance, err_msg=where)
    if column_sums:
        np.testing.assert_allclose(result[1], to_float(w).sum(0), 1e-6, close, err_msg=where)
    if derivative:
        relative = 0.0045 if derivative == "bfloat16" else 1e-6
        np.testing.assert_allclose(to_float(result[1]), gelu_derivative(sums), relative, 2 * close)


@pytest.mark.parametrize("transpose", [(0, 0), (1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize("algorithm", ["", "small", "packed", "onednn"])
def test_sizes(algorithm: str, transpose: tuple[int, int]) -> None:
    if algorithm == "onednn" and not native.info()["onednn"]:
        pytest.skip("built without oneDNN")
    rng = np.random.default_rng(0)
    for size in SIZES + LARGE:
        check(rng, size, transpose=transpose, algorithm=algorithm, threads=2)
        check(rng, size, transpose=transpose, algorithm=algorithm, bias=True, activation="relu")
        check(rng, size, transpose=transpose, algorithm=algorithm, mask="float32", column_sums=True, threads=2)


@pytest.mark.parametrize(
    "dtypes",
    [(x, w, y) for x in ("float32", "bfloat16") for w in ("float32", "bfloat16") for y in ("float32", "bfloat16")],
)
@pytest.mark.parametrize("transpose", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_dtypes(dtypes: tuple[str, str, str], transpose: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    for size in SIZES + LARGE:
        check(rng, size, dtypes, transpose, algorithm="packed", threads=2)
    for size in SIZES[::3] + LARGE[:2]:
        check(rng, size, dtypes, transpose, bias=True, activation="relu", mask="bfloat16", column_sums=True, threads=2)
        if native.info()["onednn"] and dtypes in (("bfloat16", "bfloat16", dtypes[2]), ("float32",) * 3):
            check(rng, size, dtypes, transpose, bias=True, mask="bfloat16", algorithm="onednn")


@pytest.mark.parametrize("activation", ["", "relu", "tanh", "sigmoid", "gelu"])
@pytest.mark.parametrize("algorithm", ["", "small", "packed", "onednn"])
def test_activations(activation: str, algorithm: str) -> None:
    if algorithm == "onednn" and not native.info()["onednn"]:
        pytest.skip("built without oneDNN")
    rng = np.random.default_rng(2)
    for size in [(1, 9, 3), (33, 20, 1), (32, 10, 5), (45, 77, 50)]:
        for bias in (False, True):
            check(rng, size, activation=activation, bias=bias, algorithm=algorithm)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("algorithm", ["", "small", "packed", "onednn"])
def test_what_has_the_shape_of_the_result(algorithm: str, dtype: str) -> None:
    if algorithm == "onednn" and not native.info()["onednn"]:
        pytest.skip("built without oneDNN")
    rng = np.random.default_rng(4)
    operand = "float32" if algorithm == "small" else dtype
    dtypes = (operand, operand, dtype)
    for size in [(1, 9, 3), (33, 20, 1), (32, 10, 5), (45, 77, 50), (40, 2050, 33)]:
        for bias in (False, True):
            check(rng, size, dtypes, bias=bias, algorithm=algorithm, addend=dtype)
            check(rng, size, dtypes, bias=bias, algorithm=algorithm, addend="float32", activation="relu", threads=2)
            if algorithm != "onednn" or dtype == "float32":  # which rounds before it goes on
                check(rng, size, dtypes, bias=bias, algorithm=algorithm, mask=dtype, mask_kind="multiply")
                check(rng, size, dtypes, bias=bias, algorithm=algorithm, activation="gelu", derivative=dtype)


def test_gelu_from_end_to_end() -> None:
    x = np.linspace(-15, 15, 30_001, dtype=np.float32)[:, None]
    one, kinds = np.ones((1, 1), np.float32), [("float32", x.shape)] * 2
    exact = x.astype(np.float64)
    for algorithm in ("small", "packed"):
        attributes = {"activation": "gelu", "derivative": 1, "algorithm": algorithm}
        y, slope = run("matmul", attributes, [x, one], kinds)
        np.testing.assert_allclose(y, activate("gelu", exact), 2e-6, 1e-9)
        np.testing.assert_allclose(slope, gelu_derivative(exact), 2e-6, 4e-7)
    y, slope = run("gelu", {}, [x], kinds, 2)
    np.testing.assert_allclose(y, activate("gelu", exact), 2e-6, 1e-9)
    np.testing.assert_allclose(slope, gelu_derivative(exact), 2e-6, 4e-7)
    np.testing.assert_array_equal(run("gelu_gradient", {}, [x, slope], kinds[:1], 2)[0], x * slope)


@pytest.mark.parametrize("transpose", [(0, 0), (1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("axes", [("x", "w"), ("x",), ("w",)])
def test_leading_axes(axes: tuple[str, ...], dtype: str, transpose: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    for n, k, m, algorithm in [(3, 4, 5, ""), (17, 33, 20, "packed"), (40, 16, 40, "")]:
        x = values(rng, ((2, 3) if "x" in axes else ()) + (n, k), dtype)
        w = values(rng, ((2, 3) if "w" in axes else ()) + (k, m), dtype)
        attributes = {"transpose_x": transpose[0], "transpose_w": transpose[1], "algorithm": algorithm}
        inputs = [swap(x) if transpose[0] else x, swap(w) if transpose[1] else w]
        (y,) = run("matmul", attributes, inputs, [("float32", (2, 3, n, m))], 2)
        np.testing.assert_allclose(y, to_float(x) @ to_float(w), 1e-6, 2e-5)


def test_empty_sizes() -> None:
    for size in [(3, 0, 4), (40, 0, 1), (1, 0, 40)]:
        for dtype in ("float32", "bfloat16"):
            check(np.random.default_rng(4), size, (dtype, dtype, dtype), bias=True, activation="relu", column_sums=True)
    (y,) = run("matmul", {}, [np.ones((0, 3), np.float32), np.ones((3, 2), np.float32)], [("float32", (0, 2))])
    assert y.shape == (0, 2)


def test_same_bits_whatever_the_run_and_the_neighbours() -> None:
    rng = np.random.default_rng(5)
    x, w = values(rng, (129, 700), "float32"), values(rng, (700, 77), "float32")
    first = run("matmul", {}, [x, w], [("float32", (129, 77))], 2)[0]
    assert all(np.array_equal(first, run("matmul", {}, [x, w], [("float32", (129, 77))], 2)[0]) for _ in range(5))


def test_nothing_is_read_or_written_past_the_end() -> None:
    rng = np.random.default_rng(6)
    for n, k, m in [(5, 3, 5), (33, 7, 17), (1, 21, 19)]:
        guarded = np.full(n * k + k * m, np.nan, np.float32)  # x and w stand in a row, then NaN
        memory = np.concatenate([guarded, guarded])
        x, w = memory[: n * k].reshape(n, k), memory[n * k : n * k + k * m].reshape(k, m)
        x[:], w[:] = rng.standard_normal((n, k)), rng.standard_normal((k, m))
        for algorithm in ("", "packed"):
            (y,) = run("matmul", {"algorithm": algorithm}, [x, w], [("float32", (n, m))])
            np.testing.assert_allclose(y, x.astype(np.float64) @ w, 1e-5, 1e-5)


def test_infinities_and_nan_pass_through() -> None:
    x = np.array([[np.inf, 1], [np.nan, 1], [1e38, 1e38]], np.float32)
    w = np.array([[1, 0], [1, 1]], np.float32)
    for algorithm in ("small", "packed"):
        (y,) = run("matmul", {"algorithm": algorithm}, [x, w], [("float32", (3, 2))])
        expected = np.array([[np.inf, np.nan], [np.nan, np.nan], [2e38, 1e38]], np.float32)
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(
    ("attributes", "shapes", "message"),
    [
        ({}, ((3, 4), (5, 6), (3, 6)), r"inner sizes differ: x \[3, 4\], w \[5, 6\]"),
        ({}, ((3, 4), (4, 6), (3, 5)), r"y is \[3, 5\], not \[3, 6\]"),
        ({"activation": "swirl"}, ((3, 4), (4, 6), (3, 6)), "unknown activation 'swirl'"),
        ({"algorithm": "magic"}, ((3, 4), (4, 6), (3, 6)), "unknown algorithm 'magic'"),
        ({"mask": "relu"}, ((3, 4), (4, 6), (3, 6)), "come together"),
        ({"colour": 1}, ((3, 4), (4, 6), (3, 6)), "colour"),
    ],
)
def test_refusals(attributes: dict[str, Any], shapes: tuple[tuple[int, int], ...], message: str) -> None:
    x, w = (np.ones(shape, np.float32) for shape in shapes[:2])
    with pytest.raises(ValueError, match=message):
        plan_of("matmul", attributes, [x, w], [("float32", shapes[2])])
