"""The verifier names each broken rule; every rule is broken once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy
import pytest

from pellucid import ops
from pellucid.core.graph import Node, Program, Tensor, Variable
from pellucid.core.op import Op
from pellucid.core.place import Group, grouped
from pellucid.core.sources import feed
from pellucid.core.spec import Spec
from pellucid.core.verify import verify
from pellucid.errors import GraphError


def test_a_good_program() -> None:
    x, v = feed((2,)), Variable(numpy.zeros(2, numpy.float32), "v")
    verify(Program((x,), (ops.softmax(x),), ((v, v.tensor + x),)))
    verify(Program((), ()))


def test_unregistered_op() -> None:
    class Foreign(type(ops.exp)):  # type: ignore[misc]
        pass

    x = feed((2,))
    with pytest.raises(GraphError, match="'exp' is not the registered one"):
        verify(Program((x,), (Foreign()(x),)))


def test_cycle() -> None:
    x = feed((2,))
    y = ops.exp(x)
    z = ops.tanh(y)
    y.node.inputs = (z,)
    with pytest.raises(GraphError, match="made after it"):
        verify(Program((x,), (z,)))


def test_wrong_spec() -> None:
    x = feed((2,))
    node = Node(ops.exp, (x,), (Spec((3,)),))
    with pytest.raises(GraphError, match=r"records float32\[3\].*gives float32\[2\]"):
        verify(Program((x,), node.outputs))


def test_input_not_listed() -> None:
    with pytest.raises(GraphError, match="needs the input 'age'"):
        verify(Program((), (ops.exp(feed((2,), name="age")),)))


def test_input_that_is_computed() -> None:
    y = ops.exp(feed((2,)))
    with pytest.raises(GraphError, match="is computed"):
        verify(Program((y,), (y,)))


def test_split_group() -> None:
    x = feed((2,))
    group = Group("torn", {}, (x,))
    with grouped(group):
        y = ops.exp(x)
    y = ops.tanh(y)
    with grouped(group):
        y = ops.exp(y)
    with pytest.raises(GraphError, match="stand apart"):
        verify(Program((x,), (y,)))


def test_updates() -> None:
    v = Variable(numpy.zeros(2, numpy.float32), "v")
    wrong: list[tuple[tuple[Tensor, ...], str]] = [
        ((ops.sum(v.tensor),), r"is float32\[\]; it must be float32\[2\]"),
        ((v.tensor + 1.0, v.tensor + 2.0), "updated twice"),
    ]
    for values, message in wrong:
        with pytest.raises(GraphError, match=message):
            verify(Program((), (), tuple((v, value) for value in values)))


def test_ops_apply_to_several_outputs() -> None:
    """An op with two outputs: `apply` gives both, and both carry derivatives."""
    from pellucid.core.autodiff import gradients
    from pellucid.core.evaluate import evaluate
    from pellucid.core.op import registry

    @dataclass(frozen=True)
    class Twice(Op):
        name, inputs, formula = "twice", ("x",), "y = x, z = 3·x"

        def infer(self, x: Spec) -> tuple[Spec, ...]:
            return x, x

        def forward(self, np: object, x: numpy.ndarray) -> tuple[numpy.ndarray, ...]:
            return x, 3 * x

        def grad(self, node: Node, *gradients: Tensor) -> list[Tensor | None]:
            return [gradients[0] + 3.0 * gradients[1]]

    try:
        x = feed((2,), "float64")
        y, z = Twice().apply(x)
        verify(Program((x,), (y, z)))
        for target, wanted in ((y, 1.0), (z, 3.0), (y * z, 12.0)):  # d(3x²)/dx = 6x = 12 at x = 2
            assert evaluate(gradients(ops.sum(target), [x]), {x: [2.0, 2.0]})[0].tolist() == [wanted, wanted]
    finally:
        del registry["twice"]
