"""`Trace`: what every layer of a network makes of some examples, and how the loss changes with each of these values.

Of each use of a layer there are the activation (what it gives), its parts (weighted sums before the activation, gates,
cell states, attention scores, means) and its weights; with labels also the derivative of the loss with respect to each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy

from pellucid.core.graph import Tensor, Variable, order
from pellucid.core.sources import Constant, Feed, Read
from pellucid.errors import ArgumentError, UnknownNameError
from pellucid.execute.program import Executor
from pellucid.explain.numbers import columns, number
from pellucid.explain.opened import Opened, OpenLayer
from pellucid.explain.page import escape, table
from pellucid.explain.recurrence import Arrays, Recurrence, Values, recurrences
from pellucid.explain.rendered import Rendered

_WIDE = 40  # letters of a layer's name that stand beside its values
_MOST = 2_000_000  # numbers in JSON, where each takes some twenty letters


@dataclass(frozen=True, eq=False)
class LayerTrace:
    """What one use of a layer made. Arrays have one row per example, but for weights.

    `gradients` has the derivative of the loss with respect to "activation" and to parts by their names, where the loss
    depends on them. For the states of a recurrent layer ("h", "c") it is the whole derivative, through all later steps;
    "activation" is what later layers alone ask for.
    """

    name: str
    kind: str
    activations: tuple[numpy.ndarray, ...]
    parts: Arrays = field(default_factory=dict)
    gates: Arrays = field(default_factory=dict)  # of LSTM: i, f, candidate, o; of GRU: update, reset, candidate
    gradients: Arrays = field(default_factory=dict)
    weights: Arrays = field(default_factory=dict)
    weight_gradients: Arrays = field(default_factory=dict)

    @property
    def activation(self) -> numpy.ndarray:
        """The (first) output."""
        return self.activations[0]

    @property
    def values(self) -> Arrays:
        """The outputs, then the parts, by name."""
        return {**_outputs(self.activations), **self.parts}

    def gradient(self, name: str = "activation") -> numpy.ndarray:
        """A derivative by name; raises `UnknownNameError` with those that there are."""
        if name not in self.gradients:
            raise UnknownNameError(f"derivative in the trace of layer {self.name}", name, self.gradients)
        return self.gradients[name]

    @property
    def arrays(self) -> dict[str, Arrays]:
        """All arrays, by what they are."""
        return {
            "values": self.values, "gates": self.gates, "gradients": self.gradients, "weights": self.weights,
            "weight_gradients": self.weight_gradients,
        }  # fmt: skip

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return sum(value.size for arrays in self.arrays.values() for value in arrays.values())

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {"name": self.name, "kind": self.kind, **{name: plain(arrays) for name, arrays in self.arrays.items()}}


@dataclass(frozen=True, eq=False, repr=False)
class Trace(Rendered):
    """What a network made of some examples: `layers` by name, in the order of computation, the second use of a shared
    layer as "name@2", layers inside of others as "outer/inner".

    `trace["dense"]` is a layer; raises `UnknownNameError` with the names that there are.

    >>> import pellucid
    >>> model = pellucid.Sequential([pellucid.Input((2,)), pellucid.layers.Dense(1, "relu", name="unit")])
    >>> model.set_weights([[[1.0], [2.0]], [-1.0]])
    >>> trace = model.trace([[3.0, -4.0]])
    >>> trace["unit"].parts["pre_activation"].tolist(), trace["unit"].activation.tolist()
    ([[-6.0]], [[0.0]])
    """

    layers: dict[str, LayerTrace]
    inputs: Arrays
    outputs: Arrays
    loss: float | None = None
    input_gradients: Arrays = field(default_factory=dict)

    def __getitem__(self, name: str) -> LayerTrace:
        if name not in self.layers:
            raise UnknownNameError("layer", name, self.layers)
        return self.layers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def only(self, *names: str) -> Trace:
        """The trace of some of the layers; raises `UnknownNameError` for a name that there is not.

        >>> import pellucid
        >>> from pellucid.layers import Dense, Input
        >>> model = pellucid.Sequential([Input((2,)), Dense(3, "relu"), Dense(1)])
        >>> list(model.trace([[3.0, -4.0]]).only("dense"))
        ['dense']
        """
        return replace(self, layers={name: self[name] for name in names})

    @property
    def title(self) -> str:
        rows = len(next(iter(self.inputs.values())))
        return f"What each layer makes of {rows} example{'s' * (rows != 1)}"

    @cached_property
    def _rows(self) -> list[list[str]]:
        """One row per value: layer, what, shape, how far values reach, how far derivatives reach."""
        rows = [["input", name, *_reach(value, self.input_gradients.get(name))] for name, value in self.inputs.items()]
        for layer in self.layers.values():
            title = f"{layer.name} ({layer.kind})"
            for name, value in layer.values.items():
                rows.append([title, name, *_reach(value, layer.gradients.get(name))])
                title = ""
            for name, value in layer.weights.items():
                rows.append(["", name, *_reach(value, layer.weight_gradients.get(name))])
        return rows

    @property
    def _head(self) -> list[str]:
        more = ["∂loss smallest", "∂loss largest"] if self.loss is not None else []
        return ["layer", "value", "shape", "smallest", "mean", "largest", *more]

    def text(self) -> str:
        """A table of all values: shapes, and how far they and the derivatives of the loss reach."""
        width = len(self._head)
        rows = [self._head, *(row[:width] for row in self._rows)]
        if max(len(row[0]) for row in rows) <= _WIDE:
            lines = columns(rows, indent="", left=(0, 1))
        else:  # long names stand on lines of their own
            values = columns([row[1:] for row in rows], indent="  ", left=(0,)).splitlines()
            lines = "\n".join(f"{row[0]}\n{line}" if row[0] else line for row, line in zip(rows, values, strict=True))
        return lines if self.loss is None else f"loss: {number(self.loss)}\n\n{lines}"

    def body(self) -> str:
        """The same table as HTML."""
        width = len(self._head)
        loss = "" if self.loss is None else f'<p class="lead">loss: {number(self.loss)}</p>\n'
        rows = ([escape(cell) for cell in row[:width]] for row in self._rows)
        return loss + table(rows, self._head, left=(0, 1))

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values; raises `ArgumentError` where that would take more than some 40 MB."""
        count = sum(layer.size for layer in self.layers.values())
        if count > _MOST:
            largest = sorted(self.layers.values(), key=lambda layer: -layer.size)[:3]
            found = ", ".join(f"{layer.name} {layer.size:,}" for layer in largest)
            raise ArgumentError(
                f"this trace has {count:,} numbers (the largest: {found}), about {count // 50_000:,} MB of JSON; trace "
                "fewer examples, or save some of the layers: trace.only('NAME', …); trace['NAME'] has the arrays"
            )
        return {
            "inputs": plain(self.inputs),
            "outputs": plain(self.outputs),
            "loss": self.loss,
            "input_gradients": plain(self.input_gradients),
            "layers": [layer.to_json() for layer in self.layers.values()],
        }


