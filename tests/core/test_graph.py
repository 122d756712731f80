"""Graphs: building, order, groups, variables, programs."""

from __future__ import annotations

import numpy
import pytest

from pellucid import ops
from pellucid.core.autodiff import gradients
from pellucid.core.evaluate import evaluate
from pellucid.core.graph import Program, Tensor, Variable, composite, order, tensor, variables_of
from pellucid.core.place import scope
from pellucid.core.show import show
from pellucid.core.sources import Read, feed
from pellucid.core.verify import verify
from pellucid.errors import DtypeError, GraphError, ShapeError


def test_order_is_topological_and_has_each_node_once() -> None:
    x = feed((2,))
    y = x * x
    z = y + y * x
    nodes = order([z, y, z])
    assert len(nodes) == len(set(nodes)) == 4
    for place, node in enumerate(nodes):
        assert all(value.node in nodes[:place] for value in node.inputs)


def test_order_of_a_long_chain() -> None:
    """Deeper than Python's stack."""
    x = y = feed((), "float64")
    for _ in range(3000):
        y = y + 1.0
    assert len(order([y])) == 6001
    assert evaluate([y, *gradients(y, [x])], {x: 0.5}) == [3000.5, 1.0]


def test_operators_build_ops() -> None:
    x, y = feed((2, 2)), feed((2, 2))
    built = [x + y, x - y, x * y, x / y, x**y, x @ y, -x, x > y, x >= y, x < y, x <= y]
    names = [
        "add",
        "subtract",
        "multiply",
        "divide",
        "power",
        "matmul",
        "negative",
        "greater",
        "greater_equal",
        "less",
        "less_equal",
    ]
    assert [value.node.op.name for value in built] == names
    turned = [1.0 + x, 1.0 - x, 2.0 * x, 1.0 / x, 2.0**x, numpy.eye(2) @ x, numpy.ones(2) - x]
    assert all(value.node.inputs[1] is x for value in turned)
    assert [value.dtype for value in turned] == ["float32"] * 7


def test_tensors_refuse_what_has_no_value_yet() -> None:
    x = feed((2,))
    with pytest.raises(DtypeError, match="where"):
        bool(x > 0.0)
    with pytest.raises(DtypeError, match=r"take parts, as x\[:, 0\]"):
        list(x)


def test_scope_and_groups() -> None:
    x = feed((2, 3))
    with scope("dense"), scope("inner"):
        y = ops.softmax(x)
    nodes = [node for node in order([y]) if node.groups]
    assert {node.scope for node in nodes} == {("dense", "inner")}
    assert {group.name for node in nodes for group in node.groups} == {"softmax"}
    assert x.node.scope == ()


def nested(x: Tensor) -> Tensor:
    return ops.softmax(x) * ops.gelu(x, approximate=True) + ops.mean(x)


def test_groups_stand_together_forward_and_backward() -> None:
    outer = composite(nested)
    x, w = feed((4, 3)), Variable(numpy.ones((3, 3), numpy.float32), "w")
    with scope("a"):
        hidden = outer(x @ w.tensor)
    loss = ops.mean(outer(hidden) * hidden)
    program = Program((x,), (loss,), ((w, w.tensor - 0.1 * gradients(loss, [w.tensor])[0]),))
    verify(program)
    runs: list[object] = []
    for node in program.nodes():
        top = node.groups[0] if node.groups else None
        if not runs or runs[-1] is not top:
            runs.append(top)
    groups = [run for run in runs if run is not None]
    assert len(groups) == len(set(map(id, groups)))


def test_variables_first_read_inside_a_group_do_not_split_it() -> None:
    weight = Variable(numpy.ones(3, numpy.float32), "weight")

    @composite
    def weighted(x: Tensor) -> Tensor:
        return ops.exp(x) * weight.tensor

    x = feed((2, 3))
    loss = ops.sum(weighted(x))
    program = Program((x,), (loss, *gradients(loss, [weight.tensor, x])))
    verify(program)
    assert weight.tensor.node.groups == ()
    assert [v.name for v in variables_of(program.nodes())] == ["weight"]


