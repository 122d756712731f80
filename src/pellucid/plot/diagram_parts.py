"""The picture of each item, with its header: what is drawn, in which colour, and how much room it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pellucid.explain.colours import INPUT, OUTPUT, ZERO, hidden_colour
from pellucid.plot.diagram_blocks import EMBEDDING, MERGING, NORMALIZATION, RECURRENT, Block, block_of, sizes
from pellucid.plot.diagram_columns import SHOWN, Column, Scale, column_of, strengths
from pellucid.plot.diagram_items import Item
from pellucid.plot.layering import Extent
from pellucid.plot.shapes import Label, Shape, moved, shortened, text_width

_LINE = 15.0  # between two lines of a header
_FAN = 46.0  # between a block and the neurons that it ends in


@dataclass(frozen=True)
class Part:
    """An item's picture: a block, or a column of neurons, or a block that ends in one."""

    item: Item
    colour: str
    block: Block | None
    column: Column | None
    header: tuple[str, ...]

    @property
    def width(self) -> float:
        block = self.block.width if self.block else 0.0
        column = 2 * self.column.scale.radius if self.column else 0.0
        return block + column + (_FAN if self.block and self.column else 0.0)

    @property
    def height(self) -> float:
        return max(self.block.height if self.block else 0.0, self.column.height if self.column else 0.0)

    @property
    def beside(self) -> float:
        """Room for names of elements, on one side."""
        return self.column.label_width if self.column else 0.0

    def extent(self) -> Extent:
        """The room that it takes, with its header, and with the names of elements on both sides."""
        words = max((text_width(line, 13 if i == 0 else 11, i == 0) for i, line in enumerate(self.header)), default=0.0)
        names = 2 * self.beside if not self.item.is_output or self.item.is_input else 0.0
        above, below = self.header_bottom + _LINE * len(self.header), 18.0 if self.column else 0.0
        return Extent(max(self.width + names, words + 10), max(above, self.height / 2), self.height / 2 + below)

    @property
    def header_bottom(self) -> float:
        """How far above the middle the header ends: above the block, where there is one."""
        if self.block is not None:
            return self.block.height / 2 + 8
        assert self.column is not None, "a part has a block or neurons"
        return self.column.height / 2 + (20 if self.column.scale.radius > 20 else 10)

    def block_x(self, x: float) -> float:
        assert self.block is not None, "only asked of a part with a block"
        return x - self.width / 2 + self.block.width / 2

    def column_x(self, x: float) -> float:
        assert self.column is not None, "only asked of a part with neurons"
        return x + self.width / 2 - self.column.scale.radius

    def draw(self, x: float, y: float, show: str, header: float) -> list[Shape]:
        """Everything around the middle (x, y); the header ends at the height `header`."""
        shapes: list[Shape] = []
        if self.block is not None:
            shapes += moved(self.block.shapes, self.block_x(x), y)
        if self.column is not None:
            shapes += self.column.draw(self.column_x(x), y, show)
        middle = self.block_x(x) if self.block is not None else x
        for i, line in enumerate(reversed(self.header)):
            level = header - _LINE * (i + 0.5)
            if i < len(self.header) - 1:
                shapes.append(Label(middle, level, line, 11, "muted"))
            else:
                shapes.append(Label(middle, level, line, 13, self.colour, bold=True, tip=self.item.name))
        return shapes


def parts_of(items: Sequence[Item], show: str) -> list[Part]:
    columns = [item for item in items if item.is_vector]
    scale = Scale.of(max((min(item.count, SHOWN) for item in columns), default=1))
    strong = strengths(items, show)
    parts, hidden, colours = [], 0, dict[Item, str]()
    for item in items:
        if item.is_input:
            colour = INPUT
        elif item.is_output:
            colour = OUTPUT
        elif item.layer is not None and item.layer.variables and item.kind not in NORMALIZATION:
            colour = hidden_colour(hidden)
            hidden += 1
        else:
            colour = ZERO if item.kind in (*MERGING, "Concatenate") or not item.before else colours[item.before[0]]
        colours[item] = colour
        letter = "x" if item.is_input else "ŷ" if item.is_output else "h"
        column = column_of(item, colour, letter, scale, strong.get(item)) if item.is_vector else None
        block = block_of(item, colour) if not item.is_vector or item.kind in RECURRENT else None
        parts.append(Part(item, colour, block, column, _header(item)))
    return parts


def _header(item: Item) -> tuple[str, ...]:
    """Name, what it does, and size, above a picture."""
    if not item.is_vector and item.kind in MERGING:
        return (shortened(item.name, 18),)
    if not item.is_vector and item.kind in NORMALIZATION:
        return ()  # it stands in the block
    does = " · ".join(item.does) or "input"
    if item.is_vector:
        size = f"{item.count:,} {'values' if item.kernel is None else 'units'}" if item.count > SHOWN else ""
        if item.kind in RECURRENT:
            size = f"{item.count:,} units"
    elif item.kind in EMBEDDING and item.layer is not None:
        size = " and ".join(sizes(variable.shape) for variable in item.layer.variables)
    elif len(item.shape) == 3:
        size = sizes(item.shape[:2]) + (f", {item.shape[2]:,} maps" if item.shape[2] != 1 else "")
    else:
        size = sizes(item.shape)
    window = getattr(item.layer, "kernel_size", None) or getattr(item.layer, "pool_size", None)
    if isinstance(window, tuple):
        does = does.replace(item.kind, f"{item.kind} {'×'.join(map(str, window))}", 1)
    plain = does.lower() == item.name.replace("_", "")
    lines = [shortened(item.name, 20), "" if plain else shortened(does, 30), size]
    return tuple(line for line in lines if line)
