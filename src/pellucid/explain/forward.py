"""The forward pass of one example, layer by layer, with the numbers that made every value.

The network's own graph is evaluated by the reference, so nothing here knows how a layer computes; what a weighted sum
is made of comes from the `terms` of its product. Rendering is apart, in `forward_text`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from pellucid.core.evaluate import Values, evaluate_nodes
from pellucid.core.graph import Node, Tensor, order, tensor
from pellucid.core.sources import Constant, Read, feed
from pellucid.core.spec import known
from pellucid.core.terms import Operand
from pellucid.errors import ArgumentError, ShapeError
from pellucid.nn.activations import name_of as name_of_activation
from pellucid.nn.calling import Call
from pellucid.nn.construction import Construction, constructing
from pellucid.nn.layers import Concatenate, preprocessing
from pellucid.nn.network import Network, name_of, step_of
from pellucid.ops.elementwise import Elementwise

_LOOKED_UP = ("Concatenate", "Embedding")  # layers whose values stand in what goes in, or in a table
_PRODUCTS = ("matmul", "convolution", "convolution_input_gradient")  # their terms are inputs times weights


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


@dataclass(frozen=True)
class Arithmetic:
    """One step of a layer that adds, subtracts, multiplies or divides by constants, element by element."""

    op: str
    constants: numpy.ndarray  # one per element


@dataclass(frozen=True)
class Stage:
    """An input or one use of a layer: its elements by name, and where it is a weighted sum or plain arithmetic, how."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    labels: tuple[str, ...]
    values: numpy.ndarray  # flat
    shape: tuple[int, ...]  # of the values, without the batch
    activation: str = ""
    weighted: Weighted | None = None
    arithmetic: tuple[Arithmetic, ...] = ()
    apart: bool = True  # whether each value comes from the one in the same place
    opened: bool = True  # whether it is shown what a value is made of; of pooling, recurrence, attention it is not yet

    def unit(self, place: int) -> Unit:
        """How one unit of a layer with weights came about."""
        assert self.weighted is not None, f"{self.name} has no weighted sums"
        return self.weighted.unit(place, self.labels[place], float(self.values[place]))


@dataclass(frozen=True)
class Weighted:
    """The product or convolution in a layer, with the values of its operands and of the sum after the bias."""

    product: Node
    operands: tuple[Operand, Operand]
    labels: tuple[str, ...]  # of the inputs
    bias: numpy.ndarray | None
    sums: numpy.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the inputs, without the batch."""
        return self.operands[0].shape[1:]

    def unit(self, place: int, label: str, value: float) -> Unit:
        at = numpy.unravel_index(place, known(self.product.output.shape[1:]))
        parts = []
        for term in self.product.op.terms((0, *map(int, at)), *self.operands).parts:  # type: ignore[attr-defined]
            x, weight = sorted(term.elements(), key=lambda element: element.operand)
            number = int(numpy.ravel_multi_index(x.index[1:], self.shape))
            parts.append(Contribution(number, self.labels[number], x.value, weight.value))
        bias = 0.0 if self.bias is None else float(self.bias[at[-1]])
        return Unit(place, label, tuple(parts), bias, float(self.sums[place]), value)


def forward_pass(
    network: Network, arrays: Mapping[str, Any], names: Mapping[str, Sequence[str]] | None = None
) -> list[Stage]:
    """Inputs, layers and outputs of a network for one example, in the order of computation.

    `arrays` maps each input's name to a batch of one. `names` says what the elements of an input or of a layer are;
    layers that keep their elements apart hand names on. Raises `ShapeError` unless each array is one example.
    """
    feeds: dict[Tensor, Any] = {}
    for value, name in zip(network.inputs, network.input_names, strict=True):
        array = numpy.asarray(arrays[name])
        if len(array) != 1:
            raise ShapeError(f"forward_pass explains one example, got {len(array)} for the input {name!r}; give x[:1]")
        feeds[feed(array.shape, value.dtype, name)] = array
    outputs = network.forward(list(feeds))
    values = evaluate_nodes(order(outputs), feeds)
    names = names or {}
    stages: dict[Tensor, Stage] = {}
    for entry in feeds:
        stages[entry] = _input(entry, values, names)
    for call in _calls(outputs):
        for output in call.outputs:
            stages[output] = _stage(call, output, values, names, stages)
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
        if stage.weighted is not None:
            chosen[stage.name] = sorted(behind, key=lambda number: -behind[number])[:count]
            parts = [part for number in chosen[stage.name] for part in stage.unit(number).contributions]
            behind, size = {}, len(stage.weighted.labels)
            for part in parts:
                behind[part.place] = behind.get(part.place, 0.0) + abs(part.product)
            behind = {number: weight for number, weight in behind.items() if weight}
        elif not (stage.apart or stage.kind == "Concatenate"):
            continue
        for name in stage.inputs:
            if sizes[name] == size:
                wanted[name] = {**behind, **wanted.get(name, {})}
    return chosen


def _calls(outputs: Sequence[Tensor]) -> list[Call]:
    """The uses of layers behind the outputs, inputs first."""
    found: dict[Call, int] = {}
    stack = list(outputs)
    while stack:
        value = stack.pop()
        call = value.origin
        if isinstance(call, Call) and call not in found:
            found[call] = max(output.node.serial for output in call.outputs)
        if not isinstance(call, Call) or found[call] >= 0:
            before = call.inputs if isinstance(call, Call) else step_of(value).inputs
            stack.extend(before)
    return sorted(found, key=lambda call: found[call])


def _input(tensor: Tensor, values: Values, names: Mapping[str, Sequence[str]]) -> Stage:
    name, value = name_of(step_of(tensor)), values[tensor][0]
    return Stage(name, "Input", (), _labels(name, value.shape, names), value.ravel(), value.shape)


def _stage(
    call: Call, output: Tensor, values: Values, names: Mapping[str, Sequence[str]], stages: Mapping[Tensor, Stage]
) -> Stage:
    layer, value = call.layer, values[output][0]
    before = [stages[value] for value in call.inputs if value in stages]
    kept = [label for stage in before for label in stage.labels]
    weighted, apart = _weighted(call, output, values, kept), _is_apart(call, output)
    follows = apart or isinstance(layer, Concatenate)
    joined = len(kept) == value.size and follows and not layer.variables
    labels = _labels(layer.name, value.shape, names, kept if joined else None)
    activation = getattr(layer, "activation", None)
    shown = _name(activation) if activation is not None else ""
    before_names = tuple(stage.name for stage in before)
    kind, steps = type(layer).__name__, _arithmetic(call, output, values)
    opened = weighted is not None or apart or kind in _LOOKED_UP or type(layer).__module__ == preprocessing.__name__
    return Stage(
        layer.name, kind, before_names, labels, value.ravel(), value.shape, shown, weighted, steps, apart, opened
    )


def _name(activation: Any) -> str:
    """The name of an activation; a function of the user's own need not be registered."""
    try:
        return name_of_activation(activation)
    except ArgumentError:
        return getattr(activation, "__name__", "activation")


