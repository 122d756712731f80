"""`LanguageModel`: a network that says which token comes next, with the vocabulary that turns texts into tokens."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy

from pellucid.core.graph import Tensor
from pellucid.errors import ArgumentError, ShapeError
from pellucid.nn import arguments, initializers
from pellucid.nn.description import connect
from pellucid.nn.network import as_tensors
from pellucid.train.model import Model
from pellucid.train.models import vocabularies
from pellucid.train.models.decoding import StepByStep, draw, probabilities


class LanguageModel(Model):
    """A network that writes text: for each place of a sequence of tokens it scores those that may come next.

    Shapes: int32 [batch, steps] → logits [batch, steps, tokens of the vocabulary]. `vocabulary` is a
    `TextVectorization` or a `BytePairTokenizer`; it is saved in the model's file. Train it on windows of a text, each
    with the token that follows every place: see `utils.next_token_dataset_from_array`.

    Raises `ArgumentError` for another vocabulary, `ShapeError` where network and vocabulary do not fit.

    >>> from pellucid.layers import GRU, Dense, Embedding, Input, TextVectorization
    >>> letters = TextVectorization(standardize=None, split="character", vocabulary=list("abc "))
    >>> ids = Input((None,), dtype="int32")
    >>> x = GRU(8, return_sequences=True)(Embedding(letters.vocabulary_size(), 4)(ids))
    >>> model = LanguageModel(ids, Dense(letters.vocabulary_size())(x), letters, seed=0)
    >>> model.generate("ab", length=5, seed=1)
    'abc a b'
    """

    def __init__(
        self, inputs: Any, outputs: Any, vocabulary: Any, name: str | None = None, seed: int | None = None
    ) -> None:
        self.vocabulary = vocabularies.checked("LanguageModel", vocabulary)
        _need_tokens(as_tensors(inputs, "inputs"), as_tensors(outputs, "outputs"), self.vocabulary.vocabulary_size())
        self._writer: tuple[Any, StepByStep] | None = None
        super().__init__(inputs, outputs, name=name, seed=seed)

    def generate(
        self,
        prompt: str,
        length: int = 200,
        temperature: float = 1.0,
        top_k: int | None = None,
        seed: int | None = None,
        stop: str | None = None,
    ) -> str:
        """The prompt and what the network writes after it: `length` tokens, each drawn as the network's scores say.

        With a `temperature` below 1 likely tokens become likelier (with 0 always the likeliest is taken), above 1 less
        so; with `top_k` only so many of the likeliest are drawn from. Padding and the unknown token are never written.
        `seed` fixes the draws; `stop` is a text at which writing ends, before it.

        A token costs one step: the network remembers what it needs of those before it. One that can look back on so
        many tokens only begins anew, when it has seen them, from the last half of them. Raises `ArgumentError` for
        options out of range and for an empty prompt, `StateError` for a network that cannot run step by step.
        """
        count = arguments.whole("generate", "length", length)
        chosen = arguments.seed("generate", seed)
        if not isinstance(prompt, str) or not (tokens := self._tokens(prompt)):
            raise ArgumentError(f"generate: the prompt must be a text of at least one token, got {prompt!r}")
        if stop is not None and not (isinstance(stop, str) and stop):
            raise ArgumentError(f"generate: stop must be a text, got {stop!r}")
        random = numpy.random.default_rng(initializers.next_seed() if chosen is None else chosen)
        unwritten = vocabularies.unwritten(self.vocabulary)
        reading, given = _Reading(self._next_token(len(tokens) + count)), len(tokens)
        for token in tokens[:-1]:
            reading(token)
        for _ in range(count):
            scores = reading(tokens[-1])
            scores[:, unwritten] = -numpy.inf
            tokens.append(int(draw(scores, random, temperature, top_k)[0]))
            if stop is not None and stop in (written := self._text(tokens[given:])):
                return self._text(tokens[:given]) + written[: written.index(stop)]
        return self._text(tokens)

    def likelihoods(self, text: str) -> numpy.ndarray:
        """How likely each token of a text but the first was, after those before it: float64 [tokens - 1].

        The mean of their -ln is the loss on this text, and its exponential the perplexity. Places are looked back on as
        in `generate`. Raises `ArgumentError` for a text of fewer than two tokens.
        """
        tokens = self._tokens(text) if isinstance(text, str) else []
        if len(tokens) < 2:
            raise ArgumentError(f"likelihoods: a text of at least two tokens is needed, got {text!r:.80}")
        reading = _Reading(self._next_token(len(tokens)))
        return numpy.array([probabilities(reading(now))[0, then] for now, then in pairwise(tokens)])

    def _tokens(self, text: str) -> list[int]:
        """The numbers of a text's tokens, without padding."""
        numbers: list[int] = self.vocabulary([text])[0].tolist()
        while numbers and numbers[-1] == 0:
            numbers.pop()
        return numbers

    def _text(self, tokens: list[int]) -> str:
        text: str = self.vocabulary.decode(numpy.array(tokens, numpy.int32))
        return text

    def _next_token(self, needed: int) -> StepByStep:
        """This network step by step, made once for each executor and precision; `needed`: the tokens of a sequence,
        where the network does not say how many it can look back on."""
        made = self._writer
        own = self.inputs[0].shape[1]
        if made is None or made[0] is not self.programs or (own is None and made[1].length < needed):
            made = self._writer = (self.programs, StepByStep(self, length=needed if own is None else None))
        return made[1]

    # In a file

    def get_config(self) -> dict[str, Any]:
        """The architecture and the vocabulary as plain JSON values; raises `ArgumentError` for a vocabulary whose
        options are functions."""
        return {**super().get_config(), "vocabulary": vocabularies.describe(self.vocabulary)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LanguageModel:
        """The model that `get_config` described; raises `ModelFileError` for anything else."""
        inputs, outputs = connect(config)
        model = cls(inputs, outputs, vocabularies.restore(config.get("vocabulary")), name=config["name"])
        model._set_options(config)
        return model


class _Reading:
    """A sequence read token by token; a full memory begins anew with the last half of what it had."""

    def __init__(self, after: StepByStep) -> None:
        self.after = after
        self._read: list[int] = []
        after.start(1)

    def __call__(self, token: int) -> numpy.ndarray:
        """The scores [1, vocabulary] after one more token."""
        if self.after.position == self.after.length:
            again = self._read[len(self._read) - self.after.length // 2 :]
            self.after.start(1)
            for before in again:
                self.after(numpy.array([before]))
        self._read.append(token)
        return self.after(numpy.array([token]))


def _need_tokens(inputs: list[Tensor], outputs: list[Tensor], size: int) -> None:
    """Refuse a network that does not take tokens, or does not score each token of the vocabulary."""
    if len(inputs) != 1 or inputs[0].rank != 2 or inputs[0].dtype != "int32":
        raise ShapeError(
            f"a LanguageModel takes tokens, one input int32 [batch, steps], got {[x.spec for x in inputs]}; "
            'use Input((length,), dtype="int32")'
        )
    if len(outputs) != 1 or outputs[0].rank != 3 or outputs[0].shape[2] != size:
        raise ShapeError(
            f"a LanguageModel scores {size} tokens at each step, one output [batch, steps, {size}], got "
            f"{[y.spec for y in outputs]}; end with Dense({size})"
        )
