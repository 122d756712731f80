"""What a diagram shows of a network: its inputs and layers as items of a graph, with their weights and their numbers.

Layers that keep each value in its place (activations, dropout, scaling) do not become items: they belong to the item
before, so that a neuron is a weighted sum together with its activation, as textbooks draw it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy

from pellucid.core.graph import Node, Tensor
from pellucid.core.sources import Constant
from pellucid.errors import ArgumentError
from pellucid.nn.activations import name_of as name_of_activation
from pellucid.nn.calling import Call
from pellucid.nn.layer import Layer
from pellucid.nn.network import Network, name_of

Shape = tuple[int | None, ...]
ACTIVATIONS = ("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax")
_QUIET = (
    "Dropout", "AlphaDropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout",
    "ActivityRegularization", "Identity", "Masking", "Rescaling", "Normalization", "LogScale",
)  # fmt: skip
_NORMALIZING = (
    "BatchNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization", "UnitNormalization",
)  # fmt: skip
_WRITTEN = {"relu": "ReLU", "gelu": "GELU", "elu": "ELU", "selu": "SELU", "silu": "SiLU", "leaky_relu": "leaky ReLU"}


@dataclass(frozen=True)
class Numbers:
    """What is known of one example: the values that inputs and layers gave, and derivatives of the loss, by name."""

    values: Mapping[str, numpy.ndarray] = field(default_factory=dict)
    gradients: Mapping[str, numpy.ndarray] = field(default_factory=dict)
    weight_gradients: Mapping[str, Mapping[str, numpy.ndarray]] = field(default_factory=dict)
    inside: Mapping[str, numpy.ndarray] = field(default_factory=dict)  # attention scores [heads, queries, keys], or the
    # states of a recurrent layer [steps, units], by the name of the layer
    loss: float | None = None


@dataclass(eq=False)
class Item:
    """An input, or one use of a layer together with the quiet layers after it."""

    name: str
    kind: str
    shape: Shape  # of what it makes, without the batch
    layer: Layer | None
    before: list[Item]
    numbers: Numbers
    quiet: list[tuple[str, str]] = field(default_factory=list)  # name of each layer taken in, and what it does
    is_output: bool = False
    labels: Sequence[str] = ()
    direct: bool = True  # whether it takes the values that the item before it shows, and not other outputs of it
    shown: Sequence[int] = ()  # which of its neurons or maps are drawn, where that is given

    @property
    def is_input(self) -> bool:
        return self.kind == "Input"

    @property
    def is_vector(self) -> bool:
        """Whether it makes a row of numbers for each example, which are drawn as neurons."""
        return len(self.shape) <= 1 and None not in self.shape

    @property
    def count(self) -> int:
        """The numbers in the vector that it makes."""
        return self.shape[0] or 1 if self.shape else 1

    @property
    def last(self) -> str:
        """The name of the layer whose values it shows."""
        return self.quiet[-1][0] if self.quiet else self.name

    @property
    def value(self) -> numpy.ndarray | None:
        """What it made for the example."""
        return self.numbers.values.get(self.last)

    @property
    def gradient(self) -> numpy.ndarray | None:
        """The derivative of the loss with respect to that."""
        return self.numbers.gradients.get(self.last)

    @property
    def kernel(self) -> numpy.ndarray | None:
        """The weights between a vector and this one, [inputs, units]."""
        if self.kind != "Dense" or not self.is_vector or not self.direct or self.layer is None:
            return None
        kernel: Any = getattr(self.layer, "kernel", None)
        return None if kernel is None else kernel.value

    @property
    def bias(self) -> numpy.ndarray | None:
        bias: Any = getattr(self.layer, "bias", None)
        return None if bias is None or self.kernel is None else bias.value

    @property
    def does(self) -> list[str]:
        """What the layer and those taken in do, in words: "Dense", "ReLU", "dropout 0.3"."""
        words = [self.kind] if not self.is_input else []
        activation = getattr(self.layer, "activation", None)
        if activation is not None and self.kind not in ACTIVATIONS:
            words.append(written(activation))
        return [word for word in (*words, *(what for _, what in self.quiet)) if word != "linear"]


def items_of(network: Network, numbers: Numbers, names: Mapping[str, Sequence[str]]) -> list[Item]:
    """The items of a network, inputs first; `names` has labels for the elements of inputs and layers."""
    made: dict[Tensor, Item] = {}
    firsts: dict[Tensor, bool] = {}  # whether a value is the first output of its layer
    users = _users(network)
    items: list[Item] = []
    for value, name in zip(network.inputs, network.input_names, strict=True):
        made[value] = Item(name, "Input", value.shape[1:], None, [], numbers, labels=names.get(name, ()))
        items.append(made[value])
    uses: dict[str, int] = {}
    for step in network.steps:
        if isinstance(step, Node) and isinstance(step.op, Constant):
            continue
        name = name_of(step)
        uses[name] = uses.get(name, 0) + 1
        name = name if uses[name] == 1 else f"{name}@{uses[name]}"
        before = list(dict.fromkeys(made[value] for value in step.inputs if value in made))
        layer = step.layer if isinstance(step, Call) else None
        output = step.outputs[0]
        kind = type(layer).__name__ if layer is not None else name_of(step).capitalize()
        item = Item(name, kind, output.shape[1:], layer, before, numbers, labels=names.get(name, ()))
        item.direct = all(firsts.get(value, True) for value in step.inputs)
        given = step.inputs[0]
        alone = len(step.inputs) == 1 and given in made and users.get(given, 0) == 1
        if alone and item.direct and _is_quiet(item) and not before[0].is_input and given not in network.outputs:
            before[0].quiet.append((name, _quietly(item)))
            before[0].labels = item.labels or before[0].labels
            item = before[0]
        else:
            items.append(item)
        made.update(dict.fromkeys(step.outputs, item))
        firsts.update((value, value is output) for value in step.outputs)
    for value in network.outputs:
        made[value].is_output = True
    return items


def written(activation: Any) -> str:
    """An activation as people write it."""
    try:
        name = name_of_activation(activation)
    except ArgumentError:
        name = getattr(activation, "__name__", "activation")
    return _WRITTEN.get(name, name)


def _users(network: Network) -> dict[Tensor, int]:
    found: dict[Tensor, int] = {}
    for step in network.steps:
        for value in step.inputs:
            found[value] = found.get(value, 0) + 1
    return found


def _is_quiet(item: Item) -> bool:
    if item.shape != item.before[0].shape:
        return False
    return item.kind in ACTIVATIONS + _QUIET or (item.kind in _NORMALIZING and item.is_vector)


def _quietly(item: Item) -> str:
    if item.kind == "Activation":
        return written(getattr(item.layer, "activation", None))
    if item.kind in ACTIVATIONS:
        return {"LeakyReLU": "leaky ReLU", "Softmax": "softmax"}.get(item.kind, item.kind)
    rate = getattr(item.layer, "rate", None)
    words = item.name.rsplit("_", 1)[0] if item.name.rsplit("_", 1)[-1].isdigit() else item.name
    return f"dropout {rate:g}" if rate is not None else words.replace("_", " ")
