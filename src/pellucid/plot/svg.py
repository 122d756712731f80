"""A sheet of shapes as SVG: one text that is a whole picture, light or dark as its reader's screen is.

Exact values stand in `<title>` elements, which browsers show to who points at a shape and read to who cannot see it.
"""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from html import escape

import numpy

from pellucid.explain.colours import DARK, LIGHT
from pellucid.plot.shapes import Box, Circle, Curve, Image, Label, Point, Shape, Sheet, bezier

_FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','DejaVu Sans',sans-serif"
_VARIABLES = {mode: ";".join(f"--d-{name}:{value}" for name, value in colours.items())
              for mode, colours in (("light", LIGHT), ("dark", DARK))}  # fmt: skip
_STYLE = (
    f".pellucid-diagram{{{_VARIABLES['light']};font-family:{_FONT};max-width:100%;height:auto}}"
    f"@media(prefers-color-scheme:dark){{.pellucid-diagram{{{_VARIABLES['dark']}}}}}"
    ".pellucid-diagram path{fill:none;stroke-linecap:round}"
    ".pellucid-diagram .halo{paint-order:stroke;stroke:var(--d-paper);stroke-width:3.5px;stroke-linejoin:round}"
    ".pellucid-diagram path:hover{stroke-opacity:1;stroke-width:4}"
    ".pellucid-diagram text{dominant-baseline:central}"
)
_HEAD = 7.0  # length of an arrow's head


def to_svg(sheet: Sheet, keys: bool = False) -> str:
    """The sheet as an SVG document; with `keys` what changes over time can be found by `data-key`."""
    width, height = _number(sheet.width), _number(sheet.height)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="pellucid-diagram" role="img" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}">',
        f"<title>{escape(sheet.title)}</title><desc>{escape(sheet.description)}</desc>",
        f"<style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" rx="10" fill="{_colour("paper")}"/>',
        *(_element(shape, _key(shape) if keys else "") for shape in sheet.shapes),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _key(shape: Shape) -> str:
    key = "" if isinstance(shape, Box) else shape.key
    return f' data-key="{escape(key)}"' if key else ""


def _element(shape: Shape, key: str) -> str:
    if isinstance(shape, Circle):
        return _closed("circle", f'cx="{_number(shape.x)}" cy="{_number(shape.y)}" r="{_number(shape.radius)}" '
                       f'fill="{_colour(shape.colour)}" fill-opacity="{_number(shape.fill)}" '
                       f'stroke="{_colour(shape.colour)}" stroke-width="1.8"{key}', shape.tip)  # fmt: skip
    if isinstance(shape, Curve):
        return _curve(shape, key)
    if isinstance(shape, Box):
        return _box(shape)
    if isinstance(shape, Label):
        return _label(shape, key)
    return _image(shape, key)


def _curve(shape: Curve, key: str) -> str:
    start, *rest = shape.points
    end = rest[-1]
    if shape.arrow:
        end = _before(rest[-2] if len(rest) > 1 else start, end, shape.smooth)
        rest[-1] = end
    path = f"M{_pair(start)}"
    if shape.smooth:
        path += "".join(f"C{_pair(a)} {_pair(b)} {_pair(c)}" for a, b, c in bezier([start, *rest]))
    else:
        path += "".join(f"L{_pair(point)}" for point in rest)
    opacity = f' stroke-opacity="{_number(shape.opacity)}"' if shape.opacity < 1 else ""
    colour = _colour(shape.colour)
    line = _closed("path", f'd="{path}" stroke="{colour}" stroke-width="{_number(shape.width)}"{opacity}{key}',
                   shape.tip)  # fmt: skip
    return line + (_head(end, shape.points[-1], colour) if shape.arrow else "")


