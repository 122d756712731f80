"""Text as numbers: `TextVectorization` cuts texts into tokens and numbers those that it has counted.

Text never enters a network: a vectorization stands before it, turns lists of strings into arrays, and is saved in a
file of its own beside the model's, or in that of a `LanguageModel`. `bytepair` has one whose tokens are learnt pieces
of words.
"""

from __future__ import annotations

import json
import os
import string
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError, DataError, DtypeError, StateError, UnknownNameError
from . import atomic
from .sequences import pad_sequences

PADDING, UNKNOWN = "", "[UNK]"

_STANDARDIZE = ("lower", "lower_and_strip_punctuation", "strip_punctuation")
_SPLIT = ("character", "whitespace")
_MODES = ("count", "int", "multi_hot", "tf_idf")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


class TextVectorization:
    """Texts as rows of token numbers, or as how often each token is in them.

    `adapt` counts the tokens of some texts; the more frequent gets the smaller number, and of equally frequent ones the
    last in order of characters. Calling it turns texts into arrays, with one row for each text:

    - `output_mode="int"`: the numbers of its tokens in turn, int32 [texts, length], filled up with 0 (padding) to
      `output_sequence_length` or to the longest text; 1 stands for all tokens that are not in the vocabulary;
    - `"multi_hot"`, `"count"`, `"tf_idf"`: one float32 column per token [texts, tokens], the first for the unknown: 1
      where the text has it, how often it has it, and `count · log(1 + texts / (1 + texts that have it))`.

    `max_tokens` limits the vocabulary, padding and unknown included. `standardize` and `split` may be functions of a
    text: to a text, and to a list of tokens. `ngrams=2` adds pairs of neighbours, `ngrams=(2,)` has pairs alone.
    Arguments and results are those of `keras.layers.TextVectorization`, save that all letters are lowered, not only
    those of ASCII. It is no layer of a network: it is called on lists.

    Raises `UnknownNameError` and `ArgumentError` for options, `StateError` before there is a vocabulary, `DtypeError`
    for what is not text.

    >>> vectorize = TextVectorization(output_sequence_length=4)
    >>> vectorize.adapt(["the cat sat.", "The dog!"])
    >>> vectorize.get_vocabulary()
    ['', '[UNK]', 'the', 'sat', 'dog', 'cat']
    >>> vectorize(["The cat and the dog", "Sat"]).tolist()
    [[2, 5, 1, 2], [3, 0, 0, 0]]
    >>> vectorize.decode([[2, 5, 3, 0]])
    ['the cat sat']
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: str | Callable[[str], str] | None = "lower_and_strip_punctuation",
        split: str | Callable[[str], Sequence[str]] | None = "whitespace",
        ngrams: int | Sequence[int] | None = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Sequence[str] | str | os.PathLike[str] | None = None,
        idf_weights: Sequence[float] | None = None,
    ) -> None:
        _need_known("standardize", standardize, _STANDARDIZE)
        _need_known("split", split, _SPLIT)
        if output_mode not in _MODES:
            raise UnknownNameError("output_mode", output_mode, _MODES)
        if output_sequence_length is not None and (output_mode != "int" or output_sequence_length < 1):
            raise ArgumentError(
                f"output_sequence_length={output_sequence_length} with output_mode={output_mode!r}: it is a length of "
                'at least 1, and for output_mode="int" alone'
            )
        if pad_to_max_tokens and max_tokens is None:
            raise ArgumentError("pad_to_max_tokens needs max_tokens")
        self.max_tokens, self.standardize, self.split = max_tokens, standardize, split
        self.ngrams = tuple(range(1, ngrams + 1)) if isinstance(ngrams, int) else ngrams
        if self.ngrams is not None and not (self.ngrams and min(self.ngrams) >= 1):
            raise ArgumentError(f"ngrams={ngrams!r} must be a number from 1, or several such numbers")
        self.output_mode, self.output_sequence_length = output_mode, output_sequence_length
        self.pad_to_max_tokens = pad_to_max_tokens
        self._special = [PADDING, UNKNOWN] if output_mode == "int" else [UNKNOWN]
        if max_tokens is not None and max_tokens <= len(self._special):
            raise ArgumentError(f"max_tokens={max_tokens} leaves no room besides {self._special}")
        self._tokens: list[str] | None = None
        self._numbers: dict[str, int] = {}
        self.idf_weights: NDArray[np.float32] | None = None
        if vocabulary is not None:
            if isinstance(vocabulary, (str, os.PathLike)):
                vocabulary = Path(vocabulary).read_text(encoding="utf-8").splitlines()
            self.set_vocabulary(vocabulary, idf_weights)

    # The vocabulary

    def adapt(self, data: Iterable[Any]) -> None:
        """Count the tokens of texts, given as a list, an array, or an iterable of batches; forgets what was before."""
        counts, having, texts = Counter[str](), Counter[str](), 0
        for text in texts_in(data):
            tokens = self._cut(text)
            counts.update(tokens)
            having.update(set(tokens))
            texts += 1
        for special in (PADDING, UNKNOWN):
            del counts[special]
        if not counts:
            raise DataError(f"the {texts} texts have no tokens to count; give texts that are not empty")
        frequent = sorted(counts, key=lambda token: (counts[token], token), reverse=True)
        kept = frequent[: None if self.max_tokens is None else self.max_tokens - len(self._special)]
        weighed = self.output_mode == "tf_idf"
        self.set_vocabulary(kept, [np.log1p(texts / (1 + having[token])) for token in kept] if weighed else None)

    def set_vocabulary(self, vocabulary: Sequence[str], idf_weights: Sequence[float] | None = None) -> None:
        """Take these tokens, in this order, with or without the special ones; `"tf_idf"` needs a weight for each."""
        tokens = list(vocabulary)
        weights = None if idf_weights is None else list(idf_weights)
        if (weights is None) == (self.output_mode == "tf_idf"):
            raise ArgumentError('idf_weights go with output_mode="tf_idf", one for each token, and with no other')
        if weights is not None and len(weights) != len(tokens):
            raise ArgumentError(f"{len(tokens)} tokens have {len(weights)} idf_weights; give one for each")
        if tokens[: len(self._special)] == self._special:
            tokens = tokens[len(self._special) :]
        elif weights is not None:
            weights = [float(np.mean(weights)), *weights]  # the unknown token weighs what the others weigh on average
        twice = next((token for token, count in Counter([*self._special, *tokens]).items() if count > 1), None)
        if twice is not None:
            raise ArgumentError(f"the vocabulary has {twice!r} twice; each token has one number")
        if not tokens or not all(isinstance(token, str) for token in tokens):
            raise ArgumentError("a vocabulary is a list of at least one token, each of them text")
        if self.max_tokens is not None and len(tokens) + len(self._special) > self.max_tokens:
            raise ArgumentError(f"{len(tokens)} tokens and {self._special} are more than max_tokens={self.max_tokens}")
        self._tokens = [*self._special, *tokens]
        self._numbers = {token: number for number, token in enumerate(self._tokens)}
        self.idf_weights = None if weights is None else np.array(weights, np.float32)

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """The tokens by number."""
        tokens = self._vocabulary()
        return list(tokens if include_special_tokens else tokens[len(self._special) :])

    def vocabulary_size(self) -> int:
        """How many tokens there are, padding and unknown included: an `Embedding`'s `input_dim`."""
        return len(self._vocabulary())

    def _vocabulary(self) -> list[str]:
        if self._tokens is None:
            raise StateError("there is no vocabulary yet; call adapt(texts), or give vocabulary=[…]")
        return self._tokens

    # Texts to numbers and back

    def __call__(self, texts: Any) -> NDArray[Any]:
        """The row of one text, or the rows of a list of texts."""
        known = self._vocabulary()
        one = isinstance(texts, str)
        unknown = known.index(UNKNOWN)
        rows = [[self._numbers.get(token, unknown) for token in self._cut(text)] for text in texts_in(texts)]
        result = self._numbered(rows) if self.output_mode == "int" else self._counted(rows)
        return result[0] if one else result

    def _numbered(self, rows: list[list[int]]) -> NDArray[Any]:
        return pad_sequences(rows, self.output_sequence_length, padding="post", truncating="post")

    def _counted(self, rows: list[list[int]]) -> NDArray[Any]:
        width = self.max_tokens if self.pad_to_max_tokens and self.max_tokens else self.vocabulary_size()
        result = np.zeros((len(rows), width), np.float32)
        for place, row in enumerate(rows):
            counts = np.bincount(row, minlength=width) if row else 0
            result[place] = np.minimum(counts, 1) if self.output_mode == "multi_hot" else counts
        if self.idf_weights is not None:
            result[:, : len(self.idf_weights)] *= self.idf_weights
        return result

    def decode(self, numbers: Any) -> Any:
        """The text of a row of numbers, or the texts of several rows; padding is left out."""
        if self.output_mode != "int":
            raise ArgumentError(
                f'only output_mode="int" can be decoded; output_mode={self.output_mode!r} lost the order'
            )
        known = self._vocabulary()
        rows = np.asarray(numbers)
        if rows.dtype.kind not in "iu" or (rows.size and not 0 <= rows.min() <= rows.max() < len(known)):
            raise DataError(f"numbers of tokens are whole and from 0 to {len(known) - 1}")
        if rows.ndim > 1:
            return [self.decode(row) for row in rows]
        return ("" if self.split == "character" else " ").join(known[number] for number in rows if number)

    def _cut(self, text: str) -> list[str]:
        """The tokens of a text."""
        if callable(self.standardize):
            text = self.standardize(text)
        elif self.standardize is not None:
            text = text.lower() if "lower" in self.standardize else text
            text = text.translate(_PUNCTUATION) if "strip" in self.standardize else text
        if self.split == "whitespace":
            tokens = text.split()
        else:
            tokens = list(self.split(text)) if callable(self.split) else list(text) if self.split else [text]
        if self.ngrams is None:
            return tokens
        return [" ".join(tokens[i : i + n]) for n in self.ngrams for i in range(len(tokens) - n + 1)]

    # Files

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same object again, vocabulary included."""
        return {
            "max_tokens": self.max_tokens,
            "standardize": self.standardize,
            "split": self.split,
            "ngrams": None if self.ngrams is None else list(self.ngrams),
            "output_mode": self.output_mode,
            "output_sequence_length": self.output_sequence_length,
            "pad_to_max_tokens": self.pad_to_max_tokens,
            "vocabulary": self._tokens,
            "idf_weights": None if self.idf_weights is None else self.idf_weights.tolist(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TextVectorization:
        """The object that has this `get_config`."""
        return cls(**config)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write options and vocabulary as JSON. Raises `ArgumentError` where an option is a function."""
        config = self.get_config()
        own = next((name for name in ("standardize", "split") if callable(config[name])), None)
        if own is not None:
            raise ArgumentError(
                f"{own} is a function, which no file can hold; save get_vocabulary() and give both anew"
            )
        text = json.dumps({"pellucid": "TextVectorization", **config}, ensure_ascii=False, indent=1)
        atomic.replace(path, [text.encode()])

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TextVectorization:
        """What `save` wrote. Raises `DataError` for any other file."""
        try:
            config = json.loads(Path(path).read_bytes())
            if config.pop("pellucid") != "TextVectorization" or isinstance(config.get("vocabulary"), str):
                raise ValueError("it holds something else")  # also where it names another file to be read
            return cls.from_config(config)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(f"{os.fspath(path)} is no saved TextVectorization: {error}") from None


def texts_in(data: Any) -> Iterator[str]:
    """Each text of a text, list, array, or iterable of such; raises `DtypeError` for anything that is not text."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, bytes) or not isinstance(data, Iterable):
        raise DtypeError(
            f"{data!r:.40} of type {type(data).__name__} is not text; give strings, and of batches with labels the "
            "texts alone: stream.map(lambda x, y: x)"
        )
    else:
        for part in data:
            yield from texts_in(part)


def _need_known(argument: str, value: Any, known: Sequence[str]) -> None:
    if value is not None and not callable(value) and value not in known:
        raise UnknownNameError(argument, value, known)
