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
    ("GRU", {"units": 3}, (4, 5, 2)),
    ("GRU", {"units": 3, "reset_after": False}, (4, 5, 2)),
    ("GRU", {"units": 17, "return_sequences": True}, (3, 4, 5)),
    ("GRU", {"units": 3, "go_backwards": True, "reset_after": False, "return_sequences": True}, (2, 5, 2)),
    ("GRU", {"units": 2, "activation": "sigmoid", "recurrent_activation": "hard_sigmoid"}, (2, 3, 2)),
    ("GRU", {"units": 3, "use_bias": False}, (1, 1, 2)),
    ("SimpleRNN", {"units": 3}, (4, 5, 2)),
    ("SimpleRNN", {"units": 17, "return_sequences": True, "go_backwards": True}, (3, 4, 5)),
    ("SimpleRNN", {"units": 3, "activation": "relu", "use_bias": False}, (1, 1, 2)),
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
    "gru": lambda of: [of.GRU(5, return_sequences=True), of.GRU(4, reset_after=False)],
    "simple": lambda of: [of.SimpleRNN(5, return_sequences=True), of.SimpleRNN(4)],
    "mixed cells": lambda of: [of.RNN([of.GRUCell(5), of.SimpleRNNCell(3), of.LSTMCell(4)], go_backwards=True)],
    "bidirectional": lambda of: [of.Bidirectional(of.LSTM(4, return_sequences=True)), of.Bidirectional(of.GRU(3))],
    "sum": lambda of: [of.Bidirectional(of.GRU(4), merge_mode="sum")],
    "mul": lambda of: [of.Bidirectional(of.SimpleRNN(4), merge_mode="mul")],
    "average": lambda of: [of.Bidirectional(of.LSTM(4, return_sequences=True), merge_mode="ave"), of.LSTM(3)],
    "backward layer": lambda of: [
        of.Bidirectional(of.LSTM(4), backward_layer=of.LSTM(4, activation="relu", go_backwards=True))
    ],
    "regularized": lambda of: [of.LSTM(4, kernel_regularizer="l2", recurrent_regularizer="l1", bias_regularizer="l2")],
    "masking": lambda of: [of.Masking(), of.LSTM(4, return_sequences=True), of.LSTM(3)],
    "masked gru": lambda of: [of.Masking(), of.GRU(4, return_sequences=True, reset_after=False), of.GRU(3)],
    "masked simple": lambda of: [of.Masking(), of.SimpleRNN(4, return_sequences=True), of.SimpleRNN(3)],
    "masked bidirectional": lambda of: [of.Masking(), of.Bidirectional(of.LSTM(3, return_sequences=True)), of.LSTM(3)],
    "zero output": lambda of: [
        of.Masking(),
        of.RNN(of.LSTMCell(4), return_sequences=True, zero_output_for_mask=True),
        of.Flatten(),
    ],
    "masked sequence": lambda of: [of.Masking(), of.LSTM(4, return_sequences=True, go_backwards=True), of.LSTM(3)],
}


def padded(rows: int) -> numpy.ndarray:
    """Sequences of which some have padding: all of a row, at the end, at the start."""
    x = floats(rows, 6, 4)
    x[0], x[1, 4:], x[2, :2] = 0, 0, 0
    return x


@pytest.mark.parametrize("stack", STACKS)
def test_stacks_equal_keras(stack: str, keras: Any) -> None:
    x, theirs, ours = padded(5), model(keras, STACKS[stack]), model(pl, STACKS[stack])
    ours.set_weights(theirs.get_weights())
    numpy.testing.assert_allclose(ours.predict(x), numpy.asarray(theirs(x)), atol=1e-6)


@pytest.mark.parametrize("stack", [name for name in STACKS if "mask" not in name and name != "zero output"])
def test_derivatives_of_stacks_equal_differences(stack: str, tools: Any) -> None:
    tools.check_derivatives(model(pl, STACKS[stack]), floats(4, 6, 4))


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
@pytest.mark.parametrize("go_backwards", [False, True])
def test_derivatives_with_masks_equal_differences(kind: str, go_backwards: bool, tools: Any) -> None:
    ids = random.integers(0, 4, (5, 6)).astype(numpy.int32)  # 0 is padding
    ids[0] = 0
    make = getattr(layers, kind)

    def build(value: Any) -> Any:
        value = layers.Embedding(4, 3, mask_zero=True)(value)
        return make(2)(make(3, return_sequences=True, go_backwards=go_backwards)(value))

    tools.check_derivatives(tools.as_network(build, ids), ids)


