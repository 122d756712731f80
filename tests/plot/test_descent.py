"""Races and learning rates: every run is the one that the formulas give."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

import pellucid as pl
from pellucid import plot
from pellucid.errors import ArgumentError, ShapeError, UnknownNameError
from pellucid.optimizers import SGD, Adam
from pellucid.plot import plane as planes

X = numpy.array([[0.0], [1.0], [2.0]])
Y = numpy.array([[1.0], [3.0], [5.0]])


def linear() -> Any:
    model = pl.Sequential([pl.layers.Dense(1, input_shape=(1,))])
    model.compile(SGD(0.1), "mse")
    model.set_weights([[[-1.0]], [0.5]])
    return model


def by_hand(rate: float, steps: int, momentum: float = 0.0) -> tuple[list[list[float]], list[float]]:
    """Gradient descent on the mean squared error of w·x + b: weights and losses at the start and after each step."""
    place, speed = numpy.array([-1.0, 0.5]), numpy.zeros(2)
    line = numpy.column_stack([X, numpy.ones(3)])
    places, losses = [], []
    for _ in range(steps + 1):
        error = line @ place - Y[:, 0]
        places.append(place.tolist())
        losses.append(float((error**2).mean()))
        speed = momentum * speed - rate * 2 / 3 * line.T @ error
        place = place + speed
    return places, losses


def test_the_race_of_a_linear_unit() -> None:
    model = linear()
    left, right = plot.race(model, X, Y, {"plain": SGD(0.1), "momentum": (SGD(0.1, momentum=0.9), "all")}, steps=8)
    for i, momentum in enumerate((0.0, 0.9)):
        places, losses = by_hand(0.1, 8, momentum)
        numpy.testing.assert_allclose(right.lines[i].get_ydata(), losses, rtol=1e-5)
        numpy.testing.assert_allclose(numpy.transpose(left.lines[i].get_data()), places, atol=1e-5)
    best = "plain" if by_hand(0.1, 8)[1][-1] < by_hand(0.1, 8, 0.9)[1][-1] else "momentum"
    assert right.get_title("left").startswith(f"{best} is lowest after 8 steps")
    numpy.testing.assert_array_equal(planes.weights(model), [-1.0, 0.5])
    assert model.optimizer.learning_rate == 0.1


def test_the_usual_entrants_begin_at_one_place() -> None:
    left, right = plot.race(linear(), X, Y, steps=3)
    assert len(right.get_legend().get_texts()) == 5
    starts = {tuple(numpy.transpose(line.get_data())[0].round(6)) for line in left.lines[:5]}
    assert starts == {(-1.0, 0.5)}


def test_batches_go_through_all_examples() -> None:
    losses = []
    for seed in (0, 0, 1):
        _, right = plot.race(linear(), X, Y, {"one": (SGD(0.05), 1)}, steps=6, seed=seed)
        losses.append(right.lines[0].get_ydata().tolist())
    assert losses[0] == losses[1] != losses[2]


def test_a_network_is_raced_in_the_plane_of_the_paths() -> None:
    model = pl.Sequential([pl.layers.Dense(4, activation="tanh", input_shape=(1,)), pl.layers.Dense(1)], seed=0)
    model.compile("adam", "mse")
    left, _ = plot.race(model, X, Y, {"adam": Adam(0.1), "sgd": "sgd"}, steps=10)
    assert left.get_xlabel().startswith("first principal direction (")


def test_learning_rates_too_small_right_and_too_large() -> None:
    _, right = plot.learning_rates(linear(), X, Y, rates=(0.001, 0.25, 3.0), steps=20)
    numpy.testing.assert_allclose(right.lines[1].get_ydata(), by_hand(0.25, 20)[1], rtol=1e-4, atol=1e-9)
    found = [text.get_text() for text in right.get_legend().get_texts()]
    assert found == ["0.001: too small", "0.25: right", "3: too large, it diverges"]
    assert right.get_title("left") == "Of these learning rates 0.25 is best"
    assert right.get_ylim()[1] <= 4 * by_hand(0.25, 0)[1][0] * 1.0001


def test_what_does_not_suit_is_refused(pyplot: Any) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'adam'"):
        plot.race(linear(), X, Y, {"a": "adm"})
    with pytest.raises(ArgumentError, match="a batch size is 'all' or a whole number from 1, got 0"):
        plot.race(linear(), X, Y, {"a": ("adam", 0)})
    with pytest.raises(ArgumentError, match="entrants are optimizers by name"):
        plot.race(linear(), X, Y, {})
    with pytest.raises(ShapeError, match="got 3 and 2"):
        plot.race(linear(), X, Y[:2])
    with pytest.raises(ArgumentError, match="above 0"):
        plot.learning_rates(linear(), X, Y, rates=(0.1, -1))
    with pytest.raises(ArgumentError, match="needs 2 axes, got 1"):
        plot.learning_rates(linear(), X, Y, ax=pyplot.gca())
