"""Several ways down from the same start: optimizers raced, and learning rates too small, right and too large."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from pellucid.errors import ArgumentError, NonFiniteError, ShapeError
from pellucid.nn import optimizers
from pellucid.nn.optimizers import SGD, Adam, Optimizer, RMSprop
from pellucid.plot import plane as planes
from pellucid.plot.figure import INK, MAGENTA, ORANGE, Axes, dress, grid, logarithmic, short, styled
from pellucid.plot.inputs import Array
from pellucid.plot.plane import Loss
from pellucid.plot.surface import draw_path, draw_surface, dress_surface, name_point
from pellucid.plot.waiting import told

COLOURS = (ORANGE, "#F2C230", MAGENTA, "#19B5A5", INK)  # to be told apart on blue, and on white
_CEILING = 4.0  # times the loss of the start: what is drawn of a run that goes up
_GAIN = 0.99  # of the best run's descent, from which another learning rate is right as well

Entrant = tuple[Optimizer, int]


@dataclass(frozen=True)
class Run:
    """One way down: the loss on all examples and the weights, at the start and after every step."""

    losses: Array  # [steps + 1]
    weights: Array  # [steps + 1, weights]
    broke: bool  # whether numbers became infinite or NaN


@styled
def race(
    model: Any,
    x: Any,
    y: Any,
    entrants: Mapping[str, Any] | None = None,
    learning_rate: float = 0.05,
    steps: int = 60,
    seed: int = 0,
    ax: Any = None,
) -> Axes:
    """Let optimizers go down from the same weights: their paths over the loss surface, and their loss step by step.

    The surface is that of a model's two weights, if it has two; else the plane in which the paths spread most.
    `entrants`: optimizers by name, each an optimizer or a pair of one and its batch size ("all": every example in each
    step). Without it: gradient descent, the same on one example at a time (SGD), with momentum 0.9, RMSprop and Adam,
    all with `learning_rate`. The model itself stays as it is. Returns two axes. The loss on all examples is computed
    some 2,000 times: give a large network a few dozen of them.
    Source: Polyak 1964 (momentum); Hinton 2012 (RMSprop); Kingma and Ba 2015 (Adam).

    >>> from pellucid.nn.layers import Dense
    >>> from pellucid.train.sequential import Sequential
    >>> model = Sequential([Dense(1, input_shape=(1,))], seed=0)
    >>> model.compile("sgd", "mse")
    >>> [len(axes.lines) >= 5 for axes in race(model, [[0.0], [1.0]], [1.0, 3.0], steps=5)]
    [True, True]
    """
    inputs, wanted = _examples(x, y)
    given = entrants if entrants is not None else _usual(learning_rate)
    if not isinstance(given, Mapping) or not given:
        raise ArgumentError(
            "race: entrants are optimizers by name, such as {'Adam': Adam(0.05), 'SGD': (SGD(0.05), 1)}"
        )
    listed = {str(name): _entrant(one, len(inputs)) for name, one in given.items()}
    runs = {name: _run(model, inputs, wanted, *one, steps, seed) for name, one in listed.items()}
    best = min(runs, key=lambda name: _final(runs[name]))
    title = f"{best} is lowest after {steps} steps: {short(_final(runs[best]))}"
    return _draw(model, inputs, wanted, {name: (run, name) for name, run in runs.items()}, title, ax)


@styled
def learning_rates(
    model: Any,
    x: Any,
    y: Any,
    rates: Sequence[float] = (0.003, 0.1, 1.0),
    optimizer: Any = SGD,
    steps: int = 40,
    ax: Any = None,
) -> Axes:
    """Go down from the same weights at several learning rates: too small crawls, too large bounces or leaves for good.

    Every step sees all examples. `optimizer`: a class, which is given the learning rate. The best rate is the one with
    the lowest loss after `steps`; smaller ones that are worse were too small, larger ones too large. The model itself
    stays as it is. Returns two axes: the paths over the loss surface, and the loss step by step. The loss is computed
    some 2,000 times: give a large network a few dozen examples.

    >>> from pellucid.nn.layers import Dense
    >>> from pellucid.train.sequential import Sequential
    >>> model = Sequential([Dense(1, input_shape=(1,))], seed=0)
    >>> model.compile("sgd", "mse")
    >>> left, right = learning_rates(model, [[0.0], [1.0]], [1.0, 3.0], rates=(0.001, 0.5, 3.0))
    >>> [text.get_text() for text in right.get_legend().get_texts()]
    ['0.001: too small', '0.5: right', '3: too large, it diverges']
    """
    inputs, wanted = _examples(x, y)
    if not rates or min(rates) <= 0:
        raise ArgumentError(f"learning rates are numbers above 0, got {list(rates)}")
    runs = {
        float(rate): _run(model, inputs, wanted, optimizer(learning_rate=rate), len(inputs), steps, 0)
        for rate in sorted(set(rates))
    }
    best = min(runs, key=lambda rate: _final(runs[rate]))
    labelled = {f"{rate:g}": (run, f"{rate:g}: {_judge(rate, best, runs)}") for rate, run in runs.items()}
    return _draw(model, inputs, wanted, labelled, f"Of these learning rates {best:g} is best", ax)


def _judge(rate: float, best: float, runs: Mapping[float, Run]) -> str:
    start, lowest, final = runs[rate].losses[0], _final(runs[best]), _final(runs[rate])
    if rate == best or start - final >= _GAIN * (start - lowest):
        return "right"
    if runs[rate].broke or final > start:
        return "too large, it diverges"
    return "too small" if rate < best else "too large"


def _usual(rate: float) -> dict[str, Any]:
    return {
        "gradient descent": (SGD(rate), "all"),
        "SGD, one example a step": (SGD(rate), 1),
        "momentum": (SGD(rate, momentum=0.9), "all"),
        "RMSprop": (RMSprop(rate), "all"),
        "Adam": (Adam(rate), "all"),
    }


def _entrant(given: Any, rows: int) -> Entrant:
    optimizer, batch = given if isinstance(given, (tuple, list)) and len(given) == 2 else (given, "all")
    if batch == "all":
        return optimizers.get(optimizer), rows
    if not (isinstance(batch, int) and batch >= 1):
        raise ArgumentError(f"a batch size is 'all' or a whole number from 1, got {batch!r}")
    return optimizers.get(optimizer), min(batch, rows)


def _examples(x: Any, y: Any) -> tuple[Array, Array]:
    inputs, wanted = numpy.asarray(x), numpy.asarray(y)
    if not len(inputs) or len(inputs) != len(wanted):
        raise ShapeError(
            f"x and y must have the same number of rows, at least one; got {len(inputs)} and {len(wanted)}"
        )
    return inputs, wanted


def _run(model: Any, x: Array, y: Array, optimizer: Optimizer, batch: int, steps: int, seed: int) -> Run:
    """Train a copy for some steps, on batches drawn anew in every round through the examples."""
    copy, loss = planes.twin(model, optimizer), Loss(model, x, y)
    random = numpy.random.default_rng(seed)
    places = [planes.weights(copy)]
    losses = [loss(places[0])]
    broke, order = False, numpy.arange(0)
    for _ in told("steps", range(steps)):
        if len(order) < batch:
            order = random.permutation(len(x))
        chosen, order = numpy.sort(order[:batch]), order[batch:]
        try:
            copy.train_on_batch(x[chosen], y[chosen])
        except NonFiniteError:
            broke = True
            break
        places.append(planes.weights(copy))
        losses.append(loss(places[-1]))
        if not numpy.isfinite(losses[-1]):
            broke = True
            break
    return Run(numpy.array(losses), numpy.array(places), broke)


def _final(run: Run) -> float:
    return numpy.inf if run.broke else float(run.losses[-1])


def _draw(model: Any, x: Array, y: Array, runs: Mapping[str, tuple[Run, str]], title: str, ax: Any) -> Axes:
    """The paths over the plane of all runs, and their losses."""
    left, right = both = grid(ax, 2, 2, (5.0, 4.1))
    ceiling = _CEILING * max(run.losses[0] for run, _ in runs.values())
    kept = {name: run.weights[_below(run.losses, ceiling)] for name, (run, _) in runs.items()}
    whole = len(planes.weights(model)) == 2
    plane = planes.all_two(model) if whole else planes.of_paths(sorted(kept.values(), key=len)[::-1])
    paths = {name: plane.coordinates(path) for name, path in kept.items()}
    everywhere = numpy.concatenate(list(paths.values()))
    low, high = everywhere.min(0), everywhere.max(0)
    room = 0.15 * numpy.maximum(high - low, 0.2 * float((high - low).max()) or 1.0)
    a, b = (numpy.linspace(low[i] - room[i], high[i] + room[i], 41) for i in (0, 1))
    draw_surface(left, "contour", a, b, plane.loss(Loss(model, x, y), a, b), plane.labels)
    for i, (name, (run, label)) in enumerate(runs.items()):
        colour = COLOURS[i % len(COLOURS)]
        draw_path(left, paths[name], colour=colour)
        right.plot(range(len(run.losses)), run.losses, color=colour, label=label)
    start = next(iter(paths.values()))[0]
    left.plot(*start, "o", color="white", markeredgecolor=INK, markersize=7, zorder=8)
    name_point(left, "start", start)
    dress_surface(left, "Every path begins at the same weights", plane.labels)
    values = numpy.concatenate([run.losses for run, _ in runs.values()])
    right.set_ylim(0.8 * max(float(numpy.nanmin(values)), 1e-9), min(float(numpy.nanmax(values)) * 1.1, ceiling))
    logarithmic(right.yaxis)
    right.legend(fontsize=8.5)
    dress(right, title, "step", "loss on all examples, logarithmic")
    return both


def _below(losses: Array, ceiling: float) -> slice:
    """The steps before a run leaves the picture."""
    out = ~(losses <= ceiling)
    return slice(0, max(int(out.argmax()), 1) if out.any() else len(losses))
