"""Columns of neurons, and the connections between them.

A wide column is folded: its first and last neurons and the strongest between are shown, and ⋮ stands for the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile

import numpy

from pellucid.explain.colours import sign_colour
from pellucid.explain.numbers import number, powered
from pellucid.plot.diagram_items import Item
from pellucid.plot.shapes import Circle, Curve, Label, Point, Shape, shortened, text_width

SHOWN = 12  # neurons of a column that are drawn without folding
_ENDS, _STRONGEST = 3, 4  # of a folded one: first and last, and the strongest between
_GAP = 0.62  # of the distance between neurons, for ⋮
_LABELLED = 12  # connections between two columns that have their numbers written on them
_SMALL = 0.01  # what may be shown as ≈0
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True)
class Scale:
    """How large neurons are: the fewer there are, the larger."""

    radius: float
    pitch: float
    text: float

    @classmethod
    def of(cls, most: int) -> Scale:
        """For columns of at most so many neurons."""
        if most <= 4:
            return cls(27.0, 92.0, 13.0)
        return cls(22.0, 62.0, 11.5) if most <= 7 else cls(16.5, 43.0, 9.5)


@dataclass(frozen=True)
class Column:
    """The neurons of an item: which of them are shown, and how far above or below the middle each stands."""

    item: Item
    colour: str
    letter: str
    scale: Scale
    shown: tuple[int, ...]
    offsets: tuple[float, ...]

    @property
    def folded(self) -> bool:
        return len(self.shown) < self.item.count

    @property
    def named(self) -> bool:
        """Whether each neuron has a name: its column or class."""
        return len(self.item.labels) == self.item.count

    @property
    def height(self) -> float:
        return self.offsets[-1] - self.offsets[0] + 2 * self.scale.radius

    @property
    def label_width(self) -> float:
        """The room that names of elements take beside the neurons."""
        names = [self.name(i) for i in self.shown] if self.item.labels else []
        return max((text_width(name, 11.0) + 10 for name in names), default=0.0)

    def name(self, unit: int) -> str:
        """A neuron's own name: its column or class, else x₁, h₁, ŷ."""
        if self.named:
            return shortened(str(self.item.labels[unit]), 24)
        one = self.item.count == 1 and self.letter != "h"
        return self.letter if one else self.letter + str(unit + 1).translate(_SUBSCRIPTS)

    def draw(self, x: float, y: float, show: str) -> list[Shape]:
        """Circles with values, their names, and ⋮ where neurons are left out."""
        item, scale = self.item, self.scale
        values = None if item.value is None else numpy.ravel(item.value)
        largest = 0.0 if values is None else float(numpy.nanmax(numpy.abs(values), initial=0.0))
        shapes: list[Shape] = []
        for unit, offset in zip(self.shown, self.offsets, strict=True):
            at, value = y + offset, None if values is None else float(values[unit])
            fill = 0.2 if value is None else fullness(abs(value) / largest if largest > 0 else 0.0)
            key = "" if value is None else f"n:{item.name}:{unit}"
            shapes.append(Circle(x, at, scale.radius, self.colour, fill, self.tip(unit), key, value or 0.0))
            shapes += self._texts(unit, x, at, value, show)
        for (one, after), (above, below) in zip(pairwise(self.shown), pairwise(self.offsets), strict=True):
            if after != one + 1:
                shapes.append(Label(x, y + (above + below) / 2, "⋮", scale.text + 5, self.colour, bold=True,
                                    tip=f"{after - one - 1:,} more"))  # fmt: skip
        return shapes

    def _texts(self, unit: int, x: float, y: float, value: float | None, show: str) -> list[Shape]:
        radius, size, large = self.scale.radius, self.scale.text, self.scale.radius > 20
        inside = self.name(unit) if value is None else fitted(value, 2 * radius - 5, size)
        named, shapes = bool(self.item.labels), list[Shape]()
        if value is not None or not named:
            key = "" if value is None else f"v:{self.item.name}:{unit}"
            shapes.append(Label(x, y, inside, size, bold=value is not None, key=key, value=value or 0.0))
        if named or (value is not None and (self.item.is_input or self.item.is_output)):
            side = -1 if self.item.is_input or not self.item.is_output else 1
            shapes.append(Label(x + side * (radius + 7), y, self.name(unit), 11.0, "ink",
                                "end" if side < 0 else "start", halo=True))  # fmt: skip
        elif value is not None and large:
            shapes.append(Label(x, y - radius - 8, self.name(unit), 11.0, "muted", halo=True))
        item = self.item
        if large and show == "gradients" and item.gradient is not None:
            text = f"∂L/∂{self.name(unit)} = {compact(float(numpy.ravel(item.gradient)[unit]))}"
            shapes.append(Label(x, y + radius + 9, text, 10.0, "muted", halo=True))
        elif large and item.bias is not None:
            bias = float(item.bias[unit])
            shapes.append(Label(x, y + radius + 9, f"bias {compact(bias)}", 10.0, "muted", halo=True,
                                key=f"b:{item.name}:{unit}", value=bias))  # fmt: skip
        return shapes

    def tip(self, unit: int) -> str:
        """All that is known of a neuron."""
        item, lines = self.item, [f"{self.item.name}[{unit}]  {self.name(unit)}"]
        if item.value is not None:
            lines.append(f"value {number(float(numpy.ravel(item.value)[unit]))}")
        if item.bias is not None:
            lines.append(f"bias {number(float(item.bias[unit]))}")
        if item.gradient is not None:
            lines.append(f"∂loss/∂value {number(float(numpy.ravel(item.gradient)[unit]))}")
        return "\n".join(lines)


