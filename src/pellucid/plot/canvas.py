"""A sheet of shapes drawn by Matplotlib, for PNG and PDF, and for pictures among other plots."""

from __future__ import annotations

from typing import Any

import numpy

from pellucid.explain.colours import LIGHT
from pellucid.plot.shapes import Box, Circle, Curve, Image, Label, Shape, Sheet, bezier

INCH = 96.0  # points of a sheet in an inch, as in browsers


def draw_sheet(sheet: Sheet) -> Any:
    """The sheet as a Matplotlib figure, on light paper."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(sheet.width / INCH, sheet.height / INCH), facecolor=LIGHT["paper"])
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    draw_on(axes, sheet)
    return figure


def draw_on(axes: Any, sheet: Sheet) -> None:
    """The sheet in axes that are there already, which take its size and proportions."""
    axes.set_xlim(0, sheet.width)
    axes.set_ylim(sheet.height, 0)
    axes.set_aspect("equal")
    axes.axis("off")
    for order, shape in enumerate(sheet.shapes):
        _draw(axes, shape, order + 1)


def _draw(axes: Any, shape: Shape, order: int) -> None:
    from matplotlib import patches
    from matplotlib.colors import to_rgba

    if isinstance(shape, Circle):
        face = to_rgba(_colour(shape.colour), shape.fill)
        axes.add_artist(
            patches.Circle(
                (shape.x, shape.y),
                shape.radius,
                facecolor=face,
                edgecolor=_colour(shape.colour),
                linewidth=_points(1.8),
                zorder=order,
            )
        )
    elif isinstance(shape, Curve):
        _draw_curve(axes, shape, order)
    elif isinstance(shape, Box):
        radius = min(shape.radius, shape.width / 2, shape.height / 2)
        corner, style = (shape.x, shape.y), f"round,pad=0,rounding_size={radius}"
        faces: list[Any] = [LIGHT["paper"]] if shape.ground else []
        for face in [*faces, to_rgba(_colour(shape.colour), shape.fill)]:
            axes.add_artist(patches.FancyBboxPatch(
                corner, shape.width, shape.height, boxstyle=style, facecolor=face, zorder=order,
                edgecolor=_colour(shape.colour), linewidth=_points(shape.line)))  # fmt: skip
    elif isinstance(shape, Label):
        _draw_label(axes, shape, order)
    else:
        _draw_image(axes, shape, order)


def _draw_curve(axes: Any, shape: Curve, order: int) -> None:
    from matplotlib import patches
    from matplotlib.path import Path

    points = list(shape.points)
    vertices, codes = [points[0]], [Path.MOVETO]
    if shape.smooth:
        for piece in bezier(points):
            vertices += piece
            codes += [Path.CURVE4] * 3
    else:
        vertices += points[1:]
        codes += [Path.LINETO] * (len(points) - 1)
    style: dict[str, Any] = {
        "edgecolor": _colour(shape.colour),
        "linewidth": _points(shape.width),
        "alpha": shape.opacity,
        "zorder": order,
        "capstyle": "round",
    }
    path = Path(vertices, codes)
    if shape.arrow:
        axes.add_artist(patches.FancyArrowPatch(path=path, arrowstyle="-|>", mutation_scale=8, shrinkA=0, shrinkB=0,
                                               facecolor=_colour(shape.colour), **style))  # fmt: skip
    else:
        axes.add_artist(patches.PathPatch(path, facecolor="none", **style))


def _draw_label(axes: Any, shape: Label, order: int) -> None:
    from matplotlib import patheffects

    side = {"start": "left", "middle": "center", "end": "right"}[shape.anchor]
    text = axes.text(shape.x, shape.y, shape.text.replace("$", r"\$"), fontsize=_points(shape.size),
                     color=_colour(shape.colour), ha=side, va="center", zorder=order + 0.5,
                     weight="bold" if shape.bold else "normal", rotation=0 if shape.upright else 90)  # fmt: skip
    if shape.halo:
        text.set_path_effects([patheffects.withStroke(linewidth=_points(3.5), foreground=LIGHT["paper"])])


def _draw_image(axes: Any, shape: Image, order: int) -> None:
    from matplotlib.colors import to_rgb

    picture = numpy.empty((*shape.values.shape, 4))
    picture[..., :3] = to_rgb(_colour(shape.colour))
    picture[..., 3] = numpy.clip(shape.values, 0.0, 1.0)
    axes.imshow(picture, extent=(shape.x, shape.x + shape.width, shape.y + shape.height, shape.y),
                interpolation="nearest", aspect="auto", zorder=order)  # fmt: skip


def _colour(name: str) -> str:
    return LIGHT.get(name, name)


def _points(pixels: float) -> float:
    return pixels * 72.0 / INCH
