"""Scenes of handwritten digits: several on one canvas, each at a place and of a size of its own.

What stands in a scene and where is known exactly, so that networks can learn to find it, or to tell it in words. A
digit is cut to its ink before it is placed, which makes its box the smallest one around what can be seen.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ArgumentError, ShapeError

__all__ = ["Scenes", "compose_scene", "digit_scenes"]

Images = NDArray[np.uint8]
Boxes = NDArray[np.float32]

_INK = 32  # fainter pixels are the soft edge of a stroke
_TRIES = 50  # places tried for a digit before its scene does without it


class Scenes(NamedTuple):
    """Scenes and what stands in them; rows of -1 fill up the scenes that have fewer digits than the fullest.

    >>> import numpy
    >>> digits = numpy.full((5, 28, 28), 255, numpy.uint8)
    >>> digit_scenes(digits, numpy.arange(5), 2).classes.shape
    (2, 4)
    """

    images: Images  # [scenes, height, width], black ground, 255 the brightest
    boxes: Boxes  # [scenes, digits, 4]: left, top, right, bottom in pixels
    classes: NDArray[np.int32]  # [scenes, digits]


def compose_scene(
    digits: Images, centres: ArrayLike, sizes: ArrayLike, canvas: tuple[int, int] = (64, 64)
) -> tuple[Images, Boxes]:
    """One scene: digits [n, 28, 28] around `centres` [n, 2] (x to the right, y down), `sizes` [n] large, in pixels.

    A digit's size is the longer side of its ink. Returns the scene, uint8 of the `canvas`'s (height, width), and the
    boxes [n, 4] around the ink: left, top, right, bottom. Where digits overlap the brighter pixel is seen; what would
    stand outside of the canvas is moved inside. Raises `ArgumentError` for sizes that the canvas cannot hold,
    `ShapeError` for arrays that do not fit each other.

    >>> import numpy
    >>> tall = numpy.full((1, 28, 14), 255, numpy.uint8)
    >>> scene, boxes = compose_scene(tall, [[32, 20]], [16])
    >>> scene.shape, boxes.tolist()
    ((64, 64), [[28.0, 12.0, 36.0, 28.0]])
    """
    digits, centres, sizes = np.asarray(digits), np.asarray(centres, np.float64), np.asarray(sizes, np.float64)
    count = len(digits)
    if digits.ndim != 3 or centres.shape != (count, 2) or sizes.shape != (count,):
        raise ShapeError(
            f"compose_scene needs digits [n, height, width], centres [n, 2] and sizes [n], got {digits.shape}, "
            f"{centres.shape} and {sizes.shape}"
        )
    _need_room(sizes, canvas)
    scene = np.zeros(canvas, np.uint8)
    boxes = np.zeros((count, 4), np.float32)
    for i, (digit, centre, size) in enumerate(zip(digits, centres, sizes, strict=True)):
        ink = _ink(digit)
        boxes[i] = left, top, right, bottom = _box(ink.shape, centre, size, canvas)
        part = scene[top:bottom, left:right]
        np.maximum(part, _resized(ink, bottom - top, right - left), out=part)
    return scene, boxes


def digit_scenes(
    images: Images,
    labels: ArrayLike,
    count: int,
    digits: tuple[int, int] = (1, 4),
    sizes: tuple[int, int] = (14, 32),
    canvas: tuple[int, int] = (64, 64),
    overlap: float = 0.05,
    seed: int = 0,
) -> Scenes:
    """Scenes of some of the `images` [n, 28, 28] with their `labels`, drawn at random; the same for the same seed.

    Each of `count` scenes has `digits` from least to most, of `sizes` from least to most (the longer side, in pixels),
    anywhere on the `canvas` (height, width). At most the part `overlap` of the smaller of two boxes lies in the other;
    a digit for which no such place is found is left out. Raises `ArgumentError` for bounds that cannot be met,
    `ShapeError` for images and labels that do not fit each other.

    >>> from pellucid.datasets import mnist
    >>> (x, y), _ = mnist()  # doctest: +SKIP
    >>> scenes = digit_scenes(x, y, 1000)  # doctest: +SKIP
    >>> scenes.images.shape, scenes.boxes.shape, scenes.classes.shape  # doctest: +SKIP
    ((1000, 64, 64), (1000, 4, 4), (1000, 4))
    """
    images, labels = np.asarray(images), np.asarray(labels).reshape(-1)
    if images.ndim != 3 or len(images) != len(labels) or not len(images):
        raise ShapeError(
            f"digit_scenes needs images [n, height, width] and a label for each, got {images.shape} and {labels.shape}"
        )
    for name, (least, most) in (("digits", digits), ("sizes", sizes)):
        if not 1 <= least <= most:
            raise ArgumentError(f"digit_scenes: {name} must be (least, most) with 1 ≤ least ≤ most, got {least, most}")
    _need_room(np.array(sizes), canvas)
    random = np.random.default_rng(seed)
    scenes = np.zeros((count, *canvas), np.uint8)
    boxes, classes = np.full((count, digits[1], 4), -1, np.float32), np.full((count, digits[1]), -1, np.int32)
    for i in range(count):
        drawn = random.integers(len(images), size=random.integers(digits[0], digits[1] + 1))
        heights = -np.sort(-random.integers(sizes[0], sizes[1] + 1, len(drawn)))  # the largest needs its place first
        kept, centres = _places(images[drawn], heights, canvas, overlap, random)
        n = len(kept)
        scenes[i], boxes[i, :n] = compose_scene(images[drawn[kept]], centres, heights[kept], canvas)
        classes[i, :n] = labels[drawn[kept]]
    return Scenes(scenes, boxes, classes)


def _places(
    digits: Images, sizes: NDArray[np.int64], canvas: tuple[int, int], overlap: float, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Which digits find a place, and the centres of those."""
    kept: list[int] = []
    centres: list[NDArray[np.float64]] = []
    taken = np.zeros((0, 4))
    for i, (digit, size) in enumerate(zip(digits, sizes, strict=True)):
        shape = _ink(digit).shape
        half = np.array(_sides(shape, size)[::-1]) / 2
        for centre in random.uniform(half, canvas[::-1] - half, (_TRIES, 2)):
            box = np.array(_box(shape, centre, size, canvas), np.float64)
            common = np.clip(np.minimum(taken[:, 2:], box[2:]) - np.maximum(taken[:, :2], box[:2]), 0, None).prod(1)
            smaller = np.minimum((taken[:, 2:] - taken[:, :2]).prod(1), (box[2:] - box[:2]).prod())
            if np.all(common <= overlap * smaller):
                kept.append(i)
                centres.append(centre)
                taken = np.vstack([taken, box])
                break
    return np.array(kept, np.int64), np.array(centres).reshape(-1, 2)


