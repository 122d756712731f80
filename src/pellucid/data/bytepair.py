"""Tokens that are learnt pieces of words: byte-pair encoding through the `tokenizers` library (the extra `text`)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError, DataError, StateError
from . import atomic
from .sequences import pad_sequences
from .text import texts_in

_PADDING = "[PAD]"


class BytePairTokenizer:
    """Texts as rows of numbers of learnt pieces, from single bytes up to whole words: any text can be encoded.

    `adapt` begins with the 256 bytes and joins the pair of neighbours that is most frequent in the texts, again and
    again, until there are `max_tokens` pieces. Calling it gives int32 [texts, length], filled up with 0 (padding) to
    `output_sequence_length` or to the longest text. `special_tokens` such as `["[START]", "[END]"]` get the numbers
    after 0 and are never cut. Raises `StateError` before there are pieces, and `DataError` where `tokenizers` is not
    installed.

    Source: Sennrich, Haddow, Birch, "Neural Machine Translation of Rare Words with Subword Units", 2016; on bytes as in
    Radford et al., "Language Models are Unsupervised Multitask Learners", 2019.

    >>> tokenizer = BytePairTokenizer(max_tokens=300)
    >>> tokenizer.adapt(["Once more unto the breach, dear friends, once more"])
    >>> tokenizer.decode(tokenizer(["a breach, more or less"]))
    ['a breach, more or less']
    """

    def __init__(
        self, max_tokens: int = 8192, output_sequence_length: int | None = None, special_tokens: Sequence[str] = ()
    ) -> None:
        least = 257 + len(special_tokens)
        if max_tokens < least:
            raise ArgumentError(f"max_tokens must be at least {least}: padding, special tokens and 256 bytes")
        if output_sequence_length is not None and output_sequence_length < 1:
            raise ArgumentError(f"output_sequence_length must be at least 1, got {output_sequence_length}")
        self.max_tokens, self.output_sequence_length = max_tokens, output_sequence_length
        self.special_tokens = list(special_tokens)
        self._tokenizer: Any = None

    def adapt(self, data: Iterable[Any]) -> None:
        """Learn the pieces from texts, given as a list, an array, or an iterable of batches of them."""
        tokenizers = _tokenizers()
        made = tokenizers.Tokenizer(tokenizers.models.BPE())
        made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = tokenizers.decoders.ByteLevel()
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=self.max_tokens,
            special_tokens=[_PADDING, *self.special_tokens],
            initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        made.train_from_iterator(texts_in(data), trainer)
        self._tokenizer = made

    def __call__(self, texts: Any) -> NDArray[Any]:
        """The row of one text, or the rows of a list of texts."""
        rows = [encoded.ids for encoded in self._trained().encode_batch(list(texts_in(texts)))]
        result = pad_sequences(rows, self.output_sequence_length, padding="post", truncating="post")
        return result[0] if isinstance(texts, str) else result

    def decode(self, numbers: Any) -> Any:
        """The text of a row of numbers, or the texts of several rows; padding and special tokens are left out."""
        tokenizer, rows = self._trained(), np.asarray(numbers)
        if rows.dtype.kind not in "iu" or (rows.size and not 0 <= rows.min() <= rows.max() < self.vocabulary_size()):
            raise DataError(f"numbers of tokens are whole and from 0 to {self.vocabulary_size() - 1}")
        return tokenizer.decode(rows.tolist()) if rows.ndim < 2 else tokenizer.decode_batch(rows.tolist())

    def get_vocabulary(self) -> list[str]:
        """The pieces by number; bytes that are no letters are written as the letters that GPT-2 writes for them."""
        found = self._trained().get_vocab()
        return sorted(found, key=found.__getitem__)

    def vocabulary_size(self) -> int:
        """How many pieces there are, padding included: an `Embedding`'s `input_dim`."""
        size: int = self._trained().get_vocab_size()
        return size

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same object again, and the pieces as the JSON that `tokenizers` reads."""
        return {
            "max_tokens": self.max_tokens,
            "output_sequence_length": self.output_sequence_length,
            "special_tokens": self.special_tokens,
            "tokenizer": self._trained().to_str(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> BytePairTokenizer:
        """The object that has this `get_config`; raises `DataError` where its pieces are none."""
        made = cls(**{name: value for name, value in config.items() if name != "tokenizer"})
        made._tokenizer = _read(config["tokenizer"], "the description")
        return made

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the pieces as the JSON that `tokenizers` reads."""
        atomic.replace(path, [self._trained().to_str(pretty=True).encode()])

    @classmethod
    def load(cls, path: str | os.PathLike[str], output_sequence_length: int | None = None) -> BytePairTokenizer:
        """What `save` wrote, or any `tokenizer.json` whose token 0 may serve as padding. Raises `DataError` else."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise DataError(f"{os.fspath(path)} is no saved tokenizer: {error}") from None
        tokenizer = _read(text, os.fspath(path))
        made = cls(max(tokenizer.get_vocab_size(), 257), output_sequence_length)
        made._tokenizer = tokenizer
        return made

    def _trained(self) -> Any:
        if self._tokenizer is None:
            raise StateError("there are no pieces yet; call adapt(texts), or BytePairTokenizer.load(path)")
        return self._tokenizer


def _read(text: str, where: str) -> Any:
    """The library's tokenizer from its JSON."""
    library = _tokenizers()
    try:
        return library.Tokenizer.from_str(text)
    except Exception as error:  # the library raises no narrower class
        raise DataError(f"{where} is no saved tokenizer: {error}") from None


def _tokenizers() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise DataError("byte-pair encoding needs tokenizers; install it: pip install 'pellucid[text]'") from None
    return tokenizers
