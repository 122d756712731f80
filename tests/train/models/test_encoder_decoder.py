"""`EncoderDecoder`: what it writes against its own probabilities, learning to reverse, masks, files, errors."""

from __future__ import annotations

import numpy
import pytest

from pellucid import Input, Model
from pellucid.errors import ArgumentError, DataError, LabelError, ShapeError, StateError
from pellucid.layers import (
    GRU,
    Conv2D,
    Dense,
    Embedding,
    GlobalAveragePooling2D,
    TextVectorization,
    TokenAndPositionEmbedding,
    TransformerDecoder,
    TransformerEncoder,
)
from pellucid.losses import SparseCategoricalCrossentropy
from pellucid.models import EncoderDecoder, Sequential, load_model
from pellucid.optimizers import Adam

START, END, WORDS, WIDTH = 1, 2, 8, 16


def transformer(length=None):
    source = Input((length,), dtype="int32")
    x = TokenAndPositionEmbedding(WORDS, 12, WIDTH, mask_zero=True)(source)
    encoder = Model(source, TransformerEncoder(32, 2)(x), seed=1)
    tokens, memory = Input((None,), dtype="int32"), Input((length, WIDTH))
    y = TokenAndPositionEmbedding(WORDS, 12, WIDTH, mask_zero=True)(tokens)
    y = TransformerDecoder(32, 2)(y, memory)
    decoder = Model([tokens, memory], Dense(WORDS)(y), seed=2)
    return EncoderDecoder(encoder, decoder, START, END, seed=3)


def captioner():
    image = Input((6, 6, 1))
    encoder = Model(image, Dense(WIDTH, "tanh")(GlobalAveragePooling2D()(Conv2D(4, 3)(image))), seed=1)
    tokens, state = Input((5,), dtype="int32"), Input((WIDTH,))
    x = GRU(WIDTH, return_sequences=True)(Embedding(WORDS, 4, mask_zero=True)(tokens), initial_state=state)
    return EncoderDecoder(encoder, Model([tokens, state], Dense(WORDS)(x), seed=2), START, END, seed=3)


RANDOM = numpy.random.default_rng(0)
ROWS = RANDOM.integers(3, WORDS, (7, 6)) * (numpy.arange(6) < RANDOM.integers(1, 7, (7, 1)))
IMAGES = RANDOM.random((7, 6, 6, 1)).astype("float32")


def probabilities(model, x, tokens):
    """ln of how likely each next token is, by one run over the whole sequence."""
    logits = model.predict([x[None], numpy.array([tokens])])[0].astype(numpy.float64)
    return logits - numpy.log(numpy.exp(logits).sum(-1, keepdims=True))


@pytest.mark.parametrize("make", [transformer, captioner])
def test_greedy_takes_what_the_whole_network_finds_most_likely(make):
    model, x = make(), ROWS if make is transformer else IMAGES
    written = model.generate(x, max_length=5, batch_size=3)  # the last batch has one row
    assert written.dtype == numpy.int32
    for row, found in zip(x, written, strict=True):
        tokens = [START]
        while len(tokens) < 6 and tokens[-1] != END:
            padded = numpy.pad(tokens, (0, 5 - len(tokens)))
            table = probabilities(model, row, padded)[len(tokens) - 1]
            table[[0, START]] = -numpy.inf  # which are never written
            tokens.append(int(table.argmax()))
        tokens = [token for token in tokens[1:] if token != END]
        assert found.tolist() == tokens + [0] * (len(found) - len(tokens))


def test_hypotheses_have_the_probabilities_of_the_network():
    model = transformer()
    for row, found in zip(ROWS, model.hypotheses(ROWS, max_length=4, num_beams=3), strict=True):
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
        assert len({tuple(one.tokens) for one in found}) == 3
        for one in found:
            labels = [*one.tokens, END][:4]
            table = probabilities(model, row, [START, *labels[:-1]])
            total = sum(table[i, token] for i, token in enumerate(labels))
            assert one.log_probability == pytest.approx(total, rel=1e-5)
            assert one.score == pytest.approx(total / ((5 + len(labels)) / 6) ** 0.6, rel=1e-5)


def test_padding_changes_nothing():
    model = transformer()
    row = ROWS[numpy.count_nonzero(ROWS, axis=1).argmin()]
    alone = model.hypotheses(row[row > 0][None], 5, 2)[0]
    padded = model.hypotheses(numpy.pad(row, (0, 3))[None], 5, 2)[0]
    assert [one.tokens.tolist() for one in alone] == [one.tokens.tolist() for one in padded]
    assert [one.score for one in alone] == pytest.approx([one.score for one in padded], rel=1e-5)


def test_it_learns_to_reverse():
    """Two or three words, in reverse: what the first output is only the encoder knows."""
    random = numpy.random.default_rng(1)
    lengths = random.integers(2, 4, (2000, 1))
    x = random.integers(3, WORDS, (2000, 3)) * (numpy.arange(3) < lengths)
    y = numpy.full((2000, 5), 0)
    y[:, 0] = START
    for row, length in enumerate(lengths[:, 0]):
        y[row, 1 : length + 2] = [*x[row, :length][::-1], END]
    model = transformer()
    model.compile(Adam(0.004), SparseCategoricalCrossentropy(from_logits=True))
    model.fit((x[:-100], y[:-100, :-1]), y[:-100, 1:], epochs=12, batch_size=64, verbose=0)
    for beams in (1, 3):
        written = model.generate(x[-100:], max_length=5, num_beams=beams)
        wanted = numpy.where(y[-100:, 1:] == END, 0, y[-100:, 1:])[:, : written.shape[1]]
        assert (written == wanted).all(1).mean() > 0.9


