"""Small cases worked out by hand: each number is derived beside its assertion."""

from __future__ import annotations

import math

import numpy
import pytest

from pellucid import ops
from pellucid.core.autodiff import gradients
from pellucid.core.evaluate import evaluate
from pellucid.core.graph import Tensor, tensor
from pellucid.core.random import make_key
from pellucid.core.sources import feed
from pellucid.errors import DataError, DtypeError, GraphError, ShapeError


def value(x: Tensor) -> list[float]:
    return evaluate([x])[0].tolist()  # type: ignore[no-any-return]


def constant(*numbers: object) -> Tensor:
    return tensor(numpy.array(numbers, numpy.float64))


def slopes(y: Tensor, *xs: Tensor) -> list[list[float]]:
    """The derivatives of the sum of y."""
    return [item.tolist() for item in evaluate(gradients(ops.sum(y), xs))]


def test_matmul() -> None:
    x, w = constant([1.0, 2.0], [3.0, 4.0]), constant([5.0, 6.0], [7.0, 8.0])
    # 1·5 + 2·7 = 19, 1·6 + 2·8 = 22, 3·5 + 4·7 = 43, 3·6 + 4·8 = 50
    assert value(x @ w) == [[19.0, 22.0], [43.0, 50.0]]
    # of the sum of all: dx[i,k] = Σⱼ w[k,j] = 11, 15; dw[k,j] = Σᵢ x[i,k] = 4, 6
    assert slopes(x @ w, x, w) == [[[11.0, 15.0], [11.0, 15.0]], [[4.0, 4.0], [6.0, 6.0]]]


def test_softmax() -> None:
    # less the largest, 34: e⁰ = 1, e⁻² = 0.1353, e⁻⁹ = 0.000123; their sum is 1.135459; 0.1353 / 1.1355 = 0.1192
    first, middle, last = value(ops.softmax(constant(34.0, 32.0, 25.0)))
    assert round(middle, 2) == 0.12
    assert middle == pytest.approx(math.exp(-2) / (1 + math.exp(-2) + math.exp(-9)), rel=1e-14)
    assert first + middle + last == pytest.approx(1.0, abs=1e-15)


def test_softmax_derivative() -> None:
    x = constant(0.0, 0.0)
    y = ops.softmax(x)
    # y = [1/2, 1/2]; dy₀/dx₀ = y₀·(1 - y₀) = 1/4, dy₀/dx₁ = -y₀·y₁ = -1/4
    assert slopes(y * constant(1.0, 0.0), x) == [[0.25, -0.25]]


def test_logsumexp_at_large_values() -> None:
    # ln(e¹⁰⁰⁰⁰ + e¹⁰⁰⁰⁰) = 10000 + ln 2, though e¹⁰⁰⁰⁰ itself is infinite
    assert value(ops.logsumexp(constant(1e4, 1e4))) == 10000.0 + math.log(2.0)
    assert value(ops.logsumexp(constant(-1e4, -1e4))) == -10000.0 + math.log(2.0)
    # nothing added to nothing is nothing: ln(0 + 0) = -∞; and ∞ wins over all
    assert value(ops.logsumexp(constant(-math.inf, -math.inf))) == -math.inf
    assert value(ops.logsumexp(constant(0.0, math.inf))) == math.inf


def test_log_softmax_at_large_values() -> None:
    # ln(e⁰ / (e⁰ + e¹⁰⁰⁰⁰)) = 0 - 10000 - ln(1 + e⁻¹⁰⁰⁰⁰) = -10000
    assert value(ops.log_softmax(constant(0.0, 1e4))) == [-10000.0, 0.0]


def test_sigmoid() -> None:
    x = constant(0.0, math.log(3.0), -1e4, 1e4)
    y = ops.sigmoid(x)
    # 1/(1+1) = 1/2; 1/(1 + 1/3) = 3/4; e⁻¹⁰⁰⁰⁰ = 0 beside 1
    assert value(y) == pytest.approx([0.5, 0.75, 0.0, 1.0], abs=1e-15)
    # y·(1 - y): 1/4, 3/4·1/4 = 3/16, 0, 0
    assert slopes(y, x)[0] == pytest.approx([0.25, 0.1875, 0.0, 0.0], abs=1e-15)


def test_tanh() -> None:
    # tanh(ln 2) = (2 - 1/2) / (2 + 1/2) = 3/5; derivative 1 - 9/25 = 16/25
    x = constant(math.log(2.0))
    assert value(ops.tanh(x)) == pytest.approx([0.6])
    assert slopes(ops.tanh(x), x)[0] == pytest.approx([0.64])


def test_relu_and_its_leaky_kin() -> None:
    x = constant(-2.0, 0.0, 3.0)
    assert value(ops.relu(x)) == [0.0, 0.0, 3.0]
    assert slopes(ops.relu(x), x) == [[0.0, 0.0, 1.0]]
    # slope 1/4: -2/4 = -1/2; the derivative at 0 is the slope's, as the branch x > 0 is not taken
    assert value(ops.leaky_relu(x, 0.25)) == [-0.5, 0.0, 3.0]
    assert slopes(ops.leaky_relu(x, 0.25), x) == [[0.25, 0.25, 1.0]]
    # a learned slope: dy/dslope = x where x ≤ 0: -2 + 0
    slope = constant(0.25)
    assert slopes(ops.leaky_relu(x, slope), slope) == [[-2.0]]


