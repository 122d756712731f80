"""What all plots share: Matplotlib, loaded when first needed, and the style: fonts, colours, grid, sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from io import BytesIO
from pathlib import Path
from textwrap import fill
from typing import Any, ParamSpec, TypeVar

import numpy

from pellucid.errors import ArgumentError, UnknownNameError
from pellucid.explain.colours import HIDDEN, INPUT, LIGHT, NEGATIVE, OUTPUT, POSITIVE, blend
from pellucid.explain.numbers import number
from pellucid.explain.rendered import write

Axes = Any  # matplotlib.axes.Axes, or an array of them

INK, GREY, LINES, PALE = LIGHT["ink"], LIGHT["muted"], "#E9EDF2", LIGHT["line"]
BLUE, MAGENTA, ORANGE, GREEN = HIDDEN[0], HIDDEN[1], INPUT, OUTPUT
COLOURS = (BLUE, ORANGE, GREEN, *HIDDEN[1:])  # of lines that are told apart
DARK_BLUE = blend(BLUE, INK, 0.65)
SEQUENCE = ("#F5F9FE", blend(LIGHT["paper"], BLUE, 0.45), BLUE, DARK_BLUE)  # from little to much
DIVERGING = (NEGATIVE, LIGHT["paper"], POSITIVE)

TITLE = 10.5  # points
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans", "font.size": 9, "text.color": INK, "axes.labelcolor": INK, "axes.linewidth": 0.8,
    "axes.edgecolor": PALE, "xtick.color": GREY, "ytick.color": GREY, "xtick.major.size": 3, "ytick.major.size": 3,
    "xtick.minor.size": 0, "ytick.minor.size": 0, "axes.titlesize": TITLE, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.titlepad": 10, "axes.titlecolor": INK, "legend.frameon": False,
    "figure.titlesize": 11.5, "figure.titleweight": "bold", "lines.linewidth": 1.8, "lines.solid_capstyle": "round",
    "axes.axisbelow": True, "axes.unicode_minus": True, "figure.facecolor": "white", "axes.facecolor": "white",
}  # fmt: skip

P = ParamSpec("P")
T = TypeVar("T")


def pyplot() -> Any:
    """Matplotlib's `pyplot`; raises `ArgumentError` with the repair where it is not installed."""
    try:
        import matplotlib.pyplot
    except ImportError:
        raise ArgumentError("plots need Matplotlib; install it: pip install 'pellucid[plot]'") from None
    return matplotlib.pyplot


def styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Make a function draw in the style of this house, whatever the user's own is."""

    @wraps(draw)
    def inside(*arguments: P.args, **options: P.kwargs) -> T:
        with pyplot().rc_context(STYLE):
            return draw(*arguments, **options)

    return inside


def axes(ax: Axes | None = None, size: tuple[float, float] = (6.4, 4.0), projection: str | None = None) -> Axes:
    """The axes that were given, or those of a new figure of a size in inches."""
    if ax is None:
        figure = pyplot().figure(figsize=size, layout="constrained")
        return figure.add_subplot(projection=projection)
    if numpy.size(ax) != 1 or not hasattr(numpy.ravel(ax)[0], "plot"):
        raise ArgumentError(f"ax must be one Matplotlib Axes, got {_kinds(ax)}")
    (one,) = numpy.ravel(ax)
    if projection is not None and one.name != projection:
        raise ArgumentError(
            f"this plot needs an ax made with projection={projection!r}: figure.add_subplot(projection={projection!r})"
        )
    return one


