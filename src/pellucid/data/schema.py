"""What each column of a table means: its kind, why it was taken for that, and a summary that people can read.

| kind | becomes |
|---|---|
| `number` | one standardised number |
| `boolean` | 0 or 1 |
| `ordered` | the rank of the category: one number |
| `category` | one-hot or an embedding, by how many there are |
| `datetime` | year, and sine and cosine of month, weekday and hour, where they vary |
| `text`, `identifier`, `constant`, `empty`, `ignored` | nothing: left out, with a notice |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from ..errors import DataError, UnknownNameError, nearest
from . import cells, guesses, records
from .table import Column, Table
from .target import Target

Kind = Literal[
    "number", "boolean", "ordered", "category", "datetime", "text", "identifier", "constant", "empty", "ignored"
]
USED = ("number", "boolean", "ordered", "category", "datetime")
_VERSION = 1


@dataclass(frozen=True)
class Field:
    """One column's meaning: kind, reason, counts, a summary of its values, and the order of an ordered one."""

    name: str
    kind: Kind
    reason: str
    missing: int
    distinct: int
    summary: str
    order: tuple[str, ...] = ()

    @property
    def used(self) -> bool:
        """Does a network see this column?"""
        return self.kind in USED


@dataclass(frozen=True)
class Schema:
    """The meaning of all columns of a table, and its target where one is named. `str` shows it as a table.

    >>> table = Table.of({"size": ["S", "L", "M", "S"], "price": [3.5, 9.0, 5.5, 4.0]}, "shirts")
    >>> schema = Schema.infer(table, target="price")
    >>> [(field.name, field.kind) for field in schema.fields], schema.target.task
    ([('size', 'ordered'), ('price', 'number')], 'regression')
    """

    name: str
    rows: int
    fields: tuple[Field, ...]
    target: Target | None = None

    @classmethod
    def infer(
        cls,
        table: Table,
        target: str | None = None,
        kinds: Mapping[str, str | Sequence[str]] | None = None,
        task: str | None = None,
    ) -> Schema:
        """The schema of a table.

        `kinds` overrides what is inferred: a kind, `"ignored"` to leave a column out, or a list of categories, lowest
        first, for an ordered one. `task` overrides the target's. Raises `DataError` where a column cannot be what it
        is told to be, where no column is left to learn from, and where the target cannot be learned.
        """
        kinds = dict(kinds or {})
        for name, kind in kinds.items():
            table[name]  # raises if there is no such column
            if isinstance(kind, str) and kind not in get_args(Kind):
                raise UnknownNameError(f"kind of column '{name}':", kind, get_args(Kind))
        others = [name for name in table.names if name != target]
        found = Target.infer(table, target, task) if target is not None else None
        made = [
            _target_field(table[name], found)
            if found and name == target
            else _field(table, table[name], kinds.get(name), alone=len(others) == 1)
            for name in table.names
        ]
        schema = cls(table.name, len(table), tuple(made), found)
        if found and not schema.features:
            why = "; ".join(schema.notices[:5]) or "there is no other column"
            raise DataError(
                f"{table.name}: no column is left to predict '{target}' from ({why}); add columns, or overrule with "
                'kinds={"column": "number"}'
            )
        return schema

    @property
    def features(self) -> tuple[Field, ...]:
        """The columns that a network sees."""
        return tuple(field for field in self.fields if field.used and not self._is_target(field))

    @property
    def left_out(self) -> tuple[Field, ...]:
        """The columns that it does not see, without the target."""
        return tuple(field for field in self.fields if not field.used and not self._is_target(field))

    @property
    def notices(self) -> list[str]:
        """What the user should know: each column left out, and why."""
        return [f"column '{field.name}' left out: {field.reason}" for field in self.left_out]

    def _is_target(self, field: Field) -> bool:
        return self.target is not None and field.name == self.target.name

    def cells(self) -> list[tuple[str, str, str, str, str, str]]:
        """One row per column for a table on the screen: name, kind, missing, distinct, values, reason."""
        shown = []
        for field in self.fields:
            kind = f"target: {self.target.task}" if self.target and self._is_target(field) else str(field.kind)
            missing = f"{field.missing:,}" if field.missing else "–"
            shown.append((field.name, kind, missing, f"{field.distinct:,}", field.summary, field.reason))
        return shown

    def __str__(self) -> str:
        rows = [("column", "kind", "missing", "distinct", "values", "why"), *self.cells()]
        limits = (28, 18, 10, 10, 52, 60)
        rows = [tuple(_clipped(cell, limit) for cell, limit in zip(row, limits, strict=True)) for row in rows]  # type: ignore[misc]
        widths = [max(len(row[i]) for row in rows) for i in range(6)]
        lines = [f"{self.name}: {self.rows:,} rows, {len(self.fields)} columns", ""]
        for number, row in enumerate(rows):
            padded = [cell.rjust(widths[i]) if i in (2, 3) else cell.ljust(widths[i]) for i, cell in enumerate(row)]
            lines.append("  ".join(padded).rstrip())
            if number == 0:
                lines.append("  ".join("─" * width for width in widths))
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """A plain dict that `from_json` reads back."""
        return {
            "version": _VERSION,
            "name": self.name,
            "rows": self.rows,
            "target": self.target.to_json() if self.target else None,
            "fields": [{**vars(field), "order": list(field.order)} for field in self.fields],
        }

    @classmethod
    def from_json(cls, record: object) -> Schema:
        """The schema of a plain dict; raises `DataError` for a malformed one."""
        read = records.checked(
            record,
            "schema",
            version=lambda value: value == _VERSION,
            name=records.text,
            rows=records.count,
            target=records.optional(lambda value: isinstance(value, dict)),
            fields=records.array,
        )
        fields = []
        for i, item in enumerate(read["fields"]):
            records.checked(
                item,
                f"schema, field {i}",
                name=records.text,
                kind=records.one_of(get_args(Kind)),
                reason=records.text,
                missing=records.count,
                distinct=records.count,
                summary=records.text,
                order=records.texts,
            )
            fields.append(Field(**{**item, "order": tuple(item["order"])}))
        target = Target.from_json(read["target"]) if read["target"] is not None else None
        names = [field.name for field in fields]
        if len(set(names)) != len(names) or (target and target.name not in names):
            raise DataError("schema: column names repeat or lack the target; the file is damaged or foreign")
        return cls(read["name"], read["rows"], tuple(fields), target)


