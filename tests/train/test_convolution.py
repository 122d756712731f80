"""Convolutional networks train as in Keras and PyTorch, with copied weights and the same batches."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.errors import ShapeError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

EXECUTORS = ["numpy", *(name for name, needs in (("native", "pellucid._native"), ("xla", "jax")) if find_spec(needs))]
RNG = np.random.default_rng(8)
IMAGES = RNG.normal(size=(28, 8, 7, 1)).astype(np.float32)  # the last batch of 8 is of 4
LABELS = (IMAGES[:, :4].mean((1, 2, 3)) > IMAGES[:, 4:].mean((1, 2, 3))).astype(int)
SERIES = RNG.normal(size=(20, 12, 3)).astype(np.float32)
NEXT = SERIES[:, -1, :1] * 0.5 + SERIES[:, 3, 1:2]
CODES = RNG.normal(size=(20, 3, 2, 4)).astype(np.float32)


def classifier(library: Any) -> tuple[Any, np.ndarray, np.ndarray, str]:
    layers = library.layers
    chain = [
        library.Input(shape=(8, 7, 1)),
        layers.Conv2D(4, 3, activation="relu", padding="same"),
        layers.MaxPooling2D(2),
        layers.Conv2D(6, (2, 3), strides=(1, 2), use_bias=False, kernel_regularizer=library.regularizers.L2(0.01)),
        layers.Flatten(),
        layers.Dense(2, activation="softmax"),
    ]
    return library.Sequential(chain), IMAGES, LABELS, "sparse_categorical_crossentropy"


def forecaster(library: Any) -> tuple[Any, np.ndarray, np.ndarray, str]:
    layers = library.layers
    chain = [
        library.Input(shape=(12, 3)),
        layers.Conv1D(6, 3, padding="causal", dilation_rate=2, groups=3, activation="tanh"),
        layers.SeparableConv1D(5, 3, strides=2, depth_multiplier=2),
        layers.AveragePooling1D(2),
        layers.Flatten(),
        layers.Dense(1),
    ]
    return library.Sequential(chain), SERIES, NEXT, "mse"


def decoder(library: Any) -> tuple[Any, np.ndarray, np.ndarray, str]:
    layers = library.layers
    chain = [
        library.Input(shape=(3, 2, 4)),
        layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="tanh"),
        layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
        layers.Conv2DTranspose(1, (3, 4), strides=(1, 2)),
    ]
    return library.Sequential(chain), CODES, IMAGES[:20, :, :1].repeat(10, axis=2), "mse"


@pytest.mark.parametrize("make", [classifier, forecaster, decoder])
def test_training_is_as_in_keras(make: Any, keras: Any) -> None:
    theirs, x, y, loss = make(keras)
    start = [np.array(weight) for weight in theirs.get_weights()]
    theirs.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss)
    options = {"batch_size": 8, "epochs": 3, "shuffle": False, "verbose": 0}
    expected, predicted = theirs.fit(x, y, **options).history, theirs.predict(x, verbose=0)
    for executor in EXECUTORS:
        ours, *_ = make(pl)
        ours.set_weights(start)
        ours.compile(pl.optimizers.SGD(0.05, momentum=0.9), loss, executor=executor)
        found = ours.fit(x, y, **options).history
        np.testing.assert_allclose(found["loss"], expected["loss"], rtol=2e-5, atol=1e-6)
        for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(ours.predict(x), predicted, rtol=1e-4, atol=1e-5)


def test_training_is_as_in_torch(executor: str) -> None:
    torch = pytest.importorskip("torch")
    model, *_ = classifier(pl)
    model.compile(pl.optimizers.SGD(0.1), "sparse_categorical_crossentropy", executor=executor)
    kernel, bias, second, dense, dense_bias = (
        torch.tensor(weight, requires_grad=True) for weight in model.get_weights()
    )
    weights = (kernel, bias, second, dense, dense_bias)
    optimizer = torch.optim.SGD(weights, lr=0.1)
    functional = torch.nn.functional
    for start in [*range(0, 28, 8)] * 2:
        x = torch.tensor(np.moveaxis(IMAGES[start : start + 8], -1, 1))
        x = functional.relu(functional.conv2d(x, kernel.permute(3, 2, 0, 1), bias, padding=1))
        x = functional.conv2d(functional.max_pool2d(x, 2), second.permute(3, 2, 0, 1), stride=(1, 2))
        logits = x.permute(0, 2, 3, 1).flatten(1) @ dense + dense_bias
        loss = functional.cross_entropy(logits, torch.tensor(LABELS[start : start + 8])) + 0.01 * (second**2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.fit(IMAGES, LABELS, batch_size=8, epochs=2, shuffle=False, verbose=0)
    for one, other in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(one, other.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_a_network_learns_where_a_bright_bar_stands(executor: str) -> None:
    """Anywhere in the image a vertical or a horizontal bar: what convolution and the largest value are for."""
    rng = np.random.default_rng(2)
    images = rng.normal(0, 0.2, (200, 9, 9)).astype(np.float32)
    labels = np.arange(200) % 2
    for image, label in zip(images, labels, strict=True):
        row, column = rng.integers(0, 6, 2)
        bar = np.s_[row : row + 4, column] if label else np.s_[row, column : column + 4]
        image[bar] += 1.5
    layers = [
        pl.layers.Conv2D(4, 4, activation="relu", input_shape=(9, 9, 1)),
        pl.layers.GlobalMaxPooling2D(),
        pl.layers.Dense(1, activation="sigmoid"),
    ]
    model = pl.Sequential(layers, seed=3)
    model.compile(pl.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"], executor=executor)
    model.fit(images[:150, ..., None], labels[:150], epochs=15, verbose=0)
    assert model.evaluate(images[150:, ..., None], labels[150:], return_dict=True)["accuracy"] >= 0.96


def test_images_without_a_channel_axis_can_be_mended(executor: str) -> None:
    """What does not fit says how it would, and leaves the model as it was."""
    model = pl.Sequential([pl.layers.Conv2D(2, 3), pl.layers.Flatten(), pl.layers.Dense(1)])
    model.compile("sgd", "mse", executor=executor)
    grey = np.zeros((4, 8, 8), np.uint8)
    with pytest.raises(ShapeError, match=r"x\[..., None\] and Input\(shape=\(8, 8, 1\)\)"):
        model.fit(grey, np.zeros(4), verbose=0)
    model.fit(grey[..., None], np.zeros(4), verbose=0)
    assert model.predict(grey[..., None]).shape == (4, 1)


def test_a_saved_model_predicts_the_same(tmp_path: Any, executor: str) -> None:
    for make in (classifier, forecaster, decoder):
        model, x, y, loss = make(pl)
        model.compile("adam", loss, executor=executor)
        model.fit(x, y, epochs=1, verbose=0)
        model.save(tmp_path / "model.safetensors")
        again = pl.models.load_model(tmp_path / "model.safetensors")
        again.compile("adam", loss, executor=executor)
        assert np.array_equal(again.predict(x), model.predict(x))
