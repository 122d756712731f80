"""The forward pass of one example, layer by layer, in the words of a table: columns, categories, classes.

Values and what they are made of are those of the opened network: a weighted sum is an expression that is linear in the
values that go into the layer, and its contributions are that form. Rendering is apart, in `forward_text`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy

from pellucid.core.graph import Node, Tensor, order
from pellucid.core.spec import known
from pellucid.errors import ArgumentError, ShapeError
from pellucid.explain.expression import Expression, Name, leaves, operations
from pellucid.explain.naming import Index, name
from pellucid.explain.notation import TEXT
from pellucid.explain.opened import Opened, OpenLayer
from pellucid.explain.record import Equation
from pellucid.explain.unfolding import Unfolding
from pellucid.nn.activations import name_of as name_of_activation
from pellucid.nn.layers import Concatenate, preprocessing
from pellucid.ops.elementwise import Elementwise

_LOOKED_UP = ("Concatenate", "Embedding", "Flatten")  # layers whose values stand in what goes in, or in a table
_SHORT = 6  # leaves of an expression that stands in a table
_EQUATIONS = 3  # of a layer whose values are neither weighted sums nor prepared one by one


@dataclass(frozen=True)
class Contribution:
    """One part of a weighted sum: an input's value times its weight."""

    place: int
    label: str
    value: float
    weight: float

    @property
    def product(self) -> float:
        return self.value * self.weight


@dataclass(frozen=True)
class Unit:
    """One unit of a layer: Σ value·weight + bias = `weighted_sum`, and the activation of that."""

    place: int
    label: str
    contributions: tuple[Contribution, ...]
    bias: float
    weighted_sum: float
    value: float

    def largest(self, count: int) -> tuple[list[Contribution], float]:
        """The contributions that weigh most, largest first, and the sum of all others."""
        ranked = sorted((part for part in self.contributions if part.product), key=lambda part: -abs(part.product))
        return ranked[:count], float(sum(part.product for part in ranked[count:]))