def trace(opened: Opened, executor: Executor | None = None) -> Trace:
    """The values of an opened network, as an executor computes them; without one in float64, by the reference.

    Raises `ArgumentError` before memory is taken where there is not enough of it.
    """
    backward = order(opened.derivatives.values())
    inside = {name: recurrences(layer, backward) for name, layer in opened.layers.items()}
    wanted = [value for layer in opened.layers.values() for value in (*layer.outputs, *layer.parts.values())]
    wanted += [value for found in inside.values() for one in found for value in one.needed]
    wanted += [*opened.outputs.values(), *opened.derivatives.values(), *([] if opened.loss is None else [opened.loss])]
    values = computed(opened, wanted, executor)
    layers = {name: _layer(opened, layer, inside[name], values) for name, layer in opened.layers.items()}
    return Trace(
        layers,
        {name: opened.feeds[value] for name, value in opened.inputs.items()},
        {name: values[value] for name, value in opened.outputs.items()},
        None if opened.loss is None else float(values[opened.loss]),
        _derivatives(opened, opened.inputs, values),
    )


def computed(opened: Opened, wanted: Iterable[Tensor], executor: Executor | None) -> Values:
    """The values by tensor; what is fed, read or constant is taken from where it is."""
    if executor is None:
        return opened.exact
    given = {value: _source(opened, value) for value in wanted}
    asked = [value for value, array in given.items() if array is None]
    made = dict(zip(asked, opened.run(asked, executor), strict=True)) if asked else {}
    return {**{value: array for value, array in given.items() if array is not None}, **made}


def _source(opened: Opened, value: Tensor) -> numpy.ndarray | None:
    op = value.node.op
    if isinstance(op, Feed):
        return opened.feeds[value]
    if isinstance(op, Read):
        return numpy.array(op.variable.value)
    return op.value if isinstance(op, Constant) else None


def _layer(opened: Opened, layer: OpenLayer, inside: Sequence[Recurrence], values: Values) -> LayerTrace:
    parts = {label: values[value] for label, value in layer.parts.items()}
    gradients = _derivatives(opened, {**_outputs(layer.outputs), **layer.parts}, values)
    gates: Arrays = {}
    for recurrence in inside:
        parts |= recurrence.parts(values)
        gates |= recurrence.gates(values)
        gradients |= recurrence.gradients(values)
    weights: dict[str, Variable] = layer.weights
    return LayerTrace(
        layer.name,
        layer.kind,
        tuple(values[value] for value in layer.outputs),
        parts,
        gates,
        gradients,
        {name: weight.value.copy() for name, weight in weights.items()},
        _derivatives(opened, {name: weight.tensor for name, weight in weights.items()}, values),
    )


def _derivatives(opened: Opened, named: Mapping[str, Tensor], values: Values) -> Arrays:
    return {name: values[opened.derivatives[value]] for name, value in named.items() if value in opened.derivatives}


def _outputs(outputs: Sequence[Any]) -> dict[str, Any]:
    """A layer's outputs by name: activation, activation@2 …"""
    return {f"activation@{place}" if place > 1 else "activation": value for place, value in enumerate(outputs, 1)}


def _reach(value: numpy.ndarray, gradient: numpy.ndarray | None) -> list[str]:
    """The shape, and how far values and derivatives reach, without NaN and infinities."""
    shape = " × ".join(map(str, value.shape)) or "1"
    ends = (
        ["", ""]
        if gradient is None or not gradient.size
        else [number(float(gradient.min())), number(float(gradient.max()))]
    )
    known = value[numpy.isfinite(value)]
    if not known.size:
        return [shape, "", "", "", *ends]
    return [shape, number(float(known.min())), number(float(known.mean())), number(float(known.max())), *ends]


def plain(arrays: Mapping[str, numpy.ndarray]) -> dict[str, Any]:
    """Arrays as nested lists, by name."""
    return {name: value.tolist() for name, value in arrays.items()}