def _need_room(sizes: NDArray[np.float64], canvas: tuple[int, int]) -> None:
    if len(sizes) and not 1 <= sizes.min() <= sizes.max() <= min(canvas):
        raise ArgumentError(
            f"digits must be from 1 pixel to the canvas's {min(canvas)} large, got {sizes.min():g} to {sizes.max():g}"
        )


def _ink(digit: Images) -> Images:
    """The part of an image around its bright pixels; all of it where there are none."""
    rows, columns = np.flatnonzero((digit >= _INK).any(1)), np.flatnonzero((digit >= _INK).any(0))
    return digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else digit


def _sides(shape: tuple[int, ...], size: float) -> tuple[int, int]:
    """Height and width in whole pixels: of the shape's proportions, the longer one as large as the size."""
    height, width = (max(1, round(size * side / max(shape))) for side in shape)
    return height, width


def _box(
    shape: tuple[int, ...], centre: NDArray[np.float64], size: float, canvas: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in whole pixels, inside of the canvas."""
    height, width = _sides(shape, size)
    left = min(max(round(centre[0] - width / 2), 0), canvas[1] - width)
    top = min(max(round(centre[1] - height / 2), 0), canvas[0] - height)
    return left, top, left + width, top + height


def _resized(image: Images, height: int, width: int) -> Images:
    """Another size: between pixels where the image grows, their average where it shrinks."""
    rows, columns = _weights(image.shape[0], height), _weights(image.shape[1], width)
    pixels: Images = np.rint(rows @ image @ columns.T).astype(np.uint8)
    return pixels


@lru_cache(maxsize=4096)
def _weights(old: int, new: int) -> NDArray[np.float64]:
    """[new, old]: what each old pixel adds to a new one, a triangle around the place that it stands for."""
    scale = old / new
    places = (np.arange(new) + 0.5) * scale - 0.5
    weights = np.clip(1 - np.abs(np.arange(old) - places[:, None]) / max(scale, 1.0), 0, None)
    normal: NDArray[np.float64] = weights / weights.sum(1, keepdims=True)
    return normal