def test_elu_is_smooth_at_zero() -> None:
    x = constant(-math.log(2.0), 0.0, 2.0, 1e4, -1e4)
    y = ops.elu(x, 1.0)
    # e^(-ln 2) - 1 = -1/2; e⁻¹⁰⁰⁰⁰ - 1 = -1
    assert value(y) == pytest.approx([-0.5, 0.0, 2.0, 1e4, -1.0])
    # derivative eˣ below 0: 1/2, at 0 it is e⁰ = 1, above 1; no infinity from e¹⁰⁰⁰⁰
    assert slopes(y, x)[0] == pytest.approx([0.5, 1.0, 1.0, 1.0, 0.0])


def test_selu_constants() -> None:
    # λ = 1.0507 above 0; below: λ·α·(e^(-ln 2) - 1) = -1.0507·1.67326/2 = -0.87905
    assert value(ops.selu(constant(1.0, -math.log(2.0)))) == pytest.approx([1.05070, -0.87905], abs=1e-5)


def test_gelu() -> None:
    # x·Φ(x): Φ(0) = 1/2, Φ(1) = 0.841345
    assert value(ops.gelu(constant(0.0, 1.0))) == pytest.approx([0.0, 0.841345], abs=1e-6)
    # ½·(1 + tanh(0.797885·1.044715)) = ½·(1 + tanh(0.833562)) = ½·(1 + 0.682384) = 0.841192
    assert value(ops.gelu(constant(1.0), approximate=True)) == pytest.approx([0.841192], abs=1e-6)


def test_silu_mish_softsign_hard_sigmoid() -> None:
    # ln 3·3/4
    assert value(ops.silu(constant(math.log(3.0)))) == pytest.approx([0.75 * math.log(3.0)])
    # softplus(0) = ln 2, tanh(ln 2) = 3/5, times 0 is 0; softplus(ln 3) = ln 4, tanh(ln 4) = (4 - ¼)/(4 + ¼) = 15/17
    assert value(ops.mish(constant(0.0, math.log(3.0)))) == pytest.approx([0.0, math.log(3.0) * 15 / 17])
    # 3/(1+3), -1/(1+1)
    assert value(ops.softsign(constant(3.0, -1.0))) == [0.75, -0.5]
    # 3/6 + 1/2 = 1, 0 + 1/2, and cut off at 0 and 1
    assert value(ops.hard_sigmoid(constant(3.0, 0.0, -9.0, 9.0))) == [1.0, 0.5, 0.0, 1.0]


def test_softplus_at_large_values() -> None:
    # ln(1 + e⁰) = ln 2; for large x it is x, for very negative x it is 0
    assert value(ops.softplus(constant(0.0, 1e4, -1e4))) == pytest.approx([math.log(2.0), 1e4, 0.0])


def test_max_shares_the_derivative_among_ties() -> None:
    x = constant([1.0, 3.0, 3.0])
    assert slopes(ops.max(x, axis=1), x) == [[[0.0, 0.5, 0.5]]]
    assert slopes(ops.maximum(x, 3.0), x) == [[[0.0, 0.5, 0.5]]]


def test_power() -> None:
    x, y = constant(0.0, 0.0, 2.0, -2.0), constant(0.0, 2.0, 3.0, 2.0)
    assert value(ops.power(x, y)) == [1.0, 0.0, 8.0, 4.0]
    dx, dy = slopes(ops.power(x, y), x, y)
    # y·x^(y-1): 0 where y = 0, 2·0 = 0, 3·4 = 12, 2·(-2) = -4
    assert dx == [0.0, 0.0, 12.0, -4.0]
    # x^y·ln x: 8·ln 2; not defined where x ≤ 0, taken as 0
    assert dy == pytest.approx([0.0, 0.0, 8.0 * math.log(2.0), 0.0])


def test_straight_through_step() -> None:
    x = constant(-2.0, -0.5, 0.5, 2.0)
    assert value(ops.straight_through_step(x)) == [0.0, 0.0, 1.0, 1.0]
    assert slopes(ops.straight_through_step(x), x) == [[0.0, 1.0, 1.0, 0.0]]  # 1 within ±1, by choice
    assert slopes(ops.step(x), x) == [[0.0, 0.0, 0.0, 0.0]]


def test_sqrt_of_zero() -> None:
    x = constant(0.0, 4.0)
    # 1/(2·√x): infinite at 0, 1/4 at 4
    assert slopes(ops.sqrt(x), x) == [[math.inf, 0.25]]


def test_l2_normalize() -> None:
    # √(9 + 16) = 5; zeros stay zeros
    assert value(ops.l2_normalize(constant([3.0, 4.0], [0.0, 0.0]))) == [[0.6, 0.8], [0.0, 0.0]]


