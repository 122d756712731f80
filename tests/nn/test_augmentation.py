"""Layers that show other views of images in training: against Keras's own transforms with our draws."""

from __future__ import annotations

import math
from typing import Any

import numpy
import pytest

from pellucid.core.evaluate import evaluate
from pellucid.core.random import make_key, uniform
from pellucid.core.sources import feed
from pellucid.errors import ArgumentError, ShapeError
from pellucid.nn import layers
from pellucid.nn.layers.augmentation import sine_cosine_of_turn

random = numpy.random.default_rng(9)
IMAGES = random.normal(size=(5, 6, 8, 2)).astype(numpy.float32)
SEED, STEP = 11, 3


def draws(number: int, low: float, high: float) -> numpy.ndarray:
    """What the layer's draw of this number gives, between low and high: [batch, 1]."""
    return uniform(make_key(SEED, STEP), number, len(IMAGES))[:, None] * (high - low) + low


def columns(*entries: Any) -> numpy.ndarray:
    return numpy.concatenate([numpy.broadcast_to(numpy.float32(e), (len(IMAGES), 1)) for e in entries], axis=1)


def keras_matrix(kind: str) -> numpy.ndarray:
    """Keras's eight numbers (x' = a₀x + a₁y + a₂, y' = b₀x + b₁y + b₂, no perspective), by its documentation."""
    height, width = IMAGES.shape[1:3]
    x, y = (width - 1) / 2, (height - 1) / 2
    if kind == "RandomTranslation":
        down, right = draws(1, -0.3, 0.3) * height, draws(2, -0.1, 0.5) * width
        return columns(1, 0, -right, 0, 1, -down, 0, 0)
    if kind == "RandomZoom":
        down, right = 1 + draws(1, -0.3, 0.3), 1 + draws(2, -0.5, 0.2)
        return columns(right, 0, x * (1 - right), 0, down, y * (1 - down), 0, 0)
    angle = 2 * math.pi * draws(1, -0.4, 0.4)
    cosine, sine = numpy.cos(angle), numpy.sin(angle)
    return columns(cosine, -sine, x - x * cosine + y * sine, sine, cosine, y - x * sine - y * cosine, 0, 0)


@pytest.mark.parametrize("fill_mode", ["reflect", "wrap", "constant", "nearest"])
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize(
    ("kind", "factors"),
    [("RandomTranslation", (0.3, (-0.1, 0.5))), ("RandomZoom", (0.3, (-0.5, 0.2))), ("RandomRotation", (0.4,))],
)
def test_equals_keras_with_our_draws(
    kind: str, factors: Any, interpolation: str, fill_mode: str, keras: Any, tools: Any
) -> None:
    getattr(keras.layers, kind)(*factors, fill_mode, interpolation, 1, 0.25)  # takes the same arguments
    layer = getattr(layers, kind)(*factors, fill_mode, interpolation, None, 0.25)
    (ours,) = tools.run(tools.as_network(layer, IMAGES), IMAGES, training=True, seed=SEED, step=STEP)
    theirs = keras.ops.image.affine_transform(
        IMAGES, keras_matrix(kind), interpolation, fill_mode, 0.25, data_format="channels_last"
    )
    numpy.testing.assert_allclose(ours, numpy.asarray(theirs), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mode", ["horizontal", "vertical", "horizontal_and_vertical"])
def test_flip(mode: str, tools: Any) -> None:
    (ours,) = tools.run(tools.as_network(layers.RandomFlip(mode), IMAGES), IMAGES, training=True, seed=SEED, step=STEP)
    wanted, number, flipped = IMAGES.copy(), 0, 0
    for direction, axis in (("vertical", 0), ("horizontal", 1)):
        if direction in mode:
            number += 1
            for example, chosen in enumerate(draws(number, 0, 1)[:, 0] < 0.5):
                flipped += chosen
                if chosen:
                    wanted[example] = numpy.flip(wanted[example], axis)
    assert 0 < flipped < 5 * number
    assert numpy.array_equal(ours, wanted)


LAYERS = [
    layers.RandomFlip(),
    layers.RandomTranslation(0.4, 0.4),
    layers.RandomRotation(0.5),
    layers.RandomZoom(0.5),
]
every_layer = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)


