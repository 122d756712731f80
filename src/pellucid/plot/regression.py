"""How good numbers are predicted: predicted against true values, and what is left over."""

from __future__ import annotations

from typing import Any

import numpy

from pellucid.plot.figure import BLUE, GREY, INK, ORANGE, SEQUENCE, Axes, axes, colours, dress, short, styled
from pellucid.plot.inputs import Array, column, same_rows

_CROWDED = 2000  # points from which their density is drawn
_BINS = 20


@styled
def predicted(y_true: Any, y_pred: Any, name: str = "value", ax: Axes | None = None) -> Axes:
    """Draw the predicted number of each row over the true one, and the line on which they would be equal.

    `name`: what is predicted, with its unit, as in "price, dollars". Shapes: both [rows] or [rows, 1].
    R² = 1 - Σ(y - ŷ)² / Σ(y - mean y)² is the share of the spread that is explained; RMSE = √(mean (ŷ - y)²).

    >>> predicted([1.0, 2.0, 3.0], [1.0, 2.0, 4.0]).get_title("left")
    'Predicted against true: R² 0.500'
    """
    truth, guess = _pairs(y_true, y_pred)
    ax = axes(ax, (4.9, 4.5))
    low, high = min(truth.min(), guess.min()), max(truth.max(), guess.max())
    edge = 0.03 * (high - low or 1.0)
    ends = (low - edge, high + edge)
    ax.plot(ends, ends, color=ORANGE, linewidth=1.1, zorder=2)
    ax.annotate("exact", (0.93, 0.955), xycoords="axes fraction", color=ORANGE, rotation=45, ha="center", va="center",
                fontsize=8)  # fmt: skip
    _points(ax, truth, guess, (*ends, *ends))
    ax.set(xlim=ends, ylim=ends, aspect="equal")
    spread = ((truth - truth.mean()) ** 2).sum()
    error = ((guess - truth) ** 2).sum()
    root = short(numpy.sqrt(error / len(truth)), 4)
    ax.text(0.04, 0.95, f"RMSE {root}", transform=ax.transAxes, color=INK, va="top", fontweight="bold")
    ax.text(0.04, 0.895, f"{len(truth):,} rows", transform=ax.transAxes, color=GREY, va="top")
    title = "Predicted against true" + (f": R² {1 - error / spread:.3f}" if spread else "")
    dress(ax, title, f"true {name}", f"predicted {name}", "both")
    _thousands(ax, ends, both=True)
    return ax


@styled
def residuals(y_true: Any, y_pred: Any, name: str = "value", ax: Axes | None = None) -> Axes:
    """Draw the residual ŷ - y of each row over its prediction, with the median and the middle 80 % along the way.

    A median off zero is a bias there; a band that widens says that the error grows with the prediction.
    `name`: what is predicted, with its unit. Shapes: both [rows] or [rows, 1].

    >>> residuals([1.0, 2.0, 3.0], [1.0, 2.0, 4.0]).get_xlabel()
    'predicted value'
    """
    truth, guess = _pairs(y_true, y_pred)
    left = guess - truth
    ax = axes(ax, (5.6, 4.0))
    width = float(numpy.ptp(guess)) or 1.0
    top = float(numpy.abs(left).max()) or 1.0
    _points(ax, guess, left, (guess.min() - 0.02 * width, guess.max() + 0.02 * width, -1.05 * top, 1.05 * top))
    ax.axhline(0, color=INK, linewidth=0.9, zorder=3)
    middle, low, median, high = _bands(guess, left)
    if len(middle) > 2:
        ax.fill_between(middle, low, high, facecolor=ORANGE, alpha=0.16, linewidth=0, zorder=3, label="middle 80%")
        for edge in (low, high):
            ax.plot(middle, edge, color=ORANGE, linewidth=0.9, zorder=4)
        ax.plot(middle, median, color=ORANGE, linewidth=2, zorder=4, label="median")
        ax.legend(loc="upper right")
    inner = numpy.quantile(left, [0.1, 0.9])
    title = f"Residuals: 80% lie between {short(inner[0])} and {short(inner[1])}"
    ax.set_ylim(-1.05 * top, 1.05 * top)
    dress(ax, title, f"predicted {name}", "residual: predicted − true", "y")
    _thousands(ax, (float(guess.min()), float(guess.max())))
    return ax


def _pairs(y_true: Any, y_pred: Any) -> tuple[Array, Array]:
    truth, guess = column(y_true, "y_true"), column(y_pred, "y_pred")
    same_rows(y_true=truth, y_pred=guess)
    return truth, guess


def _points(ax: Axes, x: Array, y: Array, extent: tuple[float, ...]) -> None:
    """Points; where there are many, how many fall together, darker for more."""
    if len(x) > _CROWDED:
        ax.hexbin(x, y, gridsize=55, extent=extent, mincnt=1, bins="log", cmap=colours(SEQUENCE[1:]), linewidths=0.1)
    else:
        alpha = 0.75 if len(x) < 300 else 0.4
        ax.scatter(x, y, s=22 if len(x) < 300 else 10, color=BLUE, alpha=alpha, linewidths=0, zorder=2.5)


def _bands(x: Array, y: Array) -> tuple[Array, Array, Array, Array]:
    """Over bins of equally many rows: the middle of x, and of y the 10 %, 50 % and 90 % quantile."""
    bins = min(_BINS, len(x) // 15)
    parts = numpy.array_split(numpy.argsort(x, kind="stable"), max(bins, 1))
    quantiles = numpy.array([numpy.quantile(y[part], [0.1, 0.5, 0.9]) for part in parts])
    return numpy.array([numpy.median(x[part]) for part in parts]), *quantiles.T


def _thousands(ax: Axes, ends: tuple[float, float], both: bool = False) -> None:
    """Large numbers with thousands apart."""
    for axis in [ax.xaxis, ax.yaxis] if both else [ax.yaxis, ax.xaxis]:
        if max(map(abs, axis.get_view_interval())) >= 10_000:
            axis.set_major_formatter("{x:,.0f}")
            axis.set_major_locator(_few())


def _few() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(5)
