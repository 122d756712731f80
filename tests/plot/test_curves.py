"""Learning curves: what is drawn is what was recorded."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

import pellucid as pl
from pellucid import plot
from pellucid.errors import ArgumentError, DataError, UnknownNameError

RUN = {"loss": [4.0, 2.0, 1.0], "val_loss": [4.5, 3.0, 3.5], "matrix": [[[1]], [[2]], [[3]]]}


def lines(ax: Any) -> list[list[list[float]]]:
    return [[list(map(float, line.get_xdata())), list(map(float, line.get_ydata()))] for line in ax.lines]


def test_training_validation_and_the_best_epoch() -> None:
    train, held, best = lines(plot.learning_curves(RUN))
    assert train == [[1, 2, 3], [4.0, 2.0, 1.0]]
    assert held == [[1, 2, 3], [4.5, 3.0, 3.5]]
    assert best == [[2], [3.0]]


def test_the_best_epoch_is_that_of_the_validation_loss_for_any_figure() -> None:
    ax = plot.learning_curves({**RUN, "accuracy": [0.5, 0.6, 0.7], "val_accuracy": [0.4, 0.5, 0.6]}, "accuracy")
    assert lines(ax)[2] == [[2], [0.5]]


def test_validation_every_second_epoch() -> None:
    ax = plot.learning_curves({"loss": [5.0, 4.0, 3.0, 2.0], "val_loss": [4.0, 3.0]})
    assert lines(ax)[1][0] == [2, 4]


def test_a_model_its_history_and_the_dict_are_the_same() -> None:
    model = pl.Sequential([pl.layers.Dense(1, input_shape=(1,))], seed=0)
    model.compile("sgd", "mse")
    history = model.fit([[0.0], [1.0]], [1.0, 3.0], epochs=3, verbose=0)
    wanted = [[1, 2, 3], history.history["loss"]]
    assert [lines(plot.learning_curves(one))[0] for one in (model, history, history.history)] == [wanted] * 3


def test_several_runs_by_name() -> None:
    ax = plot.learning_curves({"adam": RUN, "sgd": {"loss": [5.0, 4.0]}})
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["adam", "sgd"]
    assert [ys for _, ys in lines(ax)] == [RUN["val_loss"], RUN["loss"], [5.0, 4.0]]


@pytest.mark.parametrize(("values", "scale"), [([100.0, 10.0, 1.0], "log"), ([3.0, 2.0, 1.0], "linear")])
def test_a_loss_that_falls_far_is_drawn_by_its_logarithm(values: list[float], scale: str) -> None:
    assert plot.learning_curves({"loss": values}).get_yscale() == scale
    assert plot.learning_curves({"loss": values}, scale="linear").get_yscale() == "linear"


def test_what_does_not_suit_is_refused_with_what_there_is() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'loss'\? Known: loss, val_loss$"):
        plot.learning_curves(RUN, "lose")
    with pytest.raises(ArgumentError, match="not positive throughout"):
        plot.learning_curves({"loss": [1.0, -1.0]}, scale="log")
    with pytest.raises(ArgumentError, match="call fit first"):
        plot.learning_curves(pl.Sequential([pl.layers.Dense(1, input_shape=(1,))]))
    with pytest.raises(DataError, match="no figures by epoch"):
        plot.learning_curves(pl.callbacks.History())
    with pytest.raises(ArgumentError, match="got ndarray"):
        plot.learning_curves(numpy.ones(3))
