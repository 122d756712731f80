"""Recurrent ops step by step give what the primitives give, forward and backward."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from pellucid import ops
from pellucid.core.autodiff import gradients
from pellucid.core.evaluate import evaluate
from pellucid.core.graph import Tensor, tensor
from pellucid.ops import unrolled

DRAW = numpy.random.default_rng(4).normal
MASK = numpy.array([[True, True, False, True], [False, True, True, False]])
DROPOUT = numpy.array([[0.0, 2.0, 2.0], [2.0, 2.0, 0.0]])


def operands(name: str) -> list[Tensor]:
    gates = {"lstm": 4, "gru": 3, "simple_rnn": 1}[name]
    shapes = [(2, 4, 3 * gates), (3, 3 * gates), *([(9,)] if name == "gru" else []), *[(2, 3)] * (1 + (name == "lstm"))]
    return [tensor(DRAW(size=shape)) for shape in shapes]


@pytest.mark.parametrize("extras", [(), (MASK,), (MASK, DROPOUT), (None, DROPOUT)], ids=["", "mask", "both", "dropout"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lstm", {}),
        ("lstm", {"reverse": True, "activation": "linear", "recurrent_activation": "hard_sigmoid"}),
        ("gru", {}),
        ("gru", {"reset_after": False, "reverse": True}),
        ("simple_rnn", {"activation": "relu"}),
        ("simple_rnn", {"reverse": True}),
    ],
)
def test_values_and_derivatives_are_those_of_the_primitive(name: str, options: dict[str, Any], extras: Any) -> None:
    values = operands(name)
    results = []
    for module in (ops, unrolled):
        more = [None if extra is None else tensor(extra) for extra in extras]
        outputs = getattr(module, name)(*values, *more, **options)
        weights = [numpy.random.default_rng(i).normal(size=value.shape) for i, value in enumerate(outputs)]
        kept = [0, len(outputs) - 1]  # h over time, and the last state
        total = sum((ops.sum(outputs[i] * tensor(weights[i])) for i in kept), start=tensor(0.0, values[0].spec))
        results.append(evaluate([*outputs, *gradients(total, values)]))
    for primitive, steps in zip(*results, strict=True):
        numpy.testing.assert_allclose(steps, primitive, rtol=1e-10, atol=1e-12)


def test_each_step_has_its_label() -> None:
    h, c, gates, last, _ = unrolled.lstm(*operands("lstm"))
    assert (h.shape, c.shape, gates.shape) == ((2, 4, 3), (2, 4, 3), (2, 4, 12))
    assert last.label == "h[t=3]"
