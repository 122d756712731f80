"""A model opened on examples: its layers with their parts, the loss, derivatives and the coming update."""

from __future__ import annotations

import numpy
import pytest

import pellucid
from pellucid.errors import ArgumentError, StateError, UnknownNameError
from pellucid.explain import opened as opened_module
from pellucid.layers import GRU, LSTM, Bidirectional, Dense, Dropout, Input, LayerNormalization, MultiHeadAttention
from pellucid.train.opening import open_model

DRAW = numpy.random.default_rng(3)
X, Y = DRAW.normal(size=(4, 6, 5)).astype("float32"), numpy.array([0, 1, 1, 0])


def sequence_model() -> pellucid.Model:
    x = Input((6, 5))
    h = LSTM(4, return_sequences=True, name="lstm")(x)
    h = LayerNormalization(name="norm")(MultiHeadAttention(2, 3, name="attention")(h, h))
    h = Dropout(0.5, name="dropout")(Bidirectional(GRU(3), name="both")(h))
    model = pellucid.Model(x, Dense(2, activation="softmax", name="dense")(h), seed=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def test_layers_have_their_parts_and_weights_by_name() -> None:
    layers = open_model(sequence_model(), X).layers
    parts = {name: {label: value.shape for label, value in layer.parts.items()} for name, layer in layers.items()}
    assert parts["lstm"] == {"h": (4, 6, 4), "c": (4, 6, 4), "gates": (4, 6, 16)}
    assert parts["attention"]["scores"] == (4, 2, 6, 6)
    assert list(parts["attention"]) == ["query", "key", "value", "logits", "scores", "heads"]
    assert parts["norm"] == {"mean": (4, 6, 1), "variance": (4, 6, 1), "normalized": (4, 6, 4)}
    assert set(parts["both"]) == {"h", "gates", "h@2", "gates@2"}
    assert list(layers["dense"].weights) == ["kernel", "bias"]
    assert layers["dense"].kind == "Dense"


def test_values_are_those_of_prediction_and_executors_agree() -> None:
    model = sequence_model()
    opened = open_model(model, X)
    (output,) = opened.outputs.values()
    numpy.testing.assert_allclose(opened.exact[output], model.predict(X), atol=1e-6)
    assert opened.exact[output].dtype == numpy.float64
    scores = opened.layer("attention").parts["scores"]
    (run,) = opened.run([scores], model.executor)
    numpy.testing.assert_allclose(run, opened.exact[scores], atol=1e-6)


def test_the_loss_and_its_derivatives_against_differences() -> None:
    model = sequence_model()
    opened = open_model(model, X, Y)
    assert opened.loss is not None
    assert float(opened.exact[opened.loss]) == pytest.approx(model.evaluate(X, Y), rel=1e-5)
    kernel = opened.layer("lstm").weights["kernel"]
    found = opened.exact[opened.derivatives[kernel.tensor]][2, 3]
    value, size = kernel.value.copy(), 1e-2
    losses = []
    for change in (size, -size):
        kernel.value[2, 3] = value[2, 3] + change
        again = open_model(model, X, Y)
        losses.append(float(again.exact[again.loss]))  # type: ignore[index]
    kernel.assign(value)
    assert found == pytest.approx((losses[0] - losses[1]) / (2 * size), rel=1e-3)


def test_in_training_it_is_the_step_that_fit_would_make() -> None:
    model = sequence_model()
    opened = open_model(model, X, Y, training=True)
    update = {variable: opened.exact[value] for variable, value in opened.updates}
    model.train_on_batch(X, Y)
    for variable in model.trainable_variables:
        numpy.testing.assert_allclose(variable.value, update[variable], atol=2e-6)


def test_a_shared_layer_and_a_nested_network_are_apart() -> None:
    shared, x = Dense(3, activation="tanh", name="shared"), Input((3,))
    inner_x = Input((3,))
    inner = pellucid.Model(inner_x, Dense(2, name="deep")(inner_x), name="inner")
    model = pellucid.Model(x, inner(shared(shared(x))), seed=1)
    layers = open_model(model, numpy.ones((2, 3), "float32")).layers
    assert list(layers) == ["shared", "shared@2", "inner/deep", "inner"]
    first, second = layers["shared"].parts["pre_activation"], layers["shared@2"].parts["pre_activation"]
    assert first is not second
    assert not layers["inner"].weights
    assert list(layers["inner/deep"].weights) == ["kernel", "bias"]


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    model = sequence_model()
    with pytest.raises(UnknownNameError, match="dense"):
        open_model(model, X).layer("dens")
    with pytest.raises(StateError, match="not built"):
        open_model(pellucid.Sequential([Dense(1)]), X)
    monkeypatch.setattr(opened_module, "_free_bytes", lambda: 1000)
    opened = open_model(model, X)
    with pytest.raises(ArgumentError, match=r"fewer examples"):
        _ = opened.exact
