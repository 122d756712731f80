"""What-if: the same example with something changed, and what that changes inside: predictions, and units by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from pellucid.core.spec import show_shape
from pellucid.errors import ArgumentError, UnknownNameError
from pellucid.explain.numbers import columns
from pellucid.explain.page import escape, fold, table
from pellucid.explain.rendered import Rendered
from pellucid.explain.trace import Trace
from pellucid.explain.why import one_example
from pellucid.explain.why_text import rounded, signed

_UNITS = 5


@dataclass(frozen=True)
class Change:
    """One number before and after."""

    name: str
    before: float
    after: float

    @property
    def difference(self) -> float:
        """after - before."""
        return self.after - self.before


@dataclass(frozen=True)
class LayerChange:
    """The units of a layer that changed most, and how many of all changed."""

    name: str
    kind: str
    units: tuple[Change, ...]
    changed: int
    count: int


@dataclass(frozen=True, repr=False)
class WhatIf(Rendered):
    """What was changed (name, before and after, as text), the outputs before and after, and what changed inside.

    `notes` say what the network takes a new value for that it has not met in training.
    """

    changes: tuple[tuple[str, str, str], ...]
    outputs: tuple[Change, ...]
    layers: tuple[LayerChange, ...]
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return "What if " + ", ".join(f"{name} were {after}" for name, _, after in self.changes)

    def text(self) -> str:
        """Predictions, then the units that changed most, layer by layer."""
        made = ", ".join(f"{name} {before} → {after}" for name, before, after in self.changes)
        notes = "".join(f"\nnote: {note}" for note in self.notes)
        parts = [f"with {made}:{notes}", columns([["", "before", "after", "change"], *map(_row, self.outputs)])]
        for layer in self.layers:
            parts.append(f"{_heading(layer)}\n" + columns([["", "before", "after", "change"], *map(_row, layer.units)]))
        return "\n\n".join(parts)

    def body(self) -> str:
        """The same as HTML; layers unfold."""
        head = ["", "before", "after", "change"]
        made = table([[escape(cell) for cell in row] for row in self.changes], ["changed", "before", "after"])
        notes = [f'<p class="note">{escape(note)}</p>' for note in self.notes]
        parts = [made, *notes, "<h2>Prediction</h2>", _table(self.outputs, head), "<h2>Inside</h2>"]
        parts += [fold(escape(_heading(layer)), _table(layer.units, head), opened=True) for layer in self.layers]
        return "\n".join(parts)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "changes": [{"name": name, "before": before, "after": after} for name, before, after in self.changes],
            "outputs": [vars(one) for one in self.outputs],
            "layers": [{**vars(layer), "units": [vars(unit) for unit in layer.units]} for layer in self.layers],
            "notes": list(self.notes),
        }


def changed(
    arrays: list[numpy.ndarray],
    inputs: Sequence[str],
    changes: Mapping[Any, float],
    names: Sequence[str] | None,
    which: str | None,
) -> tuple[list[tuple[str, str, str]], list[numpy.ndarray]]:
    """What is changed, as text, and the arrays with it; raises errors that list what there is."""
    one_example(arrays)
    if not changes:
        raise ArgumentError("changes is empty; give new values by place or name, for instance {0: 1.5}")
    if which is None and len(inputs) > 1:
        raise ArgumentError(f"choose the input to change: input= one of {', '.join(inputs)}")
    if which is not None and which not in inputs:
        raise UnknownNameError("input", which, inputs)
    place = 0 if which is None else list(inputs).index(which)
    made = [array.copy() for array in arrays]
    said = []
    for key, value in changes.items():
        at = _at(key, arrays[place][0], names)
        label = str(key) if isinstance(key, str) else f"{inputs[place]}[{', '.join(map(str, at))}]"
        if not isinstance(value, (int, float, numpy.number)):
            raise ArgumentError(f"the new value of {label} must be a number, got {value!r}")
        made[place][0][at] = value
        said.append((label, rounded(float(arrays[place][0][at])), rounded(float(made[place][0][at]))))
    return said, made


def _at(key: Any, array: numpy.ndarray, names: Sequence[str] | None) -> tuple[int, ...]:
    """The place of an element: named, by its number in the first axis of a flat input, or by all its numbers."""
    if isinstance(key, str):
        known = list(names or ())
        if known and len(known) != array.size:
            raise ArgumentError(f"names has {len(known)} names for the {array.size} elements of the input")
        if key not in known:
            raise UnknownNameError("element", key, known or map(str, range(array.size)))
        return tuple(int(i) for i in numpy.unravel_index(known.index(key), array.shape))
    at = key if isinstance(key, tuple) else (key,)
    if len(at) != array.ndim or not all(
        isinstance(i, int) and 0 <= i < n for i, n in zip(at, array.shape, strict=True)
    ):
        raise ArgumentError(f"place {key!r} is not in an example of shape {show_shape(array.shape)}")
    return at


def what_if(
    changes: Sequence[tuple[str, str, str]],
    before: Trace,
    after: Trace,
    names: Mapping[str, Sequence[str]] | None = None,
    notes: Sequence[str] = (),
) -> WhatIf:
    """Two traces of one example each, compared. `names` are those of units, by the name of their layer."""
    names = names or {}
    outputs = [
        change for name in before.outputs for change in _changes(name, before.outputs[name], after.outputs[name], names)
    ]
    layers: list[LayerChange] = []
    seen: set[int] = set()
    for name, layer in before.layers.items():
        if id(layer.activation) in seen:  # handed on as it was, by a dropout for instance
            continue
        seen.add(id(layer.activation))
        found = _changes(name, layer.activation, after[name].activation, names)
        moved = sorted((one for one in found if one.difference), key=lambda one: -abs(one.difference))
        if moved:
            layers.append(LayerChange(name, layer.kind, tuple(moved[:_UNITS]), len(moved), len(found)))
    return WhatIf(tuple(changes), tuple(outputs), tuple(layers), tuple(notes))


def _changes(
    name: str, before: numpy.ndarray, after: numpy.ndarray, names: Mapping[str, Sequence[str]]
) -> list[Change]:
    given = names.get(name.split("@")[0], ())
    size = before[0].size
    labels = given if len(given) == size else [_label(name, at, size) for at in numpy.ndindex(before.shape[1:])]
    pairs = zip(labels, before[0].ravel().tolist(), after[0].ravel().tolist(), strict=True)
    return [Change(label, float(old), float(new)) for label, old, new in pairs]


def _label(name: str, at: tuple[int, ...], size: int) -> str:
    return name if size == 1 else f"{name}[{', '.join(map(str, at))}]"


def _heading(layer: LayerChange) -> str:
    of = f"{layer.changed:,} of {layer.count:,} values change" if layer.count > 1 else "its value changes"
    return f"{layer.name} ({layer.kind}): {of}"


def _row(change: Change) -> list[str]:
    return [change.name, rounded(change.before), rounded(change.after), signed(change.difference)]


def _table(changes: Sequence[Change], head: Sequence[str]) -> str:
    return table([[escape(cell) for cell in _row(one)] for one in changes], head)