def _before(last: Point, end: Point, smooth: bool) -> Point:
    """Where a line with an arrow stops, so that the head ends at its end."""
    if smooth:
        return end[0] - _HEAD, end[1]
    long = max(((end[0] - last[0]) ** 2 + (end[1] - last[1]) ** 2) ** 0.5, 1e-9)
    return end[0] - _HEAD * (end[0] - last[0]) / long, end[1] - _HEAD * (end[1] - last[1]) / long


def _head(base: Point, tip: Point, colour: str) -> str:
    dx, dy = (tip[0] - base[0]) / _HEAD, (tip[1] - base[1]) / _HEAD
    corners = [(base[0] - 3.6 * dy, base[1] + 3.6 * dx), (base[0] + 3.6 * dy, base[1] - 3.6 * dx), tip]
    return f'<polygon points="{" ".join(map(_pair, corners))}" fill="{colour}"/>'


def _box(shape: Box) -> str:
    place = (f'x="{_number(shape.x)}" y="{_number(shape.y)}" width="{_number(shape.width)}" '
             f'height="{_number(shape.height)}" rx="{_number(shape.radius)}"')  # fmt: skip
    colour = _colour(shape.colour)
    ground = f'<rect {place} fill="{_colour("paper")}"/>' if shape.ground else ""
    line = f' stroke="{colour}" stroke-width="{_number(shape.line)}"' if shape.line else ""
    return ground + _closed("rect", f'{place} fill="{colour}" fill-opacity="{_number(shape.fill)}"{line}', shape.tip)


def _label(shape: Label, key: str) -> str:
    x, y = _number(shape.x), _number(shape.y)
    style = (' font-weight="600"' if shape.bold else "") + (' class="halo"' if shape.halo else "")
    turned = "" if shape.upright else f' transform="rotate(-90 {x} {y})"'
    anchor = "" if shape.anchor == "start" else f' text-anchor="{shape.anchor}"'
    tip = f"<title>{escape(shape.tip)}</title>" if shape.tip else ""
    return (f'<text x="{x}" y="{y}" font-size="{_number(shape.size)}" fill="{_colour(shape.colour)}"{anchor}{style}'
            f"{turned}{key}>{tip}{escape(shape.text)}</text>")  # fmt: skip


def _image(shape: Image, key: str) -> str:
    place = (f'x="{_number(shape.x)}" y="{_number(shape.y)}" width="{_number(shape.width)}" '
             f'height="{_number(shape.height)}"')  # fmt: skip
    return _closed("image", f'{place} preserveAspectRatio="none" style="image-rendering:pixelated" '
                   f'href="{image_address(shape)}"{key}', shape.tip)  # fmt: skip


def image_address(shape: Image) -> str:
    """The image itself, as an address that a page can hold."""
    return f"data:image/png;base64,{b64encode(_png(shape.values, shape.colour)).decode()}"


def _png(values: numpy.ndarray, colour: str) -> bytes:
    """Numbers from 0 to 1 as an image in 64 steps of how opaque a colour is (PNG, W3C 2003)."""
    steps = numpy.rint(numpy.clip(values, 0.0, 1.0) * 63).astype(numpy.uint8)
    height, width = steps.shape
    rows = numpy.concatenate([numpy.zeros((height, 1), numpy.uint8), steps], axis=1).tobytes()
    palette = bytes.fromhex(colour[1:]) * 64
    opaque = bytes(round(step * 255 / 63) for step in range(64))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = [chunk(b"IHDR", head), chunk(b"PLTE", palette), chunk(b"tRNS", opaque),
             chunk(b"IDAT", zlib.compress(rows, 9)), chunk(b"IEND", b"")]  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _closed(kind: str, attributes: str, tip: str) -> str:
    return f"<{kind} {attributes}><title>{escape(tip)}</title></{kind}>" if tip else f"<{kind} {attributes}/>"


def _colour(name: str) -> str:
    return f"var(--d-{name})" if name in LIGHT else name


def _pair(point: Point) -> str:
    return f"{_number(point[0])} {_number(point[1])}"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
