"""Images from folders, through Pillow (the extra `image`)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError, DataError, UnknownNameError
from .folders import Folder

_ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")  # as in Keras
_MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}
_INTERPOLATIONS = {
    "area": "BOX",
    "bicubic": "BICUBIC",
    "bilinear": "BILINEAR",
    "lanczos3": "LANCZOS",
    "nearest": "NEAREST",
}


def image_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: str | Sequence[int] | None = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int = 32,
    image_size: int | tuple[int, int] = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    verbose: bool = True,
) -> Any:
    """Batches of images and their labels from a folder: a `Stream`, or two with `subset="both"`.

    `directory` has a folder for each class with files that end in .jpg, .jpeg, .png, .gif or .bmp, or `labels` a
    number for each file in order of paths. Images are float32 [batch, height, width, channels] in 0…255, scaled to
    `image_size` (height, width), with 1 channel for `color_mode="grayscale"`, 3 for `"rgb"`, 4 for `"rgba"`.
    `crop_to_aspect_ratio` cuts the longer side, so that nothing is stretched. Labels are int32 numbers [batch]; float32
    [batch, 1] with `label_mode="binary"`; one-hot [batch, classes] with `"categorical"`; None gives the images alone.
    `stream.class_names` has the names by number. Files are read when they are needed, on a thread of their own.

    Pixels are averaged where an image is made smaller, so that fine patterns leave no false ones; Keras picks some.
    Raises `DataError` with the name of a file that is damaged, `ArgumentError` for options.

    >>> training = image_dataset_from_directory("photos", image_size=(64, 64))  # doctest: +SKIP
    """
    _need_known(color_mode, interpolation)
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    if min(height, width) < 1:
        raise ArgumentError(f"image_size must be (height, width) of at least one pixel each, got {image_size}")
    _pillow()

    def read(paths: list[str]) -> NDArray[np.float32]:
        batch = [read_image(path, (height, width), color_mode, interpolation, crop_to_aspect_ratio) for path in paths]
        return np.stack(batch).astype(np.float32)

    folder = Folder(
        directory, labels, label_mode, class_names, batch_size, shuffle, seed, validation_split, subset, follow_links,
        verbose,
    )  # fmt: skip
    return folder.stream(_ENDINGS, read)


def read_image(
    path: str | os.PathLike[str],
    image_size: tuple[int, int] | None = None,
    color_mode: str = "rgb",
    interpolation: str = "bilinear",
    crop_to_aspect_ratio: bool = False,
) -> NDArray[np.uint8]:
    """The pixels of an image file, uint8 [height, width, channels]; options as in `image_dataset_from_directory`.

    >>> read_image("cat.png").shape  # doctest: +SKIP
    """
    _need_known(color_mode, interpolation)
    pillow = _pillow()
    try:
        with pillow.Image.open(path) as image:
            if image.mode.startswith("I"):  # 16 bits: the upper eight are kept
                image = pillow.Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            image = image.convert(_MODES[color_mode])
            if image_size is not None:
                height, width = image_size
                box = _largest(image.width, image.height, width / height) if crop_to_aspect_ratio else None
                image = image.resize((width, height), pillow.Image.Resampling[_INTERPOLATIONS[interpolation]], box)
            pixels = np.asarray(image)
    except (OSError, SyntaxError, ValueError, pillow.Image.DecompressionBombError) as error:  # what Pillow raises
        raise DataError(f"{os.fspath(path)} is no image that can be read: {error}") from None
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _need_known(color_mode: str, interpolation: str) -> None:
    if color_mode not in _MODES:
        raise UnknownNameError("color_mode", color_mode, _MODES)
    if interpolation not in _INTERPOLATIONS:
        raise UnknownNameError("interpolation", interpolation, _INTERPOLATIONS)


def _largest(width: int, height: int, ratio: float) -> tuple[float, float, float, float]:
    """The largest box in the middle of an image whose width is `ratio` times its height: left, top, right, bottom."""
    kept_width, kept_height = min(width, height * ratio), min(height, width / ratio)
    left, top = (width - kept_width) / 2, (height - kept_height) / 2
    return left, top, left + kept_width, top + kept_height


def _pillow() -> Any:
    try:
        import PIL.Image
    except ImportError:
        raise DataError("reading images needs Pillow; install it: pip install 'pellucid[image]'") from None
    return PIL
