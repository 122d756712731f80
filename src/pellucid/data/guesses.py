"""How a column's kind is guessed: one rule after the other, each with the reason it states."""

from __future__ import annotations

import re

import numpy as np

from . import cells
from .table import Column

Guess = tuple[str, str, tuple[str, ...]]

_ID_NAME = re.compile(r"(^|[_\s-])(id|ids|uuid|guid|key|index|idx|nr|no)$|(?-i:[a-z](Id|ID)$)|^unnamed", re.IGNORECASE)
_CODE_NAME = re.compile(r"(^|[_\s-])(zip|zipcode|postcode|plz|code|type|category|class_id|category_id)$", re.IGNORECASE)
_RANGE = re.compile(r"[<≤]?\s*(\d+(?:\.\d+)?)\s*(?:(?:[-–]|to|\.\.)\s*\d+(?:\.\d+)?|\+|and over)?", re.IGNORECASE)
_SCALES = (
    ("very low", "low", "medium", "high", "very high"),
    ("lowest", "low", "moderate", "high", "highest"),
    ("tiny", "small", "medium", "large", "huge"),
    ("xxs", "xs", "s", "m", "l", "xl", "xxl", "xxxl"),
    ("very poor", "poor", "fair", "average", "good", "very good", "excellent"),
    ("very bad", "bad", "ok", "good", "very good"),
    ("never", "rarely", "sometimes", "often", "always"),
    ("strongly disagree", "disagree", "neutral", "agree", "strongly agree"),
    ("none", "mild", "moderate", "severe", "critical"),
    ("first", "second", "third", "fourth", "fifth"),
    ("beginner", "intermediate", "advanced", "expert"),
    ("cold", "cool", "mild", "warm", "hot"),
    ("short", "medium", "tall"),
    ("young", "middle-aged", "old"),
)


def guess(column: Column, alone: bool) -> Guess:
    """Kind, reason and order of a column; `alone` if no other column could be a feature in its place."""
    values, counts = column.counts
    distinct, known = len(values), int(counts.sum())
    if not known:
        return "empty", "every cell is missing", ()
    if distinct == 1 and known == len(column):
        return "constant", f"always {cells.word(values[:1].tolist()[0])[:40]}", ()
    if column.holds == "boolean":
        return "boolean", "booleans", ()
    if column.holds == "datetime":
        return "datetime", "dates or times", ()
    if cells.looks_boolean(column):
        return "boolean", f"only {' and '.join(sorted(cells.word(value) for value in values.tolist()))}", ()
    if column.holds == "text":
        return _guess_text(column, distinct, known)
    return _guess_number(column, distinct, known, alone)


def _guess_number(column: Column, distinct: int, known: int, alone: bool) -> Guess:
    if column.holds == "float":
        return "number", "numbers", ()
    if distinct == known > 1 and not alone:
        keep = f'kinds={{"{column.name}": "number"}} keeps it'
        if _ID_NAME.search(column.name):
            return "identifier", f"every row has its own, and the name says so; {keep}", ()
        steps = np.diff(column.values)
        if known == len(column) and known > 2 and column.values[0] in (0, 1) and bool(np.all(steps == 1)):
            return "identifier", f"only counts the rows; {keep}", ()
    if _CODE_NAME.search(column.name) and distinct <= max(20, known // 2):
        return "category", f"integers, {distinct} distinct, and the name says they are codes", ()
    if distinct <= 20 < known:
        return "number", f'integers, {distinct} distinct; if codes: kinds={{"{column.name}": "category"}}', ()
    return "number", "integers", ()


def _guess_text(column: Column, distinct: int, known: int) -> Guess:
    values = column.counts[0]
    if cells.mostly_numbers(column):
        unknown = [text for text in values if (found := cells.number(text)) is not None and found != found]
        return "number", "numbers" + (f"; {unknown[0]!r} counts as missing" if unknown else " written as text"), ()
    if cells.looks_dated(column):
        return "datetime", "dates written as text", ()
    order = scale(column)
    if order:
        return "ordered", "the source's own order" if column.order else "a well-known scale", order
    words = sum(text.count(" ") + 1 for text in values[:1000]) / min(distinct, 1000)
    if distinct == known > 1:
        return ("text" if words >= 3 else "identifier"), "every row has its own", ()
    if distinct > max(20, known // 2):
        return "text", f"{distinct:,} distinct values in {known:,} rows: too few rows for each", ()
    if words >= 6 and distinct > 50:
        return "text", f"free text, {words:.0f} words on average", ()
    return "category", f"text, {distinct:,} distinct", ()


def scale(column: Column) -> tuple[str, ...]:
    """The order of a column's categories: the source's own, a well-known scale's, or that of ranges such as 18-24."""
    if column.order:
        return column.order
    found = list(cells.categories(column))
    if not 2 <= len(found) <= 30:
        return ()
    if column.holds != "text":
        return tuple(found)
    lowered = {text.strip().lower(): text for text in found}
    if len(lowered) == len(found):
        for steps in _SCALES:
            if set(lowered) <= set(steps):
                return tuple(lowered[step] for step in steps if step in lowered)
    starts = [_RANGE.fullmatch(text.strip()) for text in found]
    if all(starts):
        lows = {
            text: (float(match[1]), match[0][0] not in "<≤") for match, text in zip(starts, found, strict=True) if match
        }
        if len(set(lows.values())) == len(lows):
            return tuple(sorted(lows, key=lambda text: lows[text]))
    return ()
