"""What made a prediction, drawn: contributions of columns, words and pixels."""

from __future__ import annotations

import numpy

from pellucid.errors import ArgumentError
from pellucid.explain.colours import LIGHT, blend, sign_colour
from pellucid.explain.dependence import PartialDependence
from pellucid.explain.grad_cam import GradCam, warm
from pellucid.explain.importance import Importance
from pellucid.explain.numbers import number
from pellucid.explain.pixels import overlay
from pellucid.explain.why import Share, Why, visible
from pellucid.explain.why_text import largest, rounded, signed
from pellucid.plot.figure import BLUE, GREY, ORANGE, Axes, axes, bare, dress, styled, width_of
from pellucid.plot.inputs import need

_SHOWN = 14
_LETTERS, _LINE, _BLANK, _INDENT = 10.5, 21.0, 7.0, 4.0  # of a text's words, in points


@styled
def contributions(why: Why, ax: Axes | None = None, input: str | None = None) -> Axes:
    """Draw what each column, word or pixel contributed to a prediction: `model.why(x)`.

    Bars for columns and words, the largest above, and for steps of a sequence in their order; of an image the pixels in
    colour, blue where they raise the output. `input` chooses one of several inputs.

    >>> import pellucid
    >>> model = pellucid.Sequential([pellucid.Input((2,)), pellucid.layers.Dense(1, name="sum")])
    >>> model.set_weights([[[2.0], [-1.0]], [5.0]])
    >>> axes = contributions(model.why([[3.0, 4.0]], names=["a", "b"]))
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['a = 3', 'b = 4']
    """
    need(why, Why, "model.why(x)")
    share = _chosen(why, input)
    if share.form == "picture":
        height, width, *_ = share.values.shape
        ax = axes(ax, (3.6, 3.6 * height / width + 0.4))
        ax.imshow(overlay(share.values, share.pixels), interpolation="nearest")
        bare(ax)
        ax.set_title(f"{why.what}: {rounded(why.prediction)}", loc="left")
        return ax
    if share.form == "steps":
        ax = axes(ax, (6.4, 3.2))
        steps = [float(value) for value in share.contributions.ravel()]
        ax.bar(numpy.arange(len(steps)), steps, color=[sign_colour(value) for value in steps], width=0.85)
        ax.axhline(0, color=GREY, linewidth=0.8)
        dress(ax, f"{why.what}: {rounded(why.prediction)}", f"step; {_start(why)}", "contribution")
        return ax
    places, rest, others = largest(share, _SHOWN)
    names = [
        f"{share.labels[i]} = {share.shown[i]}" if share.form == "columns" else visible(share.labels[i]) for i in places
    ]
    values = [float(share.contributions.ravel()[i]) for i in places]
    if rest:
        names, values = [*names, f"{others} others"], [*values, rest]
    ax = axes(ax, (6.4, 0.9 + 0.3 * len(names)))
    bars(ax, names, values)
    dress(ax, f"{why.what}: {rounded(why.prediction)}", f"contribution; {_start(why)}", lines="x")
    return ax


@styled
def words(why: Why, ax: Axes | None = None, input: str | None = None) -> Axes:
    """Write a text with the colour of what each word contributed to a prediction: `model.why(x, vocabulary=…)`.

    Blue words raise the output, red ones lower it, the stronger the deeper; padding is left out. `input` chooses one of
    several inputs. Raises `ArgumentError` where the input is no text.

    >>> import pellucid
    >>> from pellucid.layers import Dense, Embedding, GlobalAveragePooling1D, Input
    >>> model = pellucid.Sequential([Input((3,), dtype="int32"), Embedding(4, 2), GlobalAveragePooling1D(), Dense(1)])
    >>> axes = words(model.why([[1, 3, 2]], vocabulary=["", "not", "so", "bad"]))
    >>> [word.get_text() for word in axes.texts]
    ['not', 'bad', 'so']
    """
    need(why, Why, "model.why(x)")
    share = _chosen(why, input)
    if share.form != "tokens":
        raise ArgumentError(
            f"{share.name} is no text: its form is {share.form!r}; draw it with plot.contributions(why)"
        )
    ax = axes(ax, (6.4, 1.2))
    bare(ax)
    ax.set_title(f"{why.what}: {rounded(why.prediction)}", loc="left")
    most = float(numpy.abs(share.contributions).max()) or 1.0
    points = 72 / ax.figure.dpi  # of a pixel
    room = width_of(ax)
    x, y = _INDENT, _LINE / 2
    for label, value in zip(share.labels, share.contributions.ravel().tolist(), strict=True):
        if not label:  # padding
            continue
        shade = blend(LIGHT["paper"], sign_colour(value), 0.7 * (abs(value) / most) ** 0.8)
        word = ax.annotate(
            visible(label), (0, 1), (x, -y), "axes fraction", "offset points", va="center", fontsize=_LETTERS,
            bbox={"boxstyle": "round,pad=0.25", "facecolor": shade, "edgecolor": "none"}, annotation_clip=False,
        )  # fmt: skip
        width = word.get_window_extent().width * points
        if x > _INDENT and x + width > room:
            x, y = _INDENT, y + _LINE
            word.set_position((x, -y))
        x += width + _BLANK
    return ax