@dataclass(frozen=True, eq=False)
class Stage:
    """An input or one use of a layer: its elements by name, and how each came about."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    labels: tuple[str, ...]
    values: numpy.ndarray  # flat
    shape: tuple[int, ...]  # of the values, without the batch
    activation: str = ""
    apart: bool = True  # whether each value comes from the one in the same place
    opened: OpenedStage | None = None

    @property
    def weighted(self) -> bool:
        """Whether its units are weighted sums of what goes in, each with an activation."""
        return self.opened is not None and self.opened.sums is not None

    @property
    def sums(self) -> numpy.ndarray:
        """The weighted sums, flat."""
        assert self.opened is not None
        assert self.opened.sums is not None
        sums: numpy.ndarray = self.opened.unfolding.values[self.opened.sums][0]
        return sums.ravel()

    @property
    def given(self) -> tuple[int, ...]:
        """The shape of what goes in."""
        assert self.opened is not None
        inputs = self.opened.layer.inputs
        return known(inputs[0].shape[1:]) if len(inputs) == 1 else (len(self.opened.labels),)

    @property
    def prepared(self) -> bool:
        """Whether each value is told by the one before it, in its row of a table."""
        return not self.weighted and (self.apart or self.kind in _LOOKED_UP or self._is_preparation)

    @property
    def _is_preparation(self) -> bool:
        return self.opened is not None and type(self.opened.layer.layer).__module__ == preprocessing.__name__

    def unit(self, place: int) -> Unit:
        """How one unit of a layer with weights came about."""
        assert self.opened is not None, f"{self.name} has no weighted sums"
        return self.opened.unit(place, self.labels[place], float(self.values[place]))

    def expression(self, place: int) -> Expression | None:
        """What one element of a preparing layer is made of, where that is short."""
        return None if self.opened is None else self.opened.expression(place)

    def equations(self) -> list[Equation]:
        """How the largest values came about."""
        return [] if self.opened is None or self.prepared or self.weighted else self.opened.equations(self.values)


@dataclass(frozen=True, eq=False)
class OpenedStage:
    """Where a stage stands in the opened network. `labels` are those of the elements that go in."""

    unfolding: Unfolding
    layer: OpenLayer
    output: Tensor
    sums: Tensor | None
    labels: tuple[str, ...] = field(default=())

    def _index(self, value: Tensor, place: int) -> Index:
        return (0, *(int(i) for i in numpy.unravel_index(place, known(value.shape[1:]))))

    def unit(self, place: int, label: str, value: float) -> Unit:
        """The contributions of everything that goes in to one unit."""
        assert self.sums is not None
        unfolding, index = self.unfolding, self._index(self.sums, place)
        form = unfolding.linear_in(self.layer.inputs, self.sums, index)
        starts = dict(zip(self.layer.inputs, _starts(self.layer.inputs), strict=True))
        parts = []
        for source, at in form:
            number = starts[source] + int(numpy.ravel_multi_index(at[1:], known(source.shape[1:])))
            parts.append(Contribution(number, self.labels[number], unfolding.number(source, at), form[source, at]))
        total = unfolding.number(self.sums, index)
        bias = total - math.fsum(part.product for part in parts)
        parts.sort(key=lambda part: part.place)
        return Unit(place, label, tuple(parts), 0.0 if abs(bias) < 1e-12 * abs(total) else bias, total, value)

    def expression(self, place: int) -> Expression | None:
        made = self.unfolding.expression_of(self.layer.inputs, self.output, self._index(self.output, place))
        short = sum(1 for _ in leaves(made)) <= _SHORT and any(isinstance(leaf, Name) for leaf in leaves(made))
        return made if short and any(True for _ in operations(made)) else None

    def equations(self, values: numpy.ndarray) -> list[Equation]:
        unfolding, equations = self.unfolding, []
        for place in sorted(numpy.argsort(-abs(values), kind="stable")[:_EQUATIONS]):
            value, index = unfolding.origin(self.output, self._index(self.output, int(place)))
            if value in unfolding.naming:
                equations.append(Equation(unfolding.naming.symbol(value, index), unfolding.expression(value, index)))
        return equations


def _starts(inputs: Sequence[Tensor]) -> list[int]:
    """Where the elements of each input begin among those of all."""
    sizes = [math.prod(known(value.shape[1:])) for value in inputs]
    return [sum(sizes[:place]) for place in range(len(sizes))]


def forward_pass(opened: Opened, names: Mapping[str, Sequence[str]] | None = None) -> list[Stage]:
    """Inputs, layers and outputs of a network opened on one example, in the order of computation.

    `names` says what the elements of an input or of a layer are; layers that keep their elements apart hand names on.
    Raises `ShapeError` unless there is one example.
    """
    for label, value in opened.inputs.items():
        if value.shape[0] != 1:
            raise ShapeError(f"a forward pass is of one example, got {value.shape[0]} for {label!r}; give x[:1]")
    unfolding = Unfolding(opened, name(opened))
    stages: dict[Tensor, Stage] = {}
    for label, value in opened.inputs.items():
        stages[value] = _input(label, unfolding.values[value][0], names or {})
    for layer in opened.layers.values():
        if not any(other.startswith(f"{layer.name}/") for other in opened.layers):
            for output in dict.fromkeys(layer.outputs):
                if output not in stages:  # what a layer only hands on is the value of the one before
                    stages[output] = _stage(unfolding, layer, output, names or {}, stages)
    return list(stages.values())


def as_json(stages: Sequence[Stage], units: Mapping[str, Sequence[int]]) -> list[dict[str, Any]]:
    """The stages as plain values, with the contributions to the units that are named by their layer."""
    return [_stage_json(stage, units.get(stage.name, ())) for stage in stages]


def units_that_matter(stages: Sequence[Stage], place: int, count: int) -> dict[str, list[int]]:
    """By layer, the units behind one output that contribute most to those chosen in the layers after.

    Layers that keep their elements apart pass the choice on; at others, and where sizes differ, it ends.
    """
    sizes = {stage.name: len(stage.values) for stage in stages}
    wanted: dict[str, dict[int, float]] = {stages[-1].name: {place: 1.0}}
    chosen: dict[str, list[int]] = {}
    for stage in reversed(stages):
        behind, size = wanted.get(stage.name, {}), len(stage.values)
        if not behind:
            continue
        if stage.weighted:
            chosen[stage.name] = sorted(behind, key=lambda number: -behind[number])[:count]
            parts = [part for number in chosen[stage.name] for part in stage.unit(number).contributions]
            behind, size = {}, sum(sizes[name] for name in stage.inputs)
            for part in parts:
                behind[part.place] = behind.get(part.place, 0.0) + abs(part.product)
            behind = {number: weight for number, weight in behind.items() if weight}
        elif not (stage.apart or stage.kind == "Concatenate"):
            continue
        for source in stage.inputs:
            if sizes[source] == size:
                wanted[source] = {**behind, **wanted.get(source, {})}
    return chosen


def _input(label: str, value: numpy.ndarray, names: Mapping[str, Sequence[str]]) -> Stage:
    return Stage(label, "Input", (), _labels(label, value.shape, names), value.ravel(), value.shape)


def _stage(
    unfolding: Unfolding,
    layer: OpenLayer,
    output: Tensor,
    names: Mapping[str, Sequence[str]],
    stages: Mapping[Tensor, Stage],
) -> Stage:
    value = unfolding.values[output][0]
    before = [stages[one] for one in layer.inputs if one in stages]
    kept = tuple(label for stage in before for label in stage.labels)
    apart = _is_apart(layer, output)
    follows = apart or isinstance(layer.layer, Concatenate)
    joined = len(kept) == value.size and follows and not layer.weights
    labels = _labels(layer.name, value.shape, names, kept if joined else None)
    sums = layer.parts.get("pre_activation")
    weighted = sums is not None and sums.shape == output.shape and len(before) == len(layer.inputs)
    activation = getattr(layer.layer, "activation", None) if weighted else None
    shown = "" if activation is None else _name(activation)
    opened = OpenedStage(unfolding, layer, output, sums if weighted else None, kept)
    inputs = tuple(stage.name for stage in before)
    return Stage(layer.name, layer.kind, inputs, labels, value.ravel(), value.shape, shown, apart, opened)


def _name(activation: Any) -> str:
    """The name of an activation; a function of the user's own need not be registered."""
    try:
        return name_of_activation(activation)
    except ArgumentError:
        return getattr(activation, "__name__", "activation")