@every_layer
def test_prediction_sees_the_images(layer: Any, tools: Any) -> None:
    network = tools.as_network(layer, IMAGES)
    assert numpy.array_equal(tools.run(network, IMAGES)[0], IMAGES)
    assert not numpy.array_equal(tools.run(network, IMAGES, training=True)[0], IMAGES)


@every_layer
def test_repeatable_by_seed_and_step(layer: Any, tools: Any) -> None:
    network = tools.as_network(layer, IMAGES)

    def seen(**options: int) -> Any:
        return tools.run(network, IMAGES, training=True, **options)[0]

    assert numpy.array_equal(seen(seed=2, step=5), seen(seed=2, step=5))
    assert not numpy.array_equal(seen(seed=2, step=5), seen(seed=2, step=6))
    assert not numpy.array_equal(seen(seed=2, step=5), seen(seed=3, step=5))


@every_layer
def test_each_example_has_its_own_draw(layer: Any, tools: Any) -> None:
    same = numpy.broadcast_to(IMAGES[:1], (16, *IMAGES.shape[1:])).copy()
    (y,) = tools.run(tools.as_network(layer, same), same, training=True)
    assert len({example.tobytes() for example in y}) > 1


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (0, 4, 4, 3), (2, 1, 5, 17)])
@every_layer
def test_odd_shapes(layer: Any, shape: tuple[int, ...], tools: Any) -> None:
    x = random.normal(size=shape).astype(numpy.float32)
    (y,) = tools.run(tools.as_network(layer, x), x, training=True)
    assert y.shape == shape
    assert numpy.isfinite(y).all()


def test_own_seed_replaces_that_of_the_run(tools: Any) -> None:
    network = tools.as_network(layers.RandomRotation(0.5, seed=77), IMAGES)
    one, other = (tools.run(network, IMAGES, training=True, seed=seed, step=4)[0] for seed in (1, 2))
    assert numpy.array_equal(one, other)


def test_whole_numbers_become_floats(tools: Any) -> None:
    x = numpy.arange(24, dtype=numpy.int32).reshape(1, 4, 6, 1)
    (y,) = tools.run(tools.as_network(layers.RandomFlip(), x), x)
    assert y.dtype == numpy.float32
    assert numpy.array_equal(y, x)


def test_sine_and_cosine() -> None:
    turns = numpy.concatenate([numpy.linspace(-1, 1, 2001), [0.125, -0.375]]).astype(numpy.float32)
    x = feed(turns.shape)
    sine, cosine = evaluate(sine_cosine_of_turn(x), {x: turns})
    angle = 2 * numpy.pi * turns.astype(numpy.float64)
    numpy.testing.assert_allclose(sine, numpy.sin(angle), atol=2e-7)
    numpy.testing.assert_allclose(cosine, numpy.cos(angle), atol=2e-7)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.RandomFlip("sideways"), "sideways"),
        (lambda: layers.RandomRotation(1.5), r"factor must be a finite number from -1 to 1"),
        (lambda: layers.RandomRotation((0.1, 0.2, 0.3)), r"\(lower, upper\)"),
        (lambda: layers.RandomTranslation(0.1, 0.1, fill_mode="mirror"), "mirror"),
        (lambda: layers.RandomZoom(0.1, interpolation="cubic"), "cubic"),
        (lambda: layers.RandomZoom(1.0), "nothing of the image"),
        (lambda: layers.RandomFlip(data_format="channels_first"), "Permute"),
    ],
)
def test_arguments_that_do_not_fit(make: Any, message: str) -> None:
    with pytest.raises((ArgumentError, ValueError), match=message):
        make()


def test_unknown_sizes_are_refused() -> None:
    with pytest.raises(ShapeError, match="known height and width"):
        layers.RandomFlip()(layers.Input(shape=(None, 5, 3)))
