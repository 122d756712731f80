"""Sequences step by step: the same outputs as the whole sequence at once, in less time; other models are refused."""

from __future__ import annotations

import time
from typing import Any

import numpy
import pytest

from pellucid import layers
from pellucid.errors import ArgumentError, DataError, ShapeError, StateError
from pellucid.models import Sequential
from pellucid.nn.layers import (
    LSTM,
    Add,
    Bidirectional,
    Conv1D,
    Dense,
    Embedding,
    Flatten,
    GlobalAveragePooling1D,
    Input,
    MultiHeadAttention,
    PositionEmbedding,
    SinePositionEncoding,
    TokenAndPositionEmbedding,
    TransformerDecoder,
    TransformerEncoder,
)
from pellucid.train.model import Model

random = numpy.random.default_rng(21)
TOKENS = random.integers(1, 9, (3, 10))


def transformer(length: int | None = 10, width: int = 16, blocks: int = 2, **options: Any) -> Model:
    ids = Input(shape=(length,), dtype="int32")
    x = TokenAndPositionEmbedding(9, length or 20, width)(ids)
    for _ in range(blocks):
        x = TransformerDecoder(2 * width, 2, normalize_first=True, **options)(x)
    return Model(ids, Dense(9)(x), seed=0)


def attention_with(positions: Any, **options: Any) -> Model:
    ids = Input(shape=(10,), dtype="int32")
    x = Embedding(9, 8, mask_zero=True)(ids)
    if positions is not None:
        x = Add()([x, positions(x)])
    x = MultiHeadAttention(2, 4, **options)(x, x, use_causal_mask=True)
    return Model(ids, Dense(3)(x), seed=1)


def recurrent(*kinds: str, return_sequences: bool = True) -> Model:
    last = len(kinds) - 1
    stack = [getattr(layers, kind)(6, return_sequences=return_sequences or i < last) for i, kind in enumerate(kinds)]
    model = Sequential([Embedding(9, 4, mask_zero=True), *stack, Dense(3)], seed=2)
    model.build((None, 10))
    return model


MODELS = {
    "transformer": transformer,
    "rotary": lambda: transformer(rotary=True),
    "post-norm": lambda: Model(x := Input(shape=(10, 4)), TransformerDecoder(6, 2)(x), seed=0),
    "learned positions": lambda: attention_with(PositionEmbedding(12)),
    "sines": lambda: attention_with(SinePositionEncoding()),
    "no positions": lambda: attention_with(None, use_bias=False),
    "lstm": lambda: recurrent("LSTM", "LSTM"),
    "gru": lambda: recurrent("GRU", "LSTM"),
    "simple_rnn": lambda: recurrent("SimpleRNN", "GRU"),
}


@pytest.mark.parametrize("executor", ["numpy", "native"])
@pytest.mark.parametrize("name", MODELS)
def test_single_steps_equal_the_whole_sequence(name: str, executor: str) -> None:
    model = MODELS[name]()
    model.run_on(executor)
    x = random.normal(size=(3, 10, 4)).astype(numpy.float32) if model.inputs[0].rank == 3 else TOKENS.copy()
    if name in ("lstm", "gru", "simple_rnn", "sines"):
        x[0, :2] = x[1, 4] = 0  # padding
    whole = model.predict(x)
    stepper = model.stepper(batch_size=3)
    for _ in range(2):
        found = [stepper.step(x[:, i]) for i in range(10)]
        numpy.testing.assert_allclose(numpy.stack(found, 1), whole, rtol=1e-5, atol=1e-5)
        with pytest.raises(StateError, match="all 10 steps are done"):
            stepper.step(x[:, 0])
        stepper.reset()


def test_one_output_for_the_sequence_is_that_of_the_sequence_so_far() -> None:
    model = recurrent("LSTM", return_sequences=False)
    stepper = model.stepper(batch_size=3)
    for i in range(9):
        y = stepper.step(TOKENS[:, i])
        if i:
            so_far = Model(ids := Input(shape=(i + 1,), dtype="int32"), model(ids))
            numpy.testing.assert_allclose(y, so_far.predict(TOKENS[:, : i + 1]), rtol=1e-5, atol=1e-6)


def test_longer_than_in_training_and_of_any_length() -> None:
    for model in (transformer(length=None), transformer(rotary=True, length=None)):
        stepper = model.stepper(length=15)
        tokens = random.integers(0, 9, (1, 15))
        found = numpy.stack([stepper.step(tokens[:, i]) for i in range(15)], 1)
        numpy.testing.assert_allclose(found, model.predict(tokens), rtol=1e-5, atol=1e-5)
    with pytest.raises(ArgumentError, match="give length="):
        transformer(length=None).stepper()
    with pytest.raises(StateError, match="knows 10 positions, got 11 steps"):
        transformer().stepper(length=11)


def test_weights_are_the_models_own() -> None:
    model = transformer()
    stepper = model.stepper(batch_size=3)
    model.compile("adam", "mse")
    model.fit(TOKENS, numpy.zeros((3, 10, 9)), epochs=3, verbose=0)
    found = numpy.stack([stepper.step(TOKENS[:, i]) for i in range(10)], 1)
    numpy.testing.assert_allclose(found, model.predict(TOKENS), rtol=1e-5, atol=1e-5)
    assert len(model.get_weights()) == len(model.variables)


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("self_attention", lambda x: TransformerEncoder(8, 2)(x)),
        ("conv1d", lambda x: Conv1D(4, 2, padding="causal")(x)),
        ("global_average_pooling1d", lambda x: GlobalAveragePooling1D()(x)),
        ("flatten", lambda x: Flatten()(x)),
        ("dense", lambda x: Dense(2)(Flatten()(x))),
        ("backward_lstm", lambda x: Bidirectional(LSTM(3, return_sequences=True))(x)),
        ("multi_head_attention", lambda x: MultiHeadAttention(2, 3)(x, x)),
    ],
)
def test_a_layer_that_needs_the_whole_sequence_is_named(name: str, build: Any) -> None:
    ids = Input(shape=(6,), dtype="int32")
    model = Model(ids, build(Embedding(5, 4)(ids)))
    with pytest.raises(StateError, match=f"cannot run step by step.*{name}|{name}.*cannot run step by step"):
        model.stepper()


def test_what_a_step_refuses() -> None:
    stepper = transformer().stepper(batch_size=2)
    with pytest.raises(ShapeError, match=r"the input 'input.*' must be \[2\], got \[3\]"):
        stepper.step([1, 2, 3])
    with pytest.raises(ShapeError, match="takes 1 inputs, got 2"):
        stepper.step([1, 2], [1, 2])
    with pytest.raises(DataError, match="step 0"):
        stepper.step([1, 99])
    with pytest.raises(ArgumentError, match="batch_size"):
        transformer().stepper(batch_size=0)
    with pytest.raises(StateError, match="has no steps"):
        Model(x := Input(shape=()), x * 2.0).stepper()


def test_a_step_is_quicker_than_the_whole_sequence() -> None:
    model = transformer(length=256, width=64)
    tokens = random.integers(0, 9, (1, 256)).astype(numpy.int32)
    stepper = model.stepper()
    model.predict(tokens)
    stepper.step(tokens[:, 0])
    whole, single = [], []
    for i in range(1, 21):
        start = time.perf_counter()
        model.predict(tokens)
        middle = time.perf_counter()
        stepper.step(tokens[:, i])
        whole.append(middle - start)
        single.append(time.perf_counter() - middle)
    assert min(single) < min(whole) / 3
