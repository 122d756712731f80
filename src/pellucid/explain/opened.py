"""`Opened`: a network's graph built anew on some examples, with every part of it that a reader can open.

The forward pass, the loss, its derivatives and the optimizer's updates are tensors of one graph; which of them belong
to which layer, under which names, stands here. Values are computed when they are asked for: in float64 by the
reference, which explanations show, or by an executor, where there are many.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any, TypeVar

import numpy

from pellucid.core.autodiff import gradients
from pellucid.core.evaluate import Values, evaluate_nodes
from pellucid.core.graph import Node, Program, Tensor, Variable, order
from pellucid.core.spec import known
from pellucid.errors import ArgumentError, UnknownNameError
from pellucid.execute.program import Executor
from pellucid.nn.calling import Call
from pellucid.nn.layer import Layer

Item = TypeVar("Item")
_SHARE = 0.5  # of the free memory that opening a network may take


@dataclass(frozen=True, eq=False)
class OpenLayer:
    """One use of a layer. `parts` are the values inside that a reader can open, by what they are called: a layer's
    weighted sums ("pre_activation"), its gates, its attention scores."""

    name: str  # path within the network; "dense@2" for the second use of a shared layer
    layer: Layer
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    parts: dict[str, Tensor]
    weights: dict[str, Variable]  # its own, without those of layers inside that are opened themselves

    @property
    def kind(self) -> str:
        """The class of the layer."""
        return type(self.layer).__name__

    @property
    def output(self) -> Tensor:
        """The first output."""
        return self.outputs[0]


@dataclass(frozen=True, eq=False)
class Opened:
    """A network built on the examples in `feeds`. Without labels there is no loss, and nothing is differentiated."""

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    layers: dict[str, OpenLayer]
    feeds: dict[Tensor, numpy.ndarray]
    labels: tuple[Tensor, ...] = ()
    loss: Tensor | None = None
    derivatives: dict[Tensor, Tensor] = field(default_factory=dict)  # of the loss, by what it is differentiated by
    updates: tuple[tuple[Variable, Tensor], ...] = ()  # what the optimizer would write after this step

    def layer(self, name: str) -> OpenLayer:
        """A layer by name; raises `UnknownNameError` with the names that there are."""
        if name not in self.layers:
            raise UnknownNameError("layer", name, self.layers)
        return self.layers[name]

    @cached_property
    def exact(self) -> Values:
        """Every value of the graph in float64; raises `ArgumentError` where there is not enough memory for them."""
        targets = [*self.outputs.values(), *self.derivatives.values(), *(value for _, value in self.updates)]
        nodes = order([*targets, *([] if self.loss is None else [self.loss])])
        need_memory([value for node in nodes for value in node.outputs], 8)
        return evaluate_nodes(nodes, self.feeds, wide=True)

    def run(self, wanted: Sequence[Tensor], executor: Executor, precision: str = "float32") -> list[numpy.ndarray]:
        """Some values as an executor computes them: for statistics over many examples."""
        need_memory(wanted, 4)
        program = Program(tuple(self.feeds), tuple(wanted))
        return executor.compile(program, precision)(*self.feeds.values())


def layers_of(calls: Iterable[Call], nodes: Iterable[Node]) -> dict[str, OpenLayer]:
    """The uses of layers, in the order of computation, each with the labelled values inside of it."""
    labelled: dict[tuple[str, ...], list[Tensor]] = {}
    for node in nodes:
        if node.differentiates is None:
            for value in node.outputs:
                if value.label:
                    labelled.setdefault(node.scope, []).append(value)
    found: dict[str, OpenLayer] = {}
    uses: dict[str, int] = {}
    for call in calls:
        path = "/".join(call.path)
        uses[path] = uses.get(path, 0) + 1
        name = path if uses[path] == 1 else f"{path}@{uses[path]}"
        parts = _taken(labelled.get(call.path, []), max(value.node.serial for value in call.outputs))
        inner = {one for other in found.values() if other.name.startswith(f"{path}/") for one in other.layer.variables}
        weights = _apart((variable.name, variable) for variable in call.layer.variables if variable not in inner)
        found[name] = OpenLayer(name, call.layer, call.inputs, call.outputs, parts, weights)
    return found


def _apart(pairs: Iterable[tuple[str, Item]]) -> dict[str, Item]:
    """Things by name; the second of a name is name@2."""
    found: dict[str, Item] = {}
    for name, item in pairs:
        count = sum(other.split("@")[0] == name for other in found)
        found[f"{name}@{count + 1}" if count else name] = item
    return found


def _taken(labelled: list[Tensor], last: int) -> dict[str, Tensor]:
    """The labelled values made up to a node, taken from the list, so that the next use of the layer gets its own."""
    taken = []
    while labelled and labelled[0].node.serial <= last:
        taken.append(labelled.pop(0))
    return _apart((value.label, value) for value in taken)


def derivatives_of(loss: Tensor, wanted: Iterable[Tensor]) -> dict[Tensor, Tensor]:
    """The derivative of the loss with respect to each of the values, where it depends on floats."""
    values = [value for value in dict.fromkeys(wanted) if value.spec.is_float]
    return dict(zip(values, gradients(loss, values), strict=True))


def openable(loss: Tensor, inputs: Iterable[Tensor], layers: Mapping[str, OpenLayer]) -> list[Tensor]:
    """What the loss is made of, as far as a reader can name it: inputs, what layers make, and the parts inside of them.

    Of a recurrent layer the gates are not among them: inside its one op they have no derivative of their own.
    """
    made_of = {value for node in order([loss]) for value in node.inputs}
    inside = (value for layer in layers.values() for value in (*layer.outputs, *layer.parts.values()))
    return [value for value in (*inputs, *inside) if value in made_of]


def need_memory(values: Iterable[Tensor], each: int) -> None:
    """Raise `ArgumentError` unless the values, of `each` bytes a number, fit into half of the free memory."""
    numbers = sum(prod(known(value.shape)) for value in values)
    free = _free_bytes()
    if free is not None and numbers * each > free * _SHARE:
        raise ArgumentError(
            f"opening the network on these examples would take {numbers * each / 2**30:,.1f} GiB of the "
            f"{free / 2**30:,.1f} GiB that are free; give fewer examples, for instance x[:1]"
        )


def _free_bytes() -> int | None:
    """Memory that is free now, where the system tells."""
    names: Any = getattr(os, "sysconf_names", {})
    if "SC_AVPHYS_PAGES" not in names:
        return None
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
