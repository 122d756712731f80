"""What commands write: data on stdout, messages on stderr; plain text, with colour only for a person at a terminal."""

from __future__ import annotations

import json
import math
import os
import sys
from typing import Any, TextIO

_CONTROL = dict.fromkeys({*range(32), *range(127, 160)} - {9, 10}, "�")


def out(text: str = "") -> None:
    """A line of data."""
    _write(sys.stdout, _clean(text))


def say(text: str) -> None:
    """A message for the person who waits."""
    _write(sys.stderr, _clean(text))


def note(text: str) -> None:
    """A message about something that was left out, chosen, or taken for something else."""
    _write(sys.stderr, f"{_coloured('note:', '33')} {_clean(text)}")


def fail(text: str) -> None:
    """Why the command ends."""
    _write(sys.stderr, f"{_coloured('error:', '1;31')} {_clean(text)}")


def document(value: Any) -> None:
    """The one JSON document of `--json`."""
    _write(sys.stdout, as_json(value))


def as_json(value: Any) -> str:
    """A value as plain JSON: what is not finite becomes null."""
    return json.dumps(_finite(value), ensure_ascii=False, indent=2, allow_nan=False)


def write_data(text: str) -> None:
    """Data as it is, line ends included."""
    _write(sys.stdout, text.removesuffix("\n"))


def _clean(text: str) -> str:
    """Text without control characters: those of a table's cells could steer the terminal."""
    return text if text.isprintable() else text.translate(_CONTROL)


def _write(stream: TextIO, line: str) -> None:
    if stream is sys.stderr:
        sys.stdout.flush()  # what was said first is seen first
    try:
        stream.write(line + "\n")
    except UnicodeEncodeError:  # a terminal that knows no such letters
        encoding = stream.encoding or "ascii"
        stream.write(line.encode(encoding, "replace").decode(encoding) + "\n")
    if stream is sys.stderr:
        stream.flush()


def _coloured(text: str, code: str) -> str:
    plain = not sys.stderr.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return text if plain else f"\x1b[{code}m{text}\x1b[0m"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if hasattr(value, "tolist"):
        return _finite(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
