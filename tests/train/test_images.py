"""A network of image layers, trained with random views: the same in both executors, and again by its seed."""

from __future__ import annotations

import numpy
import pytest

from pellucid import layers
from pellucid.errors import ExecutorError
from pellucid.execute import executor
from pellucid.models import Sequential
from pellucid.utils import set_random_seed

random = numpy.random.default_rng(4)
IMAGES = random.normal(size=(70, 9, 8, 2)).astype(numpy.float32)
LABELS = (IMAGES[:, :4].sum((1, 2, 3)) > 0).astype(numpy.int32)


def trained(executor_name: str, seed: int, precision: str = "float32") -> tuple[list[float], numpy.ndarray]:
    """The losses of two epochs, whose last batch has 6 of 32 examples, and predictions."""
    set_random_seed(seed)
    model = Sequential(
        [
            layers.Input(shape=(9, 8, 2)),
            layers.RandomFlip("horizontal"),
            layers.RandomTranslation(0.1, 0.1, "constant"),
            layers.RandomRotation(0.05),
            layers.RandomZoom(0.1, fill_mode="wrap"),
            layers.Conv2D(5, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(),
            layers.UpSampling2D(interpolation="bilinear"),
            layers.ZeroPadding2D((1, 0)),
            layers.Cropping2D((0, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.MaxPooling2D(3, strides=2, padding="same"),
            layers.AveragePooling2D(2, strides=1, padding="same"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy", executor=executor_name, precision=precision)
    losses = model.fit(IMAGES, LABELS, batch_size=32, epochs=2, verbose=0).history["loss"]
    return losses, model.predict(IMAGES[:5])


@pytest.fixture
def native() -> None:
    try:
        executor("native")
    except (ExecutorError, ImportError):
        pytest.skip("the extension is not built")


def test_both_executors_train_alike(native: None) -> None:
    (losses, predictions), (others, found) = trained("numpy", 1), trained("native", 1)
    numpy.testing.assert_allclose(others, losses, rtol=1e-5)
    numpy.testing.assert_allclose(found, predictions, rtol=1e-4, atol=1e-5)


def test_bfloat16_stays_close(native: None) -> None:
    losses, others = trained("native", 1)[0], trained("native", 1, "bfloat16")[0]
    numpy.testing.assert_allclose(others, losses, rtol=1e-2)


def test_a_seed_repeats_the_views(native: None) -> None:
    assert trained("native", 2)[0] == trained("native", 2)[0]
    assert trained("native", 2)[0] != trained("native", 3)[0]
