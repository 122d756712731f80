"""Checking plain dicts that come out of files nobody has reason to trust.

`checked(record, "schema", rows=count, columns=array)` returns the record if it is a dict with exactly these keys and
each value passes; anything else raises one `DataError` that names the place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from ..errors import DataError

Check = Callable[[object], bool]
_LONGEST = 1_000_000  # entries in any list; a vocabulary ends far below


def checked(record: object, where: str, **fields: Check) -> dict[str, Any]:
    """The record, once it is a dict with exactly these fields; raises `DataError` naming the field that is wrong."""
    if not isinstance(record, dict):
        raise DataError(f"{where}: expected an object, found {type(record).__name__}; the file is damaged or foreign")
    if record.keys() != fields.keys():
        wrong = sorted({str(key) for key in record.keys() ^ fields.keys()})[:5]
        raise DataError(f"{where}: missing or unexpected fields {wrong}; the file is damaged or foreign")
    for name, check in fields.items():
        if not check(record[name]):
            shown = repr(record[name])[:60]
            raise DataError(f"{where}: field '{name}' cannot be {shown}; the file is damaged or foreign")
    return record


def text(value: object) -> bool:
    """Is it a string of reasonable length?"""
    return isinstance(value, str) and len(value) <= 100_000


def count(value: object) -> bool:
    """Is it a non-negative integer that fits 64 bits?"""
    return type(value) is int and 0 <= value < 2**63


def real(value: object) -> bool:
    """Is it a finite number?"""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300


def positive(value: object) -> bool:
    """Is it a finite number above zero?"""
    return isinstance(value, (int, float)) and real(value) and value > 0


def flag(value: object) -> bool:
    """Is it true or false?"""
    return isinstance(value, bool)


def array(value: object) -> bool:
    """Is it a list, whose entries are checked elsewhere?"""
    return isinstance(value, list) and len(value) <= _LONGEST


def texts(value: object) -> bool:
    """Is it a list of distinct strings?"""
    return array(value) and all(map(text, value)) and len(set(value)) == len(value)  # type: ignore[arg-type, call-overload]


def one_of(known: Collection[str]) -> Check:
    """A check for one of these strings."""
    return lambda value: isinstance(value, str) and value in known


def optional(check: Check) -> Check:
    """A check that also lets `None` pass."""
    return lambda value: value is None or check(value)
