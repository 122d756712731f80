"""Programs for a network: one training step, one evaluation step, one prediction, each for a known batch size.

A step is a single graph: forward pass, loss, derivatives, the optimizer's updates and the metrics' statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy

from pellucid import ops
from pellucid.core.autodiff import gradients
from pellucid.core.graph import Program, Tensor, Variable
from pellucid.core.place import scope
from pellucid.core.sources import feed
from pellucid.core.spec import known
from pellucid.nn.construction import Construction, constructing
from pellucid.nn.losses import Loss, spread
from pellucid.nn.metrics import Metric
from pellucid.nn.network import Network
from pellucid.train.history import Logs
from pellucid.train.objective import Objective


@dataclass(frozen=True)
class Signature:
    """Everything that a step's graph depends on besides the network: sizes of one batch, and whether it trains."""

    batch: int
    inputs: tuple[tuple[int, ...], ...]  # shapes of one example of each input
    labels: tuple[tuple[int, ...], ...] = ()
    weights: tuple[tuple[int, ...] | None, ...] = ()  # shapes of one example's weight, where an output has any
    training: bool = False


@dataclass(frozen=True)
class Entry:
    """One figure of an epoch's logs, computed from totals between two places."""

    name: str
    start: int
    stop: int
    metric: Metric | None = None
    sizes: tuple[tuple[int, ...], ...] = ()

    def value(self, totals: numpy.ndarray, rows: int) -> Any:
        """A loss is a mean over examples; a metric knows its own formula."""
        mine = totals[self.start : self.stop]
        if self.metric is None:
            return float(mine[0]) / max(rows, 1)
        ends = numpy.cumsum([prod(shape) for shape in self.sizes])
        parts = [part.reshape(shape) for part, shape in zip(numpy.split(mine, ends[:-1]), self.sizes, strict=True)]
        result = self.metric.compute(*parts)
        return float(result) if numpy.ndim(result) == 0 else result


@dataclass(frozen=True, eq=False)
class Step:
    """A program with the meaning of its outputs: `totals` leading ones are added up over an epoch into `entries`.

    With `keyed`, the last input is the random key.
    """

    program: Program
    entries: tuple[Entry, ...] = ()
    totals: int = 0
    keyed: bool = False

    def logs(self, totals: numpy.ndarray, rows: int) -> Logs:
        """The figures of an epoch, by name."""
        return {entry.name: entry.value(totals, rows) for entry in self.entries}


def changed_by(steps: Sequence[Step], model: Any) -> list[Variable]:
    """What there is to put back when steps are undone: weights, what optimizers remember, and states of layers."""
    written = [variable for step in steps for variable, _ in step.program.updates]
    return list(dict.fromkeys([*model.variables, *model.optimizer_variables, *written]))


def prediction_step(network: Network, signature: Signature) -> Step:
    """Inputs → outputs, and the updates of states that layers keep from batch to batch."""
    inputs, outputs, construction = make_forward(network, signature)
    program = Program((*inputs, *construction.keys), outputs, tuple(construction.updates))
    return Step(program, keyed=construction.key is not None)


def make_forward(
    network: Network, signature: Signature, unrolled: bool = False
) -> tuple[list[Tensor], tuple[Tensor, ...], Construction]:
    """Inputs → outputs, as in prediction; `unrolled`: recurrent layers step by step."""
    inputs = _feeds(network, signature)
    with constructing(Construction(training=False, unrolled=unrolled)) as construction:
        return inputs, network.forward(inputs, training=False), construction


def objective_step(network: Network, objective: Objective, signature: Signature) -> Step:
    """Inputs, labels and weights → loss and metrics; in training also the updates of weights and optimizer."""
    goal = make_goal(network, objective, signature, recomputing=True)
    updates = _updates(network, objective, goal.loss) if signature.training else ()
    totals, entries = _figures(network, objective, signature.batch, goal)
    program = Program(goal.feeds, tuple(totals), (*updates, *goal.construction.updates))
    return Step(program, tuple(entries), len(totals), goal.construction.key is not None)


@dataclass(frozen=True, eq=False)
class Goal:
    """A network built on a batch up to its loss: what goes in, what comes out, and how the loss is made of it."""

    inputs: list[Tensor]
    labels: list[Tensor]
    weights: list[Tensor | None]
    outputs: tuple[Tensor, ...]
    parts: list[Tensor]  # the loss of each output
    loss: Tensor
    construction: Construction

    @property
    def feeds(self) -> tuple[Tensor, ...]:
        """The inputs of a program, in order."""
        given = (weight for weight in self.weights if weight is not None)
        return (*self.inputs, *self.labels, *given, *self.construction.keys)


