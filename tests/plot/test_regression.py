"""Predicted against true, and residuals."""

from __future__ import annotations

import numpy
import pytest

from pellucid import plot
from pellucid.errors import DataError, ShapeError

random = numpy.random.default_rng(2)
TRUE = random.normal(size=400)
GUESS = TRUE + 0.3 * random.normal(size=400)


def test_points_and_r2() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    ax = plot.predicted(TRUE, GUESS[:, None], "height, m")
    numpy.testing.assert_array_equal(ax.collections[0].get_offsets(), numpy.column_stack([TRUE, GUESS]))
    assert f"R² {metrics.r2_score(TRUE, GUESS):.3f}" in ax.get_title(loc="left")
    assert ax.get_xlim() == ax.get_ylim()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("true height, m", "predicted height, m")


def test_many_points_are_counted() -> None:
    truth = random.normal(size=5000)
    ax = plot.predicted(truth, truth)
    assert (10 ** numpy.log10(ax.collections[0].get_array())).sum() == pytest.approx(5000)


def test_residuals_and_their_bands() -> None:
    ax = plot.residuals(TRUE, GUESS)
    points = next(one for one in ax.collections if len(one.get_offsets()) == 400)
    numpy.testing.assert_allclose(points.get_offsets(), numpy.column_stack([GUESS, GUESS - TRUE]))
    median = next(line for line in ax.lines if line.get_label() == "median")
    first = numpy.argsort(GUESS)[:20]  # 400 rows in 20 bins
    assert median.get_xdata()[0] == pytest.approx(numpy.median(GUESS[first]))
    assert median.get_ydata()[0] == pytest.approx(numpy.median((GUESS - TRUE)[first]))


def test_what_does_not_suit_is_refused() -> None:
    with pytest.raises(ShapeError, match="y_true 400, y_pred 3"):
        plot.predicted(TRUE, [1, 2, 3])
    with pytest.raises(ShapeError, match="one number per row"):
        plot.residuals(numpy.ones((4, 2)), numpy.ones(4))
    with pytest.raises(DataError, match="must be numbers"):
        plot.residuals(["a"], [1.0])
    with pytest.raises(DataError, match="no values"):
        plot.predicted([], [])
