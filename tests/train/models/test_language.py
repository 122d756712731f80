"""Language models: cached scores are those of the whole window; what is drawn; windows; vocabularies in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest

import pellucid
from pellucid import layers
from pellucid.errors import ArgumentError, ModelFileError, ShapeError, StateError
from pellucid.layers import BytePairTokenizer, TextVectorization
from pellucid.models import LanguageModel, load_model
from pellucid.nn.layers import Bidirectional, Conv1D, Dense, Embedding, Input, MultiHeadAttention, TransformerDecoder
from pellucid.train.models.decoding import StepByStep, probabilities

LETTERS = list("abcdefg \n")
LENGTH = 12


def letters() -> TextVectorization:
    return TextVectorization(standardize=None, split="character", vocabulary=LETTERS)


def built(body: Any, length: int | None = LENGTH, vocabulary: Any = None) -> LanguageModel:
    vocabulary = vocabulary or letters()
    size = vocabulary.vocabulary_size()
    ids = Input((length,), dtype="int32")
    x = body(Embedding(size, 8, embeddings_initializer=pellucid.initializers.RandomNormal(stddev=2.0))(ids))
    return LanguageModel(ids, Dense(size)(x), vocabulary, seed=5)


def gpt(length: int = LENGTH) -> LanguageModel:
    ids = Input((length,), dtype="int32")
    x = layers.TokenAndPositionEmbedding(11, length, 16, embeddings_initializer="random_normal")(ids)
    for _ in range(3):
        x = TransformerDecoder(32, 2, normalize_first=True, activation="gelu")(x)
    return LanguageModel(ids, Dense(11)(layers.LayerNormalization()(x)), letters(), seed=5)


def rotary(x: Any) -> Any:
    return x + MultiHeadAttention(2, 4, rotary=True)(x, x, use_causal_mask=True)


def stacked(*kinds: str) -> Any:
    def body(x: Any) -> Any:
        for kind in kinds:
            x = getattr(layers, kind)(7, return_sequences=True)(x)
        return x

    return body


MODELS: dict[str, Any] = {
    "gpt": gpt,
    "rotary": lambda: built(rotary),
    "lstm": lambda: built(stacked("LSTM")),
    "gru": lambda: built(stacked("GRU")),
    "simple_rnn": lambda: built(stacked("SimpleRNN")),
    "stacked": lambda: built(stacked("GRU", "LSTM", "SimpleRNN")),
}


@pytest.mark.parametrize("executor", ["numpy", "native"])
@pytest.mark.parametrize("name", MODELS)
def test_cached_scores_are_those_of_the_whole_network(name: str, executor: str) -> None:
    model = MODELS[name]()
    model.run_on(executor)
    tokens = numpy.random.default_rng(0).integers(0, 11, (1, LENGTH)).astype(numpy.int32)
    after = StepByStep(model)
    after.start(1)
    cached = numpy.stack([after(tokens[:, i]) for i in range(LENGTH)], axis=1)
    numpy.testing.assert_allclose(cached, model.predict(tokens), rtol=1e-5, atol=1e-5)


def by_the_whole_window(model: LanguageModel, prompt: str, count: int) -> str:
    """Greedy writing without any memory: the whole sequence so far for each token; it must fit the window."""
    tokens = model.vocabulary([prompt])[0].tolist()
    for _ in range(count):
        row = numpy.zeros((1, LENGTH), numpy.int32)
        row[0, : len(tokens)] = tokens
        scores = model.predict(row)[0, len(tokens) - 1]
        tokens.append(2 + int(scores[2:].argmax()))  # neither padding nor unknown
    return str(model.vocabulary.decode(numpy.array(tokens)))


@pytest.mark.parametrize("name", MODELS)
def test_it_writes_what_the_whole_window_would(name: str) -> None:
    model = MODELS[name]()
    written = model.generate("bad", length=LENGTH - 3, temperature=0)
    assert written == by_the_whole_window(model, "bad", LENGTH - 3)
    assert len(written) == LENGTH


def test_likelihoods_are_those_of_the_loss() -> None:
    model = gpt()
    model.compile("adam", pellucid.losses.SparseCategoricalCrossentropy(from_logits=True))
    text = "a bad cafe\ngg"
    found = model.likelihoods(text)
    tokens = model.vocabulary([text])
    assert found.shape == (LENGTH,)
    assert model.evaluate(tokens[:, :-1], tokens[:, 1:]) == pytest.approx(-numpy.log(found).mean(), abs=1e-5)


def test_a_full_window_begins_anew_with_its_last_half() -> None:
    model = gpt(4)
    text = "abcdefgabc"
    tokens = model.vocabulary([text])
    found = model.likelihoods(text)
    # of the tokens 0 … 9, those read with each one, the last of which is scored: 4 at most, then the last 2 and on
    seen = [(0, 1), (0, 2), (0, 3), (0, 4), (2, 5), (2, 6), (4, 7), (4, 8), (6, 9)]
    for place, (start, stop) in enumerate(seen):
        row = numpy.zeros((1, 4), numpy.int32)
        row[0, : stop - start] = tokens[0, start:stop]
        wanted = probabilities(model.predict(row)[:, stop - start - 1])[0, tokens[0, stop]]
        assert found[place] == pytest.approx(wanted, rel=1e-4)
    assert len(model.generate("abcdefgabc", 30, seed=0)) == 40
    assert len(gpt(1).generate("abc", 5, seed=0)) == 8


def test_one_seed_one_text() -> None:
    model = MODELS["lstm"]()
    first = model.generate("a", 60, seed=3)
    assert first == model.generate("a", 60, seed=3)
    assert len({model.generate("a", 60, seed=seed) for seed in range(5)}) == 5
    assert model.generate("a", 60) != model.generate("a", 60)
    assert model.generate("a", 60, temperature=0, seed=1) == model.generate("a", 60, temperature=0, seed=2)
    assert model.generate("a", 60, top_k=1, seed=1) == model.generate("a", 60, temperature=0)


def test_padding_and_the_unknown_are_never_written() -> None:
    model = MODELS["lstm"]()
    bias = numpy.zeros(11, numpy.float32)
    bias[:2] = 50.0
    model.layers[-1].set_weights([model.layers[-1].get_weights()[0], bias])
    assert len(model.generate("a", 40, temperature=2.0, seed=0)) == 41


def test_writing_ends_before_the_stop() -> None:
    model = MODELS["gru"]()
    whole = model.generate("abc", 60, seed=4)
    stop = whole[20:22]
    ended = model.generate("abc", 60, seed=4, stop=stop)
    assert ended == whole[: whole.index(stop, 3)]
    assert model.generate("abc", 60, seed=4, stop="nowhere") == whole


def test_sequences_of_any_length() -> None:
    model = built(stacked("LSTM"), length=None)
    assert model.generate("ab", 30, seed=1)[:12] == model.generate("ab", 10, seed=1)


def test_training_goes_on_to_count_and_a_loaded_model_writes_the_same(tmp_path: Path) -> None:
    model = built(stacked("GRU"), length=None)
    before = model.generate("ab", 40, temperature=0)
    model.compile("adam", pellucid.losses.SparseCategoricalCrossentropy(from_logits=True))
    tokens = model.vocabulary("abc" * 200)
    windows = pellucid.utils.next_token_dataset_from_array(tokens, 15, batch_size=8)
    model.fit(windows, epochs=60, verbose=0)
    written = model.generate("ab", 40, temperature=0)
    assert written != before
    assert written == ("abc" * 14)
    count = len(model.variables)
    model.save(tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    assert isinstance(again, LanguageModel)
    assert len(again.variables) == count == 6
    assert again.vocabulary.get_vocabulary() == ["", "[UNK]", *LETTERS]
    assert again.generate("abd", 30, seed=2) == model.generate("abd", 30, seed=2)
    trace = model.trace(tokens[None, :5])
    assert trace["gru"].gates["update"].shape == (1, 5, 7)
    assert "gru" in model.explain_step(tokens[None, :2], tokens[None, 1:3]).text()


def test_byte_pairs_as_vocabulary(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    pieces = BytePairTokenizer(max_tokens=270, special_tokens=["[END]"])
    pieces.adapt(["the cat sat on the mat, the dog on the log"])
    model = built(stacked("GRU"), length=None, vocabulary=pieces)
    model.save(tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    written = again.generate("the cat", 20, temperature=0.3, seed=0)
    assert written == model.generate("the cat", 20, temperature=0.3, seed=0)
    assert written.startswith("the cat")
    assert again.vocabulary.get_vocabulary() == pieces.get_vocabulary()


def test_words_as_vocabulary() -> None:
    words = TextVectorization(vocabulary=["to", "be", "or", "not"])
    written = built(stacked("GRU"), vocabulary=words).generate("To be, or", 6, seed=0)
    assert written.startswith("to be or ")
    assert len(written.split()) == 9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": ""}, "at least one token"),
        ({"prompt": 3}, "at least one token"),
        ({"length": 0}, "length must be"),
        ({"temperature": -0.1}, "temperature must be"),
        ({"top_k": 0}, "top_k must be"),
        ({"seed": -1}, "seed must be"),
        ({"stop": ""}, "stop must be a text"),
    ],
)
def test_what_generate_refuses(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        MODELS["gru"]().generate(**{"prompt": "abc", "length": 3, **options})


def test_what_likelihoods_refuse() -> None:
    with pytest.raises(ArgumentError, match="at least two tokens"):
        MODELS["gru"]().likelihoods("a")


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("backward_lstm", lambda x: Bidirectional(layers.LSTM(3, return_sequences=True))(x)),
        ("conv1d", lambda x: Conv1D(8, 3, padding="same")(x)),
        ("self_attention", lambda x: layers.TransformerEncoder(8, 2)(x)),
    ],
)
def test_a_network_that_needs_the_whole_sequence_is_refused_by_name(name: str, body: Any) -> None:
    with pytest.raises(StateError, match=f"cannot run step by step.*{name}|{name}.*cannot run step by step"):
        built(body).generate("ab", 3)


def test_network_and_vocabulary_must_fit() -> None:
    ids, x = Input((4,), dtype="int32"), Input((4,))
    with pytest.raises(ShapeError, match=r"end with Dense\(11\)"):
        LanguageModel(ids, Dense(10)(Embedding(11, 3)(ids)), letters())
    with pytest.raises(ShapeError, match="one input int32"):
        LanguageModel(x, Dense(11)(x), letters())
    with pytest.raises(ArgumentError, match="vocabulary must be a TextVectorization or a BytePairTokenizer"):
        LanguageModel(ids, Dense(11)(Embedding(11, 3)(ids)), LETTERS)
    counted = TextVectorization(output_mode="count", vocabulary=LETTERS)
    with pytest.raises(ArgumentError, match='needs output_mode="int"'):
        LanguageModel(ids, Dense(11)(Embedding(11, 3)(ids)), counted)


def test_files_that_are_no_language_models(tmp_path: Path) -> None:
    own = TextVectorization(standardize=str.lower, split="character", vocabulary=LETTERS)
    with pytest.raises(ArgumentError, match="the vocabulary's standardize is a function"):
        built(stacked("GRU"), vocabulary=own).save(tmp_path / "model.safetensors")
    config = built(stacked("GRU")).get_config()
    (tmp_path / "words.txt").write_text("\n".join(LETTERS[:-1]))
    file = {"class_name": "TextVectorization", "config": {"vocabulary": str(tmp_path / "words.txt")}}
    for wrong in (None, [], {"class_name": "Path", "config": {}}, file):
        with pytest.raises(ModelFileError, match="vocabulary"):
            LanguageModel.from_config({**config, "vocabulary": wrong})
