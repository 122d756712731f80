"""Recurrent layers against Keras with copied weights, and against differences; masks, states, dropout, refusals."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

import pellucid as pl
from pellucid.errors import ArgumentError, ShapeError
from pellucid.models import load_model
from pellucid.nn import layers

random = numpy.random.default_rng(9)


def floats(*shape: int) -> numpy.ndarray:
    return random.normal(size=shape).astype(numpy.float32)


# (layer's name, its arguments, the shape of its input): the same words make ours and Keras's
CASES: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
    ("LSTM", {"units": 3}, (4, 5, 2)),
    ("LSTM", {"units": 17, "return_sequences": True}, (3, 4, 5)),
    ("LSTM", {"units": 3, "go_backwards": True}, (2, 5, 2)),
    ("LSTM", {"units": 3, "go_backwards": True, "return_sequences": True}, (2, 5, 2)),
    ("LSTM", {"units": 2, "activation": "relu", "recurrent_activation": "hard_sigmoid"}, (2, 3, 2)),
    ("LSTM", {"units": 2, "activation": None, "recurrent_activation": "tanh"}, (2, 3, 2)),
    ("LSTM", {"units": 3, "use_bias": False}, (1, 1, 2)),
]
IDS = [f"{kind}-{i}" for i, (kind, _, _) in enumerate(CASES)]


@pytest.mark.parametrize(("kind", "arguments", "shape"), CASES, ids=IDS)
def test_equals_keras(kind: str, arguments: dict[str, Any], shape: tuple[int, ...], keras: Any, tools: Any) -> None:
    theirs = getattr(keras.layers, kind)(**arguments)
    tools.check_against_keras(keras, getattr(layers, kind)(**arguments), theirs, floats(*shape))


@pytest.mark.parametrize(("kind", "arguments", "shape"), CASES, ids=IDS)
def test_derivatives_equal_differences(
    kind: str, arguments: dict[str, Any], shape: tuple[int, ...], tools: Any
) -> None:
    x = floats(*shape)
    tools.check_derivatives(tools.as_network(getattr(layers, kind)(**arguments), x), x)


def model(library: Any, make: Any, steps: int = 6, features: int = 4) -> Any:
    """A network with one layer of ours or Keras's between an input and three units, compiled."""
    layers = library.layers
    network = library.Sequential([library.Input((steps, features)), *make(layers), layers.Dense(3)])
    loss = library.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(optimizer=library.optimizers.Adam(0.02), loss=loss)
    return network


STACKS: dict[str, Any] = {
    "stacked": lambda of: [of.LSTM(5, return_sequences=True), of.LSTM(4)],
    "cells": lambda of: [of.RNN([of.LSTMCell(5), of.LSTMCell(4)])],
    "time distributed": lambda of: [of.TimeDistributed(of.Dense(3, activation="tanh")), of.LSTM(4)],
    "regularized": lambda of: [of.LSTM(4, kernel_regularizer="l2", recurrent_regularizer="l1", bias_regularizer="l2")],
    "masking": lambda of: [of.Masking(), of.LSTM(4, return_sequences=True), of.LSTM(3)],
    "masked sequence": lambda of: [of.Masking(), of.LSTM(4, return_sequences=True, go_backwards=True), of.LSTM(3)],
}


@pytest.mark.parametrize("stack", STACKS)
def test_training_is_as_in_keras(stack: str, keras: Any) -> None:
    x, y = floats(20, 6, 4), random.integers(0, 3, 20)
    x[3], x[5, 4:], x[7, :2] = 0, 0, 0  # padding: all of a row, at the end, at the start
    theirs, ours = model(keras, STACKS[stack]), model(pl, STACKS[stack])
    ours.set_weights(theirs.get_weights())
    numpy.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), atol=1e-6)
    common = {"batch_size": 8, "epochs": 3, "shuffle": False, "verbose": 0}
    expected, found = theirs.fit(x, y, **common).history, ours.fit(x, y, **common).history
    numpy.testing.assert_allclose(found["loss"], expected["loss"], rtol=2e-5)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        numpy.testing.assert_allclose(one, other, atol=2e-5)


@pytest.mark.parametrize("stack", STACKS)
def test_description_makes_an_equal_network(stack: str, tmp_path: Any) -> None:
    ours = model(pl, STACKS[stack])
    ours.save(tmp_path / "model.safetensors")
    x = floats(3, 6, 4)
    assert numpy.array_equal(load_model(tmp_path / "model.safetensors").predict(x), ours.predict(x))


def test_refusals() -> None:
    with pytest.raises(ArgumentError, match=r"activation must be one of .* inside the steps, got 'gelu'"):
        layers.LSTM(3, activation="gelu")
    with pytest.raises(ShapeError, match=r"LSTM needs \[batch, steps, features\], got \[\?, 4\]"):
        layers.LSTM(3)(layers.Input((4,)))
    with pytest.raises(ShapeError, match="initial_state must be 2 tensors"):
        layers.LSTM(3)(layers.Input((4, 2)), initial_state=layers.Input((3,)))
    with pytest.raises(ArgumentError, match="takes LSTMCell"):
        layers.RNN(layers.Dense(3))
