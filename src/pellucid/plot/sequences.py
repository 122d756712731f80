"""What happens along a sequence: gates and states of a recurrent layer, what attention looks at, what surprises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from pellucid.errors import ArgumentError, ShapeError
from pellucid.explain.trace import LayerTrace, Trace
from pellucid.nn.registry import look_up
from pellucid.plot.figure import DIVERGING, SEQUENCE, Axes, axes, bare, colours, dress, grid, headline, short, styled
from pellucid.plot.inputs import layer_value, numbers, of_example

_WORDS = {
    "i": "input gate: what is let in", "f": "forget gate: what is kept", "o": "output gate: what is shown",
    "candidate": "candidate: what is offered",
    "update": "update gate: what is kept", "reset": "reset gate: what is used",
    "c": "cell state: what is remembered", "h": "state: what is told",
}  # fmt: skip
_TICKS = 40  # labels along an axis
_SURPRISED = 5.0  # nats; what a network gave less than 1 % is as dark as can be


@styled
def gates(
    source: Any, layer: str | None = None, example: int = 0, labels: Sequence[Any] | None = None, ax: Any = None
) -> Axes:
    """Draw the gates and states of a recurrent layer along one sequence: a row per unit, a column per step.

    Gates go from 0 (closed, white) to 1 (open, blue); in brackets, how far they are open on average. Candidates and
    states go from negative (red) to positive (blue). Units stand in the order of their mean forget, or update, gate:
    those that remember longest on top.
    `source`: a trace from `model.trace(x)`, of which `layer` or its first recurrent layer is taken, or a dict of arrays
    [batch, steps, units] or [steps, units] by name, such as those of `trace[layer].gates`. `labels`: what each step is.
    Returns one axes per gate and state. Source: Hochreiter and Schmidhuber 1997; Gers, Schmidhuber, Cummins 2000.

    >>> import numpy
    >>> [axes.get_title("left") for axes in gates({"f": numpy.full((5, 3), 0.9)})]
    ['forget gate: what is kept (0.90)']
    """
    found, name = _gates(source, layer)
    arrays = {}
    for label, value in found.items():
        array = numbers(value, label)
        arrays[label] = of_example(array, example, label) if array.ndim == 3 else array
        if arrays[label].ndim != 2:
            raise ShapeError(f"{label} must be [batch, steps, units] or [steps, units], got {list(array.shape)}")
    steps, units = next(iter(arrays.values())).shape
    order = next((arrays[key].mean(0).argsort()[::-1] for key in ("f", "update") if key in arrays), numpy.arange(units))
    made = grid(ax, len(arrays), 2 if len(arrays) > 1 else 1, (4.6, 2.2))
    for place, (label, array) in zip(made, arrays.items(), strict=True):
        is_gate = array.min() >= 0 and array.max() <= 1 and label not in ("h", "c", "candidate")
        largest = 1.0 if is_gate else max(float(numpy.abs(array).max()), 1e-6)
        ends = {"vmin": 0.0 if is_gate else -largest, "vmax": largest}
        shades = colours(SEQUENCE if is_gate else DIVERGING)
        shown = place.imshow(array[:, order].T, aspect="auto", interpolation="nearest", cmap=shades, **ends)
        bar = place.figure.colorbar(shown, ax=place, pad=0.02, aspect=14)
        bar.outline.set_visible(False)
        mean = f" ({array.mean():.2f})" if is_gate else ""
        dress(place, _WORDS.get(label, label) + mean, "step" if labels is None else "", "unit", lines="", size=9)
        place.spines[:].set_visible(False)
        place.set_yticks([])
        _steps(place.xaxis, labels, steps, turned=True)
    if ax is None and name:
        headline(made, f"{name}: gates and states, step by step")
    return made


def _gates(source: Any, layer: str | None) -> tuple[Mapping[str, Any], str]:
    """The gates by name, then the states, and the name of the layer."""
    if isinstance(source, Trace):
        known = {name: one for name, one in source.layers.items() if one.gates or ("h" in one.parts)}
        if not known:
            raise ArgumentError(
                "the trace has no recurrent layer. There is: "
                + ", ".join(f"{one.name} ({one.kind})" for one in source.layers.values())
            )
        source = look_up("recurrent layer", known, next(iter(known)) if layer is None else layer)
    if isinstance(source, LayerTrace):
        states = {label: value for label, value in sorted(source.parts.items()) if label in ("c", "h")}
        return {**source.gates, **states}, source.name
    if not isinstance(source, Mapping) or not source:
        raise ArgumentError(f"give a trace, or a dict of gates by name, got {type(source).__name__}")
    return source, ""


@styled
def attention(
    source: Any,
    layer: str | None = None,
    example: int = 0,
    head: int | None = None,
    queries: Sequence[Any] | None = None,
    keys: Sequence[Any] | None = None,
    ax: Any = None,
) -> Axes:
    """Draw how much each position (a row) looks at each other (a column): softmax of scores, 1 in each row.

    `source`: a trace from `model.trace(x)`, of which `layer` or its first with attention is taken, or an array
    [batch, heads, queries, keys], [heads, queries, keys] or [queries, keys]. `head`: one of them, else every one, an
    axes each. `queries`, `keys`: what stands at each position, such as words; the keys are the queries where only
    those are given. Source: Vaswani et al., "Attention is all you need", 2017.

    >>> import numpy
    >>> attention(numpy.eye(3))[0].get_title("left")
    '0.0 positions away on average'
    """
    array, name = layer_value(source, layer, "scores", (2, 3, 4), "[batch, heads, queries, keys]")
    if array.ndim == 4:
        array = of_example(array, example, name or "attention")
    heads = array[None] if array.ndim == 2 else array
    if head is not None and not -len(heads) <= head < len(heads):
        raise ArgumentError(f"head {head} of {len(heads)}, counted from 0 to {len(heads) - 1}")
    chosen = list(range(len(heads))) if head is None else [head % len(heads)]
    rows, columns = heads.shape[1:]
    keys = queries if keys is None and rows == columns else keys
    size = min(max(0.19 * max(rows, columns) + 1.0, 3.0), 6.0)
    made = grid(ax, len(chosen), 4 if len(chosen) > 3 else 3, (size, size))
    largest = max(float(heads[chosen].max()), 1e-6)
    for place, number in zip(made, chosen, strict=True):
        one = heads[number]
        shown = place.imshow(one, cmap=colours(SEQUENCE), vmin=0, vmax=largest)
        title = f"head {number}: " if array.ndim > 2 else ""
        if rows == columns:
            away = numpy.abs(numpy.arange(rows)[:, None] - numpy.arange(columns))
            title += f"{float((one * away).sum() / max(float(one.sum()), 1e-12)):.1f} positions away on average"
        dress(place, title, "looks at", "position", lines="", size=9)
        place.spines[:].set_visible(False)
        _steps(place.xaxis, keys, columns, turned=True)
        _steps(place.yaxis, queries, rows)
    bar = made[0].figure.colorbar(shown, ax=list(made), pad=0.02, aspect=30, shrink=0.8)
    bar.set_label("share of attention")
    bar.outline.set_visible(False)
    if ax is None and name:
        headline(made, f"{name}: what each position looks at")
    return made


@styled
def surprise(tokens: Sequence[str], likelihoods: Any, ax: Axes | None = None, width: int = 64) -> Axes:
    """Write a text on paper that is the darker, the more each token surprised a network: -ln of its likelihood.

    `tokens`: the characters or pieces of the text, in lines of at most `width` characters. `likelihoods`: one for each,
    or for all but the first, which nothing came before: `model.likelihoods(text)` of a `LanguageModel`. White is what
    the network was sure of; the title has the mean, which is its loss on this text.

    >>> surprise("to be", [0.1, 0.5, 0.5, 1.0]).get_title("left")
    'surprise: 0.922 nats per token on average'
    """
    chances, pieces = numbers(likelihoods, "likelihoods"), [str(one) for one in tokens]
    if chances.ndim != 1 or len(pieces) - len(chances) not in (0, 1):
        raise ShapeError(f"{len(pieces)} tokens need as many likelihoods, or one less, got {list(chances.shape)}")
    if not ((chances >= 0) & (chances <= 1)).all():
        raise ArgumentError("likelihoods are probabilities, from 0 to 1")
    nats = -numpy.log(numpy.maximum(chances, numpy.finfo(chances.dtype).tiny))
    shades = [0.0] * (len(pieces) - len(nats)) + nats.tolist()
    placed, row, column = [], 0, 0
    for piece, shade in zip(pieces, shades, strict=True):
        for letter in piece:
            placed.append((row, column, letter, shade))
            row, column = (row + 1, 0) if letter == "\n" or column == width - 1 else (row, column + 1)
    paper = numpy.zeros((1 + max((place[0] for place in placed), default=0), width))
    ax = axes(ax, (0.088 * width, 0.2 * len(paper) + 0.5))
    for at, here, letter, shade in placed:
        paper[at, here] = shade
        ax.text(here, at, letter.strip(), ha="center", va="center", family="DejaVu Sans Mono", fontsize=9, clip_on=True)
    ax.imshow(paper, aspect="auto", cmap=colours(SEQUENCE[:2]), vmin=0, vmax=_SURPRISED)
    dress(ax, f"surprise: {short(float(nats.mean()))} nats per token on average", lines="")
    bare(ax)
    return ax


def _steps(axis: Any, labels: Sequence[Any] | None, count: int, turned: bool = False) -> None:
    """What stands at each step; numbers where nothing is given."""
    axis.set_tick_params(length=0)
    if labels is None:
        axis.get_major_locator().set_params(integer=True)
        return
    if len(labels) != count:
        raise ShapeError(f"there are {len(labels)} labels for {count} steps")
    each = -(-count // _TICKS)
    shown = [str(one) for one in labels][::each]
    long = turned and max(map(len, shown), default=0) > 1
    axis.set_ticks(range(0, count, each), shown, rotation=90 if long else 0, fontsize=7.5)