def test_tokens_that_are_their_own_labels_are_refused():
    model, y = transformer(), numpy.array([[START, 4, 5, END], [START, 3, END, 0]])
    model.compile("sgd", SparseCategoricalCrossentropy(from_logits=True))
    for batches in (lambda x, y: (x, y), lambda x, y: ([(x, y)],)):
        with pytest.raises(LabelError, match="would learn to copy"):
            model.fit(*batches((ROWS[:2], y), y), verbose=0)
    model.fit((ROWS[:2], y[:, :-1]), y[:, 1:], verbose=0)


def test_what_is_written_follows_training_and_precision():
    """The program is kept from call to call, but not what the weights were, nor how products are computed."""
    model = transformer()
    before = model.hypotheses(ROWS, 4)
    model.decoder.set_weights([weight * 1.5 for weight in model.decoder.get_weights()])
    after = model.hypotheses(ROWS, 4)
    assert all(one[0].score != other[0].score for one, other in zip(before, after, strict=True))
    model.compile("adam", SparseCategoricalCrossentropy(from_logits=True), precision="bfloat16")
    half = model.hypotheses(ROWS, 4)
    assert any(one[0].score != other[0].score for one, other in zip(after, half, strict=True))


@pytest.mark.parametrize("make", [transformer, captioner])
def test_files(make, tmp_path):
    model, x = make(), ROWS if make is transformer else IMAGES
    model.save(tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors")
    assert isinstance(again, EncoderDecoder)
    assert (again.start_token, again.end_token) == (START, END)
    assert (again.generate(x, 5, 2) == model.generate(x, 5, 2)).all()


def test_vocabularies(tmp_path):
    """Texts in, texts out, also after a file; tokens as ever."""
    english = TextVectorization(vocabulary=["dog", "cat", "man", "hat", "old", "the"])
    german = TextVectorization(standardize=None, vocabulary=["Hund", "Katze", "Mann", "Hut", "alt", "der"])
    plain = transformer()
    model = EncoderDecoder(plain.encoder, plain.decoder, START, END, vocabulary=german, source_vocabulary=english)
    model.save(tmp_path / "m.safetensors")
    for one in (model, load_model(tmp_path / "m.safetensors")):
        tokens = plain.generate([[7, 2, 0], [6, 3, 4]], 5, 2)
        assert one.write(["The DOG", "old cat man"], 5, 2) == german.decode(tokens)
        assert (one.generate(["the dog", "old cat man"], 5, 2) == tokens).all()
    biased = [*model.decoder.get_weights()[:-1], numpy.full(WORDS, 0.0)]
    biased[-1][:3] = 100, 200, 50  # padding and the unknown word, which here starts, before the end
    model.decoder.set_weights(biased)
    assert model.write(["the dog"], 5) == [""]
    with pytest.raises(StateError, match="no vocabulary; give it vocabulary="):
        plain.write(ROWS, 5)
    with pytest.raises(StateError, match="no vocabulary of what it reads"):
        plain.generate(["the dog"], 5)
    with pytest.raises(ShapeError, match="the decoder scores 8 tokens, and the vocabulary has 3"):
        EncoderDecoder(plain.encoder, plain.decoder, START, END, TextVectorization(vocabulary=["dog"]))
    with pytest.raises(ArgumentError, match="vocabulary must be a TextVectorization or a BytePairTokenizer"):
        EncoderDecoder(plain.encoder, plain.decoder, START, END, ["dog"])


def test_it_can_be_looked_into():
    model = transformer()
    model.compile("sgd", SparseCategoricalCrossentropy(from_logits=True))
    tokens = numpy.array([[START, 4, 5, 0]])
    scores = model.trace((ROWS[:1], tokens))["decoder/transformer_decoder/cross_attention"].parts["scores"]
    assert scores.shape == (1, 2, 4, 6)
    assert scores.sum(-1) == pytest.approx(1, abs=1e-6)
    assert scores[0, :, :, ROWS[0] == 0] == pytest.approx(0)
    assert "cross_attention" in model.explain_step((ROWS[:1], tokens[:, :-1]), tokens[:, 1:]).text()


def test_what_does_not_fit():
    model = transformer()
    encoder, decoder = model.encoder, model.decoder
    with pytest.raises(ArgumentError, match="the encoder must be a model"):
        EncoderDecoder(Dense(3), decoder, START, END)
    with pytest.raises(StateError, match="the decoder is not built"):
        EncoderDecoder(encoder, Sequential([Dense(3)]), START, END)
    with pytest.raises(ArgumentError, match="must be below 8"):
        EncoderDecoder(encoder, decoder, START, 8)
    with pytest.raises(ArgumentError, match="start_token must be a whole number of at least 1"):
        EncoderDecoder(encoder, decoder, 0, END)
    with pytest.raises(ShapeError, match=r"the encoder makes \[.*16\]; after the tokens the decoder takes \[.*16\]"):
        EncoderDecoder(captioner().encoder, decoder, START, END)
    x = Input((4,))
    with pytest.raises(ShapeError, match="must take tokens int32"):
        EncoderDecoder(Model(x, Dense(4)(x)), Model([x, Input((4,))], Dense(3)(x)), START, END)
    with pytest.raises(ArgumentError, match="give max_length"):
        model.generate(ROWS)
    with pytest.raises(ArgumentError, match="num_beams must be"):
        model.generate(ROWS, 5, num_beams=0)
    with pytest.raises(DataError):
        model.generate(ROWS[:0], 5)
    with pytest.raises(ShapeError, match="input"):
        model.generate(numpy.ones((2, 3, 4)), 5)
    assert captioner().generate(IMAGES).shape[1] <= 5  # as long as the decoder's input