def grid(
    ax: Any, count: int, columns: int, size: tuple[float, float], share: bool = False, **ratios: Sequence[float]
) -> Axes:
    """`count` axes, as a flat array: those that were given, or of a new figure in rows of `columns`, each of a size."""
    if ax is not None:
        given = numpy.ravel(numpy.asarray(ax, object))
        if len(given) != count:
            raise ArgumentError(f"this plot needs {count} axes, got {_kinds(ax)}; give ax={count} of them, or none")
        return given
    columns = min(columns, count)
    rows = -(-count // columns)
    _, made = pyplot().subplots(
        rows, columns, figsize=(size[0] * columns, size[1] * rows), layout="constrained", squeeze=False,
        sharex=share, sharey=share, **ratios,
    )  # fmt: skip
    flat = made.ravel()
    for unused in flat[count:]:
        unused.remove()
    return flat[:count]


def _kinds(ax: Any) -> str:
    found = numpy.ravel(numpy.asarray(ax, object))
    return f"{len(found)} of type {type(found[0]).__name__}" if len(found) else "none"


def dress(ax: Axes, title: str = "", x: str = "", y: str = "", lines: str = "y", size: float = TITLE) -> None:
    """Title (of a size), labels and grid lines of an axes (`lines`: along "x", "y", "both" or none, "")."""
    if title:
        ax.set_title(_wrapped(title, ax, size), loc="left", fontsize=size)
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    if ax.name != "rectilinear":
        return
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_axisbelow(True)  # also where the axes were made in another style
    if lines:
        ax.grid(axis=lines, color=LINES, linewidth=0.8)


def _wrapped(title: str, ax: Axes, size: float) -> str:
    """A title in as many lines as it needs above its axes; a bold letter is about 0.6 of its size wide."""
    width = 1.12 * width_of(ax)
    return fill(title, max(int(width / (0.6 * size)), 16))


def width_of(ax: Axes) -> float:
    """How wide axes are, in points; they may stand in a part of a figure."""
    pixels = ax.get_position(original=True).width * ax.figure.bbox.width
    return float(pixels * 72 / ax.figure.dpi)


def logarithmic(axis: Any, ticks: int = 9) -> None:
    """A logarithmic scale with plain numbers at its ticks, where they are short: 0.02, not 2·10⁻²."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 100 * low else (1.0,), numticks=ticks))
    if low >= 1e-4 and high < 1e6:  # else powers of ten
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def bare(ax: Axes, title: str = "") -> None:
    """An axes that shows an image: no ticks, no frame."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    if title:
        ax.set_title(title, fontsize=8, fontweight="normal", loc="center", pad=3)


def headline(ax: Axes, text: str) -> None:
    """The title above all axes of a figure that this plot made."""
    figure = ax.ravel()[0].figure
    figure.suptitle(text, x=0.01, ha="left")
    figure.get_layout_engine().set(h_pad=0.08)


def note(ax: Axes, text: str, at: tuple[float, float], offset: tuple[float, float], colour: str = ORANGE) -> None:
    """Words beside a point, tied to it by a thin line."""
    ax.annotate(
        text, at, offset, textcoords="offset points", color=colour, ha="center", va="center", fontsize=8.5,
        arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.8, "shrinkB": 4},
    )  # fmt: skip


def short(value: float, digits: int = 3) -> str:
    """A number for a title, with few significant digits.

    >>> short(0.123456), short(-41234.5)
    ('0.123', '−41,200')
    """
    return number(float(f"{value:.{digits}g}"))


def colours(name: Sequence[str]) -> Any:
    """A colour map through some colours."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("pellucid", list(name))


def ramp(count: int, name: Sequence[str] = (blend(LIGHT["paper"], BLUE, 0.4), BLUE, DARK_BLUE)) -> list[Any]:
    """`count` colours from light to dark, for what happens one after another."""
    map_ = colours(name)
    return [map_(i / max(count - 1, 1)) for i in range(count)]


def save(ax: Axes, path: str | Path, dpi: float = 150) -> None:
    """Write the figure of some axes into a file, which is replaced whole: PNG, SVG, PDF, … by its suffix.

    Raises `UnknownNameError` for another suffix, with those that there are.
    """
    figure = numpy.ravel(numpy.asarray(ax, object))[0].figure
    known = sorted(figure.canvas.get_supported_filetypes())
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix not in known:
        raise UnknownNameError("suffix of a picture", suffix, known)
    content = BytesIO()
    figure.savefig(content, format=suffix, dpi=dpi, bbox_inches="tight", pad_inches=0.12)
    pyplot().close(figure)
    write(path, content.getbuffer())