@pytest.mark.parametrize("stack", ["masked bidirectional", "mixed cells"])
def test_training_is_as_in_keras(stack: str, keras: Any) -> None:
    x, y = padded(20), random.integers(0, 3, 20)
    theirs, ours = model(keras, STACKS[stack]), model(pl, STACKS[stack])
    ours.set_weights(theirs.get_weights())
    common = {"batch_size": 8, "epochs": 3, "shuffle": False, "verbose": 0}
    expected, found = theirs.fit(x, y, **common).history, ours.fit(x, y, **common).history
    numpy.testing.assert_allclose(found["loss"], expected["loss"], rtol=2e-5)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        numpy.testing.assert_allclose(one, other, atol=2e-5)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_equals_torch(kind: str, tools: Any) -> None:
    torch = pytest.importorskip("torch")
    x, features, units = floats(3, 5, 4), 4, 6
    layer = getattr(layers, kind)(units, return_sequences=True)
    network = tools.as_network(layer, x)
    weights = [floats(*w.shape) * 0.5 for w in network.get_weights()]
    network.set_weights(weights)
    theirs = getattr(torch.nn, {"SimpleRNN": "RNN"}.get(kind, kind))(features, units, batch_first=True)
    # torch keeps the gates as rows: i, f, g, o as Keras; r, z, n where Keras has z, r, h
    order = [1, 0, 2] if kind == "GRU" else list(range(weights[0].shape[1] // units))

    def rows(w: numpy.ndarray) -> Any:
        parts = numpy.split(w, len(order), axis=-1)
        return torch.tensor(numpy.concatenate([parts[i] for i in order], axis=-1).T.copy())

    kernel, recurrent, bias = weights
    biases = [bias[0], bias[1]] if kind == "GRU" else [bias, numpy.zeros_like(bias)]
    with torch.no_grad():
        for name, value in zip(
            ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"),
            (rows(kernel), rows(recurrent), rows(biases[0]), rows(biases[1])), strict=True,
        ):  # fmt: skip
            getattr(theirs, name).copy_(value)
        expected = theirs(torch.tensor(x))[0].numpy()
    numpy.testing.assert_allclose(tools.run(network, x)[0], expected, atol=2e-6)


# States


def stateful(library: Any, **options: Any) -> Any:
    return library.Sequential([library.Input((3, 4), batch_size=2), library.layers.LSTM(5, stateful=True, **options)])


def test_stateful_goes_on_where_the_batch_before_ended(tools: Any) -> None:
    x = floats(2, 9, 4)
    ours = stateful(pl)
    whole = pl.Sequential([pl.Input((9, 4)), layers.LSTM(5)])
    whole.set_weights(ours.get_weights())
    parts = [ours.predict(x[:, i : i + 3], batch_size=2) for i in (0, 3, 6)]
    numpy.testing.assert_allclose(parts[-1], whole.predict(x), atol=1e-6)
    assert not numpy.allclose(ours.predict(x[:, :3], batch_size=2), parts[0])
    ours.reset_states()
    assert numpy.array_equal(ours.predict(x[:, :3], batch_size=2), parts[0])
    assert len(ours.get_weights()) == 3  # states are no weights


@pytest.mark.parametrize("executor", ["numpy", "native"])
def test_stateful_trains_on_from_batch_to_batch(executor: str) -> None:
    x, y = floats(8, 3, 4), floats(8, 5)
    ours = stateful(pl)
    ours.compile(optimizer=pl.optimizers.SGD(0.0), loss="mse", executor=executor)
    found = ours.fit(x, y, batch_size=2, epochs=1, shuffle=False, verbose=0).history["loss"]
    whole = pl.Sequential([pl.Input((12, 4)), layers.LSTM(5, return_sequences=True)])
    whole.set_weights(ours.get_weights())
    joined = numpy.stack([numpy.concatenate(x[0::2]), numpy.concatenate(x[1::2])])  # row i goes on in row i + 2
    expected = whole.predict(joined)[:, 2::3]
    targets = numpy.stack([y[0::2], y[1::2]])
    assert found == pytest.approx([((expected - targets) ** 2).mean()], rel=1e-5)
    with pytest.raises(ShapeError, match="stateful with a batch of 2, got one of 4; use one batch_size"):
        ours.predict(x, batch_size=4)


@pytest.mark.parametrize("executor", ["numpy", "native"])
def test_encoder_hands_its_state_to_a_decoder(executor: str, keras: Any) -> None:
    def build(library: Any) -> Any:
        of = library.layers
        source, target, mask = library.Input((5, 3)), library.Input((4, 3)), library.Input((4,), dtype="bool")
        _, h, c = of.LSTM(6, return_state=True)(source)
        y = of.LSTM(6, return_sequences=True)(target, initial_state=[h, c], mask=mask)
        return library.Model([source, target, mask], y)

    arrays = [floats(4, 5, 3), floats(4, 4, 3), numpy.ones((4, 4), bool)]
    arrays[2][0], arrays[2][1, :2], arrays[2][2, 2:] = False, False, False
    theirs, ours = build(keras), build(pl)
    ours.set_weights(theirs.get_weights())
    ours.compile(loss="mse", executor=executor)
    numpy.testing.assert_allclose(ours.predict(arrays), numpy.asarray(theirs(arrays)), atol=1e-6)


def test_cells_take_one_step(tools: Any) -> None:
    x, h, c = floats(3, 4), floats(3, 5), floats(3, 5)
    for cell, states in ((layers.LSTMCell(5), [h, c]), (layers.GRUCell(5), [h]), (layers.SimpleRNNCell(5), [h])):
        step = tools.as_network(cell, x, *states)
        kind = {"LSTMCell": layers.LSTM, "GRUCell": layers.GRU}.get(type(cell).__name__, layers.SimpleRNN)
        run = tools.as_network(
            lambda v, kind=kind: kind(5, return_state=True)(v[0], initial_state=v[1:]), x[:, None], *states
        )
        run.set_weights(step.get_weights())
        for one, other in zip(tools.run(step, x, *states), tools.run(run, x[:, None], *states), strict=True):
            numpy.testing.assert_allclose(one, other, atol=1e-6)


# Dropout


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_dropout_is_drawn_once_for_all_steps(kind: str, tools: Any) -> None:
    x = numpy.ones((2, 6, 4), numpy.float32)
    for options in ({"dropout": 0.5}, {"recurrent_dropout": 0.5}):
        layer = getattr(layers, kind)(8, return_sequences=True, bias_initializer="ones", **options)
        network = tools.as_network(layer, x)
        plain = tools.run(network, x)[0]
        drawn = tools.run(network, x, training=True, seed=1)[0]
        assert numpy.array_equal(drawn, tools.run(network, x, training=True, seed=1)[0])
        assert not numpy.allclose(drawn, plain)
        # the first step has no state to drop; after it the same draw rules, and the states settle
        assert numpy.allclose(drawn[:, 0], plain[:, 0]) == ("recurrent_dropout" in options)


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
    with pytest.raises(ArgumentError, match="must be the same"):
        layers.Bidirectional(layers.LSTM(3), backward_layer=layers.LSTM(3, go_backwards=True, return_sequences=True))
    with pytest.raises(ArgumentError, match="go_backwards=True, and one not"):
        layers.Bidirectional(layers.LSTM(3), backward_layer=layers.LSTM(3))
    with pytest.raises(ArgumentError, match="Bidirectional takes a recurrent layer"):
        layers.Bidirectional(layers.Dense(3))
    with pytest.raises(ShapeError, match="initial_state must be 4 tensors"):
        layers.Bidirectional(layers.LSTM(3))(layers.Input((4, 2)), initial_state=[layers.Input((3,))] * 2)
    with pytest.raises(ShapeError, match="TimeDistributed needs"):
        layers.TimeDistributed(layers.Dense(2))(layers.Input((3,)))