def test_composites_with_several_outputs() -> None:
    @composite
    def halves(x: Tensor) -> tuple[Tensor, ...]:
        return x[..., :2], x[..., 2:]

    x = feed((3, 4), "float64")
    first, second = halves(x)
    assert first.node.groups[0].outputs == (first, second)
    (dx,) = gradients(ops.sum(first * 2.0 + ops.square(second)), [x])
    value = numpy.arange(12.0).reshape(3, 4)
    (got,) = evaluate([dx], {x: value})
    assert got.tolist() == [[2.0, 2.0, 2 * row[2], 2 * row[3]] for row in value]


def test_variable_memory() -> None:
    start = numpy.arange(6, dtype=numpy.float32).reshape(2, 3)
    variable = Variable(start.T, "w")
    address = variable.value.ctypes.data
    assert address % 64 == 0
    assert variable.value.flags.c_contiguous
    assert not numpy.shares_memory(variable.value, start)
    variable.assign(numpy.full((3, 2), 7.0))
    assert variable.value.ctypes.data == address
    assert variable.value.tolist() == [[7.0, 7.0]] * 3
    assert variable.tensor is variable.tensor
    assert isinstance(variable.tensor.node.op, Read)
    for wrong in (numpy.zeros((2, 3)), 0.0, [1.0, 2.0]):
        with pytest.raises(ShapeError, match="w"):
            variable.assign(wrong)


@pytest.mark.parametrize("shape", [(), (0, 3), (5,)])
def test_variables_of_any_shape(shape: tuple[int, ...]) -> None:
    variable = Variable(numpy.ones(shape, numpy.float32), "v")
    assert variable.shape == shape
    assert numpy.array_equal(variable.tensor.numpy(), numpy.ones(shape))


def test_variables_of_foreign_dtypes() -> None:
    with pytest.raises(DtypeError, match="int64"):
        Variable(numpy.zeros(2, numpy.int64), "v")


def test_constants() -> None:
    assert tensor(1).dtype == "int32"
    assert tensor(True).dtype == "bool"
    assert tensor(numpy.ones(2, numpy.float16)).dtype == "float32"
    assert tensor(numpy.ones(2)).dtype == "float64"
    with pytest.raises(DtypeError):
        tensor(numpy.array(["a"]))


def test_feeds_are_checked() -> None:
    x = feed((None, 2), name="x")
    y = x + 1.0
    assert evaluate([y], {x: [[1, 2]]})[0].dtype == numpy.float32
    with pytest.raises(GraphError, match="'x'"):
        evaluate([y])
    for wrong in (numpy.zeros(2), numpy.zeros((2, 3))):
        with pytest.raises(ShapeError, match="'x'"):
            evaluate([y], {x: wrong})
    with pytest.raises(DtypeError, match="complex"):
        evaluate([y], {x: numpy.zeros((1, 2), complex)})


def test_an_error_while_running_names_the_layer() -> None:
    from pellucid.errors import DataError

    ids = feed((2,), "int32")
    with scope("embedding"):
        y = ops.take(tensor(numpy.ones((3, 1))), ids)
    with pytest.raises(DataError, match="layer embedding: take: id 9"):
        evaluate([y], {ids: [0, 9]})


def test_show() -> None:
    x, w = feed((None, 2), name="x"), Variable(numpy.ones((2, 2), numpy.float32), "kernel")
    with scope("dense"):
        y = ops.softsign(ops.transpose(x @ w.tensor))
    assert show([y]).splitlines() == [
        "%0 = feed x                                 float32[?, 2]",
        "%1 = read kernel                            float32[2, 2]",
        "# dense",
        "%2 = matmul(%0, %1)                         float32[?, 2]",
        "%3 = transpose(%2, axes=(1, 0))             float32[2, ?]",
        "# dense / softsign",
        "%4 = absolute(%3)                           float32[2, ?]",
        "%5 = constant 1.0                           float32[]",
        "%6 = add(%5, %4)                            float32[2, ?]",
        "%7 = divide(%3, %6)                         float32[2, ?]",
    ]
    z = feed((2,))
    assert show(gradients(ops.sum(z * z), [z])).count("# backward") == 6  # 1, reshape, repeat, two products, their sum
