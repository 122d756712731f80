"""What the values of an opened network are called.

A small network of dense layers is named as in the articles: inputs x₁ x₂, weights w₁ w₂ … and biases b₁ … neuron by
neuron, weighted sums z₁ …, hidden activations h₁ …, the output ŷ, the loss L. In any other network a value has the
name of its layer: dense/kernel[3,5], dense/z[5] for a weighted sum, dense[5] for what the layer gives. A number above
in brackets tells the example where there are several.

Values with names are the **milestones** at which an explanation stops. What only moves or repeats elements has no name
of its own, but for the network's inputs and outputs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy

from pellucid.core.graph import Tensor, Variable
from pellucid.core.sources import Feed, Read
from pellucid.core.spec import known
from pellucid.explain.expression import Symbol
from pellucid.explain.opened import Opened, OpenLayer

Index = tuple[int, ...]

MOVES = (
    "reshape",
    "transpose",
    "slice",
    "broadcast_to",
    "concatenate",
    "flip",
    "cast",
    "stop_gradient",
    "dilate",
    "pad",
)
_SMALL = 40  # weights of a network that is named as in the articles
_NEURONS = 12
_LETTERS = {"pre_activation": "z"}
_STEP = re.compile(r"(.+)\[(t=\d+)\](.*)")  # a value of one step of a recurrent layer: lstm/h[t=3]
_STATE = {"learning_rate": "η", "momentum": "m", "velocity": "v", "iteration": "steps"}


@dataclass
class Naming:
    """The names of an opened network's values: `stems` by tensor, and `own` for single elements."""

    batch: int
    stems: dict[Tensor, str] = field(default_factory=dict)
    own: dict[tuple[Tensor, Index], Symbol] = field(default_factory=dict)
    weights: dict[str, tuple[Tensor, Variable]] = field(default_factory=dict)  # by LAYER/NAME
    short: dict[str, str] = field(default_factory=dict)  # what symbols call a layer
    labels: dict[Tensor, Sequence[str]] = field(default_factory=dict)  # what elements are: columns, classes

    def __contains__(self, value: Tensor) -> bool:
        return value in self.stems

    def symbol(self, value: Tensor, index: Index) -> Symbol:
        """The symbol of one element."""
        if (value, index) in self.own:
            return self.own[value, index]
        if isinstance(value.node.op, Read):
            return Symbol(self.stems[value], index)
        example, rest = self.place(value, index)
        if value in self.labels:
            label = self.labels[value][int(numpy.ravel_multi_index(index[1:], known(value.shape[1:])))]
            fed = isinstance(value.node.op, Feed)
            alone = len(self.labels[value]) == 1
            return Symbol(label, (), example) if fed else Symbol(self.stems[value], () if alone else (label,), example)
        step = _STEP.fullmatch(self.stems[value])
        if step:
            return Symbol(step[1] + step[3], (step[2], *rest), example)
        return Symbol(self.stems[value], rest, example)

    def place(self, value: Tensor, index: Index) -> tuple[int | None, Index]:
        """The number of the example, where there are several, and the index without axes that have one place."""
        shape = known(value.shape)
        batched = bool(shape) and shape[0] == self.batch
        rest = [
            i for axis, (i, size) in enumerate(zip(index, shape, strict=True)) if size > 1 and (axis or not batched)
        ]
        return (index[0] + 1 if batched and self.batch > 1 else None), tuple(rest)


def name(opened: Opened, names: Mapping[str, Sequence[str]] | None = None) -> Naming:
    """The names of everything in a network that a reader can be told of. `names` says by layers and inputs what their
    elements are."""
    batch = known(next(iter(opened.inputs.values())).shape)[0]
    naming = Naming(batch)
    short = naming.short = _shortened(opened.layers)
    small = list(_neurons(opened))
    for label, value in opened.inputs.items():
        naming.stems[value] = "x" if len(opened.inputs) == 1 else label
    for value in opened.labels:
        naming.stems[value] = "y" if len(opened.labels) == 1 else f"{_fed(value).removeprefix('labels of ')}/y"
    for layer in opened.layers.values():
        for label, variable in layer.weights.items():
            path = layer.name.split("@")[0]
            if variable.tensor not in naming.stems:
                naming.weights[f"{path}/{label}"] = variable.tensor, variable
                naming.stems[variable.tensor] = f"{short[path]}/{label}"
    for layer in opened.layers.values():
        for label, value in layer.parts.items():
            naming.stems.setdefault(value, f"{short[layer.name]}/{_LETTERS.get(label, label)}")
        for place, value in enumerate(layer.outputs):
            if value.node.op.name not in MOVES:
                naming.stems.setdefault(value, short[layer.name] + (f"#{place + 1}" if place else ""))
    for label, value in opened.outputs.items():
        if len(opened.outputs) == 1 and value not in opened.inputs.values():
            naming.stems[value] = "ŷ"
        else:
            naming.stems[value] = label
    if opened.loss is not None:
        naming.stems[opened.loss] = "L"
    _name_neurons(naming, opened, small)
    _label(naming, opened, names or {})
    return naming


