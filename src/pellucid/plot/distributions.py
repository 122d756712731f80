"""How values spread in each layer, and how gradients fade on their way back: over layers, and over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

from pellucid.errors import ArgumentError, DataError
from pellucid.explain.trace import Trace
from pellucid.plot.figure import (
    BLUE,
    COLOURS,
    GREY,
    Axes,
    axes,
    dress,
    grid,
    headline,
    logarithmic,
    ramp,
    short,
    styled,
)  # fmt: skip
from pellucid.plot.inputs import Array, layer_value, layer_values, moments, numbers

_BINS = 60
_MOMENTS = 9  # that are drawn; of more, as many as are spread evenly
_TINY = 1e-12  # of a gradient: beside it, zero


@styled
def histograms(source: Any, part: str = "activation", ax: Any = None) -> Axes:
    """Draw how the values of each layer are distributed, at one moment or at several, the earliest at the back.

    `source`: a trace from `model.trace(x, y)`, a dict of arrays by layer, a model (for "weights"), a
    `callbacks.Recorder` (with examples for anything but weights), or a dict of any of the first two by what the moment
    is called, such as "epoch 3".
    `part`: "activation", "gradient", "weights", "weight_gradients" (of both without biases), or what layers call a
    part, such as "pre_activation". Gradients are drawn by their size |g|, on a logarithmic scale. Zeros are counted in
    the title, not drawn. Returns one axes per layer.

    >>> [axes.get_title("left") for axes in histograms({"first": [0.0, 1.0], "second": [2.0, 4.0]})]
    ['first: 0.5 ± 0.5, 50% zero', 'second: 3 ± 1']
    """
    found = moments(source, part, _MOMENTS)
    kept = list(found)
    layers = list(found[kept[-1]])
    for when in kept:
        if list(found[when]) != layers:
            raise ArgumentError(f"the moments have different layers: {', '.join(layers)} and {', '.join(found[when])}")
    sizes = "gradient" in part
    made = grid(ax, len(layers), 3 if len(layers) in (3, 5, 6, 9) else 4, (3.0, 2.1 if len(kept) == 1 else 2.7))
    rows = {name: [_drawn(found[when][name], name, sizes) for when in kept] for name in layers}
    everything = numpy.concatenate([part for parts in rows.values() for part in parts]) if sizes else None
    for place, name in zip(made, layers, strict=True):
        _ridges(place, rows[name], kept, sizes, everything)
        dress(place, _spread(name, numpy.ravel(found[kept[-1]][name]), sizes), _axis(part), "", lines="", size=9)
        place.spines["left"].set_visible(False)
    if ax is None:
        what = part.replace("pre_", "pre-").replace("_", " ")
        after = f": from {kept[0]} (back) to {kept[-1]} (front)" if len(kept) > 1 else ""
        headline(made, f"{what.capitalize()} in each layer{after}")
    return made


def _axis(part: str) -> str:
    return "size of the gradient" if "gradient" in part else part.replace("pre_", "pre-").replace("_", " ").rstrip("s")


def _spread(name: str, values: Array, sizes: bool) -> str:
    zero = float((numpy.abs(values) < _TINY).mean())
    end = f", {zero:.0%} zero" if zero >= 0.005 else ""
    if sizes:
        return f"{name}: {short(numpy.abs(values).mean())} on average{end}"
    return f"{name}: {short(values.mean())} ± {short(values.std())}{end}"


def _drawn(values: Any, name: str, sizes: bool) -> Array:
    """What is drawn of a layer's values: those that are not zero; of gradients their size."""
    flat = numbers(values, name).ravel()
    kept = flat[numpy.abs(flat) >= _TINY]
    result: Array = numpy.abs(kept) if sizes else kept
    return result


def _ridges(ax: Axes, rows: list[Array], names: list[str], sizes: bool, everything: Array | None) -> None:
    """One histogram per moment, each a little lower and in front of the one before; over the range of `everything`, so
    that layers can be compared, or else of their own values."""
    own = numpy.concatenate(rows)
    if not len(own):
        ax.text(0.5, 0.5, "all are zero", transform=ax.transAxes, ha="center", color=GREY)
        ax.set_yticks([])
        return
    low, high = numpy.quantile(own if everything is None else everything, [0.002, 0.998])
    if low == high:
        low, high = (low / 2, high * 2) if sizes else (low - 0.5, high + 0.5)
    edges = numpy.geomspace(low, high, _BINS) if sizes else numpy.linspace(low, high, _BINS)
    counts = [numpy.histogram(row, edges)[0] / max(len(row), 1) for row in rows]
    middle = numpy.sqrt(edges[1:] * edges[:-1]) if sizes else (edges[1:] + edges[:-1]) / 2
    if len(rows) > 1:  # each as high as the others, so that its form can be seen
        counts = [count / max(float(count.max()), _TINY) for count in counts]
    step = 0.6
    shades = ramp(len(rows)) if len(rows) > 1 else [BLUE]
    for i, (count, shade) in enumerate(zip(counts, shades, strict=True)):
        base = step * (len(rows) - 1 - i)
        ax.fill_between(middle, base, base + count, facecolor=shade, alpha=0.85, linewidth=0, zorder=2 + i)
        ax.plot(middle, base + count, color="white", linewidth=0.8, zorder=2 + i)
    ax.set_yticks([step * (len(rows) - 1), 0] if len(rows) > 1 else [], [names[0], names[-1]] if len(rows) > 1 else [])
    ax.tick_params(axis="y", length=0, labelsize=7.5)
    ax.set_ylim(bottom=0)
    if sizes:
        logarithmic(ax.xaxis, ticks=5)


