"""The vocabularies that models of text carry with them, into their files and back."""

from __future__ import annotations

from typing import Any

from pellucid.data.bytepair import BytePairTokenizer
from pellucid.data.text import UNKNOWN, TextVectorization
from pellucid.errors import ArgumentError, ModelFileError

Vocabulary = TextVectorization | BytePairTokenizer

_KINDS = {kind.__name__: kind for kind in (TextVectorization, BytePairTokenizer)}


def checked(owner: str, value: Any) -> Vocabulary:
    """A vocabulary that turns texts into rows of tokens; raises `ArgumentError` for anything else."""
    if not isinstance(value, (TextVectorization, BytePairTokenizer)):
        raise ArgumentError(f"{owner}: vocabulary must be a TextVectorization or a BytePairTokenizer, got {value!r}")
    if isinstance(value, TextVectorization) and value.output_mode != "int":
        raise ArgumentError(f'{owner}: the vocabulary needs output_mode="int", got {value.output_mode!r}')
    return value


def unwritten(vocabulary: Vocabulary) -> list[int]:
    """The tokens that are never written: padding, and the unknown one where there is one."""
    return [i for i, token in enumerate(vocabulary.get_vocabulary()) if i == 0 or token == UNKNOWN]


def describe(vocabulary: Vocabulary) -> dict[str, Any]:
    """A vocabulary as plain JSON values; raises `ArgumentError` for one whose options are functions."""
    config = vocabulary.get_config()
    own = next((name for name, value in config.items() if callable(value)), None)
    if own is not None:
        raise ArgumentError(f"the vocabulary's {own} is a function, which no file can hold; name one, or use none")
    return {"class_name": type(vocabulary).__name__, "config": config}


def restore(described: Any) -> Vocabulary:
    """The vocabulary that `describe` described; raises `ModelFileError` for anything else."""
    if not isinstance(described, dict) or set(described) != {"class_name", "config"}:
        raise ModelFileError("a model's vocabulary must be {'class_name': …, 'config': {…}}")
    kind, config = described["class_name"], described["config"]
    if kind not in _KINDS or not isinstance(config, dict):
        raise ModelFileError(f"the vocabulary {str(kind)[:100]!r} is not known; known: {', '.join(_KINDS)}")
    if isinstance(config.get("vocabulary"), str):  # which would name another file to be read
        raise ModelFileError("the vocabulary must be a list of tokens")
    return _KINDS[kind].from_config(config)