def compact(value: float, digits: int = 3) -> str:
    """A number with few digits, for where there is little room.

    >>> compact(-0.03821), compact(123456.0), compact(6.2e-9)
    ('−0.0382', '123k', '6·10⁻⁹')
    """
    value += 0.0  # no minus zero
    size = abs(value)
    if size >= 1e9 or 0 < size < 1e-4:
        leading, _, exponent = f"{value:.0e}".partition("e")
        return powered(leading.replace("-", "−"), int(exponent))
    for least, letter in ((1e6, "M"), (1e4, "k")):
        if size >= least:
            return f"{value / least if letter == 'M' else value / 1e3:.{digits}g}{letter}".replace("-", "−")
    return f"{value:.0f}".replace("-", "−") if size >= 1000 else f"{value:.{digits}g}".replace("-", "−")


def fitted(value: float, width: float, size: float) -> str:
    """A number with as many digits, up to three, as find room; ≈0 where not even one does of a small one."""
    texts = [compact(value, digits) for digits in (3, 2, 1)]
    none = "≈0" if abs(value) < _SMALL else texts[-1]
    return next((text for text in texts if text_width(text, size) <= width), none)


def column_of(item: Item, colour: str, letter: str, scale: Scale, strength: numpy.ndarray | None) -> Column:
    """The column of an item; of too many neurons, the strongest are among those that are shown."""
    shown = item.shown or fold(item.count, strength)
    offsets = [0.0]
    for one, after in pairwise(shown):
        offsets.append(offsets[-1] + scale.pitch * (1.0 if after == one + 1 else 1.0 + _GAP))
    middle = offsets[-1] / 2
    return Column(item, colour, letter, scale, tuple(shown), tuple(offset - middle for offset in offsets))


def fold(count: int, strength: numpy.ndarray | None) -> list[int]:
    """Which of so many neurons are shown.

    >>> fold(3, None), fold(20, None)
    ([0, 1, 2], [0, 1, 2, 3, 4, 15, 16, 17, 18, 19])
    """
    if count <= SHOWN:
        return list(range(count))
    if strength is None or len(strength) != count or not numpy.any(strength):
        half = _ENDS + _STRONGEST // 2
        return [*range(half), *range(count - half, count)]
    inner = numpy.argsort(-numpy.abs(strength[_ENDS : count - _ENDS]), kind="stable")[:_STRONGEST] + _ENDS
    return [*range(_ENDS), *sorted(map(int, inner)), *range(count - _ENDS, count)]


def connection_matrix(item: Item, show: str) -> numpy.ndarray | None:
    """What the thickness of the lines into an item's neurons means, [inputs, units]: weights, derivatives, products."""
    kernel = item.kernel
    if kernel is None or show == "weights":
        return kernel
    if show == "gradients":
        return item.numbers.weight_gradients.get(item.name, {}).get("kernel")
    value = item.before[0].value
    return None if value is None else numpy.ravel(value)[:, None] * kernel


