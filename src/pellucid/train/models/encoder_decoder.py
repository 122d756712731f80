"""`EncoderDecoder`: a network that reads one thing and writes a sequence about it, token after token."""

from __future__ import annotations

from typing import Any

import numpy

from pellucid.core.sources import feed
from pellucid.core.spec import show_shape
from pellucid.data.batches import same_rows
from pellucid.errors import ArgumentError, ShapeError, StateError
from pellucid.nn import arguments
from pellucid.nn.layer import Layer, as_layer
from pellucid.train.model import Model
from pellucid.train.models.beam_search import Hypothesis, beam_search
from pellucid.train.models.decoding import StepByStep


class EncoderDecoder(Model):
    """Sequence to sequence: an encoder reads, and a decoder writes a sequence, each token after those before it.

    `encoder` is a built model of what is read, a text or an image; its outputs are what the decoder knows of it.
    `decoder` takes the tokens so far, int32 [batch, steps], and those outputs; it gives the logits of each next token,
    [batch, steps, vocabulary], and must not look ahead: causal attention, or recurrent layers that run forwards.
    Tokens are numbered from 1; 0 fills up rows, and a sequence stands between `start_token` and `end_token`.

    It learns by teacher forcing: at each place it is given the true tokens before it, whatever it would have written,
    and is asked for the next. Of sequences [START] a b c [END] the decoder gets all but the last, and the labels are all
    but the first: `fit((x, y[:, :-1]), y[:, 1:])`. Steps that a mask leaves out do not count. `generate` writes.
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
        name: str | None = None,
        seed: int | None = None,
    ) -> None:
        self._prepare(seed)
        Layer.__init__(self, name=name)
        self.encoder, self.decoder = _part("encoder", encoder), _part("decoder", decoder)
        self.start_token = arguments.whole("EncoderDecoder", "start_token", start_token)
        self.end_token = arguments.whole("EncoderDecoder", "end_token", end_token)
        tokens, *wanted = self.decoder.inputs
        made = self.encoder.outputs
        if [value.shape for value in made] != [value.shape for value in wanted]:
            raise ShapeError(
                f"EncoderDecoder: the encoder makes {_shapes(made)}; after the tokens the decoder takes "
                f"{_shapes(wanted)}"
            )
        (logits,) = self.decoder.outputs
        vocabulary = logits.shape[-1]
        if tokens.dtype != "int32" or tokens.rank != 2 or logits.rank != 3 or vocabulary is None:
            raise ShapeError(
                "EncoderDecoder: the decoder must take tokens int32 [batch, steps] first and give logits "
                f"[batch, steps, vocabulary]; it takes {tokens.spec} and gives {logits.spec}"
            )
        if max(self.start_token, self.end_token) >= vocabulary:
            raise ArgumentError(
                f"EncoderDecoder: start_token={start_token} and end_token={end_token} must be below {vocabulary}, the "
                "size of the vocabulary"
            )
        read = [
            feed(value.shape, value.dtype, label)
            for value, label in zip(self.encoder.inputs, self.encoder.input_names, strict=True)
        ]
        written = feed(tokens.shape, tokens.dtype, "tokens")
        encoded = self.encoder(*read)
        encoded = encoded if isinstance(encoded, tuple) else (encoded,)
        self._connect([*read, written], [self.decoder(written, *encoded)])

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
        result = numpy.zeros((len(found), max((len(one[0].tokens) for one in found), default=0)), numpy.int32)
        for row, one in enumerate(found):
            result[row, : len(one[0].tokens)] = one[0].tokens
        return result

    def hypotheses(
        self,
        x: Any,
        max_length: int | None = None,
        num_beams: int = 1,
        length_penalty: float = 0.6,
        batch_size: int = 32,
    ) -> list[list[Hypothesis]]:
        """For each example the `num_beams` sequences that beam search found, best first; with one it is greedy.

        `x` is what the encoder reads, an array or a list of them. A sequence has at most `max_length` tokens, by
        default as many as the decoder's input is long. See `beam_search` for `length_penalty`. Each token costs one
        step of the decoder, for `batch_size` examples at a time. Raises `ArgumentError` for options out of range.
        """
        own = self.inputs[-1].shape[1]
        if max_length is None and own is None:
            raise ArgumentError("generate: the decoder writes sequences of any length; give max_length=…, the longest")
        longest = arguments.whole("generate", "max_length", own if max_length is None else max_length)
        beams = arguments.whole("generate", "num_beams", num_beams)
        penalty = arguments.number("generate", "length_penalty", length_penalty, 0.0)
        size = arguments.whole("generate", "batch_size", batch_size)
        arrays = self.encoder.inputs_of(x)
        rows = same_rows({"features": arrays})
        next_token = StepByStep(self, self.input_names[-1], longest)
        found: list[list[Hypothesis]] = []
        for first in range(0, rows, size):
            parts = [numpy.repeat(array[first : first + size], beams, axis=0) for array in arrays]
            count = len(parts[0]) // beams
            next_token.start(count * beams, **dict(zip(self.input_names, parts, strict=False)))
            found += beam_search(next_token, count, self.start_token, self.end_token, longest, beams, penalty)
        return found

    def get_config(self) -> dict[str, Any]:
        """Both networks and the tokens, as plain JSON values."""
        return Layer.get_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> EncoderDecoder:
        """The model that `get_config` described."""
        names = ("encoder", "decoder", "start_token", "end_token", "name", "seed")
        model = cls(**{name: config[name] for name in names})
        model._set_options(config)
        return model


def _part(role: str, given: Any) -> Model:
    """One of the two networks; raises `ArgumentError` for what cannot be it."""
    network = as_layer("EncoderDecoder", given) if isinstance(given, dict) else given
    if not isinstance(network, Model):
        raise ArgumentError(f"EncoderDecoder: the {role} must be a model, such as Model(inputs, outputs), got {given!r}")
    if not network.built:
        raise StateError(f"EncoderDecoder: the {role} is not built; let it begin with Input(shape=…)")
    if role == "decoder" and len(network.outputs) != 1:
        raise ArgumentError(f"EncoderDecoder: the decoder must have one output, the logits, got {len(network.outputs)}")
    if not network.named:
        network.name = role
    return network


def _shapes(values: Any) -> str:
    return " and ".join(show_shape(value.shape) for value in values) or "nothing"
