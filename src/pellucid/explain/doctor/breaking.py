"""Where a step of training became NaN or infinite first: layer, operation, rows of the batch, and the likely cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from pellucid.core.evaluate import Values, evaluate_nodes
from pellucid.core.graph import Node, Program, Tensor
from pellucid.core.sources import Constant, Feed, Read
from pellucid.explain.doctor.data import Array

_LARGE_DATA = 1e4  # beyond, data are unscaled: products of a few hundred of them leave the range in which steps help
_LARGE_WEIGHTS = 1e2  # no usual start and no course of training that converges makes weights so large
_REPAIR = "a smaller learning rate, clipnorm=1.0 in the optimizer, or scaled inputs and targets"
_EXP = 88.7  # exp of more is beyond float32


@dataclass(frozen=True)
class Break:
    """The first value of a step that is not finite. `rows` are places within the batch, where they can be told."""

    layer: str
    operation: str
    what: str  # a phrase for the message: what arose where, on which values
    rows: tuple[int, ...]
    cause: str
    repair: str


def first_break(program: Program, feeds: Mapping[Tensor, Array], precision: str) -> Break:
    """The first break among the values of a step, as the reference computes them."""
    nodes = program.nodes()
    values = evaluate_nodes(nodes, feeds)
    weights = _largest(
        values[node.output] for node in nodes if isinstance(node.op, Read) and node.op.variable.trainable
    )
    data = _largest(feeds.values())
    batch = program.inputs[0].shape[0]
    for node in nodes:
        if isinstance(node.op, Constant):  # one that stands in the graph is meant
            continue
        for output in node.outputs:
            value = values[output]
            if value.dtype.kind == "f" and not numpy.isfinite(value).all():
                arrays = [values[x] for x in node.inputs]
                rows = _rows(node, value, values, batch)
                cause, repair = _cause(node, arrays, weights, data)
                layer = "/".join(node.scope) or "the network"
                return Break(layer, node.op.name, _phrase(node, value, arrays, layer), rows, cause, repair)
    return Break(
        "", "", "the reference executor finds every value of that step finite, so the compute precision is likely too "
        "low",
        (), f"values near the limits of {precision}",
        "precision='float32' in compile" if precision != "float32" else "a smaller learning rate or scaled inputs",
    )  # fmt: skip


def _largest(arrays: Any) -> float:
    """The largest finite size of a number."""
    sizes = [numpy.abs(one[numpy.isfinite(one)]) for one in arrays if one.dtype.kind == "f"]
    return max((float(one.max()) for one in sizes if one.size), default=0.0)


def _phrase(node: Node, value: Array, inputs: Sequence[Array], layer: str) -> str:
    bad = "NaN" if numpy.isnan(value).any() else "infinity"
    op: Any = node.op
    if isinstance(op, Read):
        kind = "weight" if op.variable.trainable else "optimizer's or layer's state"
        return f"the {kind} {op.variable.name} {list(op.variable.shape)} was {bad} already"
    if isinstance(op, Feed):
        return f"{op.label} holds {bad}"
    ranges = ", ".join(f"{numpy.min(x):.4g} to {numpy.max(x):.4g}" for x in inputs if x.size)
    direction = "the gradient of " if node.differentiates else ""
    return f"{bad} first arose in {direction}layer {layer}, operation {op.name} on values {ranges}"


def _rows(node: Node, value: Array, values: Values, batch: int | None) -> tuple[int, ...]:
    """The rows of the batch in which it arose; of a sum over rows, that whose part is by far the largest."""
    if value.ndim and value.shape[0] == batch:
        broken = ~numpy.isfinite(value.reshape(len(value), -1)).all(axis=1)
        return tuple(int(row) for row in numpy.flatnonzero(broken))
    sizes = numpy.zeros(batch or 0)
    for x in node.inputs:
        part = values[x]
        if part.ndim and part.shape[0] == batch and part.dtype.kind == "f":
            sizes = numpy.maximum(sizes, numpy.abs(part.reshape(len(part), -1)).max(axis=1, initial=0.0))
    if not sizes.size or not sizes.max() > 0:
        return ()
    return tuple(int(row) for row in numpy.flatnonzero(sizes >= 0.5 * sizes.max()))


def _cause(node: Node, inputs: Sequence[Array], weights: float, data: float) -> tuple[str, str]:
    """The likely cause, and its repair."""
    name = node.op.name
    if isinstance(node.op, Read) and not node.op.variable.trainable:
        return "the gradient of an earlier step was too large to be averaged", _REPAIR
    if isinstance(node.op, Read):
        return "the weights were broken before this step", "weights from before, or a network built anew"
    if isinstance(node.op, Feed):
        return "the data", "numbers in place of NaN and infinity"
    if name in ("log", "log1p") and inputs[0].min() <= (0.0 if name == "log" else -1.0):
        return (
            f"the logarithm of {inputs[0].min():.3g}, which a probability or a scale has reached",
            "a loss that takes logits (from_logits=True), or log(x + 1e-7)",
        )
    if name in ("divide", "reciprocal") and (inputs[-1] == 0).any():
        return "a division by 0", "a divisor that cannot be 0, such as x + 1e-7"
    if name in ("sqrt", "power") and inputs[0].size and inputs[0].min() <= 0:
        return f"the root or power of {inputs[0].min():.3g}", "numbers above 0, such as x + 1e-7"
    if node.scope[:1] != ("optimizer",) and name in ("exp", "expm1") and inputs[0].max() > _EXP:
        shown = f"the exponential of {inputs[0].max():.4g} (float32 ends at e^88.7)"
        return (shown, "a smaller learning rate, scaled inputs, or softplus in place of exponential")
    if data > _LARGE_DATA and weights <= _LARGE_WEIGHTS:
        return (
            f"inputs or targets as large as {data:.3g}",
            "scaled inputs and targets (Normalization), then a smaller learning rate or clipnorm=1.0 in the optimizer",
        )
    if weights > _LARGE_WEIGHTS:
        return (
            f"weights that have grown to {weights:.3g}, because the learning rate is too high",
            _REPAIR,
        )
    return "gradients that grow from layer to layer", _REPAIR
