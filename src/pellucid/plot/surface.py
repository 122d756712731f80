"""The loss over two weights or directions: as a map with contours or as a surface, with the path of descent on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from pellucid.errors import ArgumentError
from pellucid.plot import plane as planes
from pellucid.plot.figure import DARK_BLUE, INK, LINES, ORANGE, SEQUENCE, Axes, axes, colours, dress, short, styled
from pellucid.plot.inputs import Array, column, numbers, one_of, same_rows
from pellucid.plot.plane import Loss, Plane

KINDS = ("contour", "3d")
DIRECTIONS = ("random", "path")
_MARGIN = 0.25  # of a path's extent, on each side
_STEEP = 50.0  # highest over middle loss, from which levels are spaced by the logarithm


@styled
def loss_surface(
    model: Any,
    x: Any,
    y: Any,
    directions: str | Sequence[str] | None = None,
    path: Any = None,
    kind: str = "contour",
    span: float | None = None,
    points: int = 41,
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """Draw the loss of a model on some examples over a plane of its weights, and the path of descent if one is given.

    `directions`: two weights by name, such as `("dense/kernel[0,0]", "dense/bias[0]")`; "random": two random directions
    from the weights that the model has, as long, filter by filter, as these (drawn from `seed`); or "path": the plane
    in which the path spreads most. Without it: the two weights of a model that has two, else "path" where there is
    one, else "random".
    `path`: the weights of a run, from a `callbacks.Recorder`, as a list of `get_weights()` or of vectors; outside the
    plane, its nearest points are drawn. `kind`: "contour" or "3d". `span`: how far to look on each side, in the unit of
    the directions. `points`: on each side of the grid; the loss is computed `points`² times.
    Raises `StateError` for a model without a loss, `UnknownNameError` for a weight that there is not.
    Source: Li et al., "Visualizing the loss landscape of neural nets", 2018.

    >>> from pellucid.nn.layers import Dense
    >>> from pellucid.train.sequential import Sequential
    >>> model = Sequential([Dense(1, input_shape=(1,))], seed=0)
    >>> model.compile("sgd", "mse")
    >>> loss_surface(model, [[0.0], [1.0]], [1.0, 3.0], points=5).get_xlabel()
    'dense/kernel[0,0]'
    """
    one_of("kind of surface", kind, KINDS)
    if points < 2:
        raise ArgumentError(f"points must be at least 2, got {points}")
    steps = None if path is None else planes.vectors(model, path)
    plane = _plane(model, directions, steps, seed)
    loss = Loss(model, x, y)
    run = None if steps is None else plane.coordinates(steps)
    here = plane.coordinates(planes.weights(model)[None])[0]
    a, b = _extent(here, run, span, points, 1.0 if directions == "random" else None)
    surface = plane.loss(loss, a, b)
    height = None if steps is None or kind == "contour" else numpy.array([loss(one) for one in steps])
    ax = axes(ax, *_size(kind))
    draw_surface(ax, kind, a, b, surface, plane.labels)
    if run is not None:
        draw_path(ax, run, height=height, ends=True)
    elif kind == "contour":
        ax.plot(*here, "o", color=ORANGE, markersize=7, markeredgecolor="white")
    dress_surface(ax, _title(steps, loss, surface), plane.labels)
    return ax


@styled
def paraboloid(
    x: Any, y: Any, path: Any = None, kind: str = "3d", span: float | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the loss of a linear unit ŷ = w·x + b over w and b, which is a bowl, exactly; and the path of descent.

    The mean squared error of the examples is L(w, b) = w²·mean x² + 2·w·b·mean x + b² - 2·w·mean xy - 2·b·mean y +
    mean y². Its bottom is the least squares line. `x`, `y`: [rows] or [rows, 1]. `path`: w and b step by step,
    [steps, 2], a `callbacks.Recorder`, or a list of `get_weights()`. `kind`: "3d" or "contour".

    >>> paraboloid([0, 1, 2], [1, 3, 5]).get_title("left")
    'The bottom of the bowl: w = 2, b = 1, loss 0'
    """
    one_of("kind of surface", kind, KINDS)
    given, wanted = column(x, "x"), column(y, "y")
    same_rows(x=given, y=wanted)
    if numpy.ptp(given) == 0:
        raise ArgumentError("x is the same in every row, so the loss is a valley without a bottom; give x that varies")
    line = numpy.column_stack([given, numpy.ones_like(given)])
    bottom = numpy.linalg.lstsq(line, wanted, rcond=None)[0]
    run = None
    if path is not None:
        parts = [[numpy.ravel(part) for part in step] for step in planes.steps_of(path)]
        run = numbers([numpy.concatenate(step) for step in parts], "path", 2)
        if run.shape[1] != 2:
            raise ArgumentError(
                f"a linear unit has one weight and one bias; the path has {run.shape[1]} numbers a step"
            )
    a, b = _extent(bottom, run, span, 61, None)
    ax = axes(ax, *_size(kind))
    labels = ("weight w", "bias b")
    draw_surface(ax, kind, a, b, _bowl(given, wanted, a[None, :], b[:, None]), labels)
    lowest = float(_bowl(given, wanted, *bottom))
    if run is not None:
        draw_path(ax, run, height=_bowl(given, wanted, *run.T) if kind == "3d" else None, ends=True)
    elif kind == "contour":
        ax.plot(*bottom, "o", color=ORANGE, markersize=7, markeredgecolor="white")
    else:
        ax.plot(*bottom[:, None], [lowest], "o", color=ORANGE, markersize=7, markeredgecolor="white", zorder=9)
    w, b0, low = map(short, numpy.round([*bottom, lowest], 9))
    dress_surface(ax, f"The bottom of the bowl: w = {w}, b = {b0}, loss {low}", labels)
    return ax


