"""Blocks: what is drawn of layers whose values are no row of neurons: images, sequences, and the layers that make them.

Where values are known, a stack of feature maps shows the strongest of them as pictures, a sequence its numbers as a
map of steps by features, attention the weights of its heads.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from pellucid.explain.colours import ZERO
from pellucid.plot.diagram_items import Item
from pellucid.plot.shapes import Box, Circle, Curve, Image, Label, Shape, text_width, unit_range

MERGING = {"Add": "+", "Subtract": "−", "Multiply": "×", "Average": "mean", "Maximum": "max", "Minimum": "min",
           "Dot": "·"}  # fmt: skip
RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional")
ATTENTION = ("MultiHeadAttention", "GroupQueryAttention", "Attention", "AdditiveAttention")
TRANSFORMER = {"TransformerEncoder": "self-attention", "TransformerDecoder": "causal self-attention"}
NORMALIZATION = ("BatchNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization",
                 "UnitNormalization")  # fmt: skip
EMBEDDING = ("Embedding", "PositionEmbedding", "TokenAndPositionEmbedding")
_STEP = 5.0  # from one sheet of a stack to the next
_PIXELS = 48  # at most, along one side of a picture


@dataclass(frozen=True)
class Block:
    """Shapes around (0, 0). `front` is the foremost picture of a stack: left, top, width, height."""

    width: float
    height: float
    shapes: tuple[Shape, ...]
    front: tuple[float, float, float, float] | None = None


def block_of(item: Item, colour: str) -> Block:
    """What is drawn of an item that makes no vector, or makes it step by step."""
    kind = item.kind
    if kind in MERGING:
        return _sign(MERGING[kind], colour)
    if kind in NORMALIZATION:
        return _pill(item, colour)
    if kind in RECURRENT:
        return _recurrent(item, colour)
    if kind in TRANSFORMER:
        return _transformer(item, colour)
    if kind in ATTENTION:
        return _attention(item, colour)
    if kind in EMBEDDING:
        return _table(item, colour)
    if len(item.shape) == 3 and None not in item.shape:
        return _maps(item, colour)
    if len(item.shape) == 2:
        return _sequence(item, colour)
    return _named([item.kind], colour)


def sizes(shape: Sequence[int | None]) -> str:
    """A shape as people write it: 28 × 28 × 1."""
    return " × ".join("any" if length is None else f"{length:,}" for length in shape)


def _sign(sign: str, colour: str) -> Block:
    radius = 15.0 if len(sign) == 1 else 20.0
    size = 20.0 if len(sign) == 1 else 11.0
    return Block(2 * radius, 2 * radius, (Circle(0, 0, radius, colour, 0.15), Label(0, 0, sign, size, bold=True)))


def _pill(item: Item, colour: str) -> Block:
    text = " · ".join([item.kind.replace("Normalization", " norm").strip().lower(), *item.does[1:]])
    width, height = 24.0, max(92.0, text_width(text, 11) + 22)
    return Block(width, height, (
        Box(-width / 2, -height / 2, width, height, colour, 0.18, 12),
        Label(0, 0, text, 11, upright=False, tip=f"{item.name}: {sizes(item.shape)}"),
    ))  # fmt: skip


def _named(lines: Sequence[str], colour: str) -> Block:
    width = max(90.0, *(text_width(line, 11) + 24 for line in lines))
    height = 26.0 + 18 * len(lines)
    shapes: list[Shape] = [Box(-width / 2, -height / 2, width, height, colour, 0.15, 9)]
    top = -9.0 * (len(lines) - 1)
    shapes += [Label(0, top + 18 * i, line, 11) for i, line in enumerate(lines)]
    return Block(width, height, tuple(shapes))


# Images


def _maps(item: Item, colour: str) -> Block:
    rows, columns, channels = (length or 1 for length in item.shape)
    height, width = _side(rows), _side(columns)
    count = _stack(channels)
    value = item.value
    pictures: list[numpy.ndarray | None] = [None] * count
    names = [""] * count
    if value is not None and value.shape == (rows, columns, channels):
        strongest = strongest_maps(item)
        scaled = unit_range(value[:, :, strongest])
        pictures = [_small(scaled[:, :, i]) for i in range(count)]
        names = [f"map {channel} of {item.name}: {value[:, :, channel].min():.4g} to {value[:, :, channel].max():.4g}"
                 for channel in strongest]  # fmt: skip
    spread = _STEP * (count - 1)
    left, top = -(width + spread) / 2, -(height + spread) / 2 + spread
    shapes: list[Shape] = []
    for i in range(count - 1, -1, -1):
        x, y, picture = left + _STEP * i, top - _STEP * i, pictures[i]
        shapes.append(Box(x, y, width, height, colour, 0.12 if picture is None else 0.0, 1.5, 1.1, True, names[i]))
        if picture is not None:
            shapes.append(Image(x, y, width, height, picture, colour, names[i], f"m:{item.name}:{i}"))
    return Block(width + spread, height + spread, tuple(shapes), (left, top, width, height))


def _stack(channels: int) -> int:
    """How many maps of a stack are drawn."""
    return min(channels, max(2, round(math.log2(channels)))) if channels > 1 else 1


def strongest_maps(item: Item) -> list[int]:
    """The channels of an image whose values are largest on average: those that are drawn."""
    if item.shown or item.value is None:
        return list(item.shown)
    order = numpy.argsort(-numpy.abs(item.value).mean(axis=(0, 1)), kind="stable")
    return [int(channel) for channel in order[: _stack(len(order))]]


def _side(length: int) -> float:
    return min(24.0 + 13.0 * math.sqrt(length), 130.0)


def _beside_largest(scores: numpy.ndarray) -> numpy.ndarray:
    """The scores of each query beside its largest: the first queries have few keys, and all their weight on these."""
    largest = scores.max(axis=-1, keepdims=True)
    result: numpy.ndarray = scores / numpy.where(largest > 0, largest, 1.0)
    return result


def _small(values: numpy.ndarray) -> numpy.ndarray:
    """A picture of at most 48 × 48 numbers, thinned evenly."""
    picks = [numpy.linspace(0, length - 1, min(length, _PIXELS)).round().astype(int) for length in values.shape]
    result: numpy.ndarray = values[numpy.ix_(*picks)]
    return result


# Sequences


def _sequence(item: Item, colour: str) -> Block:
    steps, features = item.shape
    value = item.value
    height = min(34.0 + 9.0 * math.sqrt(features or 1), 120.0)
    if value is not None and value.ndim == 2 and value.size:
        width = min(60.0 + 1.6 * len(value), 150.0)
        picture = _small(unit_range(value).T)
        tip = f"{item.name}: {len(value)} steps, left to right, of {value.shape[1]} numbers each"
        return Block(width, height, (
            Box(-width / 2, -height / 2, width, height, colour, 0.0, 2, 1.2, True),
            Image(-width / 2, -height / 2, width, height, picture, colour, tip, f"m:{item.name}"),
        ))  # fmt: skip
    shown = min(steps or 7, 7)
    width = 13.0 * shown - 4
    shapes: list[Shape] = []
    for i in range(shown):
        left = -width / 2 + 13 * i
        if (steps is None or steps > 7) and i == shown - 2:
            shapes.append(Label(left + 4.5, 0, "⋯", 12, colour, bold=True))
        else:
            shapes.append(Box(left, -height / 2, 9, height, colour, 0.2, 2))
    return Block(width, height, tuple(shapes))


def _recurrent(item: Item, colour: str) -> Block:
    """The cell, unrolled over the steps, with the arrow that hands its state on; both ways where it runs both ways."""
    steps = next((source.shape[0] for source in item.before if len(source.shape) == 2), None)
    last = "ₙ" if steps is None else str(steps).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
    names = ["₁", "₂", "⋯", last]
    states = item.numbers.inside.get(item.name)
    pitch, half, more = 54.0, 15.0, 0.0 if states is None else 31.0  # more: half the height of a picture of the states
    width, height = pitch * 3 + 2 * half + 28, 104.0 + 2 * more
    shapes: list[Shape] = [Box(-width / 2, -height / 2, width, height, colour, 0.08, 10)]
    if states is not None:
        left, across = -width / 2 + 14, width - 28
        tip = f"h of {item.name}: {len(states)} steps, left to right, of {states.shape[1]} units each"
        shapes.append(Box(left, 56 - more, across, 52, colour, 0.0, 2, 1.0, True))
        shapes.append(Image(left, 56 - more, across, 52, _small(unit_range(states).T), colour, tip, f"m:{item.name}"))
    xs = [-1.5 * pitch + pitch * i for i in range(4)]
    for x, name in zip(xs, names, strict=True):
        if name == "⋯":
            shapes.append(Label(x, -more, name, 15, colour, bold=True))
            continue
        shapes.append(Box(x - half, -half - more, 2 * half, 2 * half, colour, 0.22, 6))
        shapes.append(Curve(((x, 37 - more), (x, half + 2 - more)), "muted", 1.2, arrow=True))
        shapes.append(Label(x, 44 - more, f"x{name}", 10, "muted"))
        shapes.append(Label(x, -more, f"h{name}", 11, bold=True))
    both = item.kind == "Bidirectional"
    for x, after in itertools.pairwise(xs):
        level = -more - (5 if both else 0)
        shapes.append(Curve(((x + half + 1, level), (after - half - 1, level)), colour, 1.8, arrow=True))
        if both:
            shapes.append(Curve(((after - half - 1, 6 - more), (x + half + 1, 6 - more)), colour, 1.8, arrow=True))
    shapes.append(Label(0, -36 - more, _cell_name(item), 11, "muted"))
    return Block(width, height, tuple(shapes))


def _cell_name(item: Item) -> str:
    kind = item.kind
    if kind == "Bidirectional":
        inner: Any = getattr(item.layer, "forward_layer", None)
        return f"{type(inner).__name__}, forward and backward"
    return {"LSTM": "state h and memory c handed on", "GRU": "state h handed on, by gates"}.get(
        kind, "state h handed on"
    )


# Attention


def _attention(item: Item, colour: str) -> Block:
    layer: Any = item.layer
    heads = int(getattr(layer, "num_heads", 0) or getattr(layer, "num_query_heads", 1))
    return _heads(item, colour, heads)


def _transformer(item: Item, colour: str) -> Block:
    """Attention, then a network at each place; around both the values as they were are added."""
    layer: Any = item.layer
    scores = item.numbers.inside.get(item.name)
    more = 0.0 if scores is None else 22.0  # room for a picture of each head's scores
    heads = int(getattr(layer, "num_heads", 1))
    parts = (
        (TRANSFORMER[item.kind], f"{heads} head{'s' * (heads != 1)}"),
        ("feed-forward", f"{getattr(layer, 'intermediate_dim', '')} units"),
    )
    width, half, norm, each, space = 172.0, 64.0, 15.0, 34.0, 5.0
    height = 2 * (norm + each + 2 * space + 34) + 16 + more
    x, y = 14.0, -height / 2 + 22
    shapes: list[Shape] = [Box(-width / 2, -height / 2, width, height, colour, 0.06, 12)]
    for name, size in parts:
        begin, side = y - 11, x - half - 12
        for text in ("norm", name) if getattr(layer, "normalize_first", False) else (name, "norm"):
            attends = scores is not None and text == TRANSFORMER[item.kind]
            tall = norm if text == "norm" else each + more if attends else each
            shapes.append(Box(x - half, y, 2 * half, tall, colour, 0.1 if text == "norm" else 0.24, 6, ground=True))
            shapes.append(Label(x, y + (tall / 2 if text == "norm" else 11), text, 10, bold=text != "norm"))
            if attends:
                shapes += _small_heads(item, scores, x, y + 20, colour)
            elif text != "norm":
                shapes.append(Label(x, y + 24, size, 9.5, "muted"))
            y += tall + space
        y += 7
        shapes.append(Curve(((x, begin), (side, begin), (side, y), (x - 8, y)), "muted", 1.2, arrow=True))
        shapes += [Circle(x, y, 7, ZERO, 0.1), Label(x, y, "+", 11, bold=True)]
        y += 27
    return Block(width, height, tuple(shapes))


def _small_heads(item: Item, scores: Any, x: float, y: float, colour: str) -> list[Shape]:
    """The scores of up to four heads in a row: queries downwards, keys to the right."""
    shapes: list[Shape] = []
    shown, side = min(len(scores), 4), 28.0
    for i in range(shown):
        left = x + (i - shown / 2) * (side + 2.5)
        tip = f"head {i} of {item.name}: which place (down) looks at which (across)"
        shapes.append(Box(left, y, side, side, colour, 0.0, 1, 0.8, True))
        shapes.append(Image(left, y, side, side, _small(_beside_largest(scores[i])), colour, tip, f"m:{item.name}:{i}"))
    return shapes


def _heads(item: Item, colour: str, heads: int) -> Block:
    shown = min(heads, 4)
    side, step = 62.0, 9.0
    width, height = side + step * (shown - 1) + 28, side + step * (shown - 1) + 28
    shapes: list[Shape] = [Box(-width / 2, -height / 2, width, height, colour, 0.08, 10)]
    weights = item.numbers.inside.get(item.name)
    left, top = -(side + step * (shown - 1)) / 2, -(side - step * (shown - 1)) / 2
    for i in range(shown - 1, -1, -1):
        x, y = left + step * i, top - step * i
        shapes.append(Box(x, y, side, side, colour, 0.0, 2, 1.1, True))
        if weights is not None and weights.ndim == 3:
            shapes.append(
                Image(
                    x,
                    y,
                    side,
                    side,
                    _small(_beside_largest(weights[i])),
                    colour,
                    f"head {i} of {item.name}",
                    f"m:{item.name}:{i}",
                )
            )
        else:
            shapes += [Box(x + 2 + 15 * (c := j % 4), y + 2 + 15 * (r := j // 4), 13, 13, colour,
                           0.1 + 0.7 * ((3 * r + 5 * c + i) % 4 / 3) ** 2, 1, 0.0) for j in range(16)]  # fmt: skip
    return Block(width, height, tuple(shapes))


def _table(item: Item, colour: str) -> Block:
    """Rows of a table, one of which each id looks up."""
    columns, rows, size = 6, 6, 13.0
    width, height = columns * size, rows * size
    shapes: list[Shape] = []
    for i in range(rows):
        for j in range(columns):
            chosen = i == 2
            shapes.append(Box(-width / 2 + j * size, -height / 2 + i * size, size, size, colour,
                              0.6 if chosen else 0.1, 1, 1.0))  # fmt: skip
    return Block(width, height, tuple(shapes))
