"""`WeightPath`: the weights along the way, in bounded memory."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

import pellucid as pl
from pellucid.callbacks import WeightPath
from pellucid.errors import ArgumentError


def trained(path: WeightPath, epochs: int) -> Any:
    """A model with one weight, which counts the steps: the gradient is -1 each. Two steps make an epoch."""
    model = pl.Sequential([pl.layers.Dense(1, use_bias=False, input_shape=(1,), kernel_initializer="zeros")])
    model.compile(pl.optimizers.SGD(1.0), lambda y_true, y_pred: pl.ops.mean(y_true - y_pred, axis=-1))
    model.fit([1.0, 1.0], [0.0, 0.0], batch_size=1, epochs=epochs, verbose=0, callbacks=[path])
    return model


def values(path: WeightPath) -> list[float]:
    return [float(kernel[0, 0]) for (kernel,) in path.weights]


def test_after_every_epoch_or_step() -> None:
    path = WeightPath()
    trained(path, 3)
    assert (path.steps, values(path)) == ([0, 1, 2, 3], [0, 2, 4, 6])
    path = WeightPath(every="step")
    trained(path, 2)
    assert (path.steps, values(path)) == ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4])


@pytest.mark.parametrize("limit", [3, 4, 7, 8])
@pytest.mark.parametrize("epochs", [1, 8, 19, 32])
def test_memory_is_bounded_and_both_ends_stay(limit: int, epochs: int) -> None:
    path = WeightPath(limit=limit)
    trained(path, epochs)
    assert len(path.weights) == len(path.steps) <= limit
    assert (path.steps[0], path.steps[-1]) == (0, epochs)
    assert values(path) == [2.0 * step for step in path.steps]
    assert path.steps == sorted(set(path.steps))
    gaps = numpy.diff(path.steps)
    assert gaps.max() <= 4 * epochs / limit + 1


def test_a_second_fit_begins_anew() -> None:
    path = WeightPath()
    model = trained(path, 2)
    model.fit([1.0], [0.0], epochs=1, verbose=0, callbacks=path)
    assert (path.steps, values(path)) == ([0, 1], [4, 5])


def test_wrong_arguments() -> None:
    with pytest.raises(ArgumentError, match="'epoch' or 'step'"):
        WeightPath(every="batch")
    with pytest.raises(ArgumentError, match="at least 3"):
        WeightPath(limit=1)