def _between(call: Call, output: Tensor) -> list[Node]:
    """The nodes of a layer: those behind its output that its inputs reach."""
    reached = set(call.inputs)
    nodes = []
    for node in order([output]):
        if not reached.issuperset(node.outputs) and reached.intersection(node.inputs):
            nodes.append(node)
            reached.update(node.outputs)
    return nodes


def _is_apart(call: Call, output: Tensor) -> bool:
    """Whether every value of a layer comes from the one in the same place of its inputs."""
    given = {*call.inputs}
    for node in _between(call, output):
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


def _arithmetic(call: Call, output: Tensor, values: Values) -> tuple[Arithmetic, ...]:
    """The steps of a layer, if each is arithmetic of the value before and a constant; else none."""
    steps: list[Arithmetic] = []
    value = output
    while value not in call.inputs:
        node = value.node
        if node.op.name not in ("add", "subtract", "multiply", "divide") or not isinstance(
            node.inputs[1].node.op, Constant
        ):
            return ()
        constants = numpy.broadcast_to(values[node.inputs[1]], values[value].shape)[0].ravel()
        steps.insert(0, Arithmetic(node.op.name, constants))
        value = node.inputs[0]
    return tuple(steps)


def _weighted(call: Call, output: Tensor, values: Values, labels: Sequence[str]) -> Weighted | None:
    """The product of flat inputs with weights, or the convolution, in a layer that has one alone, and the sum with the
    bias after it."""
    nodes = [node for node in _between(call, output) if node.scope and node.scope[-1] == call.layer.name]
    products = [node for node in nodes if node.op.name in _PRODUCTS]
    if len(products) != 1 or not _is_weight(products[0].inputs[1]):
        return None
    (node,) = products
    if node.op.name == "matmul" and node.inputs[0].rank != 2:
        return None
    x, w = (values[value] for value in node.inputs)
    after = next((user for user in nodes if user.op.name == "add" and node.output in user.inputs), None)
    bias = values[after.inputs[1]] if after and _is_weight(after.inputs[1]) else None
    total = values[after.output if after and bias is not None else node.output]
    activation = getattr(call.layer, "activation", None)
    with constructing(Construction()):
        made = total if activation is None else activation(tensor(total)).numpy()
    if made.size != values[output].size or not numpy.allclose(made.ravel(), values[output].ravel(), 1e-5, 1e-6):
        return None  # more is done with the sum
    sums = total[0].ravel()
    return Weighted(node, (Operand(0, x), Operand(1, w)), tuple(labels), bias, sums)


def _is_weight(value: Tensor) -> bool:
    """Whether a value is a variable, perhaps in another shape."""
    while value.node.op.name == "reshape":
        (value,) = value.node.inputs
    return isinstance(value.node.op, Read)


def _stage_json(stage: Stage, units: Sequence[int]) -> dict[str, Any]:
    record: dict[str, Any] = {
        "name": stage.name,
        "kind": stage.kind,
        "inputs": list(stage.inputs),
        "shape": list(stage.shape),
        "opened": stage.opened,
        "elements": [
            {"name": label, "value": value} for label, value in zip(stage.labels, stage.values.tolist(), strict=True)
        ],
    }
    if stage.arithmetic:
        record["arithmetic"] = [{"op": step.op, "constants": step.constants.tolist()} for step in stage.arithmetic]
    if stage.weighted is not None:
        record["activation"] = stage.activation
        for element, total in zip(record["elements"], stage.weighted.sums.tolist(), strict=True):
            element["weighted_sum"] = total
        record["units"] = [_unit_json(stage.unit(place)) for place in units]
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
