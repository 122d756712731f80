"""The executor `xla` against the reference: whole training runs, and what stops them."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

pytest.importorskip("jax", reason="JAX is not installed")

from pellucid import Sequential, layers
from pellucid.core.graph import Program, Variable
from pellucid.core.sources import feed
from pellucid.errors import DataError, ExecutorError, NonFiniteError
from pellucid.execute import executor
from pellucid.execute.program import LoopSpec
from pellucid.layers import Concatenate, Dense, Dropout, Embedding, Flatten, Input
from pellucid.losses import SparseCategoricalCrossentropy
from pellucid.models import Model
from pellucid.optimizers import SGD

random = numpy.random.default_rng(3)
NUMBERS = random.normal(size=(70, 4)).astype(numpy.float32)
WORDS = random.integers(0, 5, (70, 2)).astype(numpy.int32)
LABELS = (NUMBERS[:, 0] + WORDS[:, 0] > 2).astype(numpy.int32)


def network() -> Model:
    numbers, words = Input((4,), name="numbers"), Input((2,), dtype="int32", name="words")
    joined = Concatenate()([numbers, Flatten()(Embedding(5, 3)(words))])
    h = Dropout(0.3)(Dense(8, activation="tanh")(joined))
    return Model([numbers, words], Dense(2)(h), seed=5)


def trained(runs_on: str, precision: str = "float32", **options: Any) -> tuple[Model, Any]:
    model = network()
    model.compile(
        "adam",
        SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        executor=runs_on,
        precision=precision,
    )
    given = {"epochs": 3, "batch_size": 4, "verbose": 0, "validation_split": 0.2, **options}
    return model, model.fit([NUMBERS, WORDS], LABELS, **given)


@pytest.mark.parametrize("batch", [1, 4, 32, 70])
def test_training_is_the_reference_s(batch: int) -> None:
    """Dropout and order included: random numbers are the same in every executor."""
    (expected, losses), (actual, found) = (trained(name, batch_size=batch) for name in ("numpy", "xla"))
    for name, values in losses.history.items():
        numpy.testing.assert_allclose(found.history[name], values, 2e-4, err_msg=name)
    for x, y in zip(expected.get_weights(), actual.get_weights(), strict=True):
        numpy.testing.assert_allclose(y, x, 1e-3, 2e-5)
    numpy.testing.assert_allclose(actual.predict([NUMBERS, WORDS]), expected.predict([NUMBERS, WORDS]), 1e-3, 2e-5)


def test_bfloat16_rounds_products_only() -> None:
    (full, _), (half, _) = trained("xla"), trained("xla", precision="bfloat16")
    a, b = full.predict([NUMBERS, WORDS]), half.predict([NUMBERS, WORDS])
    assert 0 < numpy.abs(a - b).max() < 0.1
    assert all(weight.dtype == numpy.float32 for weight in half.get_weights())


def test_the_same_seed_gives_the_same_bits() -> None:
    (one, _), (two, _) = trained("xla"), trained("xla")
    assert all(numpy.array_equal(x, y) for x, y in zip(one.get_weights(), two.get_weights(), strict=True))


def test_weights_written_by_hand_are_taken_up() -> None:
    model, _ = trained("xla")
    model.set_weights([numpy.zeros_like(weight) for weight in model.get_weights()])
    numpy.testing.assert_array_equal(model.predict([NUMBERS, WORDS]), 0.0)
    model.fit([NUMBERS, WORDS], LABELS, epochs=1, verbose=0)
    assert any(weight.any() for weight in model.get_weights())


def counting(rows: int = 64, **options: Any) -> tuple[Any, Variable]:
    """A loop that adds one to a variable per step; its loss breaks at the value 13."""
    counter = Variable(numpy.zeros((), numpy.float32), "counter")
    x = feed((2, 1))
    count = counter.tensor + 1.0
    loss = 1.0 / (count - 13.0)
    program = Program((x,), (loss,), ((counter, count),))
    spec = LoopSpec(
        [program], 2, [numpy.zeros((rows, 1), numpy.float32)], totals=1, loss=0, epochs=1, watch=[counter], **options
    )
    return executor("xla").loop(spec), counter


def test_a_loop_ends_at_the_very_step_that_broke() -> None:
    loop, counter = counting()
    assert loop.most > 1
    assert loop.advance(10.0, 1) == "nonfinite"
    assert (loop.step, counter.value) == (13, 13.0)
    loop.rewind(7)
    assert (loop.step, counter.value, loop.rows(7).tolist()) == (7, 7.0, [14, 15])


def test_no_time_is_one_step() -> None:
    loop, counter = counting()
    assert loop.advance(0.0, 1) == "time"
    assert (loop.step, counter.value) == (1, 1.0)


def test_ids_outside_a_table_are_refused() -> None:
    model, _ = trained("xla")
    with pytest.raises(DataError, match="7"):
        model.predict([NUMBERS, numpy.full_like(WORDS, 7)])
    with pytest.raises(DataError, match="7"):
        model.fit([NUMBERS, numpy.full_like(WORDS, 7)], LABELS, verbose=0)
    assert all(numpy.isfinite(weight).all() for weight in model.get_weights())


def test_numbers_that_break_are_told_as_everywhere() -> None:
    model = network()
    model.compile(SGD(1e30), "mse", executor="xla")
    with pytest.raises(NonFiniteError):
        model.fit([NUMBERS, WORDS], numpy.zeros((70, 2), numpy.float32), verbose=0)


def test_without_jax_the_repair_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import pellucid.execute as execute

    execute.executor.cache_clear()
    monkeypatch.setattr(execute, "find_spec", lambda name: None)
    with pytest.raises(ExecutorError, match=r"pellucid\[xla\]"):
        execute.executor("xla")
    execute.executor.cache_clear()


IMAGES = random.normal(size=(20, 8, 8, 2)).astype(numpy.float32)
SERIES = random.normal(size=(20, 6, 3)).astype(numpy.float32)
TOKENS = (random.integers(1, 9, (20, 6)) * (numpy.arange(6) < random.integers(1, 7, (20, 1)))).astype(numpy.int32)
KINDS = {
    "convolution": (
        IMAGES,
        lambda: [
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.BatchNormalization(),
            layers.DepthwiseConv2D(3),
            layers.AveragePooling2D(2, strides=1),
            layers.GroupNormalization(2),
            layers.SpatialDropout2D(0.2),
            layers.GlobalAveragePooling2D(),
        ],
    ),
    "transposed convolution": (
        IMAGES,
        lambda: [
            layers.Conv2D(4, 3, strides=2, groups=2),
            layers.Conv2DTranspose(3, 3, 2),
            layers.UpSampling2D(),
            layers.GlobalMaxPooling2D(),
        ],
    ),
    "images": (
        IMAGES,
        lambda: [
            layers.RandomFlip(),
            layers.RandomRotation(0.1),
            layers.RandomZoom(0.2),
            layers.SeparableConv2D(4, 3),
            layers.Flatten(),
        ],
    ),
    "lstm": (SERIES, lambda: [layers.LSTM(5, return_sequences=True, dropout=0.1), layers.LSTM(4)]),
    "gru": (SERIES, lambda: [layers.Bidirectional(layers.GRU(4, return_sequences=True)), layers.SimpleRNN(4)]),
    "masks": (
        TOKENS,
        lambda: [layers.Embedding(9, 4, mask_zero=True), layers.LSTM(4, return_sequences=True), layers.GRU(4)],
    ),
    "transformer": (
        TOKENS,
        lambda: [
            layers.TokenAndPositionEmbedding(9, 6, 8, mask_zero=True),
            layers.TransformerEncoder(16, 2, dropout=0.1),
            layers.TransformerDecoder(16, 2, activation="gelu", normalize_first=True),
            layers.GlobalAveragePooling1D(),
        ],
    ),
    "normalization": (
        SERIES,
        lambda: [
            layers.Conv1D(4, 3, padding="causal"),
            layers.LayerNormalization(),
            layers.RMSNormalization(),
            layers.TimeDistributed(layers.Dense(3, "gelu")),
            layers.GaussianNoise(0.1),
            layers.Flatten(),
        ],
    ),
}


def kind_trained(kind: str, runs_on: str, precision: str = "float32") -> tuple[Model, Any]:
    x, middle = KINDS[kind]
    start = layers.Input(x.shape[1:], dtype="int32" if x.dtype.kind == "i" else "float32")
    model = Sequential([start, *middle(), layers.Dense(2)], seed=6)
    loss = SparseCategoricalCrossentropy(from_logits=True)
    model.compile(SGD(0.1), loss, executor=runs_on, precision=precision)
    labels = (x.reshape(20, -1)[:, 0] > 0.5).astype(numpy.int32)
    return model, model.fit(x, labels, epochs=2, batch_size=10, verbose=0).history


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_network_trains_as_on_the_reference(kind: str) -> None:
    (expected, losses), (actual, found) = (kind_trained(kind, name) for name in ("numpy", "xla"))
    numpy.testing.assert_allclose(found["loss"], losses["loss"], 1e-3)
    for x, y in zip(expected.get_weights(), actual.get_weights(), strict=True):
        numpy.testing.assert_allclose(y, x, 5e-3, 5e-4)
    given = KINDS[kind][0]
    numpy.testing.assert_allclose(actual.predict(given), expected.predict(given), 5e-3, 1e-3)
    half, losses_in_half = kind_trained(kind, "xla", "bfloat16")
    numpy.testing.assert_allclose(losses_in_half["loss"], losses["loss"], 0.05)
    assert all(weight.dtype == numpy.float32 for weight in half.get_weights())
