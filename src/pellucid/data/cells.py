"""Reading the cells of a column as numbers, booleans, dates or categories, with the place of a cell that refuses.

`schema` uses these to decide what a column is, `encoder` to turn it into arrays: one meaning of a cell for both.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .table import Array, Column, Table

# Written in cells of otherwise numeric columns to mean that nothing is known; in categories they stay categories.
UNKNOWN = frozenset(
    {"na", "n/a", "#n/a", "nan", "null", "none", "nil", "?", "-", "--", ".", "missing", "unknown", "undefined"}
)
TRUTH = {
    **dict.fromkeys(("true", "yes", "t", "y", "on", "1", "1.0"), 1.0),
    **dict.fromkeys(("false", "no", "f", "n", "off", "0", "0.0"), 0.0),
}
_DATE = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])([ T]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?)?)?"
)
_AMOUNT = re.compile(r"([-+]?)[$€£¥]?\s?(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)\s?[%$€£¥]?")  # $1,200.50, 45 %
_MOSTLY = 0.95
_LARGEST = float(np.finfo(np.float32).max)


def plain(column: Column) -> object:
    """The only cell of a column of one row, as a plain value; dates as text, what is missing as None."""
    if bool(column.missing[0]):
        return None
    value = column.values[0]
    if column.holds == "datetime":
        return str(value)
    return value.item() if isinstance(value, np.generic) else value


def number(text: str) -> float | None:
    """The number that a text spells, NaN for a word that means unknown, None for anything else.

    >>> number("1.5e3"), number("$1,200.50"), number("45 %"), number("?"), number("many")
    (1500.0, 1200.5, 45.0, nan, None)
    """
    text = text.strip()
    if text.lower() in UNKNOWN or not text:
        return math.nan
    if match := _AMOUNT.fullmatch(text):
        text = match[1] + match[2].replace(",", "")
    try:
        return float(text) if "_" not in text else None  # Python would read 1_000
    except ValueError:
        return None


def mostly_numbers(column: Column) -> bool:
    """Does nearly every known cell of a text column spell a number? The rest are then mistakes, not categories."""
    values, counts = column.counts
    if not any(number(text) is not None for text in values[:1000]):
        return False
    known = spelled = 0
    for text, n in zip(values, counts.tolist(), strict=True):
        value = number(text)
        known += n * (value is None or value == value)
        spelled += n * (value is not None and value == value)
    return spelled > 0 and spelled >= _MOSTLY * known


def looks_dated(column: Column) -> bool:
    """Is every cell of a text column a date or time as ISO 8601 writes it?"""
    values, _ = column.counts
    return len(values) > 0 and all(_DATE.fullmatch(text) for text in values)


def looks_boolean(column: Column) -> bool:
    """Does the column hold exactly the two sides of one pair: true/false, yes/no, 1/0, …?"""
    if column.holds == "boolean":
        return True
    if column.holds == "datetime":
        return False
    values, _ = column.counts
    if len(values) != 2:
        return False
    if column.holds != "text":
        return set(values.tolist()) == {0, 1}
    words = {text.strip().lower() for text in values}
    pairs = ({"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"}, {"on", "off"})
    return words in pairs


def numbers(table: Table, column: Column) -> NDArray[np.float64]:
    """The column as float64, NaN where missing; raises `DataError` at text, infinities and numbers beyond float32."""
    if column.holds == "datetime":
        raise DataError(f"{table.name}, column '{column.name}': holds dates where numbers are expected")
    if column.holds == "text":
        table_of = {text: number(text) for text in column.counts[0]}
        wrong = next((text for text, value in table_of.items() if value is None), None)
        if wrong is not None:
            row = int(np.flatnonzero(column.values == wrong)[0])
            raise DataError(
                f"{table.where(row, column.name)}: {wrong!r} is not a number; correct or empty the cell, or say what "
                f'the column is: kinds={{"{column.name}": "category"}} (or "ignored")'
            )
        values = np.fromiter(map(table_of.get, column.values, repeat(math.nan)), np.float64, len(column))
    else:
        values = column.values.astype(np.float64)
        values[column.missing] = np.nan
    if values.size and not np.nanmax(np.abs(values), initial=0.0) <= _LARGEST:
        row = int(np.flatnonzero(np.abs(values) > _LARGEST)[0])
        what = "infinite" if np.isinf(values[row]) else f"{values[row]:.4g}, beyond the largest float32 (3.4e38)"
        raise DataError(f"{table.where(row, column.name)}: the value is {what}; correct it or empty the cell")
    return values


def booleans(table: Table, column: Column) -> NDArray[np.float64]:
    """The column as 1.0 (true, yes, t, y, on, 1) and 0.0, NaN where missing; raises `DataError` at any other cell."""

    def truth(text: str) -> float:
        key = text.strip().lower()
        if key in TRUTH:
            return TRUTH[key]
        if key in UNKNOWN:
            return math.nan
        row = int(np.flatnonzero(words(column) == text)[0])
        raise DataError(f"{table.where(row, column.name)}: {text!r} is not true or false; correct or empty the cell")

    return _mapped(column, truth, math.nan, np.float64)


def instants(table: Table, column: Column) -> NDArray[np.datetime64]:
    """The column as datetime64[us], NaT where missing; text must be ISO 8601."""
    if column.holds == "datetime":
        return column.values
    if column.holds == "text":
        wrong = next((text for text in column.counts[0] if not _DATE.fullmatch(text.strip())), None)
        if wrong is None:
            try:
                return np.array([text.strip() if text else "NaT" for text in column.values], "datetime64[us]")
            except ValueError as error:
                raise DataError(f"{table.name}, column '{column.name}': {error}; write dates as 2024-12-31") from None
        row = int(np.flatnonzero(column.values == wrong)[0])
        raise DataError(f"{table.where(row, column.name)}: {wrong!r} is not a date; write it as 2024-12-31 or empty it")
    if not len(column.present):
        return np.full(len(column), "NaT", "datetime64[us]")
    raise DataError(f"{table.name}, column '{column.name}': holds numbers where dates are expected; write 2024-12-31")


def word(value: object) -> str:
    """One cell as the text that names its category: 3 and 3.0 are both '3'."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def words(column: Column) -> Array:
    """The column's cells as the texts that name their categories; None where missing."""
    if column.holds == "text":
        return column.values
    values, inverse = np.unique(column.values, return_inverse=True)
    named = np.empty(len(values), object)
    named[:] = [word(value) for value in values.tolist()]
    cells: Array = named[inverse]
    cells[column.missing] = None
    return cells