def _target_field(column: Column, target: Target) -> Field:
    kind: Kind = "number" if target.task == "regression" else "category"
    if target.task == "regression" and column.holds == "text":
        return Field(column.name, kind, target.reason, int(column.missing.sum()), len(column.counts[0]), "")
    return _described(column, kind, target.reason)


def _field(table: Table, column: Column, told: str | Sequence[str] | None, alone: bool) -> Field:
    if told is None:
        kind, reason, order = guesses.guess(column, alone)
    elif isinstance(told, str):
        kind, reason, order = told, "as told", guesses.scale(column) if told == "ordered" else ()
        if told == "ordered" and not order:
            raise DataError(
                f"{table.name}, column '{column.name}': the order of its categories is not known; give them, "
                "lowest first: "
                f'kinds={{"{column.name}": {list(cells.categories(column))[:5]}}}'
            )
    else:
        kind, reason, order = "ordered", "as told", tuple(str(category) for category in told)
    if order:
        unplaced = next((name for name in cells.categories(column) if name not in order), None)
        if unplaced is not None or len(set(order)) != len(order):
            problem = f"lacks {unplaced!r}{nearest(unplaced, order)}" if unplaced is not None else "repeats a category"
            raise DataError(f"{table.name}, column '{column.name}': the order {problem}")
    checks = {"number": cells.numbers, "boolean": cells.booleans, "datetime": cells.instants}
    if kind in checks:
        checks[kind](table, column)  # raises at the first cell that is not what the column is
    return _described(column, kind, reason, order)  # type: ignore[arg-type]


def _described(column: Column, kind: Kind, reason: str, order: tuple[str, ...] = ()) -> Field:
    missing = int(column.missing.sum())
    values, counts = column.counts
    if not len(values):
        summary = ""
    elif kind == "number" and column.holds in ("integer", "float"):
        finite = column.present.astype(np.float64)
        summary = f"{_short(finite.min())} … {_short(finite.max())}, mean {_short(finite.mean())}"
    elif kind == "number" and column.holds == "text":
        parsed = [value for text in values if (value := cells.number(text)) is not None and value == value]
        summary = f"{_short(min(parsed))} … {_short(max(parsed))}"
    elif column.holds == "datetime":
        days = [
            str(value).replace("T", " ").removesuffix(".000000").removesuffix(" 00:00:00") for value in values[[0, -1]]
        ]
        summary = f"{days[0]} … {days[1]}"
    elif kind in ("text", "identifier", "ignored") and counts.max() == 1:
        summary = f"such as {_clipped(repr(values[0]) if column.holds == 'text' else cells.word(values[0].item()), 40)}"
    else:
        summary = _top(values, counts, order)
    return Field(column.name, kind, reason, missing, len(values), summary, order)


def _top(values: Any, counts: Any, order: tuple[str, ...]) -> str:
    """The commonest values with their shares; an ordered column's categories in their order."""
    if order:
        return " < ".join(order)
    top = np.argsort(-counts, kind="stable")[:3]
    total = int(counts.sum())
    shown = [
        f"{_clipped(cells.word(v), 20)} {_share(int(n) / total)}"
        for v, n in zip(values[top].tolist(), counts[top], strict=True)
    ]
    return ", ".join(shown) + (", …" if len(values) > 3 else "")


def _share(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.005 else "<1 %"


def _short(value: float) -> str:
    """A number in about five digits: 14,999 but 3.8707."""
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-4:
        text = f"{value:.4g}"
    else:
        text = f"{value:,.0f}" if size >= 10_000 or value == int(value) else f"{value:,.5g}"
    return f"−{text[1:]}" if text.startswith("-") else text


def _clipped(text: str, limit: int) -> str:
    text = text.replace("\n", " ")
    return text if len(text) <= limit else text[: limit - 1] + "…"
