"""What people get wrong with images and sequences: refused with the place, the shapes and the repair."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest

from pellucid import layers
from pellucid.errors import ExecutorError, ShapeError
from pellucid.models import Sequential

SEQUENCES = numpy.zeros((8, 5, 3), numpy.float32)


def trained(x: numpy.ndarray, y: numpy.ndarray, *made: Any) -> Sequential:
    model = Sequential([layers.Input(x.shape[1:]), *made])
    model.compile("sgd", "mse")
    model.fit(x, y, verbose=0)
    return model


@pytest.mark.parametrize(("wrong", "message"), [
    (lambda: Sequential([layers.Input((5, 3)), layers.LSTM(4), layers.LSTM(4)]), r"lstm.*\[\?, 4\].*return_sequences"),
    (lambda: trained(SEQUENCES, numpy.zeros((8, 5, 1)), layers.LSTM(4), layers.Dense(1)),
     r"\[8, 5, 1\].*\[\?, 1\].*return_sequences=True"),
    (lambda: trained(SEQUENCES, numpy.zeros((8, 1)), layers.LSTM(4, return_sequences=True), layers.Dense(1)),
     r"\[8, 1\].*\[\?, 5, 1\].*leave out return_sequences"),
    (lambda: trained(numpy.zeros((8, 6, 6, 3)), numpy.zeros((8, 1)), layers.Conv2D(2, 3), layers.Dense(1)),
     r"\[\?, 4, 4, 1\].*Flatten"),
])  # fmt: skip
def test_forgotten_settings(wrong: Callable[[], Any], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        wrong()


def test_images_of_unknown_size_are_averaged() -> None:
    model = Sequential([layers.Input((None, None, 3)), layers.Conv2D(2, 3), layers.GlobalAveragePooling2D()])
    assert model.outputs[0].shape == (None, 2)
    x = numpy.random.default_rng(0).normal(size=(2, 7, 5, 3)).astype(numpy.float32)
    for part in (x, x[:, :4, :4]):
        expected = numpy.mean(convolved(model, part), (1, 2))
        numpy.testing.assert_allclose(model.predict(part), expected, rtol=1e-5, atol=1e-6)


def convolved(model: Sequential, x: numpy.ndarray) -> numpy.ndarray:
    """The convolution by hand."""
    kernel, bias = model.get_weights()
    windows = numpy.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2))
    return numpy.einsum("bhwcij,ijcf->bhwf", windows, kernel) + bias


def test_what_memory_cannot_hold_is_refused_before_it_is_taken() -> None:
    pytest.importorskip("pellucid._native", reason="the extension is not built")
    model = Sequential([layers.Input((1000, 1000, 1)), layers.UpSampling2D(1000), layers.GlobalAveragePooling2D()])
    with pytest.raises(ExecutorError, match=r"do not fit into memory.*GB.*batch_size"):
        model.predict(numpy.zeros((1, 1000, 1000, 1), numpy.float32))
