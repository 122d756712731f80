"""What made a prediction, drawn: contributions of columns, words and pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy

from pellucid.errors import ArgumentError
from pellucid.explain.forward_text import number
from pellucid.explain.pixels import overlay
from pellucid.explain.why_text import largest, rounded, signed
from pellucid.plot.figure import GREY, Axes, axes, bare, dress, styled

if TYPE_CHECKING:
    from pellucid.explain.why import Share, Why

_SHOWN = 14


@styled
def contributions(why: Why, ax: Axes | None = None, input: str | None = None) -> Axes:
    """Draw what each column, word or pixel contributed to a prediction: `model.why(x)`.

    Bars for columns and words, the largest above; of an image the pixels in colour, blue where they raise the output.
    `input` chooses one of several inputs.

    >>> import pellucid
    >>> model = pellucid.Sequential([pellucid.Input((2,)), pellucid.layers.Dense(1, name="sum")])
    >>> model.set_weights([[[2.0], [-1.0]], [5.0]])
    >>> axes = contributions(model.why([[3.0, 4.0]], names=["a", "b"]))
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['a = 3', 'b = 4']
    """
    share = _chosen(why, input)
    if share.form == "picture":
        height, width, *_ = share.values.shape
        ax = axes(ax, (3.6, 3.6 * height / width + 0.4))
        ax.imshow(overlay(share.values, share.pixels), interpolation="nearest")
        bare(ax)
        ax.set_title(f"{why.what}: {rounded(why.prediction)}", loc="left")
        return ax
    places, rest, others = largest(share, _SHOWN)
    names = [f"{share.labels[i]} = {share.shown[i]}" if share.form == "columns" else share.labels[i] for i in places]
    values = [float(share.contributions.ravel()[i]) for i in places]
    if rest:
        names, values = [*names, f"{others} others"], [*values, rest]
    ax = axes(ax, (6.4, 0.9 + 0.3 * len(names)))
    bars(ax, names, values)
    title = f"{why.what}: {rounded(why.prediction)}; {why.compared} gives {rounded(why.baseline)}"
    dress(ax, title, "contribution", lines="x")
    return ax


def bars(ax: Axes, names: list[str], values: list[float], spread: list[float] | None = None) -> None:
    """Horizontal bars, the first one above, blue to the right and red to the left, each with its number."""
    from pellucid.explain.colours import sign_colour

    places = numpy.arange(len(names))
    ax.barh(places, values, color=[sign_colour(value) for value in values], height=0.62, xerr=spread,
            error_kw={"ecolor": GREY, "elinewidth": 1})  # fmt: skip
    ax.set_yticks(places, names)
    ax.invert_yaxis()
    ax.axvline(0, color=GREY, linewidth=0.8)
    for place, value in zip(places, values, strict=True):
        text = signed(float(f"{value:.3g}"))
        more = spread[place] if spread else 0.0
        ax.annotate(text, (value + (more if value >= 0 else -more), place), (4 if value >= 0 else -4, 0),
                    textcoords="offset points", va="center", ha="left" if value >= 0 else "right",
                    color=GREY, fontsize=8)  # fmt: skip
    ax.margins(x=0.16)
    ax.tick_params(axis="y", length=0)
    if max(map(abs, ax.get_xlim())) >= 10_000:
        from matplotlib.ticker import MaxNLocator

        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.xaxis.set_major_formatter(lambda value, _: number(value))


def _chosen(why: Why, name: str | None) -> Share:
    names = [share.name for share in why.inputs]
    if name is None and len(names) == 1:
        return why.inputs[0]
    if name not in names:
        raise ArgumentError(f"choose one input to draw: {', '.join(names)}; got {name!r}")
    return why.inputs[names.index(name)]