def test_broadcasting_adds_up_derivatives() -> None:
    x, b = constant([1.0, 2.0], [3.0, 4.0]), constant(10.0, 20.0)
    # b is used in two rows: 1 + 1; times x: 1 + 3 and 2 + 4
    assert slopes(x + b, b) == [[2.0, 2.0]]
    assert slopes(x * b, b) == [[4.0, 6.0]]


def test_take_and_scatter_add() -> None:
    table, ids = constant([1.0], [2.0], [3.0]), numpy.array([2, 0, 2])
    assert value(ops.take(table, ids)) == [[3.0], [1.0], [3.0]]
    assert slopes(ops.take(table, ids), table) == [[[1.0], [0.0], [2.0]]]  # row 2 is used twice, row 1 never
    with pytest.raises(DataError, match="id 3 is outside a table of 3 rows"):
        value(ops.take(table, numpy.array([3])))
    with pytest.raises(DataError, match="id -1"):
        value(ops.scatter_add(constant([1.0]), tensor(numpy.array([-1])), 3))


def test_slice_pad_stack_squeeze() -> None:
    x = constant(0.0, 1.0, 2.0, 3.0, 4.0)
    assert value(x[..., 1:5:2]) == [1.0, 3.0]
    assert slopes(x[..., 1:5:2], x) == [[0.0, 1.0, 0.0, 1.0, 0.0]]
    assert value(ops.pad(constant(7.0), [(1, 2)])) == [0.0, 7.0, 0.0, 0.0]
    assert value(ops.stack([constant(1.0, 2.0), constant(3.0, 4.0)], axis=-1)) == [[1.0, 3.0], [2.0, 4.0]]
    assert ops.squeeze(ops.expand_dims(x, 0), 0).shape == (5,)
    with pytest.raises(ShapeError, match="axis 3"):
        ops.expand_dims(x, 3)
    with pytest.raises(ShapeError, match="not 1"):
        ops.squeeze(x, 0)


def test_mean_and_clip() -> None:
    x = constant([1.0, 2.0], [3.0, 6.0])
    assert value(ops.mean(x)) == 3.0  # (1 + 2 + 3 + 6) / 4
    assert value(ops.mean(x, axis=0)) == [2.0, 4.0]
    assert slopes(ops.mean(x, axis=0), x) == [[[0.5, 0.5], [0.5, 0.5]]]
    assert value(ops.clip(x, 1.5, 3.5)) == [[1.5, 2.0], [3.0, 3.5]]
    assert slopes(ops.clip(x, 1.5, 3.5), x) == [[[0.0, 1.0], [1.0, 0.0]]]


def test_whole_numbers() -> None:
    x = tensor(numpy.array([7, -7]))
    y = x * 3 - 1
    assert (y.dtype, value(y)) == ("int32", [20, -22])
    assert value(ops.maximum(x, 0)) == [7, 0]
    assert value(ops.greater(x, 0)) == [True, False]
    assert value(ops.sum(x)) == 0
    with pytest.raises(DtypeError, match="cast"):
        x * 0.5  # half of a whole number would be lost
    with pytest.raises(DtypeError, match="needs numbers"):
        ops.greater(x, 0) + ops.greater(x, 0)
    with pytest.raises(DtypeError, match="do not fit"):
        tensor(numpy.array([2**40]))


def test_numbers_take_the_dtype_beside_them() -> None:
    x, condition = feed((2,)), feed((2,), "bool")
    assert (x + numpy.ones(2)).dtype == "float32"
    assert (2 * x).dtype == (x > 1).node.inputs[1].dtype == "float32"
    assert ops.where(condition, x, 0.0).dtype == "float32"
    assert ops.where(condition, 1.0, 0.0).dtype == "float32"
    assert ops.where(condition, 1, 0).dtype == "int32"
    assert ops.logical_and(condition, True).dtype == "bool"


def test_sum_to_with_an_unknown_batch() -> None:
    from pellucid.core.spec import Spec

    x = feed((None, 3))
    assert ops.sum_to(x, Spec((3,))).shape == (3,)
    assert ops.sum_to(x, Spec((1, 3))).shape == (1, 3)
    assert ops.sum_to(x, Spec((None, 1))).shape == (None, 1)
    assert ops.sum_to(x, Spec((None, 3))) is x
    with pytest.raises(GraphError, match="known batch size"):
        ops.sum_to(feed((4, 3)), Spec((None, 3)))


def test_argmax_takes_the_first_of_equals() -> None:
    assert value(ops.argmax(constant([1.0, 5.0, 5.0], [9.0, 0.0, 2.0]))) == [1, 0]


def test_one_hot() -> None:
    assert value(ops.one_hot(tensor(numpy.array([1, 5])), 3)) == [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]


def test_random_draws_are_functions_of_key_and_stream() -> None:
    first, again, other = (ops.random_uniform(tensor(make_key(1)), (4,), stream) for stream in (0, 0, 1))
    assert value(first) == value(again) != value(other)
