"""`recompute=True`: less memory in training, the same numbers, on every executor."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from pellucid import Input, Layer, Model, Sequential, layers, ops
from pellucid.errors import ArgumentError
from pellucid.models import load_model

rng = numpy.random.default_rng(0)


def language_model(recompute: bool, steps: int, blocks: int, executor: str, precision: str = "float32") -> Model:
    ids = Input((steps,), dtype="int32")
    y = layers.Embedding(30, 32)(ids)
    for _ in range(blocks):
        y = layers.TransformerDecoder(64, 2, dropout=0.1, activation="gelu", recompute=recompute)(y)
    model = Model(ids, layers.Dense(30, "softmax")(y), seed=1)
    model.compile("adam", "sparse_categorical_crossentropy", executor=executor, precision=precision)
    return model


def text(steps: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    ids = rng.integers(0, 30, (6, steps))
    return ids, numpy.roll(ids, -1, 1)


@pytest.mark.parametrize("executor", ["numpy", "native", "xla"])
def test_training_is_the_same(executor: str) -> None:
    pytest.importorskip({"native": "pellucid._native", "xla": "jax"}.get(executor, "numpy"))
    x, y = text(12)
    results = []
    for recompute in (False, True):
        model = language_model(recompute, 12, 2, executor)
        history = model.fit(x, y, batch_size=4, epochs=2, verbose=0).history
        results.append([numpy.array(history["loss"]), *model.get_weights()])
    exact = executor == "numpy"
    for a, b in zip(*results, strict=True):
        numpy.testing.assert_allclose(b, a, rtol=0 if exact else 1e-4, atol=0 if exact else 1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_memory_of_long_sequences(precision: str) -> None:
    pytest.importorskip("pellucid._native")
    x, y = text(256)
    kept, again = (
        language_model(recompute, 256, 6, "native", precision).planned_bytes(x, y, batch_size=4)
        for recompute in (False, True)
    )
    assert kept is not None
    assert again is not None
    assert again < 0.6 * kept


class Wavy(Layer):
    """A layer of one's own that takes no general options."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def call(self, x: Any) -> Any:
        return ops.tanh(x * self.factor)


def test_it_is_saved(tmp_path: Any) -> None:
    wavy = Wavy(2.0)
    wavy.recompute = True
    inner = Sequential([layers.Dense(3, input_shape=(4,)), wavy], name="inner")
    inner.recompute = True
    model = Sequential([Input((4,)), layers.Dense(4, recompute=True), inner, layers.Dense(1)], seed=0)
    model.compile("sgd", "mse")
    model.fit(numpy.ones((4, 4)), numpy.ones((4, 1)), verbose=0)
    model.save(tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    assert [layer.recompute for layer in loaded.layers] == [True, True, False]
    assert loaded.layers[1].layers[1].recompute
    assert "recompute" not in layers.Dense(3).get_config()
    for one in (model, loaded):
        one.fit(numpy.ones((4, 4)), numpy.ones((4, 1)), verbose=0)
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        assert numpy.array_equal(a, b)


def test_what_is_refused() -> None:
    with pytest.raises(ArgumentError, match="Dense: recompute must be True or False, got 'yes'"):
        layers.Dense(3, recompute="yes")


def test_states_penalties_and_moving_averages_count_once() -> None:
    """What a layer leaves behind comes from the forward pass alone."""
    results = []
    for recompute in (False, True):
        model = Sequential(
            [
                Input((5, 3)),
                layers.LSTM(4, return_sequences=True, stateful=True, recompute=recompute),
                layers.BatchNormalization(recompute=recompute),
                layers.Dense(2, kernel_regularizer="l2", activity_regularizer="l1", recompute=recompute),
            ],
            seed=2,
        )
        model.compile("sgd", "mse", executor="numpy")
        x = numpy.random.default_rng(3).normal(size=(8, 5, 3))
        history = model.fit(x, x[..., :2], batch_size=4, epochs=2, verbose=0).history
        results.append([numpy.array(history["loss"]), *model.get_weights(), model.predict(x, batch_size=4)])
    assert all(numpy.array_equal(a, b) for a, b in zip(*results, strict=True))
