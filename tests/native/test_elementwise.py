"""Every opcode against NumPy in float64, at ordinary and at extreme numbers, and every way an operand can lie."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

native = pytest.importorskip("pellucid._native", reason="the extension is not built")

rng = np.random.default_rng(7)


def erf(x: np.ndarray) -> np.ndarray:
    return np.vectorize(math.erf, otypes=[np.float64])(x)


def softplus(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.exp(-softplus(-x))


UNARY = {
    "copy": lambda x: x,
    "negative": np.negative,
    "reciprocal": np.reciprocal,
    "square": np.square,
    "absolute": np.abs,
    "sqrt": np.sqrt,
    "floor": np.floor,
    "relu": lambda x: np.maximum(x, 0),
    "step": lambda x: np.heaviside(x, 0.0),
    "sign": np.sign,
    "isfinite": np.isfinite,
    "logical_not": lambda x: x == 0,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "erf": erf,
}
BINARY = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "power": np.power,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
}
EXTREME = np.array(
    [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 1e-45, -1e-45, 1.1754944e-38, -1e-40, 3.4028235e38, -3.4028235e38,
     np.inf, -np.inf, np.nan, 88.7, 88.8, -87.4, -103.9, -104.1, 16777216.0, 0.99999994, 1.0000001, -0.99999994],
    np.float32,
)  # fmt: skip


def units_in_last_place(actual: np.ndarray, exact: np.ndarray) -> float:
    """The largest distance, in units of the last place of float32 at the exact value."""
    with np.errstate(over="ignore"):
        rounded = exact.astype(np.float32)
    same = (actual == rounded) | (np.isnan(actual) & np.isnan(rounded))
    finite = np.isfinite(actual) & np.isfinite(rounded)
    # Rounding may decide between the largest number and infinity; everywhere else both are finite or equal.
    edge = np.abs(exact) > 3.4028e38
    assert np.all(same | finite | edge), (actual[~(same | finite)], exact[~(same | finite)])
    exponent = np.frexp(np.abs(exact[finite]))[1]
    unit = np.ldexp(1.0, np.maximum(exponent - 24, -149))
    return float(np.max(np.abs(actual[finite].astype(np.float64) - exact[finite]) / unit, initial=0.0))


@pytest.mark.parametrize("opcode", sorted(UNARY))
def test_unary_opcodes_are_within_four_units_in_the_last_place(call: Any, opcode: str) -> None:
    every_exponent = rng.integers(0, 2**32, 30_000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    x = np.concatenate([EXTREME, every_exponent, rng.standard_normal(3001).astype(np.float32) * 3])
    (y,) = call("elementwise", [x], [("float32", x.shape)], steps=[f"{opcode} 1 0"], outputs=[1])
    with np.errstate(all="ignore"):
        exact = np.asarray(UNARY[opcode](x.astype(np.float64)), np.float64)
    assert units_in_last_place(y, exact) <= 4


@pytest.mark.parametrize("opcode", sorted(BINARY))
def test_binary_opcodes_at_every_pair_of_extremes(call: Any, opcode: str) -> None:
    a, b = (m.ravel() for m in np.meshgrid(EXTREME, EXTREME))
    (y,) = call("elementwise", [a, b], [("float32", a.shape)], steps=[f"{opcode} 2 0 1"], outputs=[2])
    with np.errstate(all="ignore"):
        exact = np.asarray(BINARY[opcode](a.astype(np.float64), b.astype(np.float64)), np.float64)
    assert units_in_last_place(y, exact) <= 1


def test_where_chooses_without_touching_the_other(call: Any) -> None:
    c, a, b = np.array([0, 1, 2, -0.0], np.float32), np.float32([np.nan, 2, 3, np.nan]), np.float32([5, np.nan, 7, 8])
    (y,) = call("elementwise", [c, a, b], [("float32", (4,))], steps=["where 3 0 1 2"], outputs=[3])
    np.testing.assert_array_equal(y, np.float32([5, 2, 3, 8]))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "shapes",
    [
        [(32, 10), (10,)],
        [(32, 10), (32, 1)],
        [(32, 10), ()],
        [(5,), (1,)],
        [(), ()],
        [(3,), (4, 1)],
        [(2, 3, 1, 5), (3, 7, 1)],
        [(1, 6), (9, 1)],
        [(1000, 37), (37,)],
        [(3000, 37), (3000, 1)],
        [(3, 5000), (5000,)],
        [(3, 5000), (3, 1)],
        [(300, 7, 11), (7, 1)],
        [(300, 7, 11), (300, 1, 11)],
        [(200_003,), (200_003,)],
        [(1, 100_001), (2, 1)],
        [(0, 4), (4,)],
    ],
    ids=str,
)
def test_operands_broadcast_as_in_numpy(call: Any, shapes: list[tuple[int, ...]], threads: int) -> None:
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
    shape = np.broadcast_shapes(*shapes)
    steps = ["subtract 2 0 1", "multiply 3 2 i0", "maximum 4 3 i1", "add 5 4 2"]
    y, d = call("elementwise", [a, b], [("float32", shape)] * 2, steps=steps, outputs=[5, 2],
                immediates=[0.5, -0.25], threads=threads)  # fmt: skip
    difference = a - b
    np.testing.assert_array_equal(d, difference)
    np.testing.assert_array_equal(y, np.maximum(difference * np.float32(0.5), np.float32(-0.25)) + difference)


@pytest.mark.parametrize("size", [1, 7, 16, 33, 5000])
def test_integers_and_truth_values_are_converted_both_ways(call: Any, size: int) -> None:
    i = rng.integers(-1000, 1000, size).astype(np.int32)
    t = rng.integers(0, 2, size).astype(bool)
    outputs = [("int32", (size,)), ("bool", (size,)), ("float32", (size,))]
    steps = ["multiply 2 0 i0", "where 3 1 2 i1"]
    whole, truth, number = call("elementwise", [i, t], outputs, steps=steps, outputs=[2, 3, 3], immediates=[0.5, 0])
    np.testing.assert_array_equal(whole, np.trunc(i * 0.5).astype(np.int32))
    np.testing.assert_array_equal(number, np.where(t, i * 0.5, 0).astype(np.float32))
    np.testing.assert_array_equal(truth, number != 0)


def to_bfloat16(x: np.ndarray) -> np.ndarray:
    """Nearest even, by the integers next to each number."""
    lower = x.view(np.uint32) >> 16
    rest = x.view(np.uint32) & 0xFFFF
    up = (rest > 0x8000) | ((rest == 0x8000) & (lower & 1 == 1))
    return np.where(np.isnan(x), 0x7FC0, lower + up).astype(np.uint16)


def test_bfloat16_is_rounded_to_nearest_even() -> None:
    x = np.concatenate([EXTREME, rng.integers(0, 2**32, 5000, dtype=np.uint64).astype(np.uint32).view(np.float32)])
    plan = native.Plan(
        [("input", "float32", [x.size]), ("temporary", "bfloat16", [x.size]), ("output", "bfloat16", [x.size]),
         ("output", "float32", [x.size])],
        {},
        [("elementwise", {"steps": ["copy 1 0"], "outputs": [1]}, [0], [1]),
         ("elementwise", {"steps": ["copy 1 0", "copy 2 0"], "outputs": [1, 2]}, [1], [2, 3])],
    )  # fmt: skip
    words, back = plan.call([x], [0], [2, 3])
    number = ~np.isnan(x)
    np.testing.assert_array_equal(words[number], to_bfloat16(x)[number])
    assert np.isnan(back[~number]).all()
    np.testing.assert_array_equal(back[number].view(np.uint32), words[number].astype(np.uint32) << 16)


def test_an_output_may_be_written_onto_an_input() -> None:
    for size in (3, 16, 1000, 4099):
        x, g = (rng.standard_normal(size).astype(np.float32) for _ in range(2))
        updated = x.copy()
        # The first step overwrites x's array if it were computed straight into it, but x is read again afterwards.
        steps = ["multiply 2 1 i0", "subtract 3 0 2", "multiply 4 0 3"]
        instruction = ("elementwise", {"steps": steps, "outputs": [3, 4], "immediates": [0.5]}, [0, 1], [0, 2])
        buffers = [("variable", "float32", [size]), ("input", "float32", [size]), ("output", "float32", [size])]
        plan = native.Plan(buffers, {0: updated}, [instruction])
        (product,) = plan.call([g], [1], [2])
        np.testing.assert_array_equal(updated, x - g * np.float32(0.5))
        np.testing.assert_array_equal(product, x * (x - g * np.float32(0.5)))


def test_registers_may_exchange_their_arrays() -> None:
    a, b = np.arange(40, dtype=np.float32), -np.arange(40, dtype=np.float32)
    x, y = a.copy(), b.copy()
    buffers = [("variable", "float32", [40])] * 2
    native.Plan(buffers, {0: x, 1: y}, [("elementwise", {"steps": [], "outputs": [1, 0]}, [0, 1], [0, 1])]).run()
    np.testing.assert_array_equal(x, b)
    np.testing.assert_array_equal(y, a)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"steps": ["cosine 2 0"], "outputs": [2]}, "unknown opcode"),
        ({"steps": ["add 2 0"], "outputs": [2]}, "needs 2 sources"),
        ({"steps": ["add 2 0 5"], "outputs": [2]}, "before it is written"),
        ({"steps": ["add 2 0 i0"], "outputs": [2]}, "no immediate"),
        ({"steps": ["add 2 0 x"], "outputs": [2]}, "not a register"),
        ({"steps": ["add 2 0 1"], "outputs": [3]}, "not written"),
        ({"steps": ["add 1 0 1"], "outputs": [1]}, "already written"),
        ({"steps": ["add 2 0 1"], "outputs": [2, 2]}, "as many output registers"),
        ({"steps": ["add 2 0 1"], "outputs": [2], "colour": 1}, "colour is not known"),
        ({"outputs": [2]}, "steps is missing"),
        ({"steps": 3, "outputs": [2]}, "must be a list of strings"),
    ],
)
def test_wrong_programs_are_refused(attributes: dict[str, Any], message: str) -> None:
    buffers = [("input", "float32", [4])] * 2 + [("output", "float32", [4])]
    with pytest.raises(ValueError, match=message):
        native.Plan(buffers, {}, [("elementwise", attributes, [0, 1], [2])])


def test_shapes_that_do_not_broadcast_are_refused() -> None:
    buffers = [("input", "float32", [4]), ("input", "float32", [3]), ("output", "float32", [4])]
    with pytest.raises(ValueError, match=r"\[3\] does not broadcast to \[4\]"):
        native.Plan(buffers, {}, [("elementwise", {"steps": ["add 2 0 1"], "outputs": [2]}, [0, 1], [2])])