def make_goal(
    network: Network,
    objective: Objective,
    signature: Signature,
    unrolled: bool = False,
    recomputing: bool = False,
) -> Goal:
    """Inputs, labels and weights → outputs and loss; `unrolled`: recurrent layers step by step; `recomputing`: some
    layers again in the backward pass."""
    inputs = _feeds(network, signature)
    labels = [
        feed((signature.batch, *shape), loss.label_dtype, f"labels of {name}")
        for shape, loss, name in zip(signature.labels, objective.losses, network.output_names, strict=True)
    ]
    weights = [
        None if shape is None else feed((signature.batch, *shape), "float32", f"weights of {name}")
        for shape, name in zip(signature.weights, network.output_names, strict=True)
    ]
    construction = Construction(
        training=signature.training, evaluating=True, unrolled=unrolled, recomputing=recomputing
    )
    with constructing(construction):
        outputs = network.forward(inputs, training=signature.training)
    parts = _losses(network, objective, labels, outputs, weights)
    with scope("loss"):
        loss = _total([*_weighted(objective, parts), *construction.penalties])
    return Goal(inputs, labels, weights, outputs, parts, loss, construction)


def by_outputs(network: Network, objective: Objective, goal: Goal) -> list[Tensor]:
    """The derivative of the loss with respect to each output itself, where cross-entropy reads the sums behind it."""
    seen = [output * 1.0 for output in goal.outputs]
    for one, output in zip(seen, goal.outputs, strict=True):
        one.mask = output.mask
    return gradients(_total(_weighted(objective, _losses(network, objective, goal.labels, seen, goal.weights))), seen)


def _feeds(network: Network, signature: Signature) -> list[Tensor]:
    return [
        feed((signature.batch, *shape), x.dtype, name)
        for x, name, shape in zip(network.inputs, network.input_names, signature.inputs, strict=True)
    ]


def _losses(
    network: Network,
    objective: Objective,
    labels: Sequence[Tensor],
    outputs: Sequence[Tensor],
    weights: Sequence[Tensor | None],
) -> list[Tensor]:
    parts = []
    for loss, label, output, weight, name in zip(
        objective.losses, labels, outputs, weights, network.output_names, strict=True
    ):
        with scope("loss" if len(outputs) == 1 else f"loss of {name}"):
            parts.append(loss(_like_output(label, output, loss), output, weight))
    return parts


def _like_output(label: Tensor, output: Tensor, loss: Loss) -> Tensor:
    """Labels [batch] or [batch, 1] in the rank that the loss compares with the output."""
    rank = output.rank - 1 if loss.label_dtype == "int32" else output.rank
    if label.rank == rank + 1 and label.shape[-1] == 1:
        return ops.squeeze(label, -1)
    if label.rank == rank - 1 and output.shape[-1] == 1:
        return ops.expand_dims(label, -1)
    return label


def _updates(network: Network, objective: Objective, loss: Tensor) -> tuple[tuple[Variable, Tensor], ...]:
    parameters = network.trainable_variables
    found = gradients(loss, [parameter.tensor for parameter in parameters])
    with scope("optimizer"):
        return tuple(objective.optimizer.apply(found, parameters))


def _figures(network: Network, objective: Objective, batch: int, goal: Goal) -> tuple[list[Tensor], list[Entry]]:
    """The outputs to add up over an epoch, and what they mean."""
    totals: list[Tensor] = [goal.loss * float(batch)]
    entries = [Entry("loss", 0, 1)]
    several = len(goal.outputs) > 1
    for name, part in _parts(network, objective, goal).items():
        entries.append(Entry(f"{name}_loss", len(totals), len(totals) + 1))
        totals.append(part * float(batch))
    at = len(totals)
    for place, (label, output, name) in enumerate(zip(goal.labels, goal.outputs, network.output_names, strict=True)):
        truth = _like_output(label, output, objective.losses[place])
        chosen = [
            *((metric, _counting(None, output)) for metric in objective.metrics[place]),
            *((metric, _counting(goal.weights[place], output)) for metric in objective.weighted_metrics[place]),
        ]
        for metric, weight in chosen:
            with scope("metrics"):
                statistics = metric.statistics(truth, output, weight)
            sizes = tuple(known(value.shape) for value in statistics)
            size = sum(map(prod, sizes))
            entries.append(Entry(f"{name}_{metric.name}" if several else metric.name, at, at + size, metric, sizes))
            totals += statistics
            at += size
    return totals, entries


def _parts(network: Network, objective: Objective, goal: Goal) -> dict[str, Tensor]:
    """The parts of a loss that has several: of each output, and penalties with a name. Of one output, as weighted."""
    shown = {name: _total(values) for name, values in goal.construction.shown.items()}
    if len(goal.outputs) == 1 and not shown:
        return {}
    parts = goal.parts if len(goal.outputs) > 1 else _weighted(objective, goal.parts)
    return {**dict(zip(network.output_names, parts, strict=True)), **shown}


def _counting(weight: Tensor | None, output: Tensor) -> Tensor | None:
    """The weights of examples, or steps, with 0 for those that the output's mask leaves out."""
    if output.mask is None:
        return weight
    mask = ops.cast(output.mask, "float32")
    return mask if weight is None else mask * spread(weight, mask)


def _weighted(objective: Objective, parts: Sequence[Tensor]) -> list[Tensor]:
    pairs = zip(parts, objective.loss_weights, strict=True)
    return [part if weight == 1.0 else part * weight for part, weight in pairs]


def _total(parts: Sequence[Tensor]) -> Tensor:
    result = parts[0]
    for part in parts[1:]:
        result = result + part
    return result
