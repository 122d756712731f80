"""Backpropagation as a graph transformation."""

from __future__ import annotations

import numpy
import pytest

from pellucid import ops
from pellucid.core.autodiff import gradients
from pellucid.core.evaluate import evaluate
from pellucid.core.graph import Program, Tensor, Variable, order
from pellucid.core.sources import feed
from pellucid.core.verify import verify
from pellucid.errors import DtypeError, GraphError, ShapeError


def slopes(y: Tensor, xs: list[Tensor], feeds: dict[Tensor, object] | None = None) -> list[list[float]]:
    return [value.tolist() for value in evaluate(gradients(y, xs), feeds)]


def test_shared_values_add_up() -> None:
    x = feed((), "float64")
    y = x * x  # 9
    z = y * y + y + x  # x⁴ + x² + x: 4·27 + 6 + 1 = 115
    assert slopes(z, [x], {x: 3.0}) == [115.0]


def test_the_output_itself_and_intermediates() -> None:
    x = feed((), "float64")
    y = ops.square(x)
    z = 3.0 * y
    assert slopes(z, [z, y, x], {x: 2.0}) == [1.0, 3.0, 12.0]


def test_an_intermediate_inside_a_group() -> None:
    x = feed((3,), "float64")
    y = ops.softmax(x)
    total = y.node.inputs[1]
    # y = e / t: d(Σy)/dt = -Σe / t² = -1/t; at x = 0 it is -1/3
    assert slopes(ops.sum(y), [total], {x: [0.0, 0.0, 0.0]})[0] == pytest.approx([-1 / 3])


def test_unused_variables_get_zeros() -> None:
    x, unused, ids = feed((2,), "float64"), feed((3, 1), "float64"), Variable(numpy.ones(2, numpy.int32), "ids")
    assert slopes(ops.sum(x), [unused, ids.tensor], {x: [1.0, 2.0]}) == [[[0.0]] * 3, [0, 0]]
    cut = ops.stop_gradient(x) * 2.0
    assert slopes(ops.sum(cut), [x], {x: [1.0, 2.0]}) == [[0.0, 0.0]]


def test_nothing_is_built_for_what_is_not_asked() -> None:
    """The derivative with respect to w needs no backward nodes before w."""
    x, w = feed((4, 3)), feed((3, 2))
    (dw,) = gradients(ops.sum(ops.exp(ops.exp(x)) @ w), [w])
    assert not [node for node in order([dw]) if node.differentiates and node.differentiates.op.name == "exp"]


def test_the_output_must_be_a_float_scalar() -> None:
    x = feed((2,))
    with pytest.raises(ShapeError, match=r"scalar output, got float32\[2\]"):
        gradients(x, [x])
    with pytest.raises(DtypeError, match="floating-point"):
        gradients(ops.sum(feed((2,), "int32")), [x])


def test_rules_of_the_wrong_arity_or_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    x = feed((2, 3))
    monkeypatch.setattr(type(ops.exp), "grad", lambda self, node, g: (g, g))
    with pytest.raises(GraphError, match=r"exp\.grad gave 2 derivatives for 1 inputs"):
        gradients(ops.sum(ops.exp(x)), [x])
    monkeypatch.setattr(type(ops.exp), "grad", lambda self, node, g: (ops.sum(g, axis=0),))
    with pytest.raises(GraphError, match=r"exp\.grad gave float32\[3\] for an input of float32\[2, 3\]"):
        gradients(ops.sum(ops.exp(x)), [x])


def test_backward_nodes_are_marked_and_keep_the_layer() -> None:
    from pellucid.core.place import scope

    x = feed((2,))
    with scope("dense"):
        y = ops.exp(x)
    (dx,) = gradients(ops.sum(y), [x])
    assert dx.node.differentiates is y.node
    assert dx.node.scope == ("dense",)
    forward = set(order([ops.sum(y)]))
    assert all(node.differentiates for node in order([dx]) if node not in forward)


def test_groups_of_gradients() -> None:
    x, scale = feed((2, 3)), feed((3,))
    y = ops.softmax(x * scale)
    group = y.node.groups[0]
    loss = ops.sum(y * y)
    dx, dscale = gradients(loss, [x, scale])
    verify(Program((x, scale), (dx, dscale)))
    names = {node.groups[0].name: node.groups[0] for node in order([dx]) if node.groups and node.differentiates}
    assert set(names) == {"softmax_gradient"}
    gradient = names["softmax_gradient"]
    assert gradient.gradient_of is group
    assert gradient.inputs[1:] == (group.inputs[0], y)
    assert gradient.inputs[0].spec == y.spec
    assert len(gradient.outputs) == 1
    assert gradient.outputs[0].spec == x.spec


def test_derivatives_need_a_known_batch_where_the_batch_is_averaged() -> None:
    x, w = feed((None, 3)), feed((3, 1))
    with pytest.raises(GraphError, match="known batch size"):
        gradients(ops.sum(x @ w), [w])


def network(parameters: list[Tensor], x: numpy.ndarray) -> Tensor:
    w1, b1, w2, b2 = parameters
    hidden = ops.tanh(x @ w1 + b1)
    return ops.mean(ops.square(ops.sigmoid(hidden @ w2 + b2) - 0.25)) + 0.01 * ops.sum(ops.square(w1))


def test_a_small_network_against_differences() -> None:
    """All first and second derivatives of a 3-4-1 network: gradient and Hessian by central differences."""
    random = numpy.random.default_rng(21)
    data = random.normal(size=(5, 3))
    shapes = [(3, 4), (4,), (4, 1), (1,)]
    feeds = [feed(shape, "float64") for shape in shapes]
    probes = [feed(shape, "float64") for shape in shapes]
    values = [random.normal(size=shape) for shape in shapes]
    directions = [random.normal(size=shape) for shape in shapes]
    loss = network(feeds, data)
    first = gradients(loss, feeds)
    along = sum((ops.sum(g * p) for g, p in zip(first[1:], probes[1:], strict=True)), ops.sum(first[0] * probes[0]))
    second = gradients(along, feeds)
    fed = dict(zip(probes, directions, strict=True))

    def at(targets: list[Tensor], moved: list[numpy.ndarray]) -> list[numpy.ndarray]:
        return evaluate(targets, {**dict(zip(feeds, moved, strict=True)), **fed})

    exact, exact_second = at(first, values), at(second, values)
    for i, shape in enumerate(shapes):
        for place in numpy.ndindex(*shape):
            up, down = [v.copy() for v in values], [v.copy() for v in values]
            up[i][place] += 1e-5
            down[i][place] -= 1e-5
            (high, steep), (low, flat) = at([loss, along], up), at([loss, along], down)
            assert exact[i][place] == pytest.approx((high - low) / 2e-5, abs=1e-9)
            assert exact_second[i][place] == pytest.approx((steep - flat) / 2e-5, abs=1e-8)


def test_third_derivative() -> None:
    x = feed((), "float64")
    y = x**4.0
    for _ in range(3):
        (y,) = gradients(y, [x])
    assert evaluate([y], {x: 2.0}) == [pytest.approx(48.0)]  # 4·3·2·x = 24·2
