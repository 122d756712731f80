"""Text as numbers: by hand, there and back as properties, against Keras, and through files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid
from pellucid.data.stream import Stream
from pellucid.errors import ArgumentError, DataError, DtypeError, StateError, UnknownNameError
from pellucid.layers import BytePairTokenizer, TextVectorization

TEXTS = ["The cat sat.", "the dog, the CAT!", "a cat; a hat", ""]


def test_words_by_hand() -> None:
    vectorize = TextVectorization()
    vectorize.adapt(TEXTS)
    # cat and the three times, a twice, then sat, hat and dog once; of equals the last in the alphabet comes first
    assert vectorize.get_vocabulary() == ["", "[UNK]", "the", "cat", "a", "sat", "hat", "dog"]
    assert vectorize.get_vocabulary(include_special_tokens=False)[0] == "the"
    assert vectorize.vocabulary_size() == 8
    found = vectorize(["the cat flew", "Dog", ""])
    assert found.tolist() == [[2, 3, 1], [7, 0, 0], [0, 0, 0]]
    assert found.dtype == np.int32
    assert vectorize("a cat").tolist() == [4, 3]
    assert vectorize(np.array([["a cat"], ["dog"]])).tolist() == [[4, 3], [7, 0]]
    assert vectorize.decode(found) == ["the cat [UNK]", "dog", ""]
    assert vectorize.decode(found[0]) == "the cat [UNK]"


def test_options() -> None:
    short = TextVectorization(max_tokens=4, output_sequence_length=2)
    short.adapt(TEXTS)
    assert short.get_vocabulary() == ["", "[UNK]", "the", "cat"]
    assert short(["the dog, the cat", "a"]).tolist() == [[2, 1], [1, 0]]
    pairs = TextVectorization(ngrams=2)
    pairs.adapt(["b a b"])
    assert pairs.get_vocabulary() == ["", "[UNK]", "b", "b a", "a b", "a"]
    assert pairs("b a b").tolist() == [2, 5, 2, 3, 4]
    own = TextVectorization(standardize=str.upper, split=lambda text: text.split("-"), ngrams=(1,))
    own.adapt(["a-b", "b"])
    assert own.get_vocabulary() == ["", "[UNK]", "B", "A"]
    assert TextVectorization(vocabulary=["łódź"])("ŁÓDŹ").tolist() == [2]
    whole = TextVectorization(standardize=None, split=None)
    whole.adapt(["New York", "New York", "Rome"])
    assert whole(["Rome", "New York", "Paris"]).tolist() == [[3], [2], [1]]
    assert TextVectorization(standardize="lower", vocabulary=["it's"])("IT'S").tolist() == [2]
    assert TextVectorization(standardize="strip_punctuation", vocabulary=["Its"])("It's").tolist() == [2]


def test_how_often_by_hand() -> None:
    words = ["cat", "dog"]
    texts = ["cat cat bird", "dog cat", ""]
    assert TextVectorization(output_mode="count", vocabulary=words)(texts).tolist() == [[1, 2, 0], [0, 1, 1], [0, 0, 0]]
    hot = TextVectorization(4, output_mode="multi_hot", vocabulary=words, pad_to_max_tokens=True)
    assert hot(texts).tolist() == [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    assert hot("dog").tolist() == [0, 0, 1, 0]
    weighed = TextVectorization(output_mode="tf_idf")
    weighed.adapt(["cat cat", "cat dog"])
    cat, dog = np.log(1 + 2 / 3), np.log(1 + 2 / 2)  # cat is in two of two texts, dog in one
    expected = [[(cat + dog) / 2, 2 * cat, 0], [0, 0, dog]]
    np.testing.assert_allclose(weighed(["cat bird cat", "dog"]), expected, rtol=1e-6)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_characters_there_and_back(texts: list[str]) -> None:
    if not any(texts):
        return
    vectorize = TextVectorization(standardize=None, split="character")
    vectorize.adapt(texts)
    assert vectorize.decode(vectorize(texts)) == texts
    assert vectorize.vocabulary_size() == 2 + len({letter for text in texts for letter in text})


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_tokens": 6, "output_sequence_length": 3},
        {"split": "character"},
        {"ngrams": 2},
        {"ngrams": (2, 3), "standardize": "lower"},
        {"output_mode": "count"},
        {"output_mode": "multi_hot", "max_tokens": 20, "pad_to_max_tokens": True},
        {"output_mode": "tf_idf", "standardize": "strip_punctuation"},
    ],
)
def test_against_keras(keras: Any, options: dict[str, Any]) -> None:
    pytest.importorskip("tensorflow")
    ours, theirs = TextVectorization(**options), keras.layers.TextVectorization(**options)
    texts = [*TEXTS, "été à łódź, Naïve—résumé", "  tabs\tand\nlines  ", "a-b c_d e.f"]
    ours.adapt(texts)
    theirs.adapt(texts)
    assert ours.get_vocabulary() == theirs.get_vocabulary()
    asked = ["the cat and été", "unseen", "a A a-b", *TEXTS]
    np.testing.assert_allclose(ours(asked), np.asarray(theirs(asked)), rtol=1e-6)


def test_batches_of_texts() -> None:
    texts = np.array(TEXTS[:3], object)
    stream = Stream(lambda rows: (texts[rows], rows), 3, 2)
    vectorize = TextVectorization(output_sequence_length=4)
    with pytest.raises(DtypeError, match=r"type int64 is not text; .* stream\.map\(lambda x, y: x\)"):
        vectorize.adapt(stream)
    vectorize.adapt(stream.map(lambda x, y: x))
    batches = list(stream.map(lambda x, y: (vectorize(x), y)))
    assert [batch[0].shape for batch in batches] == [(2, 4), (1, 4)]
    model = pellucid.Sequential([pellucid.layers.Dense(1, input_shape=(4,))])
    model.compile("sgd", "mse")
    model.fit(stream.map(lambda x, y: (vectorize(x), y)), verbose=0)
    with pytest.raises(DtypeError, match="text"):
        model.fit(stream, verbose=0)


def test_vocabularies_given(tmp_path: Path) -> None:
    special = TextVectorization(vocabulary=["", "[UNK]", "b", "a"])
    assert special.get_vocabulary() == ["", "[UNK]", "b", "a"]
    (tmp_path / "words.txt").write_text("b\na\n", encoding="utf-8")
    assert TextVectorization(vocabulary=tmp_path / "words.txt").get_vocabulary() == ["", "[UNK]", "b", "a"]
    for vocabulary, message in [
        (["a", "a"], "'a' twice"),
        ([""], "'' twice"),
        ([], "at least one"),
        ([1], "each of them"),
    ]:
        with pytest.raises(ArgumentError, match=message):
            TextVectorization(vocabulary=vocabulary)
    with pytest.raises(ArgumentError, match="more than max_tokens=3"):
        TextVectorization(3, vocabulary=["a", "b"])
    with pytest.raises(ArgumentError, match="idf_weights go with"):
        TextVectorization(output_mode="tf_idf", vocabulary=["a"])
    with pytest.raises(ArgumentError, match="2 tokens have 1 idf_weights"):
        TextVectorization(output_mode="tf_idf", vocabulary=["a", "b"], idf_weights=[1.0])


def test_refusals() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'lower'"):
        TextVectorization(standardize="lowr")
    with pytest.raises(UnknownNameError, match="split"):
        TextVectorization(split="words")
    with pytest.raises(UnknownNameError, match="output_mode"):
        TextVectorization(output_mode="hot")
    for options in (
        {"output_sequence_length": 0},
        {"output_sequence_length": 3, "output_mode": "count"},
        {"pad_to_max_tokens": True},
        {"max_tokens": 2},
        {"ngrams": 0},
        {"ngrams": (0, 1)},
    ):
        with pytest.raises(ArgumentError):
            TextVectorization(**options)
    with pytest.raises(StateError, match="call adapt"):
        TextVectorization()("text")
    with pytest.raises(DataError, match="the 2 texts have no tokens"):
        TextVectorization().adapt(["", "!"])
    vectorize = TextVectorization(vocabulary=["a"])
    for wrong in (3, b"bytes", ["a", None], [["a", 2.5]]):
        with pytest.raises(DtypeError, match="is not text"):
            vectorize(wrong)
    for numbers in ([3], [-1], [0.5]):
        with pytest.raises(DataError, match="from 0 to 2"):
            vectorize.decode(numbers)
    with pytest.raises(ArgumentError, match="lost the order"):
        TextVectorization(output_mode="count", vocabulary=["a"]).decode([1])
    with pytest.raises(ArgumentError):
        pellucid.Sequential([vectorize])


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "words.json"
    for options in ({}, {"ngrams": 2, "split": "character"}, {"output_mode": "tf_idf", "max_tokens": 5}):
        first = TextVectorization(**options)
        first.adapt([*TEXTS, "Łódź"])
        first.save(path)
        again = TextVectorization.load(path)
        assert again.get_config() == first.get_config()
        assert (again(TEXTS) == first(TEXTS)).all()
    assert json.loads(path.read_text(encoding="utf-8"))["vocabulary"] == first.get_vocabulary()
    with pytest.raises(ArgumentError, match="split is a function"):
        TextVectorization(split=str.split, vocabulary=["a"]).save(path)
    for content in (
        b"",
        b"[]",
        b"{}",
        b'{"pellucid": "Other"}',
        b'{"pellucid": "TextVectorization", "size": 3}',
        b"\xff",
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"words\.json is no saved TextVectorization"):
            TextVectorization.load(path)
    with pytest.raises(DataError, match="absent"):
        TextVectorization.load(tmp_path / "absent")
    unadapted = TextVectorization()
    unadapted.save(path)
    with pytest.raises(StateError):
        TextVectorization.load(path).get_vocabulary()


# Byte pairs


def tokenizer(**options: Any) -> BytePairTokenizer:
    pytest.importorskip("tokenizers")
    made = BytePairTokenizer(**{"max_tokens": 300, **options})
    made.adapt(["low lower lowest new newer newest"] * 5)
    return made


def test_byte_pairs() -> None:
    learnt = tokenizer()
    assert learnt.get_vocabulary()[0] == "[PAD]"
    assert learnt.vocabulary_size() == len(learnt.get_vocabulary()) <= 300
    rows = learnt(["lowest", "newer lower", ""])
    assert (rows.dtype, rows.shape[0]) == (np.int32, 3)
    assert len(learnt("lowest")) < len("lowest")
    for texts in (["low new", "never seen: Łódź 猫 \n\t"], ["", "  "]):
        assert learnt.decode(learnt(texts)) == texts
    assert learnt.decode(learnt("lower")) == "lower"
    assert tokenizer(output_sequence_length=2)(["lowest new", "l"]).shape == (2, 2)


def test_byte_pairs_with_special_tokens(tmp_path: Path) -> None:
    learnt = tokenizer(special_tokens=["[START]", "[END]"])
    row = learnt("[START]low[END]")
    assert (row[0], row[-1]) == (1, 2)
    assert learnt.decode(row) == "low"
    learnt.save(tmp_path / "pieces.json")
    again = BytePairTokenizer.load(tmp_path / "pieces.json", output_sequence_length=4)
    assert again.get_vocabulary() == learnt.get_vocabulary()
    assert again(["[START]low[END]"]).shape == (1, 4)
    (tmp_path / "other.json").write_text("{}", encoding="utf-8")
    for name in ("other.json", "absent.json"):
        with pytest.raises(DataError, match=f"{name} is no saved tokenizer"):
            BytePairTokenizer.load(tmp_path / name)


def test_byte_pairs_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArgumentError, match="at least 258"):
        BytePairTokenizer(257, special_tokens=["[END]"])
    with pytest.raises(ArgumentError, match="output_sequence_length"):
        BytePairTokenizer(output_sequence_length=0)
    with pytest.raises(StateError, match="call adapt"):
        BytePairTokenizer()("text")
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    with pytest.raises(DataError, match=r"pip install 'pellucid\[text\]'"):
        BytePairTokenizer().adapt(["text"])
