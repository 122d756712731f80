"""Strict JSON for model files: what is written reads back equal, and what is read can do no harm.

Plain ASCII, sorted keys, no blanks: equal documents give equal bytes. A document holds dict (string keys), list,
string, bool, None, integers of 64 bits and floats; tuples become lists. JSON has no NaN and no infinity, so those three
floats are written as `{"__float__": "nan"}`, `"inf"` and `"-inf"`, and no other object may use that key.

Reading refuses, besides what is not JSON: a key given twice (readers differ in which one they take), literals that
overflow, text that is not valid Unicode, more than `DEPTH` levels, and documents that would unpack to far more memory
than they occupy. Both directions raise ValueError, which says where; the model file adds its path.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

DEPTH = 64

_WIDE = re.compile(r"\\u[dD]")  # an escape that may be half a surrogate pair
_SURROGATE = re.compile("[\ud800-\udfff]")
_FLOAT = "__float__"
_NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_INT_DIGITS = 20  # of -2⁶³; also keeps Python's quadratic conversion of long literals away
_INT_RANGE = range(-(2**63), 2**64)


def encode(value: object, where: str) -> str:
    """The one JSON text of a value.

    >>> encode({"b": (1, 2.5), "a": float("inf")}, "model")
    '{"a":{"__float__":"inf"},"b":[1,2.5]}'
    """
    return json.dumps(_plain(value, where, DEPTH), sort_keys=True, separators=(",", ":"), allow_nan=False)


def decode(text: str, where: str, memory: int) -> Any:
    """The value of a JSON text that nobody vouches for; `memory` bounds the bytes of its objects.

    >>> decode('{"a": {"__float__": "inf"}}', "model", 1000)
    {'a': inf}
    """
    if footprint(text) > memory:
        raise ValueError(f"{where} would unpack to about {footprint(text):,} bytes; at most {memory:,} are allowed")
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_int=_int, parse_float=_float, parse_constant=_constant
        )
        _check(value, text)
    except RecursionError:
        raise ValueError(f"{where} is nested deeper than {DEPTH} levels") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{where} is not JSON: {error.msg} at character {error.pos:,}") from None
    except ValueError as error:
        raise ValueError(f"{where} {error}") from None
    return value


def footprint(text: str) -> int:
    """An upper bound in bytes, from counts alone, of the objects that a JSON text unpacks to.

    The factors are the sizes of CPython's objects: a list of one entry, a dict of one entry with its key, a dict's
    share for each further entry, a number or short string with its place in a list. A string with one wide character
    takes two or, beyond U+FFFF, four bytes for each, and the parser joins strings with escapes from pieces.
    """
    width = 5 if _WIDE.search(text) else 3 if "\\u" in text else 1
    counted = 104 * text.count("[") + 240 * text.count("{") + 128 * text.count(":") + 64 * text.count(",")
    return width * len(text) + counted


def _plain(value: object, where: str, depth: int) -> object:
    """The value as JSON's own types, or ValueError with the path of the first part that has none."""
    if isinstance(value, (dict, list, tuple)) and not depth:
        raise ValueError(f"{where} is nested deeper than {DEPTH} levels")
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or key == _FLOAT:
                raise ValueError(f"{where} has the key {key!r}; keys must be strings other than {_FLOAT!r}")
            _plain(key, f"{where} key", depth)
        return {key: _plain(item, f"{where}.{key}", depth - 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{i}]", depth - 1) for i, item in enumerate(value)]
    if isinstance(value, str):
        if _SURROGATE.search(value):
            raise ValueError(f"{where} is text with half a surrogate pair, which is not valid Unicode")
        return value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if value not in _INT_RANGE:
            raise ValueError(f"{where} is the integer {value}, which 64 bits cannot hold")
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {_FLOAT: str(float(value))}
    raise ValueError(f"{where} is a {type(value).__name__}; use dict, list, str, int, float, bool or None")


def _check(value: object, text: str) -> None:
    """Bounds the depth, level by level and so without recursion; refuses half surrogate pairs on the way."""
    escaped = _WIDE.search(text) is not None
    level = [value]
    for _ in range(DEPTH + 1):
        if escaped and any(_SURROGATE.search(item) for item in level if isinstance(item, str)):
            raise ValueError("holds text with half a surrogate pair, which is not valid Unicode")
        lists = [item for item in level if isinstance(item, list)]
        dicts = [item for item in level if isinstance(item, dict)]
        if not lists and not dicts:
            return
        level = [item for x in lists for item in x]
        level += [item for x in dicts for pair in x.items() for item in pair]
    raise ValueError(f"is nested deeper than {DEPTH} levels")


def _object(pairs: list[tuple[str, Any]]) -> Any:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"has the key {twice[:80]!r} twice in one object")
    if _FLOAT in value:
        if len(value) > 1 or not isinstance(value[_FLOAT], str) or value[_FLOAT] not in _NON_FINITE:
            raise ValueError(f"has an object with the key {_FLOAT!r} that is none of {sorted(_NON_FINITE)}")
        return _NON_FINITE[value[_FLOAT]]
    return value


def _int(literal: str) -> int:
    if len(literal) > _INT_DIGITS or int(literal) not in _INT_RANGE:
        raise ValueError(f"holds the integer {literal[:24]}…, which 64 bits cannot hold")
    return int(literal)


def _float(literal: str) -> float:
    value = float(literal)
    if not math.isfinite(value):
        raise ValueError(f"holds the number {literal[:24]}, which overflows")
    return value


def _constant(literal: str) -> float:
    raise ValueError(f"holds {literal}, which is not JSON")