def _bowl(x: Array, y: Array, w: Any, b: Any) -> Any:
    """mean (w·x + b - y)², from the means of products."""
    return (
        w * w * (x * x).mean() + 2 * w * b * x.mean() + b * b - 2 * w * (x * y).mean() - 2 * b * y.mean()
        + (y * y).mean()
    )  # fmt: skip


def _plane(model: Any, directions: str | Sequence[str] | None, steps: Array | None, seed: int) -> Plane:
    if directions is None:
        two = len(planes.weights(model)) == 2
        directions = None if two else "random" if steps is None else "path"
        if two:
            return planes.all_two(model)
    if not isinstance(directions, str):
        return planes.of_weights(model, list(directions or ()))
    if one_of("kind of directions", directions, DIRECTIONS) == "random":
        return planes.random(model, seed)
    if steps is None:
        raise ArgumentError("directions='path' needs a path: fit with callbacks.Recorder() and give path=that")
    return planes.of_paths([steps])


def _extent(
    centre: Array, run: Array | None, span: float | None, points: int, usual: float | None
) -> tuple[Array, Array]:
    """The grid's places along both directions: around the centre, and around the path with a margin."""
    if run is None or span is not None:
        half = [span or usual or max(1.0, 2 * abs(float(value))) for value in centre]
        low, high = centre - half, centre + half
    else:
        both = numpy.vstack([run, centre])
        low, high = both.min(0), both.max(0)
        room = _MARGIN * numpy.maximum(high - low, 0.2 * float((high - low).max()) or 1.0)
        low, high = low - room, high + room
    return numpy.linspace(low[0], high[0], points), numpy.linspace(low[1], high[1], points)


def _title(steps: Array | None, loss: Loss, surface: Array) -> str:
    if steps is not None:
        first, last = loss(steps[0]), loss(steps[-1])
        return f"Loss along the path: from {short(first)} to {short(last)}"
    return f"Loss surface: from {short(numpy.nanmin(surface))} to {short(numpy.nanmax(surface))}"


def _size(kind: str) -> tuple[tuple[float, float], str | None]:
    return ((6.0, 4.8), "3d") if kind == "3d" else ((5.6, 4.4), None)


# Drawing, which the races share


