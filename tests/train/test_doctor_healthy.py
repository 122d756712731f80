"""Healthy runs: data, networks, losses and optimizers of many kinds, of which the doctor must say nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.layers import (
    GRU,
    LSTM,
    Activation,
    Add,
    BatchNormalization,
    Bidirectional,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    Input,
    LayerNormalization,
    MaxPooling2D,
    Normalization,
    ReLU,
    Rescaling,
    SimpleRNN,
    TokenAndPositionEmbedding,
    TransformerDecoder,
)

Run = tuple[pl.Model, Any, Any, Any]
RUNS: list[Callable[[], Run]] = []
NEEDS_DATA = {"mnist_dense", "mnist_convolutions", "pixels_rescaled", "autoencoder", "averaged_normalized_convolutions"}
NEEDS_DATA |= {"lstm", "gru_both_ways", "simple_rnn", "lags", "gpt"}


def run(function: Callable[[], Run]) -> Callable[[], Run]:
    RUNS.append(function)
    return function


def fit(model: pl.Model, x: Any, y: Any, held: Any = None, optimizer: Any = "adam", loss: Any = "mse", **options: Any):  # type: ignore[no-untyped-def]
    model.compile(optimizer, loss)
    model.fit(x, y, verbose=0, validation_data=held, **options)
    return model, x, y, held


def stack(*layers: Any, seed: int = 0) -> pl.Sequential:
    return pl.Sequential(list(layers), seed=seed)


def digits(rows: int) -> tuple[Any, Any, tuple[Any, Any]]:
    (x, y), (a, b) = pl.datasets.mnist()
    return x[:rows] / np.float32(255), y[:rows], (a[:300] / np.float32(255), b[:300])


def blobs(classes: int, features: int, rows: int = 600, spread: float = 1.0, seed: int = 0) -> tuple[Any, Any]:
    draw = np.random.default_rng(seed)
    centers, labels = draw.normal(0, 2, (classes, features)), np.arange(rows) % classes
    return (centers[labels] + draw.normal(0, spread, (rows, features))).astype(np.float32), labels.astype(np.int32)


def normal(rows: int, features: int, seed: int) -> Any:
    return np.random.default_rng(seed).normal(size=(rows, features)).astype(np.float32)


def houses() -> tuple[Any, Any]:
    table = pl.datasets.housing()
    names = ("longitude", "latitude", "housing_median_age", "total_rooms", "population", "households", "median_income")
    x = np.stack([table[name].values for name in names], axis=1).astype(np.float32)[::7]
    return x, (table["median_house_value"].values / 1e5).astype(np.float32)[::7]


def windows(values: Any, length: int, rows: int = 1200) -> tuple[Any, Any]:
    scaled = ((values - values.mean()) / values.std()).astype(np.float32)
    cut = np.lib.stride_tricks.sliding_window_view(scaled, length + 1)[:rows]
    return cut[:, :length, None].copy(), cut[:, length].copy()


@run
def linear_unit() -> Run:
    x = np.linspace(-1, 1, 100, dtype=np.float32)[:, None]
    return fit(stack(Input((1,)), Dense(1)), x, 3 * x + 1, optimizer=pl.optimizers.SGD(0.1), epochs=50)


@run
def small_regression() -> Run:
    x = np.linspace(-1, 1, 100, dtype=np.float32)[:, None]
    y = 2 * x + 1 + 0.1 * normal(100, 1, 0)
    return fit(stack(Input((1,)), Dense(10, "relu"), Dense(5, "relu"), Dense(1)), x, y, epochs=200)


@run
def student() -> Run:
    x = np.float32([[2, 5], [4, 6], [6, 7], [8, 8], [3, 4], [7, 6]])
    y = np.float32([[0], [0], [1], [1], [0], [1]])
    model = stack(Input((2,)), Dense(2, "relu"), Dense(1, "sigmoid"), seed=1)
    return fit(model, x, y, optimizer=pl.optimizers.SGD(0.1), loss="binary_crossentropy", batch_size="all", epochs=1000)


@run
def exclusive_or() -> Run:
    x, y = np.float32([[0, 0], [0, 1], [1, 0], [1, 1]]), np.float32([0, 1, 1, 0])
    model = stack(Input((2,)), Dense(8, "tanh"), Dense(1, "sigmoid"), seed=2)
    return fit(model, x, y, optimizer=pl.optimizers.Adam(0.05), loss="binary_crossentropy", epochs=300)


@run
def mnist_dense() -> Run:
    x, y, held = digits(4000)
    model = stack(Input((28, 28)), Flatten(), Dense(128, "relu"), Dense(10, "softmax"))
    return fit(model, x, y, held, loss="sparse_categorical_crossentropy", epochs=4)


@run
def mnist_convolutions() -> Run:
    x, y, held = digits(1500)
    model = stack(
        Input((28, 28, 1)), Conv2D(8, 3, activation="relu"), MaxPooling2D(), Conv2D(16, 3, activation="relu"),
        MaxPooling2D(), Flatten(), Dropout(0.3), Dense(10, "softmax"),
    )  # fmt: skip
    return fit(model, x[..., None], y, (held[0][..., None], held[1]), loss="sparse_categorical_crossentropy", epochs=3)


@run
def averaged_normalized_convolutions() -> Run:
    x, y, _ = digits(1000)
    layers: list[Any] = [Input((28, 28, 1))]
    for channels in (8, 16, 16):
        layers += [Conv2D(channels, 3, strides=2, padding="same"), BatchNormalization(), Activation("relu")]
    model = stack(*layers, GlobalAveragePooling2D(), Dense(10))
    loss = pl.losses.SparseCategoricalCrossentropy(from_logits=True)
    return fit(model, x[..., None], y, optimizer=pl.optimizers.Adam(0.01), loss=loss, epochs=6)


@run
def pixels_rescaled() -> Run:
    x, y, held = digits(1500)
    model = stack(Input((28, 28)), Rescaling(1 / 255), Flatten(), Dense(64, "gelu"), Dense(10, "softmax"))
    return fit(model, x * 255, y, (held[0] * 255, held[1]), "nadam", "sparse_categorical_crossentropy", epochs=4)


@run
def autoencoder() -> Run:
    x = digits(1500)[0].reshape(-1, 784)
    model = stack(Input((784,)), Dense(64, "relu"), Dense(16, "relu"), Dense(64, "relu"), Dense(784, "sigmoid"))
    return fit(model, x, x, loss="binary_crossentropy", epochs=4)


@run
def houses_in_raw_units() -> Run:
    x, y = houses()
    scale = Normalization()
    scale.adapt(x)
    model = stack(Input((7,)), scale, Dense(32, "relu"), Dense(16, "relu"), Dense(1))
    return fit(model, x[:2400], y[:2400], (x[2400:], y[2400:]), epochs=15)


@run
def houses_with_momentum() -> Run:
    x, y = houses()
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    model = stack(Input((7,)), Dense(24, "selu"), Dense(1), seed=3)
    return fit(model, x, y, optimizer=pl.optimizers.SGD(0.01, momentum=0.9), loss="huber", epochs=10)


@run
def four_classes() -> Run:
    x, y = blobs(4, 3)
    model = stack(Input((3,)), Dense(16, "relu"), Dense(4, "softmax"))
    return fit(model, x[:450], y[:450], (x[450:], y[450:]), loss="sparse_categorical_crossentropy", epochs=30)


@run
def one_hot_labels() -> Run:
    x, y = blobs(3, 5, seed=1)
    model = stack(Input((5,)), Dense(16, "elu"), Dense(3, "softmax"))
    return fit(model, x, np.eye(3, dtype=np.float32)[y], None, "rmsprop", "categorical_crossentropy", epochs=20)


@run
def two_moons() -> Run:
    draw = np.random.default_rng(0)
    t, label = draw.uniform(0, np.pi, 500), np.arange(500) % 2
    x = np.stack([np.cos(t) * (1 - 2 * label) + label, np.sin(t) * (1 - 2 * label) + 0.5 * label], axis=1)
    model = stack(Input((2,)), Dense(16, "sigmoid"), Dense(16, "sigmoid"), Dense(1, "sigmoid"))
    x = (x + draw.normal(0, 0.1, x.shape)).astype(np.float32)
    return fit(model, x, label, optimizer=pl.optimizers.Adam(0.03), loss="binary_crossentropy", epochs=40)


@run
def several_classes_at_once() -> Run:
    x = normal(600, 6, 1)
    y = (x[:, :3] + 0.3 * normal(600, 3, 2) > 0).astype(np.float32)
    return fit(stack(Input((6,)), Dense(16, "relu"), Dense(3, "sigmoid")), x, y, loss="binary_crossentropy", epochs=20)


@run
def friedman() -> Run:
    x = np.random.default_rng(2).uniform(size=(800, 6)).astype(np.float32)
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    y += normal(800, 1, 3)[:, 0]
    model = stack(Input((6,)), Dense(32, "relu"), Dense(32, "relu"), Dense(1))
    return fit(model, x[:600], y[:600], (x[600:], y[600:]), epochs=40)


@run
def five_layers_of_tanh() -> Run:
    x = normal(600, 8, 3)
    y = np.tanh(x[:, 0] + x[:, 1] * x[:, 2])
    return fit(stack(Input((8,)), *(Dense(24, "tanh") for _ in range(5)), Dense(1)), x, y, epochs=25)


@run
def eight_layers_with_batch_normalization() -> Run:
    x = normal(800, 8, 4)
    layers: list[Any] = []
    for _ in range(8):
        layers += [Dense(24, kernel_initializer="he_normal"), BatchNormalization(), ReLU()]
    return fit(stack(Input((8,)), *layers, Dense(1)), x, np.sin(x[:, 0]) + x[:, 1], epochs=15)


@run
def residual_connections() -> Run:
    x = normal(500, 10, 5)
    inputs = Input((10,))
    h = Dense(16)(inputs)
    for _ in range(6):
        h = Add()([h, Dense(16, "relu")(LayerNormalization()(h))])
    return fit(pl.Model(inputs, Dense(1)(h), seed=0), x, x[:, 0] * x[:, 1], epochs=20)


@run
def lstm() -> Run:
    x, y = windows(pl.datasets.daily_min_temperatures()[1], 14)
    return fit(stack(Input((14, 1)), LSTM(16), Dense(1)), x[:1000], y[:1000], (x[1000:], y[1000:]), epochs=6)


@run
def gru_both_ways() -> Run:
    x, y = windows(pl.datasets.daily_min_temperatures()[1], 14)
    return fit(stack(Input((14, 1)), Bidirectional(GRU(8)), Dense(1)), x, y, loss="mae", epochs=5)


@run
def simple_rnn() -> Run:
    x, y = windows(pl.datasets.monthly_sunspots()[1], 12)
    return fit(stack(Input((12, 1)), SimpleRNN(16), Dense(1)), x, y, epochs=6)


@run
def lags() -> Run:
    x, y = windows(pl.datasets.daily_min_temperatures()[1], 14)
    return fit(stack(Input((14,)), Dense(16, "relu"), Dense(1)), x[..., 0], y, epochs=10)


@run
def gpt() -> Run:
    _, ids = np.unique(list(pl.datasets.tiny_shakespeare()[:30_000]), return_inverse=True)
    cut = np.lib.stride_tricks.sliding_window_view(ids.astype(np.int32), 33)[::33]
    inputs, size = Input((32,), dtype="int32"), int(ids.max()) + 1
    h = TokenAndPositionEmbedding(size, 32, 32)(inputs)
    for _ in range(2):
        h = TransformerDecoder(64, 2)(h)
    model = pl.Model(inputs, Dense(size, "softmax")(h), seed=0)
    return fit(model, cut[:, :-1].copy(), cut[:, 1:].copy(), loss="sparse_categorical_crossentropy", epochs=4)


@run
def words() -> Run:
    x = np.random.default_rng(6).integers(1, 50, (600, 12)).astype(np.int32)
    y = ((x < 10).sum(axis=1) >= 2).astype(np.int32)
    model = stack(
        Input((12,), dtype="int32"), Embedding(50, 8), GlobalAveragePooling1D(), Dense(8, "relu"), Dense(1, "sigmoid")
    )
    return fit(model, x, y, optimizer=pl.optimizers.Adam(0.01), loss="binary_crossentropy", epochs=20)


@run
def two_inputs() -> Run:
    a, b = normal(500, 3, 7), normal(500, 2, 8)
    i, j = Input((3,), name="a"), Input((2,), name="b")
    model = pl.Model([i, j], Dense(1)(Dense(12, "relu")(Concatenate()([i, j]))), seed=0)
    return fit(model, {"a": a, "b": b}, a[:, 0] - b[:, 1], epochs=20)


@run
def counts() -> Run:
    x = normal(600, 3, 8)
    y = np.random.default_rng(9).poisson(np.exp(0.5 * x[:, 0] + 0.3)).astype(np.float32)
    return fit(stack(Input((3,)), Dense(8, "tanh"), Dense(1, "exponential")), x, y, loss="poisson", epochs=20)


@run
def not_trained_yet() -> Run:
    x, y = blobs(4, 3)
    model = stack(Input((3,)), Dense(16, "relu"), Dense(4, "softmax"))
    return fit(model, x, y, loss="sparse_categorical_crossentropy", epochs=0)


@run
def one_row_at_a_time() -> Run:
    x, y = blobs(3, 4, 150, 0.7)
    model = stack(Input((4,)), Dense(8, "relu"), Dense(3, "softmax"))
    optimizer = pl.optimizers.SGD(0.01)
    return fit(model, x, y, None, optimizer, "sparse_categorical_crossentropy", batch_size=1, epochs=20)


@run
def early_stopping_kept_the_best() -> Run:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(160, 20)).astype(np.float32)
    y = (2 * x[:, 0] + draw.normal(size=160) > 0).astype(np.float32)
    model = stack(Input((20,)), Dense(64, "relu"), Dense(64, "relu"), Dense(1, "sigmoid"))
    stop = pl.callbacks.EarlyStopping(patience=20, restore_best_weights=True)
    return fit(model, x[:100], y[:100], (x[100:], y[100:]), loss="binary_crossentropy", epochs=80, callbacks=[stop])


@pytest.mark.parametrize("make", RUNS, ids=lambda make: make.__name__)
def test_nothing_is_found(make: Callable[[], Run]) -> None:
    if make.__name__ in NEEDS_DATA and "PELLUCID_DATA" not in os.environ:
        pytest.skip("the data are not here")
    model, x, y, held = make()
    assert model.diagnose(x, y, held).codes == []
    if held is not None:
        assert model.diagnose(x, y).codes == []
