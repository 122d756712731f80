"""`EncoderDecoder`: a network that reads one thing and writes a sequence about it, token after token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from pellucid.core.graph import Tensor
from pellucid.core.sources import feed
from pellucid.core.spec import Shape, show_shape
from pellucid.data.batches import same_rows
from pellucid.data.sequences import pad_sequences
from pellucid.errors import ArgumentError, LabelError, ShapeError, StateError
from pellucid.nn import arguments
from pellucid.nn.layer import Layer
from pellucid.train.inputs import Examples
from pellucid.train.model import Model
from pellucid.train.models import vocabularies
from pellucid.train.models.beam_search import Hypothesis, beam_search
from pellucid.train.models.decoding import StepByStep
from pellucid.train.models.parts import part
from pellucid.train.programs import ModelPrograms


class EncoderDecoder(Model):
    """Sequence to sequence: an encoder reads, and a decoder writes a sequence, each token after those before it.

    `encoder` is a built model of what is read, a text or an image; its outputs are what the decoder knows of it.
    `decoder` takes the tokens so far, int32 [batch, steps], and those outputs; it gives the logits of each next token,
    [batch, steps, vocabulary], and must not look ahead: causal attention, or recurrent layers that run forwards.
    Tokens are numbered from 1; 0 fills up rows, and a sequence stands between `start_token` and `end_token`.

    It learns by teacher forcing: at each place it is given the true tokens before it, whatever it would have written,
    and is asked for the next. Of sequences [START] a b c [END] the decoder gets all but the last, and the labels are
    all but the first: `fit((x, y[:, :-1]), y[:, 1:])`. Steps that a mask leaves out do not count.

    With a `vocabulary`, a `TextVectorization` or `BytePairTokenizer` of what it writes, `write` gives texts; with a
    `source_vocabulary` what it reads may be given as texts. Both are saved in the model's file.
    `seed` fixes dropout and the order of examples; the weights are fixed by the seeds of the two networks.
    Raises `ArgumentError` for what is no such network, `ShapeError` where the two do not fit each other.
    Sources: Sutskever, Vinyals & Le 2014; Cho et al. 2014; Vinyals et al. 2015 (of images).

    >>> from pellucid import Input
    >>> from pellucid.layers import GRU, Dense, Embedding
    >>> source, state, tokens = Input((4,)), Input((8,)), Input((None,), dtype="int32")
    >>> encoder = Model(source, Dense(8, "tanh")(source))
    >>> x = GRU(8, return_sequences=True)(Embedding(6, 3, mask_zero=True)(tokens), initial_state=state)
    >>> model = EncoderDecoder(encoder, Model([tokens, state], Dense(6)(x)), start_token=1, end_token=2)
    >>> model.generate(numpy.ones((2, 4)), max_length=3).shape[0]
    2
    """

    def __init__(
        self,
        encoder: Any,
        decoder: Any,
        start_token: int,
        end_token: int,
        vocabulary: Any = None,
        source_vocabulary: Any = None,
        name: str | None = None,
        seed: int | None = None,
    ) -> None:
        self._prepare(seed)
        Layer.__init__(self, name=name)
        self.encoder = part(self, "encoder", encoder, inputs=None, outputs=None)
        self.decoder = part(self, "decoder", decoder, inputs=None)
        self.start_token = arguments.whole("EncoderDecoder", "start_token", start_token)
        self.end_token = arguments.whole("EncoderDecoder", "end_token", end_token)
        self.vocabulary, self.source_vocabulary = (
            None if one is None else vocabularies.checked("EncoderDecoder", one)
            for one in (vocabulary, source_vocabulary)
        )
        tokens, *wanted = self.decoder.inputs
        made = self.encoder.outputs
        if [value.shape for value in made] != [value.shape for value in wanted]:
            raise ShapeError(
                f"EncoderDecoder: the encoder makes {_shapes(made)}; after the tokens the decoder takes "
                f"{_shapes(wanted)}"
            )
        (logits,) = self.decoder.outputs
        size = logits.shape[-1]
        if tokens.dtype != "int32" or tokens.rank != 2 or logits.rank != 3 or size is None:
            raise ShapeError(
                "EncoderDecoder: the decoder must take tokens int32 [batch, steps] first and give logits "
                f"[batch, steps, vocabulary]; it takes {tokens.spec} and gives {logits.spec}"
            )
        if max(self.start_token, self.end_token) >= size:
            raise ArgumentError(
                f"EncoderDecoder: start_token={start_token} and end_token={end_token} must be below {size}, the number "
                "of tokens"
            )
        if self.vocabulary is not None and self.vocabulary.vocabulary_size() != size:
            raise ShapeError(
                f"EncoderDecoder: the decoder scores {size} tokens, and the vocabulary has "
                f"{self.vocabulary.vocabulary_size()}"
            )
        self._kept: tuple[Any, StepByStep] | None = None
        self._connect(*self._network([value.shape for value in self.encoder.inputs]))

    def _network(self, shapes: Sequence[Shape]) -> tuple[list[Tensor], list[Tensor]]:
        """Inputs and outputs of the whole, for what is read in these shapes."""
        read = [
            feed(shape, value.dtype, name)
            for shape, value, name in zip(shapes, self.encoder.inputs, self.encoder.input_names, strict=True)
        ]
        tokens = self.decoder.inputs[0]
        written = feed(tokens.shape, tokens.dtype, "tokens")
        encoded = self.encoder(*read)
        return [*read, written], [self.decoder(written, *(encoded if isinstance(encoded, tuple) else [encoded]))]

    def examples(
        self, x: Any, y: Any, sample_weight: Any = None, class_weight: dict[int, float] | None = None
    ) -> Examples:
        """What the user gave, as arrays that fit; raises `LabelError` for tokens that are their own labels."""
        found = super().examples(x, y, sample_weight, class_weight)
        if numpy.array_equal(found.inputs[-1], found.labels[0]):
            raise LabelError(
                "the decoder is given the very tokens that it is asked for, and would learn to copy; give it "
                "those before them: fit((x, y[:, :-1]), y[:, 1:])"
            )
        return found

    def generate(
        self,
        x: Any,
        max_length: int | None = None,
        num_beams: int = 1,
        length_penalty: float = 0.6,
        batch_size: int = 32,
    ) -> numpy.ndarray:
        """What it writes about each example: int32 [rows, length], without start and end, filled up with 0.

        The arguments are as in `hypotheses`, of which this is the best one.
        """
        found = self.hypotheses(x, max_length, num_beams, length_penalty, batch_size)
        return pad_sequences([one[0].tokens for one in found], padding="post")

    def write(
        self,
        x: Any,
        max_length: int | None = None,
        num_beams: int = 1,
        length_penalty: float = 0.6,
        batch_size: int = 32,
    ) -> list[str]:
        """The same as texts, in the words of the `vocabulary`; raises `StateError` where there is none."""
        if self.vocabulary is None:
            raise StateError("write: the model has no vocabulary; give it vocabulary=…, or call generate for tokens")
        texts: list[str] = self.vocabulary.decode(self.generate(x, max_length, num_beams, length_penalty, batch_size))
        return texts

    def hypotheses(
        self,
        x: Any,
        max_length: int | None = None,
        num_beams: int = 1,
        length_penalty: float = 0.6,
        batch_size: int = 32,
    ) -> list[list[Hypothesis]]:
        """For each example the `num_beams` sequences that beam search found, best first; with one it is greedy.

        `x` is what the encoder reads: an array, a list of arrays, or a list of texts. A sequence has at most
        `max_length` tokens, by default as many as the decoder's input is long; see `beam_search` for `length_penalty`.
        Padding, the start and the unknown token are never written. Each token costs one step of the decoder, for
        `batch_size` examples at a time. Raises `ArgumentError` for options out of range, `StateError` for texts
        without a `source_vocabulary`.
        """
        own = self.inputs[-1].shape[1]
        if max_length is None and own is None:
            raise ArgumentError("generate: the decoder writes sequences of any length; give max_length=…, the longest")
        longest = arguments.whole("generate", "max_length", own if max_length is None else max_length)
        beams = arguments.whole("generate", "num_beams", num_beams)
        penalty = arguments.number("generate", "length_penalty", length_penalty, 0.0)
        arrays = self.encoder.inputs_of(self._tokens(x) if _are_texts(x) else x)
        rows = same_rows({"features": arrays})
        size = min(arguments.whole("generate", "batch_size", batch_size), rows)
        next_token = self._next_token([(None, *array.shape[1:]) for array in arrays], longest)
        unwritten = [self.start_token, *([0] if self.vocabulary is None else vocabularies.unwritten(self.vocabulary))]
        found: list[list[Hypothesis]] = []
        for first in range(0, rows, size):
            chosen = numpy.arange(first, first + size).clip(max=rows - 1)  # one program serves the last batch too
            parts = [array[chosen.repeat(beams)] for array in arrays]
            next_token.start(size * beams, **dict(zip(self.encoder.input_names, parts, strict=True)))
            found += beam_search(next_token, size, self.start_token, self.end_token, longest, beams, penalty, unwritten)
        return found[:rows]

    def _tokens(self, texts: list[str]) -> numpy.ndarray:
        """Texts to be read, as the encoder reads them."""
        if self.source_vocabulary is None:
            raise StateError("the model has no vocabulary of what it reads; give source_vocabulary=…, or give tokens")
        tokens: numpy.ndarray = self.source_vocabulary(texts)
        return tokens

    def _next_token(self, shapes: Sequence[Shape], longest: int) -> StepByStep:
        """The network step by step; the last one is kept, as it takes a second to be made."""
        key = (tuple(shapes), longest, self.programs)
        if self._kept is None or self._kept[0] != key:
            whole = Model(*self._network(shapes))
            whole.programs = ModelPrograms(whole, self.executor, self.precision)
            self._kept = (key, StepByStep(whole, "tokens", longest))
        return self._kept[1]

    def get_config(self) -> dict[str, Any]:
        """Both networks, the tokens and the vocabularies, as plain JSON values."""
        config = Layer.get_config(self)
        for name in _VOCABULARIES:
            config[name] = None if getattr(self, name) is None else vocabularies.describe(getattr(self, name))
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> EncoderDecoder:
        """The model that `get_config` described."""
        names = ("encoder", "decoder", "start_token", "end_token", "name", "seed")
        words: dict[str, Any] = {
            name: None if config[name] is None else vocabularies.restore(config[name]) for name in _VOCABULARIES
        }
        model = cls(**{name: config[name] for name in names}, **words)
        model._set_options(config)
        return model


_VOCABULARIES = ("vocabulary", "source_vocabulary")


def _are_texts(x: Any) -> bool:
    return isinstance(x, (list, tuple)) and len(x) > 0 and all(isinstance(one, str) for one in x)


def _shapes(values: Any) -> str:
    return " and ".join(show_shape(value.shape) for value in values) or "nothing"