def _between(layer: OpenLayer, output: Tensor) -> list[Node]:
    """The nodes of a layer: those behind its output that its inputs reach."""
    reached = set(layer.inputs)
    nodes = []
    for node in order([output]):
        if not reached.issuperset(node.outputs) and reached.intersection(node.inputs):
            nodes.append(node)
            reached.update(node.outputs)
    return nodes


def _is_apart(layer: OpenLayer, output: Tensor) -> bool:
    """Whether every value of a layer comes from the one in the same place of its inputs."""
    given = {*layer.inputs}
    for node in _between(layer, output):
        moved = [value.shape for value in node.inputs if value in given and value.shape != node.output.shape]
        if node.op.name not in ("cast", "reshape", "stop_gradient") and (moved or not isinstance(node.op, Elementwise)):
            return False
        given.update(node.outputs)
    return True


def _labels(
    name: str, shape: tuple[int, ...], names: Mapping[str, Sequence[str]], kept: Sequence[str] | None = None
) -> tuple[str, ...]:
    given, size = names.get(name) or kept, math.prod(shape)
    if given is not None and len(given) == size:
        return tuple(given)
    return (name,) if size == 1 else tuple(f"{name}[{', '.join(map(str, at))}]" for at in numpy.ndindex(shape))


def _stage_json(stage: Stage, units: Sequence[int]) -> dict[str, Any]:
    record: dict[str, Any] = {
        "name": stage.name,
        "kind": stage.kind,
        "inputs": list(stage.inputs),
        "shape": list(stage.shape),
        "elements": [
            {"name": label, "value": value} for label, value in zip(stage.labels, stage.values.tolist(), strict=True)
        ],
    }
    if stage.weighted:
        record["activation"] = stage.activation
        for element, total in zip(record["elements"], stage.sums.tolist(), strict=True):
            element["weighted_sum"] = total
        record["units"] = [_unit_json(stage.unit(place)) for place in units]
    elif equations := stage.equations():
        record["equations"] = [
            {"symbol": TEXT.symbol(one.symbol), "formula": TEXT.write(one.expression), "value": one.value}
            for one in equations
        ]
    return record


def _unit_json(unit: Unit) -> dict[str, Any]:
    return {
        "name": unit.label,
        "contributions": [
            {"name": part.label, "value": part.value, "weight": part.weight, "product": part.product}
            for part in sorted(unit.contributions, key=lambda part: -abs(part.product))
        ],
        "bias": unit.bias,
        "weighted_sum": unit.weighted_sum,
        "value": unit.value,
    }
