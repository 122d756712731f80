"""Masks: where they come from, how they travel, and that padding counts neither in the loss nor in metrics."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from pellucid.core.evaluate import evaluate
from pellucid.core.graph import Tensor
from pellucid.errors import ShapeError
from pellucid.nn.layer import Layer, layers
from pellucid.nn.layers import (
    Activation,
    Add,
    Concatenate,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Identity,
    Input,
    Masking,
    Softmax,
)
from pellucid.nn.losses import SparseCategoricalCrossentropy
from pellucid.nn.metrics import SparseCategoricalAccuracy
from pellucid.nn.network import Network
from pellucid.train.model import Model

random = numpy.random.default_rng(6)
IDS = numpy.array([[3, 0, 2, 0], [0, 0, 0, 0], [1, 2, 3, 4]], numpy.int32)


def mask_of(value: Tensor, feeds: dict[Tensor, numpy.ndarray]) -> numpy.ndarray | None:
    return None if value.mask is None else evaluate([value.mask], feeds)[0]


def test_where_masks_come_from() -> None:
    ids, x = Input(shape=(4,), dtype="int32", batch_size=3), Input(shape=(2, 2), batch_size=2)
    assert Embedding(5, 2)(ids).mask is None
    found = mask_of(Embedding(5, 2, mask_zero=True)(ids), {ids: IDS})
    assert numpy.array_equal(found, IDS != 0)
    steps = numpy.float32([[[9, 9], [9, 1]], [[0, 9], [9, 9]]])
    masked = Masking(9.0)(x)
    assert numpy.array_equal(mask_of(masked, {x: steps}), [[False, True], [True, False]])
    assert numpy.array_equal(evaluate([masked], {x: steps})[0], [[[0, 0], [9, 1]], [[0, 9], [0, 0]]])


def test_layers_that_keep_steps_apart_pass_masks_on() -> None:
    ids = Input(shape=(4,), dtype="int32", batch_size=3)
    x = Embedding(5, 2, mask_zero=True)(ids)
    for layer in (Dense(3), Activation("relu"), Dropout(0.5), Identity(), Softmax()):
        assert numpy.array_equal(mask_of(layer(x), {ids: IDS}), IDS != 0), layer
    with pytest.warns(UserWarning, match="flatten .*does not know masks"):
        assert Flatten()(x).mask is None


def test_masks_of_merged_values() -> None:
    a, b = (Input(shape=(4,), dtype="int32", batch_size=3) for _ in range(2))
    x, y, plain = Embedding(5, 2, mask_zero=True)(a), Embedding(5, 2, mask_zero=True)(b), Embedding(5, 2)(b)
    other = numpy.roll(IDS, 1, axis=1)
    feeds = {a: IDS, b: other}
    either = (IDS != 0) | (other != 0)
    assert numpy.array_equal(mask_of(Add()([x, y]), feeds), either)
    assert numpy.array_equal(mask_of(Concatenate()([x, y]), feeds), either)
    assert numpy.array_equal(mask_of(Concatenate(axis=1)([x, y]), feeds), numpy.hstack([IDS != 0, other != 0]))
    assert Add()([x, plain]).mask is None
    assert numpy.array_equal(mask_of(Concatenate(axis=1)([x, plain]), feeds), numpy.hstack([IDS != 0, other > -1]))
    assert mask_of(Concatenate()([x, plain]), feeds).all()
    assert Concatenate()([plain, plain]).mask is None


class _Count(Layer):
    """How many steps count, from the mask of the input or a given one."""

    def call(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        from pellucid import ops

        weights = ops.cast(mask, "float32") if mask is not None else ops.sum(x, axis=-1) * 0.0 + 1.0
        return ops.sum(weights, axis=1, keepdims=True)


def test_a_layer_with_a_parameter_mask_is_given_it(tools: Any) -> None:
    try:
        ids = Input(shape=(4,), dtype="int32")
        inner_in = Input(shape=(4, 2))
        inner = Network(inner_in, Dense(2)(inner_in), name="inner")  # masks go through nested networks
        x = Embedding(5, 2, mask_zero=True)(ids)
        given = Input(shape=(4,), dtype="bool")
        outputs = [_Count()(inner(x)), _Count()(Embedding(5, 2)(ids)), _Count()(x, mask=given)]
        network = Network([ids, given], outputs)
        config = network.get_config()
        for net in (network, Network.from_config(config)):
            auto, without, explicit = tools.run(net, IDS, IDS == 0)
            assert numpy.array_equal(auto[:, 0], [2, 0, 4])
            assert numpy.array_equal(without[:, 0], [4, 4, 4])
            assert numpy.array_equal(explicit[:, 0], [2, 4, 0])
    finally:
        layers.pop("_Count", None)


def tagger() -> Model:
    ids = Input(shape=(4,), dtype="int32")
    hidden = Dense(8, activation="tanh")(Embedding(5, 3, mask_zero=True)(ids))
    model = Model(ids, Dense(3, activation="softmax")(hidden), seed=0)
    weighted = SparseCategoricalAccuracy(name="weighted")
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], weighted_metrics=[weighted])
    return model


def _expected(model: Model, labels: numpy.ndarray, weights: numpy.ndarray | float = 1.0) -> tuple[float, float, float]:
    p = model.predict(IDS)
    counts = IDS != 0
    weights = numpy.broadcast_to(weights, IDS.shape)
    values = -numpy.log(numpy.take_along_axis(p, labels[..., None], -1)[..., 0])
    right = p.argmax(-1) == labels
    loss = float((values * weights)[counts].sum() / counts.sum())
    return loss, float(right[counts].mean()), float((right * weights)[counts].sum() / weights[counts].sum())


@pytest.mark.parametrize("executor", ["numpy", "native"])
def test_padding_counts_neither_in_the_loss_nor_in_metrics(executor: str) -> None:
    model = tagger()
    model.run_on(executor)
    labels = random.integers(0, 3, IDS.shape)
    figures = model.evaluate(IDS, labels)
    numpy.testing.assert_allclose(figures, _expected(model, labels), rtol=1e-5)
    by_row, by_step = numpy.float32([1, 5, 2]), random.uniform(0.1, 2, IDS.shape)
    for weights in (by_row, by_step):
        figures = model.evaluate(IDS, labels, sample_weight=weights, return_dict=True)
        spread = weights if weights.ndim == 2 else weights[:, None]
        numpy.testing.assert_allclose(list(figures.values()), _expected(model, labels, spread), rtol=1e-5)


@pytest.mark.parametrize("executor", ["numpy", "native"])
def test_what_stands_under_the_mask_changes_no_weight(executor: str) -> None:
    labels = random.integers(0, 3, IDS.shape)
    other = numpy.where(IDS == 0, (labels + 1) % 3, labels)
    trained = []
    for y in (labels, other):
        model = tagger()
        model.run_on(executor)
        model.fit(IDS, y, epochs=3, batch_size=2, verbose=0)
        trained.append(model.get_weights())
    for a, b in zip(*trained, strict=True):
        assert numpy.array_equal(a, b)


def test_a_batch_that_is_all_padding_is_no_trouble() -> None:
    model = tagger()
    before = model.get_weights()
    loss = model.train_on_batch(numpy.zeros((2, 4), numpy.int32), numpy.zeros((2, 4), numpy.int32))[0]
    assert loss == 0.0
    assert all(numpy.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize("weighted", [False, True])
def test_training_with_masks_equals_keras(keras: Any, weighted: bool) -> None:
    labels = random.integers(0, 3, IDS.shape)
    weights = random.uniform(0.1, 2, IDS.shape).astype(numpy.float32) if weighted else None
    mine = tagger()
    theirs = keras.Sequential(
        [
            keras.layers.Embedding(5, 3, mask_zero=True),
            keras.layers.Dense(8, activation="tanh"),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    theirs.build((None, 4))
    theirs.set_weights(mine.get_weights())
    theirs.compile("sgd", "sparse_categorical_crossentropy")
    for _ in range(3):
        loss = mine.train_on_batch(IDS, labels, sample_weight=weights)[0]
        their_loss = theirs.train_on_batch(IDS, labels, sample_weight=weights)
        assert loss == pytest.approx(float(their_loss), rel=1e-5)
    for own, other in zip(mine.get_weights(), theirs.get_weights(), strict=True):
        numpy.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("executor", ["numpy", "native"])
def test_sequences_of_labels_without_masks(executor: str) -> None:
    ids = Input(shape=(4,), dtype="int32")
    model = Model(ids, Dense(3)(Embedding(5, 8)(ids)), seed=3)
    model.compile("adam", SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    model.run_on(executor)
    labels = IDS % 3
    history = model.fit(IDS, labels, epochs=200, verbose=0)
    assert history.history["accuracy"][-1] == 1.0
    loss = model.evaluate(IDS, labels)[0]
    logits = model.predict(IDS).astype(numpy.float64)
    chances = numpy.exp(logits) / numpy.exp(logits).sum(-1, keepdims=True)
    assert loss == pytest.approx(-numpy.log(numpy.take_along_axis(chances, labels[..., None], -1)).mean(), rel=1e-4)


def test_class_weights_of_steps() -> None:
    labels = IDS % 3
    by_class = {0: 0.5, 1: 2.0}
    by_step = numpy.select([labels == 0, labels == 1], [0.5, 2.0], 1.0)
    losses = []
    for options in ({"class_weight": by_class}, {"sample_weight": by_step}):
        model = tagger()
        losses.append(model.fit(IDS, labels, epochs=2, verbose=0, **options).history["loss"])
    assert losses[0] == losses[1]


def test_weights_that_do_not_fit_steps() -> None:
    with pytest.raises(ShapeError, match=r"one for each of its labels \[3, 4\], got \[3, 5\]"):
        tagger().fit(IDS, IDS % 3, sample_weight=numpy.ones((3, 5)), verbose=0)
