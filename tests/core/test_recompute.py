"""Segments that the backward pass computes again: the same derivatives, read from copies."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import numpy
import pytest

from pellucid import ops
from pellucid.core.autodiff import gradients
from pellucid.core.evaluate import evaluate
from pellucid.core.graph import Program, Tensor, Variable, order
from pellucid.core.recompute import recomputed
from pellucid.core.sources import feed
from pellucid.core.verify import verify
from pellucid.ops.random import RandomUniform

X = numpy.random.default_rng(0).normal(size=(4, 6)).astype(numpy.float32)
W = numpy.random.default_rng(1).normal(size=(6, 6)).astype(numpy.float32)
KEY = numpy.array([1, 2, 3, 4], numpy.uint32)


def plain(x: Tensor, w: Tensor, key: Tensor) -> Tensor:
    return ops.tanh(x @ w)


def composite(x: Tensor, w: Tensor, key: Tensor) -> Tensor:
    return ops.softmax(ops.layer_norm(x @ w)) + x


def drawn(x: Tensor, w: Tensor, key: Tensor) -> Tensor:
    kept = RandomUniform((4, 6), 7)(key) < 0.5
    return ops.where(kept, ops.square(x @ w), 0.0)


def built(body: Callable[..., Tensor], again: bool) -> tuple[Tensor, list[Tensor], Tensor, Variable, Tensor]:
    """A loss with the body twice, the first one as a segment; its inputs, and a value inside of the segment."""
    x, key, w = feed(X.shape, "float32", "x"), feed((4,), "uint32", "key"), Variable(W, "w")
    with recomputed() if again else nullcontext():
        inside = body(x, w.tensor, key)
        y = ops.exp(inside * 0.1)
    loss = ops.sum(ops.square(body(y, w.tensor, key))) + ops.sum(y)
    return loss, [x, key], inside, w, x


@pytest.mark.parametrize("body", [plain, composite, drawn])
def test_derivatives_are_the_same_to_the_bit(body: Callable[..., Tensor]) -> None:
    found = []
    for again in (False, True):
        loss, (x, key), inside, w, _ = built(body, again)
        targets = gradients(loss, [x, w.tensor, inside])
        verify(Program((x, key), (loss, *targets)))
        found.append(evaluate([loss, *targets], {x: X, key: KEY}))
    for a, b in zip(*found, strict=True):
        assert numpy.array_equal(a, b)
        assert numpy.abs(a).max() > 0


def test_the_backward_pass_reads_no_value_of_the_segment_but_its_outputs() -> None:
    for again in (False, True):
        loss, _, inside, w, x = built(composite, again)
        backward = [node for node in order(gradients(loss, [x, w.tensor])) if node.differentiates is not None]
        read = {value for node in backward for value in node.inputs}
        assert any(node.segment for node in order([loss])) == again
        kept = [node for node in order([inside]) if node.inputs and read.intersection(node.outputs)]
        assert bool(kept) != again


def test_a_segment_in_a_segment_is_part_of_it() -> None:
    x = feed((3,), "float32", "x")
    with recomputed():
        y = ops.tanh(x)
        with recomputed():
            z = ops.exp(y)
    assert y.node.segment is z.node.segment is not None
    with recomputed():
        assert ops.tanh(x).node.segment is not y.node.segment


def test_weights_and_constants_are_not_copied() -> None:
    loss, _, _, w, _ = built(plain, True)
    reads = [node for node in order(gradients(loss, [w.tensor])) if node.op.name == "read"]
    assert len(reads) == 1


def test_second_derivatives() -> None:
    """d²/dx² of Σ tanh(x)·exp(tanh(x)) by differences of the first."""
    x = feed((5,), "float64", "x")
    with recomputed():
        t = ops.tanh(x)
        y = t * ops.exp(t)
    (first,) = gradients(ops.sum(y), [x])
    (second,) = gradients(ops.sum(first), [x])
    at, step = numpy.linspace(-1, 1, 5), 1e-5
    up, down = (evaluate([first], {x: at + sign * step})[0] for sign in (1, -1))
    numpy.testing.assert_allclose(evaluate([second], {x: at})[0], (up - down) / (2 * step), rtol=1e-7, atol=1e-9)
