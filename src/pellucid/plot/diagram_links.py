"""What connects the pictures of two items: lines between neurons, fans, arrows, and the window of a convolution."""

from __future__ import annotations

from collections.abc import Sequence

from pellucid.plot.diagram_columns import connections
from pellucid.plot.diagram_parts import Part
from pellucid.plot.layering import Layout
from pellucid.plot.shapes import Box, Curve, Point, Shape


def gap(source: Part, target: Part) -> float:
    """How far two connected parts stand apart: neurons farther, so that the lines between them can be told apart."""
    if source.column is None or target.column is None or target.block is not None:
        return 54.0
    return min(60.0 + 0.3 * max(source.height, target.height), 200.0)


def links(
    parts: Sequence[Part], edges: Sequence[tuple[int, int]], layout: Layout, show: str
) -> tuple[list[Shape], list[Shape]]:
    """Everything that connects: lines behind the neurons and blocks, numbers and windows before them."""
    lines: list[Shape] = []
    numbers: list[Shape] = []
    for part, (x, y) in zip(parts, layout.places, strict=True):
        if part.block is not None and part.column is not None:
            start = (part.block_x(x) + part.block.width / 2, y)
            lines += [Curve((start, (part.column_x(x) - part.column.scale.radius, y + offset)), smooth=True)
                      for offset in part.column.offsets]  # fmt: skip
    for i, j in edges:
        source, target = parts[i], parts[j]
        (x0, y0), (x1, y1) = layout.places[i], layout.places[j]
        route = layout.routes[i, j]
        if source.column and target.column and target.item.direct and not target.block and not route:
            some, more = connections(source.column, target.column,
                                     (source.column_x(x0), y0, target.column_x(x1), y1), show)  # fmt: skip
            lines += some
            numbers += more
            continue
        window = [] if route else _window(source, target, (x0, y0), (x1, y1))
        numbers += window
        if not window:
            ends = (x0 + source.extent().width / 2, y0), (x1 - target.extent().width / 2, y1)
            lines += _link(source, target, (x0, y0), [ends[0], *route, ends[1]], (x1, y1))
    return lines, numbers


def _link(source: Part, target: Part, start: Point, route: Sequence[Point], end: Point) -> list[Shape]:
    """The connection of two parts, not both of neurons: an arrow, which fans out to neurons or comes from them."""
    first, last = (start[0] + source.width / 2, start[1]), (end[0] - target.width / 2, end[1])
    shapes: list[Shape] = []
    if source.column is not None:
        shapes += [Curve(((first[0], start[1] + offset), route[0]), smooth=True) for offset in source.column.offsets]
    if target.column is not None and target.block is None:
        shapes += [Curve((route[-1], (last[0], end[1] + offset)), smooth=True) for offset in target.column.offsets]
        if source.column is not None or len(route) > 2:
            shapes.append(Curve(tuple(route), smooth=True, width=1.5))
        else:
            shapes.append(Curve((first, *route), smooth=True))
        return shapes
    begin = route if source.column is not None else [first, *route]
    shapes.append(Curve((*begin, (last[0] - 2, last[1])), "muted", 1.5, smooth=True, arrow=True))
    return shapes


def _window(source: Part, target: Part, start: Point, end: Point) -> list[Shape]:
    """The window that a convolution or a pooling moves over an image, and the one number that it makes."""
    size = getattr(target.item.layer, "kernel_size", None) or getattr(target.item.layer, "pool_size", None)
    if not (source.block and target.block and source.block.front and target.block.front):
        return []
    rows, columns = source.item.shape[:2]
    if not isinstance(size, tuple) or len(size) != 2 or not rows or not columns:
        return []
    left, top, width, height = source.block.front
    w, h = max(width * min(size[1] / columns, 1.0), 7.0), max(height * min(size[0] / rows, 1.0), 7.0)
    x, y = source.block_x(start[0]) + left + 0.62 * (width - w), start[1] + top + 0.55 * (height - h)
    left, top, width, height = target.block.front
    point = (target.block_x(end[0]) + left + 0.4 * width, end[1] + top + 0.5 * height)
    return [
        Box(x, y, w, h, "ink", 0.0, 1, 1.3),
        Curve(((x + w, y), point), "ink", 1.0, 0.55),
        Curve(((x + w, y + h), point), "ink", 1.0, 0.55),
        Box(point[0] - 2, point[1] - 2, 4, 4, "ink", 1.0, 1, 0.0),
    ]
