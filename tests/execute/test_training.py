"""Whole training steps, native against reference: every optimizer, every loss, several networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest

from pellucid.layers import (
    Activation,
    Add,
    Concatenate,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Input,
    Multiply,
    Reshape,
)
from pellucid.models import Model
from pellucid.nn import losses, optimizers, schedules

pytest.importorskip("pellucid._native", reason="the extension is not built")

random = numpy.random.default_rng(2)
ROWS = 36  # batches of 16, the last one of 4: means over powers of two are exact, so that sums of ±1/n cancel exactly
FEATURES = random.normal(size=(ROWS, 6)).astype(numpy.float32)


def plain(last: str) -> tuple[Any, Any]:
    x = Input((6,))
    h = Dense(9, activation="relu", kernel_regularizer="l2")(x)
    return x, Dense(3, activation=last)(Dense(7, activation="tanh", use_bias=False)(h))


def branched(last: str) -> tuple[Any, Any]:
    x = Input((6,))
    shared = Dense(5, activation="gelu")
    a, b = shared(x), shared(Activation("sigmoid")(Dense(6)(x)))
    joined = Concatenate()([Add()([a, b]), Multiply()([a, b]), x])
    return x, Dense(3, activation=last)(Dropout(0.25)(joined))


def shaped(last: str) -> tuple[Any, Any]:
    x = Input((6,))
    h = Flatten()(Dense(4, activation="softplus")(Reshape((2, 3))(x)))
    return x, Dense(3, activation=last)(Activation("elu")(h))


NETWORKS: dict[str, Callable[[str], tuple[Any, Any]]] = {"plain": plain, "branched": branched, "shaped": shaped}

LOSSES = {
    "mse": "linear", "mae": "linear", "mape": "linear", "msle": "softplus", "huber": "linear", "log_cosh": "linear",
    "binary_crossentropy": "sigmoid", "categorical_crossentropy": "softmax",
    "sparse_categorical_crossentropy": "softmax", "kl_divergence": "softmax", "poisson": "softplus", "hinge": "tanh",
    "squared_hinge": "tanh", "categorical_hinge": "linear", "cosine_similarity": "linear",
    "binary_focal_crossentropy": "sigmoid", "categorical_focal_crossentropy": "softmax",
}  # fmt: skip

OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "sgd": lambda: optimizers.SGD(0.05),
    "momentum": lambda: optimizers.SGD(0.05, momentum=0.9, clipnorm=1.0),
    "nesterov": lambda: optimizers.SGD(0.005, momentum=0.9, nesterov=True, weight_decay=0.01),
    "rmsprop": lambda: optimizers.RMSprop(0.01),
    "centered": lambda: optimizers.RMSprop(0.01, momentum=0.5, centered=True, clipvalue=0.5),
    "adagrad": lambda: optimizers.Adagrad(0.05),
    "adadelta": lambda: optimizers.Adadelta(0.5),
    "adam": lambda: optimizers.Adam(0.01),
    "clipped adam": lambda: optimizers.Adam(0.01, global_clipnorm=0.1),
    "amsgrad": lambda: optimizers.Adam(0.01, amsgrad=True),
    "adamw": lambda: optimizers.AdamW(schedules.CosineDecay(0.02, 10)),
    "nadam": lambda: optimizers.Nadam(0.01),
    "adamax": lambda: optimizers.Adamax(0.01),
    "lion": lambda: optimizers.Lion(0.001),
}


def labels(loss: str) -> numpy.ndarray:
    draw = numpy.random.default_rng(4)
    if loss.startswith("sparse"):
        return draw.integers(0, 3, ROWS)
    if loss.startswith("categorical") or loss == "kl_divergence":
        return numpy.eye(3, dtype=numpy.float32)[draw.integers(0, 3, ROWS)]
    if "hinge" in loss:
        return draw.choice([-1.0, 1.0], (ROWS, 3)).astype(numpy.float32)
    if loss.startswith("binary"):
        return draw.integers(0, 2, (ROWS, 3)).astype(numpy.float32)
    return draw.uniform(0.5, 2.0, (ROWS, 3)).astype(numpy.float32)


def trained(
    executor: str, network: str, optimizer: str, loss: str, precision: str = "float32", epochs: int = 2
) -> tuple[list[float], list[numpy.ndarray]]:
    inputs, outputs = NETWORKS[network](LOSSES[loss])
    model = Model(inputs, outputs, seed=7)
    model.compile(optimizer=OPTIMIZERS[optimizer](), loss=loss, precision=precision, executor=executor)
    history = model.fit(FEATURES, labels(loss), batch_size=16, epochs=epochs, verbose=0)
    return history.history["loss"], model.get_weights()


def compare(network: str, optimizer: str, loss: str) -> None:
    """Six steps: two epochs of three batches."""
    expected, actual = (trained(name, network, optimizer, loss) for name in ("numpy", "native"))
    numpy.testing.assert_allclose(actual[0], expected[0], rtol=1e-4)
    x, y = (numpy.concatenate([w.ravel() for w in weights]) for _, weights in (expected, actual))
    assert numpy.isfinite(x).all()
    # the sign of a tiny derivative is a matter of rounding, and Lion's steps have the sign alone
    near = numpy.isclose(y, x, rtol=1e-3, atol=1e-4)
    assert near.mean() >= (0.95 if optimizer == "lion" else 1.0), abs(x - y).max()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_with_every_loss(optimizer: str, loss: str) -> None:
    compare("plain", optimizer, loss)


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "rmsprop"])
@pytest.mark.parametrize("loss", ["mse", "sparse_categorical_crossentropy", "binary_crossentropy"])
@pytest.mark.parametrize("network", ["branched", "shaped"])
def test_other_networks(network: str, optimizer: str, loss: str) -> None:
    compare(network, optimizer, loss)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("network", NETWORKS)
def test_bfloat16_trains_as_float32_does(network: str, loss: str) -> None:
    exact, _ = trained("native", network, "adam", loss, epochs=4)
    rounded, weights = trained("native", network, "adam", loss, "bfloat16", epochs=4)
    assert all(numpy.isfinite(w).all() and w.dtype == numpy.float32 for w in weights)
    numpy.testing.assert_allclose(rounded, exact, rtol=0.03, atol=0.01)
    assert rounded != exact  # it is another precision


def test_every_loss_and_optimizer_is_here() -> None:
    assert {type(make()) for make in OPTIMIZERS.values()} == set(optimizers.CLASSES.values())
    boxes = {losses.GIoULoss}  # in tests/nn/test_detection.py
    assert {type(losses.get(name)) for name in LOSSES} | boxes == set(losses.CLASSES.values())


def test_embeddings() -> None:
    ids = numpy.random.default_rng(3).integers(0, 11, (ROWS, 4))
    found = []
    for name in ("numpy", "native"):
        x = Input((4,), dtype="int32")
        model = Model(x, Dense(3)(Flatten()(Embedding(11, 3)(x))), seed=1)
        model.compile(optimizer="adam", loss="mse", executor=name)
        model.fit(ids, labels("mse"), batch_size=16, epochs=3, verbose=0)
        found.append(model.get_weights())
    for x, y in zip(*found, strict=True):
        numpy.testing.assert_allclose(y, x, rtol=1e-4, atol=1e-5)
