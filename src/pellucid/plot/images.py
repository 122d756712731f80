"""Images side by side: examples with words above them, filters and feature maps of convolutional networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from pellucid.core.spec import show_shape
from pellucid.errors import ArgumentError, ShapeError
from pellucid.nn.registry import look_up
from pellucid.plot.figure import COLOURS, DIVERGING, INK, SEQUENCE, Axes, axes, bare, colours, dress, styled
from pellucid.plot.inputs import Array, layer_value, names, numbers, of_example

_GAP = 0.12  # between two tiles, in their width
_LINE = 0.19  # a line of words above a tile, in inches


@styled
def images(pixels: Any, titles: Sequence[str] | None = None, limit: int = 64, ax: Axes | None = None) -> Axes:
    """Draw images side by side, each with its title above it, from black (0) to white (their largest number).

    `pixels`: [images, height, width], or with a last axis of 1 for grey or 3 for red, green and blue. `titles`: a text
    for each image. At most `limit` are drawn.

    >>> import numpy
    >>> axes = images(numpy.eye(6).reshape(3, 3, 4), ["left", "middle", "right"])
    >>> [text.get_text() for text in axes.texts]
    ['left', 'middle', 'right']
    """
    array = _pixels(pixels)
    words = None if titles is None else list(titles)
    if words is not None and len(words) != len(array):
        raise ArgumentError(f"images: {len(words)} titles for {len(array)} images; give one for each")
    ax, corners = wall(array[:limit], ax, lines=0 if words is None else 1 + max(text.count("\n") for text in words))
    for text, (left, top, _) in zip(words or [], corners, strict=False):
        ax.annotate(text, (left, top), (0, 2.5), textcoords="offset points", fontsize=8, color=INK, va="bottom")
    return ax


@styled
def boxes(
    pixels: Any,
    found: Any,
    truth: Any = None,
    names: Sequence[Any] | None = None,
    limit: int = 12,
    ax: Axes | None = None,
) -> Axes:
    """Draw boxes around what was found in images, each with its class and how sure the detector was.

    `pixels`: as for `images`. `found`: what `utils.bounding_boxes.detections` gives, or boxes [images, most, 4] and
    classes [images, most], filled up with -1. `truth`: the same of what is there, as dashed lines. `names`: of the
    classes; without it, their numbers. At most `limit` images are drawn.

    >>> import numpy
    >>> axes = boxes(numpy.zeros((1, 64, 64)), ([[[8, 8, 24, 32]]], [[7]], [[0.98]]))
    >>> [text.get_text() for text in axes.texts]
    ['7 98%']
    """
    array = _pixels(pixels)
    ax, corners = wall(array[:limit], ax, inches=1.25)
    for image, (left, top, zoom) in enumerate(corners):
        for box, _, _ in [] if truth is None else _found(truth, image, len(array)):
            _frame(ax, left + zoom * box[0], top + zoom * box[1], zoom * (box[2:] - box[:2]), "white", dashed=True)
        for box, kind, sure in _found(found, image, len(array)):
            x, y = left + zoom * box[0], top + zoom * box[1]
            colour = COLOURS[kind % len(COLOURS)]
            _frame(ax, x, y, zoom * (box[2:] - box[:2]), colour)
            text = str(kind if names is None else names[kind]) + ("" if sure is None else f" {sure:.0%}")
            ax.text(
                x, y, text, fontsize=6.5, color="white", va="bottom", ha="left",
                bbox={"facecolor": colour, "edgecolor": colour, "pad": 0.8, "linewidth": 0.8},
            )  # fmt: skip
    return ax


def _found(found: Any, image: int, images: int) -> list[tuple[Array, int, float | None]]:
    """Box, class and confidence of everything in one image."""
    places, classes, *sure = (numpy.asarray(part) for part in found)
    if len(places) != images or places.shape != (*classes.shape, 4):
        raise ShapeError(
            f"boxes: {images} images need boxes [images, most, 4] and classes [images, most], got "
            f"{show_shape(places.shape)} and {show_shape(classes.shape)}"
        )
    return [
        (places[image, i], int(classes[image, i]), float(sure[0][image, i]) if sure else None)
        for i in numpy.flatnonzero(classes[image] >= 0)
    ]


def _frame(ax: Axes, x: float, y: float, size: Array, colour: str, dashed: bool = False) -> None:
    from matplotlib.patches import Rectangle

    style = {"linewidth": 0.8, "linestyle": (0, (2, 2))} if dashed else {"linewidth": 1.4}
    ax.add_patch(Rectangle((x, y), size[0], size[1], fill=False, edgecolor=colour, **style))


def _pixels(pixels: Any) -> Array:
    """Images [images, height, width] or in colour, as parts of the brightest number."""
    array = numbers(pixels, "pixels")
    array = array[..., 0] if array.ndim == 4 and array.shape[3] == 1 else array
    if array.ndim != 3 and not (array.ndim == 4 and array.shape[3] == 3):
        raise ShapeError(
            "images must have the shape [images, height, width], or 1 or 3 channels as well, got "
            f"{show_shape(numpy.shape(pixels))}"
        )
    parts: Array = array / (array.max() or 1.0)
    return parts


@styled
def filters(source: Any, layer: str | None = None, limit: int = 64, ax: Axes | None = None) -> Axes:
    """Draw the filters of a convolution: blue weights ask for bright pixels, red ones for dark, white ones do not care.

    `source`: a kernel [height, width, channels, filters], or a model, of which `layer` or its first two-dimensional
    convolution is taken. Filters over three channels are drawn in colour; of those over more, the channel with the
    largest weights. At most `limit` are drawn.

    >>> import numpy
    >>> filters(numpy.ones((3, 3, 1, 8))).get_title("left")
    '8 filters of 3 × 3'
    """
    kernel, name = _kernel(source, layer)
    height, width, channels, count = kernel.shape
    tiles = numpy.moveaxis(kernel, 3, 0)[:limit]
    title = f"{name}{': ' if name else ''}{_first(len(tiles), count)}filters of {height} × {width}"
    if channels == 3:
        largest = numpy.abs(tiles).max((1, 2, 3), keepdims=True)
        tiles = 0.5 + tiles / numpy.maximum(2 * largest, 1e-12)
        return _mosaic(tiles, title + " over red, green, blue", ax)
    strongest = (tiles**2).sum((1, 2)).argmax(1)
    tiles = tiles[numpy.arange(len(tiles)), :, :, strongest]
    if channels > 1:
        title += f" over {channels} channels, the strongest of each"
    return _mosaic(tiles, title, ax, float(numpy.abs(tiles).max()) or 1.0, DIVERGING, "weight")


@styled
def feature_maps(
    source: Any, layer: str | None = None, example: int = 0, limit: int = 64, ax: Axes | None = None
) -> Axes:
    """Draw what each filter of a layer finds in one image, darker where it finds more; all on one scale.

    `source`: a trace from `model.trace(x)`, of which `layer` or its first with maps is taken, or an array
    [height, width, maps] or [images, height, width, maps]. `example`: which of the images. At most `limit` are drawn.

    >>> import numpy
    >>> feature_maps(numpy.ones((6, 6, 4))).get_title("left")
    '4 maps of 6 × 6'
    """
    array, name = layer_value(source, layer, "activation", (3, 4), "[images, height, width, maps]")
    if array.ndim == 3 and name:
        raise ShapeError(
            f"{name} has the shape {show_shape(array.shape)}; feature maps are [images, height, width, maps]"
        )
    maps = array if array.ndim == 3 else of_example(array, example, name or "feature maps")
    height, width, count = maps.shape
    tiles = numpy.moveaxis(maps, 2, 0)[:limit]
    silent = int((tiles == 0).all((1, 2)).sum())
    title = f"{name}{': ' if name else ''}{_first(len(tiles), count)}maps of {height} × {width}"
    title += f"; {silent} find nothing" if silent else ""
    largest = float(numpy.abs(tiles).max()) or 1.0
    return _mosaic(tiles, title, ax, largest, DIVERGING if tiles.min() < 0 else SEQUENCE, "activation")


def _first(shown: int, count: int) -> str:
    return f"{count} " if shown == count else f"the first {shown} of {count} "


def _kernel(source: Any, layer: str | None) -> tuple[Array, str]:
    if not hasattr(source, "get_weights"):
        return numbers(source, "filters", 4), ""
    kernels = {
        name.rpartition("/")[0]: one.value
        for name, one in names(source).items()
        if name.endswith("/kernel") and one.value.ndim == 4
    }
    if not kernels:
        raise ArgumentError(
            "the model has no two-dimensional convolution. Its layers: "
            f"{', '.join(f'{one.name} ({type(one).__name__})' for one in source.layers)}"
        )
    chosen = next(iter(kernels)) if layer is None else layer
    return numbers(look_up("convolution", kernels, chosen), chosen, 4), chosen


def _columns(count: int) -> int:
    """How many tiles stand side by side: more than stand one above another, and if possible no row is left short."""
    ideal = numpy.sqrt(1.6 * count)
    whole = [n for n in range(1, count + 1) if count % n == 0 and 0.7 < n / ideal < 1.4]
    return min(whole, key=lambda n: abs(n - ideal)) if whole else min(count, int(numpy.ceil(ideal)))


def wall(
    tiles: Array,
    ax: Axes | None,
    low: float = 0.0,
    high: float = 1.0,
    shades: tuple[str, ...] = ("#000000", "#FFFFFF"),
    lines: int = 0,
    inches: float | None = None,
) -> tuple[Axes, list[tuple[float, float, int]]]:
    """Tiles [tiles, height, width], or in colour [tiles, height, width, 3], side by side as one image.

    With room for `lines` of words above each; `inches` is the size of a tile. Also returns of each tile the left and
    upper edge in the units of the axes, and how many of those a pixel of a tile is large.
    """
    count, height, width = tiles.shape[:3]
    inches = inches or (0.62 if max(height, width) < 20 else 0.95)
    columns = _columns(count)
    rows = -(-count // columns)
    zoom = max(1, round(24 / max(height, width)))  # small tiles need finer gaps than a pixel
    gap = max(1, round(_GAP * zoom * width))
    above = round(lines * _LINE / inches * zoom * height)
    tall, wide = above + zoom * height + gap, zoom * width + gap
    canvas = numpy.full((rows * tall - gap, columns * wide - gap, *tiles.shape[3:]), numpy.nan)
    corners = []
    for i, tile in enumerate(tiles):
        top, left = i // columns * tall + above, i % columns * wide
        canvas[top : top + zoom * height, left : left + zoom * width] = tile.repeat(zoom, 0).repeat(zoom, 1)
        corners.append((left - 0.5, top - 0.5, zoom))
    ax = axes(ax, (max(inches * columns + 0.9, 3.4), (inches + lines * _LINE) * rows + 0.7))
    if tiles.ndim == 4:
        ax.imshow(numpy.nan_to_num(canvas, nan=1.0), interpolation="nearest")
    else:
        ax.imshow(canvas, cmap=colours(shades), vmin=low, vmax=high, interpolation="nearest")
    bare(ax)
    return ax, corners


def _mosaic(
    tiles: Array, title: str, ax: Axes | None, largest: float = 1.0, shades: tuple[str, ...] = (), label: str = ""
) -> Axes:
    """A wall under a title, with a bar that tells its shades unless it is in colour."""
    if tiles.ndim == 4:
        ax, _ = wall(tiles, ax)
    else:
        ax, _ = wall(tiles, ax, -largest if shades == DIVERGING else 0.0, largest, shades)
        bar = ax.figure.colorbar(ax.images[0], ax=ax, pad=0.02, aspect=18, shrink=0.85)
        bar.set_label(label)
        bar.outline.set_visible(False)
    dress(ax, title, lines="")
    return ax
