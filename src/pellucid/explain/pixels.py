"""Small pictures inside of pages: arrays as PNG, written here, since pages need nothing that is not always there."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode

import numpy

from pellucid.explain.colours import NEGATIVE, POSITIVE
from pellucid.explain.page import escape


def gray(values: numpy.ndarray) -> numpy.ndarray:
    """An image [height, width] or [height, width, channels] as colours [height, width, 3] from 0 to 1.

    Three channels are red, green and blue; of other numbers the mean is shown in grey.
    """
    image = numpy.asarray(values, numpy.float64)
    low, high = (float(image.min()), float(image.max())) if image.size else (0.0, 1.0)
    image = (image - low) / (high - low or 1.0)
    if image.ndim == 3 and image.shape[-1] == 3:
        return image
    flat = image.mean(axis=-1) if image.ndim == 3 else image
    return numpy.repeat(flat[..., None], 3, axis=-1)


def overlay(values: numpy.ndarray, strength: numpy.ndarray) -> numpy.ndarray:
    """An image, pale, under what each pixel contributes [height, width]: blue for more, red for less."""
    paper = 1.0 - 0.14 * gray(values)
    largest = float(abs(strength).max()) or 1.0
    share = (abs(strength) / largest)[..., None] ** 0.6
    colour = numpy.where(strength[..., None] > 0, _channels(POSITIVE), _channels(NEGATIVE))
    return (1.0 - share) * paper + share * colour


def picture(colours: numpy.ndarray, words: str, width: int = 280) -> str:
    """An image element that holds its own pixels; `words` say what it shows."""
    data = b64encode(png(colours)).decode("ascii")
    style = f"width:{width}px;max-width:100%;image-rendering:pixelated;border:1px solid var(--line)"
    return f'<img alt="{escape(words)}" style="{style}" src="data:image/png;base64,{data}">'


def png(colours: numpy.ndarray) -> bytes:
    """Colours [height, width, 3] from 0 to 1 as a file: PNG, ISO/IEC 15948.

    >>> png(numpy.zeros((2, 2, 3)))[:4]
    b'\\x89PNG'
    """
    height, width, _ = colours.shape
    levels = numpy.clip(numpy.rint(colours * 255), 0, 255).astype(numpy.uint8).reshape(height, 3 * width)
    lines = numpy.concatenate(
        [numpy.zeros((height, 1), numpy.uint8), levels], axis=1
    )  # each begins with its filter: none
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


def _channels(colour: str) -> numpy.ndarray:
    return numpy.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
