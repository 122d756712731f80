"""The table behind `model.summary()`: plain rows, and a rendering of them as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pellucid.core.graph import Node, Tensor
from pellucid.core.place import Group
from pellucid.core.sources import Constant
from pellucid.errors import ArgumentError
from pellucid.nn.calling import Call
from pellucid.nn.layer import Layer
from pellucid.nn.network import Network, Step, name_of, step_of


@dataclass(frozen=True)
class Row:
    """One line of the table: an input, a layer, or a layer inside of a nested network (`depth` above 0)."""

    name: str
    kind: str
    shape: str
    parameters: int
    connected: tuple[str, ...]
    trainable: bool
    depth: int = 0


@dataclass(frozen=True)
class Summary:
    """The rows and the totals of a network."""

    name: str
    rows: tuple[Row, ...]
    trainable: int
    non_trainable: int

    @property
    def total(self) -> int:
        return self.trainable + self.non_trainable

    def text(self, line_length: int | None = None) -> str:
        """The table as text; connections are shown where the network is more than a chain."""
        connections = not _is_chain(self.rows)
        header = ("Layer (type)", "Output Shape", "Param #", *(("Connected to",) if connections else ()))
        cells = [header]
        for row in self.rows:
            name = f"{'  ' * row.depth}{row.name} ({row.kind})"
            cells.append(
                (name, row.shape, f"{row.parameters:,}", *((", ".join(row.connected) or "-",) if connections else ()))
            )
        widths = _widths(cells, line_length)
        rule = "─" * (sum(widths) + 2 * len(widths) - 1)
        lines = [f'Model: "{self.name}"', rule, *_line(header, widths), rule]
        for row_cells in cells[1:]:
            lines += _line(row_cells, widths)
        totals = (("Total", self.total), ("Trainable", self.trainable), ("Non-trainable", self.non_trainable))
        return "\n".join([*lines, rule, *(f" {what} params: {count:,} ({_memory(count)})" for what, count in totals)])


def summarize(network: Network, expand_nested: bool = False) -> Summary:
    """The rows and totals of a network; with `expand_nested`, also of the networks inside of it."""
    trainable = sum(variable.value.size for variable in network.trainable_variables)
    total = sum(variable.value.size for variable in network.variables)
    return Summary(
        network.name, tuple(_rows(network, expand_nested, network.trainable, 0)), trainable, total - trainable
    )


def summary(
    network: Network,
    line_length: int | None = None,
    print_fn: Callable[[str], object] | None = None,
    expand_nested: bool = False,
) -> None:
    """Print the table of a network, or hand its text to `print_fn`.

    >>> from pellucid.nn.layers import Dense, Input
    >>> x = Input(shape=(4,), name="x")
    >>> summary(Network(x, Dense(2)(x), name="tiny"))
    Model: "tiny"
    ─────────────────────────────────────
     Layer (type)   Output Shape  Param #
    ─────────────────────────────────────
     x (Input)      (None, 4)           0
     dense (Dense)  (None, 2)          10
    ─────────────────────────────────────
     Total params: 10 (40.00 B)
     Trainable params: 10 (40.00 B)
     Non-trainable params: 0 (0.00 B)
    """
    if line_length is not None and (not isinstance(line_length, int) or line_length < 20):
        raise ArgumentError(f"summary: line_length must be a whole number of at least 20, got {line_length!r}")
    (print_fn or print)(summarize(network, expand_nested).text(line_length))


def _rows(network: Network, expand_nested: bool, trainable: bool, depth: int) -> Iterator[Row]:
    names = dict(zip(network.inputs, network.input_names, strict=True))
    for value, name in names.items():
        yield Row(name, "Input", _shape([value]), 0, (), False, depth)
    uses: dict[Layer | Group | Node, list[Step]] = {}
    for step in network.steps:
        if not (isinstance(step, Node) and isinstance(step.op, Constant)):
            uses.setdefault(step.layer if isinstance(step, Call) else step, []).append(step)
    for made_by, steps in uses.items():
        shape = _shape(value for step in steps for value in step.outputs)
        connected = tuple(text for step in steps for text in _connections(step, names))
        if not isinstance(made_by, Layer):
            yield Row(name_of(steps[0]), "op", shape, 0, connected, False, depth)
            continue
        own, count = trainable and made_by.trainable, made_by.count_params()
        yield Row(made_by.name, type(made_by).__name__, shape, count, connected, own and count > 0, depth)
        if expand_nested and isinstance(made_by, Network):
            yield from _rows(made_by, True, own, depth + 1)


def _connections(step: Step, names: Mapping[Tensor, str]) -> Iterator[str]:
    """What a step takes: values by the names of what made them, keyword arguments as they were given."""

    def text(value: Any) -> str:
        if isinstance(value, list):
            return f"[{', '.join(map(text, value))}]"
        return (names.get(value) or name_of(step_of(value))) if isinstance(value, Tensor) else str(value)

    given = step.tensors if isinstance(step, Call) else step.inputs
    yield from (text(value) for value in given if not isinstance(value.node.op, Constant))
    if isinstance(step, Call):
        yield from (f"{name}={text(value)}" for name, value in step.options.items())


def _shape(values: Iterable[Tensor]) -> str:
    """As Keras writes it; several where an output, or a use, differs."""
    shapes = ("(" + ", ".join(map(str, value.shape)) + ("," if value.rank == 1 else "") + ")" for value in values)
    return ", ".join(dict.fromkeys(shapes))


def _is_chain(rows: tuple[Row, ...]) -> bool:
    """Whether every row is connected to the one before it alone."""
    names = [row.name for row in rows]
    return all(row.connected == (() if i == 0 else (names[i - 1],)) for i, row in enumerate(rows))


def _widths(cells: list[tuple[str, ...]], line_length: int | None) -> list[int]:
    """As wide as the longest cell; where a line would be too long, the widest columns give way."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    while line_length is not None and sum(widths) + 2 * len(widths) - 1 > line_length and max(widths) > 4:
        widths[widths.index(max(widths))] -= 1
    return widths


def _line(cells: tuple[str, ...], widths: list[int]) -> Iterator[str]:
    """A row as lines: what is too long for its column goes on in the next line."""
    parts = [
        [cell[i : i + width] for i in range(0, len(cell), width)] or [""]
        for cell, width in zip(cells, widths, strict=True)
    ]
    for i in range(max(map(len, parts))):
        texts = [part[i] if i < len(part) else "" for part in parts]
        aligned = [
            text.rjust(width) if at == 2 else text.ljust(width)
            for at, (text, width) in enumerate(zip(texts, widths, strict=True))
        ]
        yield (" " + "  ".join(aligned)).rstrip()


def _memory(count: int) -> str:
    """Bytes of float32 numbers, readable."""
    size = 4.0 * count
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} TB"
