"""Forecasts beside the truth: the right ones, where they belong, with the error of all."""

from __future__ import annotations

import matplotlib.dates
import numpy
import pytest

from pellucid import plot
from pellucid.errors import ArgumentError, DataError, ShapeError

SERIES = numpy.arange(10.0) ** 2


def windows(count: int, ahead: int, error: float = 0.0) -> numpy.ndarray:
    """The truth of the last windows, plus an error."""
    return numpy.lib.stride_tricks.sliding_window_view(SERIES, ahead)[-count:] + error


def test_forecasts_follow_each_other_up_to_the_end() -> None:
    ax = plot.forecast(SERIES, {"net": windows(6, 3, 1.0), "other": windows(3, 3, -2.0)})
    assert ax.get_title("left") == "Forecasts of 3 steps: RMSE net 1, other 2"
    truth, *drawn = ax.lines
    assert truth.get_ydata().tolist() == SERIES.tolist()
    assert [line.get_xdata().tolist() for line in drawn] == [[7, 8, 9], [4, 5, 6], [7, 8, 9]]
    assert drawn[0].get_ydata().tolist() == [50, 65, 82]
    assert drawn[1].get_ydata().tolist() == [17, 26, 37]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["truth", "net", "other"]


def test_only_the_end_is_drawn_but_the_error_is_of_all() -> None:
    said = windows(8, 2)
    said[0] += 4.0  # of 16 values, two are off by 4
    ax = plot.forecast(SERIES, {"net": said}, last=4)
    assert ax.lines[0].get_xdata().tolist() == [6, 7, 8, 9]
    assert [line.get_xdata().tolist() for line in ax.lines[1:]] == [[8, 9], [6, 7]]
    assert ax.get_title("left") == "Forecasts of 2 steps: RMSE net 1.41"


def test_one_step_ahead_at_dates() -> None:
    days = numpy.datetime64("1990-01-01") + numpy.arange(10)
    ax = plot.forecast(SERIES, {"net": windows(4, 1)[:, 0]}, times=days, name="°C")
    assert ax.get_title("left") == "Forecasts of 1 step: RMSE net 0"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("", "°C")
    assert len(ax.lines) == 5
    assert isinstance(ax.xaxis.get_major_formatter(), matplotlib.dates.ConciseDateFormatter)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"net must be \[windows, steps ahead\].*9 windows of 3 steps span 11"):
        plot.forecast(SERIES, {"net": numpy.zeros((9, 3))})
    with pytest.raises(ShapeError, match="numbers of rows differ: y_true 10, times 9"):
        plot.forecast(SERIES, {"net": windows(2, 2)}, times=range(9))
    with pytest.raises(ArgumentError, match="last=11 steps cannot be drawn"):
        plot.forecast(SERIES, {"net": windows(2, 2)}, last=11)
    with pytest.raises(ArgumentError, match="by name"):
        plot.forecast(SERIES, windows(2, 2))
    with pytest.raises(DataError, match="NaN"):
        plot.forecast(SERIES, {"net": windows(2, 2) * numpy.nan})
