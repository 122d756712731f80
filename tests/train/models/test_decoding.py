"""The next token of networks run step by step, with and without a context; how tokens are drawn."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from pellucid import layers
from pellucid.errors import ArgumentError, DataError, ShapeError, StateError
from pellucid.models import Model, Sequential
from pellucid.nn.layers import GRU, LSTM, Conv1D, Dense, Embedding, Input, TransformerDecoder, TransformerEncoder
from pellucid.train.models.decoding import StepByStep, draw, probabilities

WORDS, LENGTH, SOURCE = 9, 7, 5
random = numpy.random.default_rng(4)
TOKENS = random.integers(0, WORDS, (3, LENGTH)).astype(numpy.int32)
SOURCES = numpy.int32([[3, 5, 1, 0, 0], [2, 8, 4, 4, 1], [7, 0, 0, 0, 0]])


def transformer() -> Model:
    """An encoder with padding, and a decoder that looks at what it made."""
    source, target = Input((SOURCE,), dtype="int32", name="source"), Input((LENGTH,), dtype="int32", name="target")
    encoded = Embedding(WORDS, 8, mask_zero=True)(source)
    encoded = TransformerEncoder(12, 2)(encoded)
    x = layers.TokenAndPositionEmbedding(WORDS, LENGTH, 8)(target)
    for _ in range(2):
        x = TransformerDecoder(12, 2)(x, encoded, encoder_padding_mask=encoded.mask)
    return Model([source, target], Dense(WORDS)(x), seed=3)


def recurrent() -> Model:
    """A picture's numbers are the state in which an LSTM begins, and stand beside each token of a GRU."""
    target, picture = Input((LENGTH,), dtype="int32", name="target"), Input((4,), name="picture")
    x = Embedding(WORDS, 6)(target)
    h, c = Dense(5, activation="tanh")(picture), Dense(5)(picture)
    x = LSTM(5, return_sequences=True)(x, initial_state=[h, c])
    return Model([target, picture], Dense(WORDS)(GRU(5, return_sequences=True)(x)), seed=3)


def backwards() -> Model:
    """An encoder that reads both ways, whose last states a decoder begins with."""
    source, target = Input((SOURCE,), dtype="int32", name="source"), Input((LENGTH,), dtype="int32", name="target")
    *_, forward, backward = layers.Bidirectional(GRU(3, return_state=True))(Embedding(WORDS, 4, mask_zero=True)(source))
    state = layers.Concatenate()([forward, backward])
    x = GRU(6, return_sequences=True)(Embedding(WORDS, 4)(target), initial_state=state)
    return Model([source, target], Dense(WORDS)(x), seed=3)


def attending() -> Model:
    """A recurrent decoder that looks at all that an encoder read, in two ways."""
    source, target = Input((SOURCE,), dtype="int32", name="source"), Input((LENGTH,), dtype="int32", name="target")
    read = GRU(6, return_sequences=True)(Embedding(WORDS, 4, mask_zero=True)(source))
    x = GRU(6, return_sequences=True)(Embedding(WORDS, 4)(target))
    looks = [layers.AdditiveAttention()([x, read]), layers.Attention(use_scale=True)([x, read])]
    return Model([source, target], Dense(WORDS)(layers.Concatenate()([x, *looks])), seed=3)


PICTURES = random.normal(size=(3, 4)).astype(numpy.float32)
MODELS: dict[str, tuple[Any, dict[str, Any]]] = {
    "transformer": (transformer, {"source": SOURCES}),
    "recurrent": (recurrent, {"picture": PICTURES}),
    "attending": (attending, {"source": SOURCES}),
    "backwards": (backwards, {"source": SOURCES}),
}


@pytest.mark.parametrize("executor", ["numpy", "native"])
@pytest.mark.parametrize("name", MODELS)
def test_scores_with_a_context_are_those_of_the_whole_network(name: str, executor: str) -> None:
    build, context = MODELS[name]
    model = build()
    model.run_on(executor)
    (given,) = context.values()
    whole = model.predict([TOKENS if value == "target" else given for value in model.input_names])
    after = StepByStep(model, "target")
    for _ in range(2):
        after.start(3, **context)
        for i in range(LENGTH):
            numpy.testing.assert_allclose(after(TOKENS[:, i]), whole[:, i], rtol=1e-5, atol=1e-5)
    assert after.position == after.length == LENGTH


@pytest.mark.parametrize("name", MODELS)
def test_kept_rows_go_on_from_what_they_remember(name: str) -> None:
    build, context = MODELS[name]
    model = build()
    (given,) = context.values()
    rows = numpy.array([2, 0, 0, 1])
    longer = numpy.concatenate([TOKENS[rows, :3], random.integers(0, WORDS, (4, LENGTH - 3))], 1).astype(numpy.int32)
    whole = model.predict([longer if value == "target" else given[rows] for value in model.input_names])
    after = StepByStep(model, "target")
    after.start(3, **context)
    for i in range(3):
        after(TOKENS[:, i])
    after.keep(rows)
    for i in range(3, LENGTH):
        numpy.testing.assert_allclose(after(longer[:, i]), whole[:, i], rtol=1e-5, atol=1e-5)
        after.keep(numpy.arange(4))


