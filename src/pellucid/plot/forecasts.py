"""Series over time: what was forecast of them, beside what came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

from pellucid.errors import ArgumentError, ShapeError
from pellucid.plot.figure import COLOURS, GREY, Axes, axes, dress, short, styled
from pellucid.plot.inputs import Array, column, numbers, same_rows


@styled
def forecast(
    y_true: Any,
    forecasts: Mapping[str, Any],
    times: Any = None,
    last: int | None = None,
    name: str = "value",
    ax: Axes | None = None,
) -> Axes:
    """Draw a series, and beside it what one network or several said would come, forecast after forecast.

    `forecasts`: by name, [windows, steps ahead], of windows that move on by one step each and end with the series; one
    number of steps ahead may be [windows]. Of those that overlap, one is drawn. `times`: the date or number of each
    step; `last`: only so many steps at the end are drawn; `name`: what the series is of, with its unit. Shape of
    `y_true`: [steps]. The title has the RMSE of all windows, √(mean (ŷ - y)²).

    >>> forecast([1.0, 2.0, 4.0, 8.0], {"net": [[2.0, 3.0], [4.0, 6.0]]}).get_title("left")
    'Forecasts of 2 steps: RMSE net 1.12'
    """
    truth = column(y_true, "y_true")
    said = {str(kind): _windows(value, str(kind), truth) for kind, value in _named(forecasts).items()}
    when = numpy.arange(len(truth)) if times is None else numpy.asarray(times)
    same_rows(y_true=truth, times=when)
    begin = len(truth) - (len(truth) if last is None else last)
    if begin < 0:
        raise ArgumentError(f"last={last} steps cannot be drawn of a series of {len(truth)}")
    ax = axes(ax, (7.4, 3.8))
    ax.plot(when[begin:], truth[begin:], color=GREY, linewidth=1.0, label="truth")
    errors = []
    for colour, (kind, values) in zip(COLOURS, said.items(), strict=False):
        count, ahead = values.shape
        first = len(truth) - ahead - count + 1  # step at which the first forecast begins
        target = numpy.lib.stride_tricks.sliding_window_view(truth[first:], ahead)
        errors.append(f"{kind} {short(numpy.sqrt(((values - target) ** 2).mean()), 3)}")
        label: str | None = kind
        for start in range(len(truth) - ahead, max(first, begin) - 1, -ahead):
            steps = slice(start, start + ahead)
            marker = "." if ahead == 1 else None
            ax.plot(when[steps], values[start - first], color=colour, linewidth=1.6, marker=marker, label=label)
            label = None
    if when.dtype.kind == "M":
        _dates(ax.xaxis)
    ax.legend(ncols=1 + len(said), loc="best")
    steps_ahead = sorted({values.shape[1] for values in said.values()})
    words = f"{steps_ahead[-1]} step{'s' * (steps_ahead[-1] > 1)}" if len(steps_ahead) == 1 else "steps to come"
    dress(ax, f"Forecasts of {words}: RMSE {', '.join(errors)}", "" if times is not None else "step", name)
    return ax


def _named(forecasts: Any) -> Mapping[str, Any]:
    if not isinstance(forecasts, Mapping) or not 1 <= len(forecasts) <= len(COLOURS):
        raise ArgumentError(
            f"give 1 to {len(COLOURS)} arrays of forecasts by name: {{'LSTM': array}}, got {type(forecasts).__name__}"
        )
    return forecasts


def _dates(axis: Any) -> None:
    """Few dates, each no longer than it must be."""
    import matplotlib.dates

    dates: Any = matplotlib.dates  # its classes have no types
    locator = dates.AutoDateLocator(maxticks=9)
    axis.set_major_locator(locator)
    axis.set_major_formatter(dates.ConciseDateFormatter(locator))


def _windows(value: Any, name: str, truth: Array) -> Array:
    array = numbers(value, name)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or len(array) + array.shape[1] - 1 > len(truth):
        raise ShapeError(
            f"{name} must be [windows, steps ahead] that fit into the series of {len(truth)} steps, got "
            f"{list(array.shape)}: {len(array)} windows of {array.shape[-1]} steps span {sum(array.shape[:2]) - 1}"
        )
    return array