def _shortened(names: Iterable[str]) -> dict[str, str]:
    """Paths of layers as short as they are still told apart: outer/inner as inner."""
    names = list(names)
    found = {}
    for one in names:
        parts = one.split("/")
        ends = ("/".join(parts[start:]) for start in reversed(range(len(parts))))
        found[one] = next((end for end in ends if sum(f"/{other}".endswith(f"/{end}") for other in names) == 1), one)
    return found


def state_letter(name: str) -> str:
    """What a variable of the optimizer is called: m for its momentum."""
    return _STATE.get(name, name)


def _label(naming: Naming, opened: Opened, names: Mapping[str, Sequence[str]]) -> None:
    """Say what the elements of inputs, outputs and layers are; layers that prepare each element alone hand that on."""

    def put(value: Tensor, found: Sequence[str]) -> None:
        if value.shape[:1] == (naming.batch,) and prod(known(value.shape[1:])) == len(found):
            naming.labels[value] = found

    for label, value in (*opened.inputs.items(), *opened.outputs.items()):
        put(value, names.get(label, ()))
    for layer in opened.layers.values():
        before = naming.labels.get(layer.inputs[0], ()) if len(layer.inputs) == 1 and not layer.weights else ()
        for value in (layer.output, *layer.parts.values()):
            put(value, names.get(layer.name) or before)


def _fed(value: Tensor) -> str:
    assert isinstance(value.node.op, Feed)
    return value.node.op.label


def _neurons(opened: Opened) -> Iterator[OpenLayer]:
    """The layers of a network small enough to be named neuron by neuron; nothing for any other network."""
    layers = list(opened.layers.values())
    (*others,) = opened.inputs.values()
    weights = sum(prod(variable.shape) for layer in layers for variable in layer.weights.values())
    if len(others) != 1 or others[0].rank != 2 or weights > _SMALL or not weights:
        return
    value = others[0]
    for layer in layers:
        flat = layer.output.rank == 2 and layer.inputs == (value,) and len(layer.outputs) == 1
        dense = set(layer.weights) in ({"kernel"}, {"kernel", "bias"}) and "pre_activation" in layer.parts
        if not flat or not (dense or (not layer.weights and layer.output.shape == value.shape)):
            return
        value = layer.output
    neurons = sum(known(layer.output.shape)[1] for layer in layers if layer.weights)
    if [value] == list(opened.outputs.values()) and neurons <= _NEURONS:
        yield from layers


def _name_neurons(naming: Naming, opened: Opened, layers: list[OpenLayer]) -> None:
    """Number weights, sums and activations neuron by neuron."""
    neurons = sum(known(layer.output.shape)[1] for layer in layers if layer.weights)
    count = sum(variable.shape[0] * variable.shape[1] for layer in layers for variable in layer.weights.values()
                if len(variable.shape) == 2)  # fmt: skip
    outputs = set(opened.outputs.values())
    neuron = weight = first = 0
    for value in (*opened.inputs.values(), *opened.labels, *outputs) if layers else ():
        size = known(value.shape)[1] if value.rank == 2 else 1
        for j in range(size if value.rank == 2 else 0):
            _each(naming, value, j, Symbol(naming.stems[value], (j + 1,) if size > 1 else ()))
    for layer in layers:
        size = known(layer.output.shape)[1]
        if layer.weights:
            first = neuron
            kernel, sums = layer.weights["kernel"], layer.parts["pre_activation"]
            for j in range(size):
                neuron += 1
                number = (neuron,) if neurons > 1 else ()
                for i in range(kernel.shape[0]):
                    weight += 1
                    naming.own[kernel.tensor, (i, j)] = Symbol("w", (weight,) if count > 1 else ())
                if "bias" in layer.weights:
                    naming.own[layer.weights["bias"].tensor, (j,)] = Symbol("b", number)
                if sums not in outputs:
                    _each(naming, sums, j, Symbol("z", number))
        if layer.output not in outputs and layer.output not in layer.parts.values():
            before = naming.own.get((layer.inputs[0], (0, 0)))
            letter = (
                f"{before.letter}′" if before is not None and before.letter[0] == "h" and not layer.weights else "h"
            )
            for j in range(size):
                _each(naming, layer.output, j, Symbol(letter, (first + j + 1,)))


def _each(naming: Naming, value: Tensor, j: int, symbol: Symbol) -> None:
    """One unit's symbol for every example."""
    for row in range(naming.batch):
        example = row + 1 if naming.batch > 1 else None
        naming.own[value, (row, j)] = Symbol(symbol.letter, symbol.index, example)
