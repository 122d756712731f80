"""Every composite of `pellucid.ops`: its value, its derivatives, and that a reader can open it into primitives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import contract
import numpy
import pytest

from pellucid import ops
from pellucid.core.autodiff import gradients
from pellucid.core.evaluate import evaluate
from pellucid.core.graph import Program, Tensor, composites
from pellucid.core.op import registry
from pellucid.core.sources import feed
from pellucid.core.verify import verify
from pellucid.execute import executor

Array = numpy.ndarray


def e(x: Array, axis: int = -1) -> Array:
    result: Array = numpy.exp(x).sum(axis, keepdims=True)
    return result


# For each composite: the attributes to try, the further operands, and the same in NumPy without any care for overflow.
CASES: dict[str, list[tuple[dict[str, Any], tuple[float, ...], Callable[[Array], Array]]]] = {
    "mean": [
        ({}, (), lambda x: numpy.mean(x)),
        ({"axis": 0}, (), lambda x: numpy.mean(x, 0)),
        ({"axis": (0, -1), "keepdims": True}, (), lambda x: numpy.mean(x, (0, -1), keepdims=True)),
    ],
    "clip": [({}, (-0.5, 0.75), lambda x: numpy.clip(x, -0.5, 0.75))],
    "logsumexp": [
        ({}, (), lambda x: numpy.log(e(x))[..., 0]),
        ({"axis": 0, "keepdims": True}, (), lambda x: numpy.log(e(x, 0))),
    ],
    "softmax": [({}, (), lambda x: numpy.exp(x) / e(x)), ({"axis": 0}, (), lambda x: numpy.exp(x) / e(x, 0))],
    "log_softmax": [({}, (), lambda x: x - numpy.log(e(x))), ({"axis": 0}, (), lambda x: x - numpy.log(e(x, 0)))],
    "leaky_relu": [({}, (0.3,), lambda x: numpy.where(x > 0, x, 0.3 * x))],
    "elu": [({}, (1.5,), lambda x: numpy.where(x > 0, x, 1.5 * (numpy.exp(x) - 1)))],
    "selu": [({}, (), lambda x: 1.0507009873554805 * numpy.where(x > 0, x, 1.6732632423543772 * (numpy.exp(x) - 1)))],
    "gelu": [
        ({}, (), lambda x: x * (1 + registry["erf"]().forward(numpy, x / numpy.sqrt(2))) / 2),
        (
            {"approximate": True},
            (),
            lambda x: x / (1 + numpy.exp(-2 * numpy.sqrt(2 / numpy.pi) * (x + 0.044715 * x**3))),
        ),
    ],
    "silu": [({}, (), lambda x: x / (1 + numpy.exp(-x)))],
    "mish": [({}, (), lambda x: x * numpy.tanh(numpy.log(1 + numpy.exp(x))))],
    "softsign": [({}, (), lambda x: x / (1 + numpy.abs(x)))],
    "hard_sigmoid": [({}, (), lambda x: numpy.clip(x / 6 + 0.5, 0, 1))],
    "l2_normalize": [
        ({}, (), lambda x: x / numpy.linalg.norm(x, axis=-1, keepdims=True)),
        ({"axis": 0}, (), lambda x: x / numpy.linalg.norm(x, axis=0, keepdims=True)),
    ],
}
EACH = [(name, *case) for name, cases in CASES.items() for case in cases]
each = pytest.mark.parametrize(("name", "attributes", "more", "reference"), EACH, ids=[f"{c[0]}-{c[1]}" for c in EACH])
SHAPES = [(2, 3), (4, 1), (5, 17)]


def draw(shape: tuple[int, ...]) -> Array:
    return numpy.random.default_rng(4).normal(0.0, 2.0, shape)


def call(name: str, x: Tensor, more: tuple[float, ...], attributes: dict[str, Any]) -> Tensor:
    result: Tensor = getattr(ops, name)(x, *more, **attributes)
    return result


def test_every_composite_is_here() -> None:
    here = {name for name, function in composites.items() if function.__module__ == "pellucid.ops.composites"}
    assert here == set(CASES)
    assert here <= set(ops.__all__)


@each
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_value(name: str, attributes: Any, more: Any, reference: Any, dtype: str) -> None:
    for shape in SHAPES:
        array = draw(shape).astype(dtype)
        x = feed(shape, dtype)
        y = call(name, x, more, attributes)
        (got,) = evaluate([y], {x: array})
        assert (got.shape, str(got.dtype)) == (y.shape, y.dtype) == (y.shape, dtype)
        contract.demand_close(got, reference(array.astype("float64")), 3e-6 if dtype == "float32" else 1e-12, name)


@each
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_native_value(name: str, attributes: Any, more: Any, reference: Any, precision: str) -> None:
    found = [runs_on for runs_on, p, _ in contract.executors() if runs_on.name == "native" and p == precision]
    if not found:
        pytest.skip("the native engine is not built")
    for shape in SHAPES:
        array = draw(shape).astype("float32")
        x = feed(shape)
        y = call(name, x, more, attributes)
        weights = numpy.random.default_rng(5).normal(size=numpy.shape(reference(array))).astype("float32")
        (dx,) = gradients(ops.sum(y * weights), [x])
        program = Program((x,), (y, dx))
        got, want = found[0].compile(program, precision)(array), executor("numpy").compile(program)(array)
        for a, b in zip(got, want, strict=True):
            contract.demand_close(a, b, 1e-5 if precision == "float32" else 3e-2, name)


@each
def test_derivatives(name: str, attributes: Any, more: Any, reference: Any) -> None:
    """All of the Jacobian, and the second derivative along a direction, against differences of the plain formula."""
    array = draw((2, 3))
    x, step = feed((2, 3), "float64"), contract.STEP
    y = call(name, x, more, attributes)
    weights, probe = feed(y.shape, "float64"), feed((2, 3), "float64")
    (dx,) = gradients(ops.sum(y * weights), [x])
    (curve,) = gradients(ops.sum(dx * probe), [x])
    random = numpy.random.default_rng(6)
    w, u, v = random.normal(size=reference(array).shape), random.normal(size=(2, 3)), random.normal(size=(2, 3))
    (slope,) = evaluate([dx], {x: array, weights: w})
    wanted = numpy.zeros((2, 3))
    for place in numpy.ndindex(2, 3):
        shift = numpy.zeros((2, 3))
        shift[place] = step
        wanted[place] = numpy.sum(w * (reference(array + shift) - reference(array - shift))) / (2 * step)
    contract.demand_close(slope, wanted, 1e-7, name)

    def along(at: Array) -> float:
        return float(numpy.sum(evaluate([dx], {x: at, weights: w})[0] * u))

    (second,) = evaluate([curve], {x: array, weights: w, probe: u})
    difference = (along(array + step * v) - along(array - step * v)) / (2 * step)
    contract.demand_close(numpy.sum(second * v), difference, 1e-6, f"second derivative of {name}")


@each
def test_opens_into_primitives(name: str, attributes: Any, more: Any, reference: Any) -> None:
    x = feed((2, 3), name="x")
    y = call(name, x, more, attributes)
    (dx,) = gradients(ops.sum(y), [x])
    program = Program((x,), (y, dx))
    verify(program)
    inside = [node for node in program.nodes() if node.groups and not node.differentiates]
    group = inside[0].groups[0]
    assert group.name == name
    assert group.attributes == attributes
    assert group.inputs[0] is x
    assert group.outputs == (y,)
    assert len(group.inputs) == 1 + len(more)
    assert all(node.groups[0] is group and node.op.name in registry for node in inside)
    backward = {g for node in program.nodes() if node.differentiates for g in node.groups if g.gradient_of is group}
    assert {g.name for g in backward} == {f"{name}_gradient"}
    (gradient,) = backward
    assert gradient.inputs[-len(group.inputs) - 1 :] == (*group.inputs, y)
