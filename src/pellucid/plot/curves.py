"""Learning curves: a figure of training and validation, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from pellucid.errors import ArgumentError, DataError
from pellucid.nn.registry import look_up
from pellucid.plot.figure import BLUE, COLOURS, GREY, ORANGE, Axes, axes, dress, logarithmic, note, short, styled

_FAR = 20.0  # first value over smallest, from which a logarithmic scale shows more

Curves = dict[str, list[float]]


@styled
def learning_curves(history: Any, figure: str = "loss", ax: Axes | None = None, scale: str = "auto") -> Axes:
    """Draw a figure of training and of validation by epoch, and mark the epoch with the lowest validation loss.

    `history`: a `History`, a fitted model, a dict of lists by figure, or a dict of any of these by the name of the run.
    `figure`: what to draw, such as "loss" or "accuracy". `scale`: "linear", "log", or "auto": logarithmic where every
    run falls to less than a twentieth of its start.
    Raises `UnknownNameError` for a figure that was not recorded, with those that were.

    >>> learning_curves({"loss": [4.0, 2.0, 1.0], "val_loss": [4.5, 3.0, 3.5]}).get_title("left")
    'loss: lowest in validation after epoch 2'
    """
    if scale not in ("auto", "linear", "log"):
        raise ArgumentError(f"scale must be 'auto', 'linear' or 'log', got {scale!r}")
    runs = _runs(history)
    for name, curves in runs.items():
        look_up(f"figure of {name or 'the history'}", curves, figure)
        if scale == "log" and not min(curves[figure]) > 0:
            raise ArgumentError(f"{figure} is not positive throughout, so it has no logarithm; use scale='linear'")
    ax = axes(ax)
    if len(runs) == 1:
        (curves,) = runs.values()
        title = _one_run(ax, curves, figure)
    else:
        title = _several_runs(ax, runs, figure)
    if scale == "log" or (scale == "auto" and all(_falls_far(_shown(curves, figure)) for curves in runs.values())):
        logarithmic(ax.yaxis)
    dress(ax, title, "epoch", figure.replace("_", " ") + (", logarithmic" if ax.get_yscale() == "log" else ""))
    ax.xaxis.get_major_locator().set_params(integer=True)
    if ax.get_yscale() == "linear" and max(map(abs, ax.get_ylim())) >= 10_000:
        ax.yaxis.set_major_formatter("{x:,.0f}")
    if ax.get_legend_handles_labels()[0]:
        ax.legend()
    return ax


def _shown(curves: Curves, figure: str) -> list[float]:
    """What counts: validation, where there was any."""
    return curves.get(f"val_{figure}", curves[figure])


def _falls_far(values: Sequence[float]) -> bool:
    return 0 < _FAR * min(values) < values[0]


def _one_run(ax: Axes, curves: Curves, figure: str) -> str:
    train, held = curves[figure], curves.get(f"val_{figure}")
    if held is None:
        ax.plot(_epochs(train, train), train, color=BLUE, label="rows trained on", **_marks(train))
        return f"{figure} by epoch: from {short(train[0], 4)} to {short(train[-1], 4)}"
    ax.plot(_epochs(train, train), train, color=GREY, linewidth=1.5, label="rows trained on", **_marks(train))
    at = _epochs(train, held)
    ax.plot(at, held, color=BLUE, label="rows held out (validation)", **_marks(held))
    judged = numpy.array(curves.get("val_loss", held), float)
    if "val_loss" not in curves or len(judged) != len(held) or not numpy.isfinite(judged).any():
        return f"{figure} by epoch"
    best = int(numpy.nanargmin(judged))
    ax.plot(at[best], held[best], "o", color=ORANGE, markersize=6, zorder=3)
    middle = numpy.mean(numpy.array([*train, *held])[numpy.isfinite([*train, *held])])
    note(
        ax, f"epoch {at[best]}: {short(held[best], 4)}", (at[best], held[best]), (0, 26 if held[best] < middle else -26)
    )
    return f"{figure}: lowest in validation after epoch {at[best]}" if figure == "loss" else (
        f"{figure}; the validation loss is lowest after epoch {at[best]}"
    )  # fmt: skip


def _several_runs(ax: Axes, runs: Mapping[str, Curves], figure: str) -> str:
    for i, (name, curves) in enumerate(runs.items()):
        colour = COLOURS[i % len(COLOURS)]
        train, held, shown = curves[figure], curves.get(f"val_{figure}"), _shown(curves, figure)
        ax.plot(_epochs(train, shown), shown, color=colour, label=name, **_marks(shown))
        if held is not None:
            ax.plot(_epochs(train, train), train, color=colour, linewidth=1.1, linestyle=(0, (4, 2)), alpha=0.8)
    validated = any(f"val_{figure}" in curves for curves in runs.values())
    return f"{figure} of {len(runs)} runs" + (": validation, and training dashed" if validated else " in training")


def _epochs(train: Sequence[float], values: Sequence[float]) -> list[int]:
    """The epochs of some values, counted from 1: every one, or every k-th where validation came only then."""
    each = max(len(train) // max(len(values), 1), 1)
    return [each * (i + 1) for i in range(len(values))]


def _marks(values: Sequence[float]) -> dict[str, Any]:
    """A single epoch is a point, not a line."""
    return {"marker": "o", "markersize": 5} if len(values) == 1 else {}


def _runs(history: Any) -> dict[str, Curves]:
    """Curves by figure, by the name of the run ("" for a single one)."""
    if isinstance(history, Mapping) and history and all(not _is_curve(value) for value in history.values()):
        return {str(name): _curves(run, f"run {name!r}") for name, run in history.items()}
    return {"": _curves(history, "history")}


def _curves(run: Any, what: str) -> Curves:
    while not isinstance(run, Mapping) and hasattr(run, "history"):  # a model has a History, which has a dict
        run = run.history
    if run is None:
        raise ArgumentError(f"{what}: the model is not fitted yet; call fit first")
    if not isinstance(run, Mapping):
        raise ArgumentError(f"{what} must be a History, a fitted model or a dict of lists, got {type(run).__name__}")
    curves = {str(name): [float(one) for one in values] for name, values in run.items() if _is_curve(values)}
    if not curves:
        raise DataError(f"{what} has no figures by epoch yet; train for at least one epoch")
    return curves


def _is_curve(values: Any) -> bool:
    """Whether these are single numbers by epoch; a confusion matrix by epoch is not."""
    return isinstance(values, (list, tuple, numpy.ndarray)) and len(values) > 0 and numpy.ndim(values[0]) == 0