def draw_surface(ax: Axes, kind: str, a: Array, b: Array, surface: Array, labels: tuple[str, str]) -> None:
    """A loss over a grid; deep is dark, as on a chart of the sea."""
    if not numpy.isfinite(surface).any():
        raise ArgumentError("the loss is infinite or NaN everywhere in this plane; give a smaller span")
    levels = _levels(surface)
    depth = colours(SEQUENCE[::-1])
    if kind == "3d":
        norm = _norm(levels)
        ax.computed_zorder = False
        ax.plot_surface(*numpy.meshgrid(a, b), surface, cmap=depth, norm=norm, rcount=61, ccount=61, linewidth=0.15,
                        edgecolor=(1, 1, 1, 0.25), antialiased=True, zorder=1)  # fmt: skip
        return
    masked = numpy.ma.masked_invalid(surface)
    cut = "min" if levels[0] > numpy.nanmin(surface) else "neither"
    filled = ax.contourf(a, b, masked, levels=levels, cmap=depth, norm=_norm(levels), extend=cut)
    ax.contour(a, b, masked, levels=levels, colors="white", linewidths=0.5, alpha=0.6)
    bar = ax.figure.colorbar(filled, ax=ax, pad=0.02, aspect=30, ticks=levels[::3])
    tiny = 1e-6 * abs(levels[-1])
    bar.ax.set_yticklabels([short(0.0 if abs(value) < tiny else value) for value in levels[::3]])
    bar.set_label("loss")
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0)


def _levels(surface: Array) -> Array:
    """Heights of contours: closer together towards the bottom, where descent goes slowly."""
    low, high = float(numpy.nanmin(surface)), float(numpy.nanmax(surface))
    if low == high:
        high = low + 1.0
    middle = float(numpy.nanmedian(surface))
    if low > 0 and high > _STEEP * middle:
        return numpy.geomspace(max(low, middle / _STEEP), high, 19)
    return low + (high - low) * numpy.linspace(0, 1, 19) ** 2


def _norm(levels: Array) -> Any:
    """Colours evenly over the levels."""
    from matplotlib.colors import FuncNorm

    even = numpy.linspace(0, 1, len(levels))
    return FuncNorm((lambda v: numpy.interp(v, levels, even), lambda v: numpy.interp(v, even, levels)),
                    vmin=levels[0], vmax=levels[-1])  # fmt: skip


def draw_path(
    ax: Axes, run: Array, height: Array | None = None, colour: str = ORANGE, ends: bool = False, label: str = ""
) -> None:
    """The steps of a run in the plane, on the surface where there are heights."""
    from matplotlib.patheffects import Normal, Stroke

    halo = [Stroke(linewidth=3.4, foreground="white"), Normal()]
    flat = [run[:, 0], run[:, 1]] if height is None else [run[:, 0], run[:, 1], height]
    marks = {"marker": "o", "markersize": 3.2} if len(run) <= 60 else {}
    ax.plot(*flat, color=colour, linewidth=1.8, path_effects=halo, zorder=6, label=label or None, **marks)
    if ends:
        for at, word, marker in ((0, "start", "o"), (len(run) - 1, "end", "*")):
            spot = [part[at : at + 1] for part in flat]
            fill = "white" if marker == "o" else colour
            edge = INK if marker == "o" else "white"
            ax.plot(*spot, marker, color=fill, markeredgecolor=edge, markersize=7 if marker == "o" else 15, zorder=8)
            if height is None:
                name_point(ax, word, run[at])


def name_point(ax: Axes, word: str, at: Array) -> None:
    """A word under a point of a map."""
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=2.5, foreground="white")]
    place = {"textcoords": "offset points", "ha": "center", "fontsize": 8.5, "zorder": 9}
    ax.annotate(word, at, (0, -15), color=INK, path_effects=halo, **place)


def dress_surface(ax: Axes, title: str, labels: tuple[str, str]) -> None:
    """Labels of a map or a surface."""
    dress(ax, title, *labels, lines="")
    if ax.name == "3d":
        ax.set_zlabel("loss")
        ax.view_init(elev=32, azim=-52)
        for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
            axis.pane.set_facecolor("white")
            axis.pane.set_edgecolor(LINES)
            axis._axinfo["grid"].update(color=LINES, linewidth=0.8)
            axis.get_major_locator().set_params(nbins=5)
        ax.set_box_aspect((1.15, 1.15, 0.85), zoom=0.95)
    else:
        ax.spines[:].set_visible(False)
        ax.tick_params(color=DARK_BLUE)