def connections(
    source: Column, target: Column, ends: tuple[float, float, float, float], show: str
) -> tuple[list[Shape], list[Label]]:
    """The lines from one column to the next, and the numbers on them where all find room; the strongest lie on top."""
    x0, y0, x1, y1 = ends
    matrix = connection_matrix(target.item, show)
    pairs = [(i, j) for i in range(len(source.shown)) for j in range(len(target.shown))]
    kernel = target.item.kernel
    if matrix is None or kernel is None:
        pairs = _one_to_one(source, target)
    strengths = {(i, j): 0.0 if matrix is None or kernel is None else float(matrix[source.shown[i], target.shown[j]])
                 for i, j in pairs}  # fmt: skip
    largest = max((abs(value) for value in strengths.values() if numpy.isfinite(value)), default=0.0)
    lines: list[Shape] = []
    numbers: list[Label] = []
    crowded = False
    for i, j in sorted(pairs, key=lambda pair: abs(strengths[pair])):
        start, end = (x0, y0 + source.offsets[i]), (x1, y1 + target.offsets[j])
        start, end = _trimmed(start, end, source.scale.radius, target.scale.radius)
        if kernel is None or matrix is None:
            lines.append(Curve((start, end), width=1.1))
            continue
        value = strengths[i, j]
        share = abs(value) / largest if largest > 0 else 0.0
        tip = _tip(source, target, source.shown[i], target.shown[j], value, show)
        place = f"{target.item.name}:{source.shown[i]}:{target.shown[j]}"
        lines.append(Curve((start, end), sign_colour(value), *stroke(share), tip=tip, key=f"w:{place}", value=value))
        if len(pairs) <= _LABELLED and source.scale.radius > 20:
            found = _free_place(start, end, numbers, 0.3 if len(source.shown) > 1 else 0.6)
            if found is None:
                crowded = True
                continue
            x, y = found
            numbers.append(Label(x, y, compact(value), 11.0, sign_colour(value), bold=True, halo=True,
                                 key=f"t:{place}", value=value))  # fmt: skip
    return lines, [] if crowded else numbers


def _free_place(start: Point, end: Point, numbers: Sequence[Label], first: float) -> Point | None:
    """A place on a line for a number, if there is one: where none of the others is, as near as can be to a share of its
    length."""
    shares = sorted((0.14 + 0.06 * i for i in range(13)), key=lambda share: abs(share - first))
    places = [(start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])) for share in shares]
    taken = [(one.x, one.y) for one in numbers]
    free = (place for place in places if all(abs(place[0] - x) > 44 or abs(place[1] - y) > 13 for x, y in taken))
    return next(free, None)


def fullness(share: float) -> float:
    """How much colour a neuron has inside, from how large its value is beside the largest."""
    return 0.08 + 0.62 * share


def stroke(share: float) -> tuple[float, float]:
    """Thickness and opacity of a line, from how large its number is beside the largest."""
    return 0.5 + 4.5 * share, 0.18 + 0.72 * share


def _one_to_one(source: Column, target: Column) -> list[tuple[int, int]]:
    """Which neurons belong together where nothing is weighted: those of one place or name, else all."""
    shift = 0
    if target.item.kind == "Concatenate":
        shift = sum(other.count for other in takewhile(lambda other: other is not source.item, target.item.before))
    elif source.named and target.named:  # "income" and "income 2 … 3", "colour" and "colour = red"
        return [(i, j) for i, one in enumerate(source.shown) for j, other in enumerate(target.shown)
                if str(target.item.labels[other]).startswith(str(source.item.labels[one]))]  # fmt: skip
    elif source.item.count != target.item.count:
        return [(i, j) for i in range(len(source.shown)) for j in range(len(target.shown))]
    places = {unit: j for j, unit in enumerate(target.shown)}
    return [(i, places[unit + shift]) for i, unit in enumerate(source.shown) if unit + shift in places]


def _tip(source: Column, target: Column, i: int, j: int, value: float, show: str) -> str:
    kernel, what = target.item.kernel, f"{target.item.name}/kernel[{i},{j}]"
    assert kernel is not None, "only weighted connections have a tip"
    head = f"{source.name(i)} → {target.name(j)}\n{what} = {number(float(kernel[i, j]))}"
    if show == "gradients":
        return f"{head}\n∂loss/∂weight = {number(value)}"
    return head if show == "weights" else f"{head}\nvalue × weight = {number(value)}"


def _trimmed(
    start: tuple[float, float], end: tuple[float, float], first: float, last: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """A line between two middles, from the edge of one circle to that of the other."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    long = max((dx * dx + dy * dy) ** 0.5, 1e-9)
    dx, dy = dx / long, dy / long
    return (start[0] + dx * first, start[1] + dy * first), (end[0] - dx * last, end[1] - dy * last)


def strengths(items: Sequence[Item], show: str) -> dict[Item, numpy.ndarray]:
    """How much each neuron matters for what is shown: the lines that leave it, else those that reach it."""
    found: dict[Item, numpy.ndarray] = {}
    for item in items:
        matrix = connection_matrix(item, show)
        if matrix is None:
            continue
        sizes = numpy.abs(numpy.nan_to_num(matrix))
        found.setdefault(item, sizes.sum(axis=0))
        for source in item.before:
            if source.is_vector and source.count == len(matrix):
                found[source] = sizes.sum(axis=1)
    for item in reversed(items):
        if item.kind == "Concatenate" and item in found:
            at = 0
            for source in item.before:
                found.setdefault(source, found[item][at : at + source.count])
                at += source.count
    return found