@styled
def gradient_flow(runs: Mapping[str, Any], ax: Axes | None = None) -> Axes:
    """Draw how large the gradient of the loss is in each layer, from the input to the output, for one net or several.

    Where it fades towards the input, the first layers hardly learn: it vanishes. `runs`: by name, a trace from
    `model.trace(x, y)`, of which the weights of each layer are taken (its kernel), or a dict of gradients by layer.
    The size is √(mean g²). Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", 2010.

    >>> gradient_flow({"net": {"first": [0.3, -0.4], "second": [5.0]}}).lines[0].get_ydata()
    array([0.35355339, 5.        ])
    """
    sizes = {str(name): _by_layer(run) for name, run in _named(runs).items()}
    ax = axes(ax, (6.0, 3.9))
    for i, (name, profile) in enumerate(sizes.items()):
        ax.plot(range(1, len(profile) + 1), list(profile.values()), "o-", color=COLOURS[i], label=name, markersize=5)
    one = next(iter(sizes.values()))
    if all(list(profile) == list(one) for profile in sizes.values()) and len(one) <= 6:
        ax.set_xticks(range(1, len(one) + 1), list(one))
    else:
        ax.xaxis.get_major_locator().set_params(integer=True)
    _fading(ax, "Gradient at the first layer, against the last", "layer, from the input to the output",
            {name: list(profile.values()) for name, profile in sizes.items()})  # fmt: skip
    return ax


@styled
def gradient_through_time(runs: Mapping[str, Any], layer: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw how large the gradient of the loss is at each step of a sequence, for one recurrent net or several.

    Where it fades towards the first steps, the net cannot learn what they mean for the end. `runs`: by name, a trace
    from `model.trace(x, y)`, of which the derivative with respect to the memory is taken (the cell state c of an LSTM,
    else the state h), of `layer` or the first recurrent one; or an array [batch, steps, units]. The size is √(mean g²).
    Source: Bengio, Simard, Frasconi, "Learning long-term dependencies with gradient descent is difficult", 1994.

    >>> import numpy
    >>> gradient_through_time({"net": numpy.array([[[0.3, -0.4], [5.0, 5.0]]])}).lines[0].get_ydata()
    array([0.35355339, 5.        ])
    """
    sizes = {str(name): _by_step(run, layer) for name, run in _named(runs).items()}
    ax = axes(ax, (6.0, 3.9))
    for i, (name, profile) in enumerate(sizes.items()):
        ax.plot(range(1, len(profile) + 1), profile, color=COLOURS[i], label=name)
    ax.xaxis.get_major_locator().set_params(integer=True)
    _fading(ax, "Gradient at the first step, against the last", "step of the sequence",
            {name: list(profile) for name, profile in sizes.items()})  # fmt: skip
    return ax


def _named(runs: Any) -> Mapping[str, Any]:
    if isinstance(runs, Trace) or not isinstance(runs, Mapping) or not runs:
        raise ArgumentError(
            f"give traces or gradients by the name of the net: {{'relu': trace}}, got {type(runs).__name__}"
        )
    return runs


def _by_layer(run: Any) -> dict[str, float]:
    if isinstance(run, Trace):
        found = layer_values(run, "weight_gradients")
        firsts: dict[str, Array] = {}
        for name, value in found.items():
            firsts.setdefault(name.rpartition("/")[0], value)
        return {name: _size(value) for name, value in firsts.items()}
    return {name: _size(value) for name, value in layer_values(run, "gradient").items()}


def _by_step(run: Any, layer: str | None) -> Array:
    if isinstance(run, Trace):
        states = {
            name: one.gradients["c" if "c" in one.gradients else "h"]
            for name, one in run.layers.items()
            if "h" in one.gradients
        }
        if not states:
            raise ArgumentError(
                "no layer of the trace has the gradient of a state through time; trace a recurrent net with labels: "
                f"model.trace(x, y). There is: {', '.join(f'{one.name} ({one.kind})' for one in run.layers.values())}"
            )
        run, _ = layer_value(states, layer, "gradient", (3,), "[batch, steps, units]")
    values = numbers(run, "gradient through time", 3)
    size: Array = numpy.sqrt((values**2).mean((0, 2)))
    return size


def _size(value: Array) -> float:
    return float(numpy.sqrt((value**2).mean()))


def _fading(ax: Axes, title: str, x: str, sizes: dict[str, list[float]]) -> None:
    """The title says how much smaller the first is than the last."""
    if not any(value > 0 for values in sizes.values() for value in values):
        raise DataError("all gradients are zero")
    logarithmic(ax.yaxis)
    found = []
    for name, values in sizes.items():
        ratio = values[-1] / values[0] if values[0] else numpy.inf
        rounded = short(max(ratio, 1 / max(ratio, 1e-300)), 2) if numpy.isfinite(ratio) else "infinitely many"
        found.append(f"{name} {rounded} times {'smaller' if ratio >= 1 else 'larger'}")
    ax.legend()
    dress(ax, f"{title}: {', '.join(found)}", x, "size of the gradient, logarithmic")
