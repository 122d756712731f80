"""Diagrams of networks: neurons and the connections between them, and blocks for layers that are more than neurons.

The picture is made of plain shapes on a sheet, which are written as SVG or drawn by Matplotlib. No graphviz is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy

from pellucid.errors import ArgumentError
from pellucid.explain.colours import NEGATIVE, POSITIVE
from pellucid.explain.numbers import number
from pellucid.explain.rendered import save
from pellucid.nn.network import Network
from pellucid.plot.diagram_blocks import sizes, strongest_maps
from pellucid.plot.diagram_columns import SHOWN, compact, connection_matrix
from pellucid.plot.diagram_items import Numbers, items_of
from pellucid.plot.diagram_links import gap, links
from pellucid.plot.diagram_parts import Part, parts_of
from pellucid.plot.layering import Layout, layered
from pellucid.plot.shapes import Curve, Label, Shape, Sheet, moved, text_width
from pellucid.plot.svg import to_svg

if TYPE_CHECKING:
    from pellucid.explain.trace import Trace

SHOWS = ("weights", "gradients", "contributions")
_LINE = 15.0  # between two lines of a header
_MARGIN = 26.0
_FAN = 46.0  # between a block and the neurons that it ends in


@dataclass(frozen=True)
class Diagram:
    """A picture of a network, which notebooks show by itself; `text()` says the same in words."""

    sheet: Sheet
    lines: tuple[str, ...]
    shown: Mapping[str, Sequence[int]]  # which neurons, or maps, are drawn of each input and layer

    def svg(self) -> str:
        """The picture as SVG: for web pages, slides and vector editors."""
        return to_svg(self.sheet)

    def text(self) -> str:
        """The picture in words."""
        return "\n".join(self.lines)

    def html(self) -> str:
        """A page of its own, which opens offline."""
        from pellucid.explain.page import escape, page

        words = f"<details><summary>In words</summary><pre>{escape(self.text())}</pre></details>"
        return page(self.sheet.title, f"<h1>{escape(self.sheet.title)}</h1>\n{self.svg()}\n{words}")

    def save(self, path: str | Path) -> None:
        """Write the picture to a file: .svg, .html or .txt, or, drawn by Matplotlib, .png or .pdf."""
        drawn = {f".{kind}": partial(self._drawn, kind) for kind in ("png", "pdf")}
        save(path, {".svg": self.svg, **drawn, ".html": self.html, ".txt": self.text})

    def _drawn(self, kind: str) -> bytes:
        from pellucid.plot.canvas import draw_sheet

        content = BytesIO()
        draw_sheet(self.sheet).savefig(content, format=kind, dpi=200)
        return content.getvalue()

    def _repr_html_(self) -> str:
        return self.svg()

    def _repr_svg_(self) -> str:
        return self.svg()

    def __repr__(self) -> str:
        return self.text()


def draw(
    network: Network,
    numbers: Numbers,
    show: str = "weights",
    names: Mapping[str, Sequence[str]] | None = None,
    title: str = "",
    shown: Mapping[str, Sequence[int]] | None = None,
) -> Diagram:
    """The diagram of a network; raises `ArgumentError` where what is to be shown is not known.

    With what is `shown` in another diagram of the network, the two are the same but for their numbers.
    """
    if show not in SHOWS:
        raise ArgumentError(f"diagram: show must be one of {', '.join(SHOWS)}, got {show!r}")
    if show == "contributions" and not numbers.values:
        raise ArgumentError("diagram: contributions are values times weights; give an example, x, or a trace of one")
    if show == "gradients" and not any(numbers.weight_gradients.values()):
        raise ArgumentError("diagram: gradients need a loss; give x and y, or a trace made with y")
    items = items_of(network, numbers, names or {})
    for item in items:
        item.shown = (shown or {}).get(item.name, ())
    parts = parts_of(items, show)
    place = {item: i for i, item in enumerate(items)}
    edges = [(place[source], place[item]) for item in items for source in item.before]
    layout = layered([part.extent() for part in parts], edges, lambda i, j: gap(parts[i], parts[j]))
    behind, before = links(parts, edges, layout, show)
    shapes = list(behind)
    headers = [y - part.header_bottom for part, (_, y) in zip(parts, layout.places, strict=True)]
    if len(set(layout.ranks)) == len(parts) and all(part.block is None for part in parts):
        headers = [min(headers)] * len(parts)  # columns in a row have their names on one height
    for part, (x, y), header in zip(parts, layout.places, headers, strict=True):
        shapes += part.draw(x, y, show, header)
    shapes += before
    title = title or f"The network {network.name}"
    lines = (title, *_words(parts, numbers, show))
    return Diagram(_sheet(shapes, parts, layout, numbers, show, title, lines), lines, _shown(parts))


def _shown(parts: Sequence[Part]) -> dict[str, Sequence[int]]:
    columns = {part.item.name: part.column.shown for part in parts if part.column is not None}
    stacks = {part.item.name: strongest_maps(part.item) for part in parts
              if part.column is None and len(part.item.shape) == 3}  # fmt: skip
    return {**columns, **stacks}


def numbers_of(network: Network, trace: Trace, row: int = 0) -> Numbers:
    """What a trace of the network tells of one of its examples; raises `ArgumentError` for a row that it has not."""
    found, names = getattr(trace, "inputs", None), network.input_names
    if found is None or sorted(found) != sorted(names):
        got = type(trace).__name__ if found is None else f"one with {', '.join(found)}"
        raise ArgumentError(f"diagram: give a trace of this network, whose inputs are {', '.join(names)}; got {got}")
    rows = min((len(value) for value in trace.inputs.values()), default=0)
    if not isinstance(row, (int, numpy.integer)) or not 0 <= row < rows:
        raise ArgumentError(f"diagram: the trace has {rows} examples, so row must be 0 to {rows - 1}, got {row!r}")
    outside = {name: layer for name, layer in trace.layers.items() if "/" not in name}
    inside: dict[str, numpy.ndarray] = {}
    for name, layer in trace.layers.items():
        found = layer.parts.get("scores", layer.parts.get("h"))
        if found is not None and found.ndim >= 3:
            inside.setdefault(name.split("/")[0], found[row])
    return Numbers(
        {**{name: value[row] for name, value in trace.inputs.items()},
         **{name: layer.activation[row] for name, layer in outside.items()}},
        {**{name: value[row] for name, value in trace.input_gradients.items()},
         **{name: layer.gradients["activation"][row] for name, layer in outside.items()
            if "activation" in layer.gradients}},
        {name: layer.weight_gradients for name, layer in outside.items()},
        inside,
        trace.loss,
    )  # fmt: skip


def _sheet(
    shapes: Sequence[Shape],
    parts: Sequence[Part],
    layout: Layout,
    numbers: Numbers,
    show: str,
    title: str,
    lines: Sequence[str],
) -> Sheet:
    """The shapes with a margin around, and below what the lines mean."""
    extents = [part.extent() for part in parts]
    left = min(x - size.width / 2 for (x, _), size in zip(layout.places, extents, strict=True))
    right = max(
        x + size.width / 2 + (part.beside if part.item.is_output else 0.0)
        for (x, _), size, part in zip(layout.places, extents, parts, strict=True)
    )
    tops = [y - size.above for (_, y), size in zip(layout.places, extents, strict=True)]
    bottoms = [y + size.below for (_, y), size in zip(layout.places, extents, strict=True)]
    for route in layout.routes.values():
        tops += [y - 10 for _, y in route]
        bottoms += [y + 10 for _, y in route]
    legend = _legend(parts, numbers, show)
    wide = max((_end(shape) for shape in legend), default=0.0)
    width = max(right - left, wide) + 2 * _MARGIN
    top = min(tops)
    height = max(bottoms) - top + _MARGIN + (34.0 if legend else 10.0)
    shift = _MARGIN + (width - 2 * _MARGIN - (right - left)) / 2 - left
    placed = moved(shapes, shift, _MARGIN * 0.4 - top)
    placed += moved(legend, (width - wide) / 2, height - 20)
    return Sheet(width, height, title, "; ".join(lines[1:]), tuple(placed))


def _legend(parts: Sequence[Part], numbers: Numbers, show: str) -> list[Shape]:
    """What thickness and colour mean, from (0, 0) to the right; nothing where no line is weighted."""
    shapes: list[Shape] = []
    x = 0.0
    if any(part.item.kernel is not None for part in parts):
        what = {"weights": "weight", "gradients": "∂loss/∂weight", "contributions": "value × weight"}[show]
        for colour, text in ((POSITIVE, f"{what} above 0"), (NEGATIVE, "below 0")):
            shapes += [Curve(((x, 0.0), (x + 22, 0.0)), colour, 3.0), Label(x + 28, 0, text, 11, "muted", "start")]
            x += 28 + text_width(text, 11) + 16
        shapes.append(Label(x, 0, "thickness: its size", 11, "muted", "start"))
        x += text_width("thickness: its size", 11) + 22
    if numbers.loss is not None:
        shapes.append(Label(x, 0, f"loss {number(numbers.loss)}", 12, "ink", "start", bold=True))
    return shapes


def _end(shape: Shape) -> float:
    return shape.x + text_width(shape.text, shape.size) if isinstance(shape, Label) else 0.0


def _words(parts: Sequence[Part], numbers: Numbers, show: str) -> list[str]:
    """One line for each item: what it is, what it takes, its values where they are few, its strongest connection."""
    lines = []
    for part in parts:
        item = part.item
        does = ", ".join(item.does) or "input"
        size = f"{item.count:,} value{'s' * (item.count != 1)}" if item.is_vector else sizes(item.shape)
        line = f"{item.name}: {does}, {size}"
        if item.before:
            line += f", from {' and '.join(source.name for source in item.before)}"
        if part.column and item.value is not None and item.count <= SHOWN:
            values = numpy.ravel(item.value)
            units = (f"{part.column.name(i)} = {compact(float(values[i]))}" for i in range(item.count))
            line += f" ({', '.join(units)})"
        matrix = connection_matrix(item, show)
        if matrix is not None and matrix.size:
            i, j = numpy.unravel_index(int(numpy.abs(numpy.nan_to_num(matrix)).argmax()), matrix.shape)
            what = {"weights": "weight", "gradients": "gradient", "contributions": "contribution"}[show]
            line += f"; largest {what} {number(float(matrix[i, j]))} at kernel[{i},{j}]"
        lines.append(line)
    if numbers.loss is not None:
        lines.append(f"loss: {number(numbers.loss)}")
    return lines