def test_what_the_context_alone_makes_is_computed_once() -> None:
    model = transformer()
    stepper = model.stepper(3, context=["source"])
    stepper.reset(source=SOURCES)
    before = stepper.step(TOKENS[:, 0])
    model.get_layer("embedding").set_weights([numpy.zeros((WORDS, 8), numpy.float32)])  # of the encoder
    second = stepper.step(TOKENS[:, 1])
    stepper.reset(source=SOURCES)
    assert numpy.abs(stepper.step(TOKENS[:, 0]) - before).max() > 1e-3
    assert numpy.abs(stepper.step(TOKENS[:, 1]) - second).max() > 1e-3


def test_what_a_context_refuses() -> None:
    model = transformer()
    with pytest.raises(ArgumentError, match="'tokens' is no input of the network; it has source, target"):
        StepByStep(model, "tokens")
    with pytest.raises(ArgumentError, match="unknown input 'sauce'; did you mean 'source'"):
        model.stepper(context=["sauce"])
    with pytest.raises(ArgumentError, match="one input at least must come step by step"):
        model.stepper(context=["source", "target"])
    after = StepByStep(model, "target")
    with pytest.raises(StateError, match=r"call start\(rows\) first"):
        after(TOKENS[:, 0])
    with pytest.raises(ArgumentError, match="reset takes source, got nothing"):
        after.start(3)
    with pytest.raises(ShapeError, match=r"the input 'source' must be \[2, 5\], got \[3, 5\]"):
        after.start(2, source=SOURCES)
    with pytest.raises(DataError, match="the context"):
        after.start(3, source=SOURCES + WORDS)
    with pytest.raises(StateError, match="the context is not known yet"):
        model.stepper(context=["source"]).step([1])
    after.start(3, source=SOURCES)
    with pytest.raises(ShapeError, match="rows must be 2 numbers from 0 to 2"):
        after.keep([0, 3])
    with pytest.raises(ShapeError, match="one output"):
        StepByStep(Sequential([Embedding(5, 3, input_shape=(4,)), LSTM(3)]))


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("conv1d", lambda x, y: Conv1D(8, 2, padding="causal")(x)),
        ("self_attention", lambda x, y: TransformerEncoder(8, 2)(x)),
        ("attention", lambda x, y: layers.Attention()([y, x])),
        ("multi_head_attention", lambda x, y: layers.MultiHeadAttention(2, 3)(y, x)),
        ("gru", lambda x, y: GRU(8, return_sequences=True)(x, initial_state=layers.GlobalAveragePooling1D()(x))),
    ],
)
def test_what_cannot_go_step_by_step_is_named(name: str, build: Any) -> None:
    source, target = Input((SOURCE,), dtype="int32", name="source"), Input((LENGTH,), dtype="int32", name="target")
    x, y = Embedding(WORDS, 8)(target), Embedding(WORDS, 8)(source)
    model = Model([source, target], Dense(WORDS)(build(x, y)))
    with pytest.raises(StateError, match=f"cannot run step by step.*{name}|{name}.*cannot run step by step"):
        StepByStep(model, "target").start(1, source=SOURCES[:1])


SCORES = numpy.log([[0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.25, 0.25]])


def test_probabilities_by_hand() -> None:
    numpy.testing.assert_allclose(probabilities(SCORES), [[0.1, 0.2, 0.3, 0.4], [0.25] * 4])
    squared = numpy.array([1, 4, 9, 16]) / 30  # a temperature of 1/2 squares them
    numpy.testing.assert_allclose(probabilities(SCORES, 0.5)[0], squared)
    numpy.testing.assert_allclose(probabilities(SCORES, top_k=2), [[0, 0, 3 / 7, 4 / 7], [0.5, 0.5, 0, 0]])
    numpy.testing.assert_allclose(probabilities(SCORES, 0.5, top_k=2)[0], [0, 0, 9 / 25, 16 / 25])
    assert probabilities(SCORES, 0).tolist() == [[0, 0, 0, 1], [1, 0, 0, 0]]
    numpy.testing.assert_allclose(probabilities(SCORES, 1e6, top_k=99)[0], [0.25] * 4, rtol=1e-5)
    assert probabilities(numpy.float32([[1e30, -1e30, -numpy.inf]])).tolist() == [[1, 0, 0]]


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    many = numpy.repeat(SCORES[:1], 20_000, 0)
    drawn = draw(many, numpy.random.default_rng(1), top_k=3)
    assert drawn.dtype == numpy.int32
    assert drawn.shape == (20_000,)
    share = numpy.bincount(drawn, minlength=4) / 20_000
    wanted = numpy.array([0, 2, 3, 4]) / 9
    assert share[0] == 0
    assert (abs(share - wanted) < 4 * numpy.sqrt(wanted * (1 - wanted) / 20_000) + 1e-12).all()
    assert (draw(many, numpy.random.default_rng(1), top_k=3) == drawn).all()


def test_rows_are_drawn_apart_from_each_other() -> None:
    drawn = draw(numpy.zeros((500, 2)), numpy.random.default_rng(0))
    assert 200 < drawn.sum() < 300


@pytest.mark.parametrize("option", [{"temperature": -1.0}, {"temperature": numpy.nan}, {"top_k": 0}, {"top_k": 1.5}])
def test_options_out_of_range(option: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match="must be"):
        probabilities(SCORES, **option)
