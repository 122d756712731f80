"""What diagrams are made of: circles, curves, boxes, labels and images on a sheet, in plain numbers.

Lengths are in points, x to the right, y down. A colour is `#RRGGBB`, or a name of `colours.LIGHT` ("ink", "paper", …),
which means something else on dark paper. `tip` is what a reader sees who points at a shape. What changes from one
moment of training to the next has a `key` that stays, and its number as `value`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy

Point = tuple[float, float]
_WIDTH = 0.58  # of a letter of a sans-serif font, by its size, on average


@dataclass(frozen=True)
class Circle:
    """A circle around (x, y)."""

    x: float
    y: float
    radius: float
    colour: str
    fill: float = 0.0  # how much of the colour is inside: 0 to 1
    tip: str = ""
    key: str = ""
    value: float = 0.0


@dataclass(frozen=True)
class Curve:
    """A line through points: straight, or smooth and level at every one of them; `arrow` puts a head at its end."""

    points: tuple[Point, ...]
    colour: str = "line"
    width: float = 1.0
    opacity: float = 1.0
    smooth: bool = False
    arrow: bool = False
    tip: str = ""
    key: str = ""
    value: float = 0.0


@dataclass(frozen=True)
class Box:
    """A rectangle with its upper left corner at (x, y)."""

    x: float
    y: float
    width: float
    height: float
    colour: str
    fill: float = 0.0
    radius: float = 0.0
    line: float = 1.2  # thickness of its edge
    ground: bool = False  # whether it hides what is behind it
    tip: str = ""


@dataclass(frozen=True)
class Label:
    """A line of text with its middle, left or right end at (x, y)."""

    x: float
    y: float
    text: str
    size: float = 11.0
    colour: str = "ink"
    anchor: str = "middle"  # or "start", "end"
    bold: bool = False
    halo: bool = False  # whether it keeps lines behind it at a distance
    upright: bool = True  # else it reads from below to above
    tip: str = ""
    key: str = ""
    value: float = 0.0


@dataclass(frozen=True, eq=False)
class Image:
    """Numbers from 0 to 1 as a picture, [height, width]: from the paper's colour to `colour`."""

    x: float
    y: float
    width: float
    height: float
    values: numpy.ndarray
    colour: str
    tip: str = ""
    key: str = ""


Shape = Circle | Curve | Box | Label | Image


@dataclass(frozen=True)
class Sheet:
    """Shapes from back to front, and what the picture says in words."""

    width: float
    height: float
    title: str
    description: str
    shapes: tuple[Shape, ...]


def text_width(text: str, size: float, bold: bool = False) -> float:
    """How wide a text gets, about."""
    return len(text) * size * _WIDTH * (1.12 if bold else 1.0)


def shortened(text: str, letters: int) -> str:
    """The text, with an ellipsis in its middle where it is too long.

    >>> shortened("median_house_value", 9)
    'medi…alue'
    """
    if len(text) <= letters:
        return text
    half = (letters - 1) // 2
    return f"{text[: letters - 1 - half]}…{text[len(text) - half :]}"


def bezier(points: Sequence[Point]) -> list[tuple[Point, Point, Point]]:
    """The smooth curve through points as cubic pieces (control, control, end): level at each of them."""
    pieces = []
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        middle = (x0 + x1) / 2
        pieces.append(((middle, y0), (middle, y1), (x1, y1)))
    return pieces


def unit_range(values: numpy.ndarray) -> numpy.ndarray:
    """Numbers on a scale from their least, 0, to their largest, 1.

    >>> unit_range(numpy.array([2.0, 4.0, 6.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    known = numpy.nan_to_num(numpy.asarray(values, numpy.float64), posinf=0.0, neginf=0.0)
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    result: numpy.ndarray = (known - low) / (high - low) if high > low else numpy.zeros_like(known)
    return result


def moved(shapes: Iterable[Shape], right: float, down: float) -> list[Shape]:
    """The shapes at another place."""
    from dataclasses import replace

    result: list[Shape] = []
    for shape in shapes:
        if isinstance(shape, Curve):
            result.append(replace(shape, points=tuple((x + right, y + down) for x, y in shape.points)))
        else:
            result.append(replace(shape, x=shape.x + right, y=shape.y + down))
    return result