@styled
def importance(record: Importance, ax: Axes | None = None) -> Axes:
    """Draw how much worse a figure gets when one column is shuffled: `model.importance(x, y)`; lines: ± one deviation.

    >>> from pellucid.explain.importance import Importance
    >>> axes = importance(Importance("r2", 0.9, 100, {"m2": numpy.array([0.4, 0.5]), "age": numpy.array([0.1, 0.1])}))
    >>> axes.get_title("left")
    'What the r2 of 0.9 rests on'
    """
    need(record, Importance, "model.importance(x, y)")
    names = list(record.drops)[:_SHOWN]
    ax = axes(ax, (6.4, 0.9 + 0.3 * len(names)))
    bars(ax, names, [record.means[name] for name in names], [record.spreads[name] for name in names])
    title = f"What the {record.figure} of {rounded(float(f'{record.score:.3g}'))} rests on"
    dress(ax, title, f"{record.figure} is worse by, when the column is shuffled", lines="x")
    return ax


@styled
def partial_dependence(record: PartialDependence, ax: Axes | None = None) -> Axes:
    """Draw the average prediction over the values of a column: `model.partial_dependence(x, column)`; around it the
    middle 80 % of the rows.

    >>> from pellucid.explain.dependence import dependence
    >>> axes = partial_dependence(dependence("m2", "price", [50.0, 100.0], lambda m2: numpy.array([3.0, 5.0]) * m2))
    >>> axes.lines[0].get_ydata().tolist()
    [200.0, 400.0]
    """
    need(record, PartialDependence, "model.partial_dependence(x, column)")
    ax = axes(ax, (6.0, 3.8))
    if all(isinstance(value, float) for value in record.values):
        ax.fill_between(
            record.values, record.low, record.high, color=BLUE, alpha=0.16, linewidth=0, label="80 % of rows"
        )
        ax.plot(record.values, record.average, color=BLUE, label="average")
    else:
        places = numpy.arange(len(record.values))
        ax.vlines(places, record.low, record.high, color=BLUE, alpha=0.35, linewidth=7, label="80 % of rows")
        ax.plot(places, record.average, "o", color=BLUE, label="average")
        ax.set_xticks(places, record.shown)
        ax.tick_params(axis="x", rotation=30 if max(map(len, record.shown)) * len(places) > 60 else 0)
        ax.margins(x=0.1)
    ax.legend()
    for axis in (ax.xaxis, ax.yaxis):
        if max(map(abs, axis.get_view_interval())) >= 10_000:
            axis.set_major_formatter(lambda value, _: number(value))
    dress(ax, f"{record.what} by {record.column}", record.column, record.what)
    return ax


@styled
def grad_cam(record: GradCam, ax: Axes | None = None) -> Axes:
    """Draw where a convolution saw what speaks for a class: `model.grad_cam(x)`.

    >>> import pellucid
    >>> from pellucid.layers import Conv2D, Dense, Flatten
    >>> model = pellucid.Sequential([pellucid.Input((6, 6, 1)), Conv2D(2, 3, name="conv"), Flatten(), Dense(2)])
    >>> grad_cam(model.grad_cam(numpy.ones((1, 6, 6, 1)), output=1)).images[0].get_size()
    (6, 6)
    """
    need(record, GradCam, "model.grad_cam(x)")
    image, heat = record.image, record.map
    if heat.ndim == 1:  # a sequence
        ax = axes(ax, (6.4, 3.0))
        steps = numpy.arange(len(heat))
        ax.fill_between(steps, 0, heat, color=ORANGE, alpha=0.3, linewidth=0, step="mid")
        ax.plot(steps, heat, color=ORANGE, drawstyle="steps-mid")
        dress(ax, f"Where {record.layer} saw what speaks for {record.what}", "step", "strength")
        return ax
    ax = axes(ax, (3.6, 3.6 * image.shape[0] / image.shape[1] + 0.5))
    ax.imshow(warm(image, heat), interpolation="nearest")
    bare(ax)
    ax.set_title(f"{record.what}: {rounded(record.prediction)}", loc="left")
    if not heat.any():
        ax.set_xlabel(f"nothing that {record.layer} sees speaks for it")
    return ax


def bars(ax: Axes, names: list[str], values: list[float], spread: list[float] | None = None) -> None:
    """Horizontal bars, the first one above, blue to the right and red to the left, each with its number.

    That of a bar to the left stands on the other side of zero, where it cannot run into the names.
    """
    places = numpy.arange(len(names))
    ax.barh(places, values, color=[sign_colour(value) for value in values], height=0.62, xerr=spread,
            error_kw={"ecolor": GREY, "elinewidth": 1})  # fmt: skip
    ax.set_yticks(places, names)
    ax.invert_yaxis()
    ax.axvline(0, color=GREY, linewidth=0.8)
    ends = [max(value, 0.0) + (spread[place] if spread else 0.0) for place, value in enumerate(values)]
    for place, (value, end) in enumerate(zip(values, ends, strict=True)):
        ax.annotate(signed(float(f"{value:.3g}")), (end, place), (4, 0), textcoords="offset points", va="center",
                    color=GREY, fontsize=8)  # fmt: skip
    left, right = min(values, default=0.0), max(ends, default=0.0)
    room = max(right - min(left, 0.0), 1e-9)
    ax.set_xlim(left - 0.04 * room if left < 0 else 0.0, right + 0.18 * room)
    ax.tick_params(axis="y", length=0)
    if max(map(abs, ax.get_xlim())) >= 10_000:
        from matplotlib.ticker import MaxNLocator

        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.xaxis.set_major_formatter(lambda value, _: number(value))


def _start(why: Why) -> str:
    return f"{why.compared} gives {rounded(why.baseline)}"


def _chosen(why: Why, name: str | None) -> Share:
    names = [share.name for share in why.inputs]
    if name is None and len(names) == 1:
        return why.inputs[0]
    if name not in names:
        raise ArgumentError(f"choose one input to draw: {', '.join(names)}; got {name!r}")
    return why.inputs[names.index(name)]
