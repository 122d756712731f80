"""Training beside Keras: the same weights and data, without shuffling, give the same figures and weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

RNG = np.random.default_rng(3)
X = RNG.normal(size=(50, 4)).astype(np.float32)
NUMBER = (X @ np.float32([1, -2, 0.5, 0]) + 1)[:, None]
CLASS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
BINARY = (X.sum(1) > 0).astype(np.float32)


def chain(library: Any, last: list[Any], **first: Any) -> Any:
    layers = library.layers
    return library.Sequential(
        [library.Input(shape=(4,)), layers.Dense(6, activation="tanh", **first), layers.Dense(*last)]
    )


def regression(library: Any) -> Any:
    model = chain(library, [1])
    model.compile(optimizer=library.optimizers.SGD(0.05, momentum=0.9), loss="mse", metrics=["mae"])
    return model, NUMBER, {}


def regularized(library: Any) -> Any:
    penalties = library.regularizers
    model = chain(library, [1], kernel_regularizer=penalties.L1L2(0.01, 0.02), bias_regularizer=penalties.L2(0.1),
                  activity_regularizer=penalties.L2(0.01))  # fmt: skip
    model.compile(optimizer=library.optimizers.Adam(0.01, clipnorm=0.5), loss="huber", metrics=["mse"])
    return model, NUMBER, {}


def binary(library: Any) -> Any:
    model = chain(library, [1, "sigmoid"])
    model.compile(optimizer="rmsprop", loss="binary_crossentropy", metrics=["accuracy"])
    return model, BINARY, {"class_weight": {0: 2.0, 1: 0.5}}


def sparse(library: Any) -> Any:
    model = chain(library, [3, "softmax"])
    weighted = library.metrics.SparseCategoricalAccuracy(name="weighted")
    model.compile(
        optimizer=library.optimizers.AdamW(0.02),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        weighted_metrics=[weighted],
    )
    return model, CLASS, {"sample_weight": np.linspace(0.1, 2, 50)}


def one_hot_from_logits(library: Any) -> Any:
    model = chain(library, [3])
    loss = library.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    model.compile(optimizer=library.optimizers.Nadam(0.01), loss=loss)
    return model, np.eye(3, dtype=np.float32)[CLASS], {}


def several_outputs(library: Any) -> Any:
    layers = library.layers
    x = library.Input(shape=(4,), name="x")
    hidden = layers.Dense(5, activation="relu", name="hidden")(x)
    number = layers.Dense(1, name="number")(layers.Add()([hidden, layers.Dense(5, name="more")(hidden)]))
    kind = layers.Dense(3, activation="softmax", name="kind")(layers.Concatenate()([hidden, x]))
    model = library.Model(x, [number, kind])
    model.compile(
        optimizer=library.optimizers.Adagrad(0.05),
        loss=["mse", "sparse_categorical_crossentropy"],
        loss_weights=[0.3, 2.0],
        metrics=[["mae"], ["accuracy"]],
    )
    return model, [NUMBER, CLASS], {}


def scheduled(library: Any) -> Any:
    model = chain(library, [1])
    rate = library.optimizers.schedules.ExponentialDecay(0.1, 5, 0.8)
    model.compile(optimizer=library.optimizers.SGD(rate, nesterov=True, momentum=0.5), loss="log_cosh")
    return model, NUMBER, {}


def normalized(library: Any) -> Any:
    layers = library.layers
    model = library.Sequential(
        [
            library.Input(shape=(4,)),
            layers.BatchNormalization(momentum=0.7, epsilon=0.01),
            layers.Dense(6, activation="tanh"),
            layers.LayerNormalization(),
            layers.Reshape((2, 3)),
            layers.BatchNormalization(axis=1, momentum=0.8, center=False),
            layers.Flatten(),
            layers.GroupNormalization(groups=2),
            layers.RMSNormalization(),
            layers.Dense(1),
            layers.BatchNormalization(scale=False, trainable=False),
        ]
    )
    model.compile(optimizer=library.optimizers.SGD(0.05), loss="mse")
    return model, NUMBER, {}


@pytest.mark.parametrize(
    "make", [regression, regularized, binary, sparse, one_hot_from_logits, several_outputs, scheduled, normalized]
)
def test_training_is_as_in_keras(make: Any, keras: Any) -> None:
    keras.utils.set_random_seed(1)  # not every start keeps rounding errors small over the epochs
    theirs, y, options = make(keras)
    ours, _, _ = make(pl)
    start = [np.array(weight) for weight in theirs.get_weights()]
    ours.set_weights(start)
    common = {"batch_size": 16, "epochs": 4, "shuffle": False, "verbose": 0}
    if not isinstance(y, list):
        common["validation_data"] = (X[:20], y[:20])
    expected = theirs.fit(X, y, **common, **options).history
    found = ours.fit(X, y, **common, **options).history
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=2e-5, atol=1e-6, err_msg=name)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    figures = theirs.evaluate(X, y, batch_size=50, verbose=0, return_dict=True)
    for name, value in ours.evaluate(X, y, return_dict=True).items():
        np.testing.assert_allclose(value, figures[name], rtol=1e-4, atol=1e-5, err_msg=name)