def categories(column: Column) -> dict[str, int]:
    """How often each category occurs, in sorted order: numbers by size, text by code point."""
    values, counts = column.counts
    found: dict[str, int] = {}
    for value, count in sorted(zip(values.tolist(), counts.tolist(), strict=True)):
        found[word(value)] = found.get(word(value), 0) + count
    if column.holds == "text" and all(text.isdecimal() for text in found):
        return dict(sorted(found.items(), key=lambda item: (int(item[0]), item[0])))
    return found


def codes(column: Column, vocabulary: tuple[str, ...]) -> NDArray[np.int32]:
    """Each cell's place in the vocabulary, counted from 1; 0 where it is missing or not in there."""
    index: Mapping[str | None, int] = {text: place for place, text in enumerate(vocabulary, 1)}
    if column.holds == "text":
        return np.fromiter(map(index.get, column.values, repeat(0)), np.int32, len(column))
    return _mapped(column, lambda text: index.get(text, 0), 0, np.int32)


def _mapped(column: Column, value: Callable[[str], float], blank: float, dtype: type) -> Array:
    """`value(word)` of every cell, called once per distinct one; `blank` where the cell is missing."""
    if column.holds == "text":
        table_of = {text: value(text) for text in column.counts[0]}
        return np.fromiter(map(table_of.get, column.values, repeat(blank)), dtype, len(column))
    distinct, inverse = np.unique(column.values, return_inverse=True)
    present = np.isin(distinct, column.counts[0])
    mapped = [value(word(v)) if p else blank for v, p in zip(distinct.tolist(), present.tolist(), strict=True)]
    cells: Array = np.array(mapped, dtype)[inverse]
    cells[column.missing] = blank
    return cells
