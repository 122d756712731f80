"""What a network is to predict: a number (regression), one of two classes (binary), one of several (multiclass).

The kind is inferred with a stated reason and can be overridden. Classes are kept as the table wrote them, so labels
come out as they went in: text stays text, integers stay integers, booleans stay booleans.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError, LabelError, ShapeError, UnknownNameError, nearest
from . import cells, records
from .table import Array, Column, Table

Task = Literal["regression", "binary", "multiclass"]
Class = str | int | float | bool

MAX_CLASSES = 1000
_FEW = 20  # integers with at most this many distinct values …
_ROWS_EACH = 5  # … and at least this many rows for each are taken for class numbers
_MIN_ROWS = 3  # two to learn from, one to hold out


@dataclass(frozen=True)
class Target:
    """The column to predict: its task, why, and its classes in code order (none for regression).

    >>> table = Table.of({"grade": ["pass", "fail", "pass", "fail"]})
    >>> target = Target.infer(table, "grade")
    >>> target.task, target.classes, target.labels(table).tolist()
    ('binary', ('fail', 'pass'), [1, 0, 1, 0])
    >>> target.decode(np.array([[0.2], [0.9]])).tolist()
    ['fail', 'pass']
    """

    name: str
    task: Task
    reason: str
    holds: str
    classes: tuple[Class, ...] = ()

    @classmethod
    def infer(cls, table: Table, name: str, task: str | None = None) -> Target:
        """The target in column `name`; raises `LabelError` where nothing can be learned from it."""
        column = table[name]
        place = f"{table.name}, target '{name}'"
        if task is not None and task not in get_args(Task):
            raise UnknownNameError("task", task, get_args(Task))
        known = len(column.present)
        if known < _MIN_ROWS:
            raise LabelError(
                f"{place}: {known} row{'s' * (known != 1)} with a known value; at least {_MIN_ROWS} are needed, "
                "two to learn from and one to hold out"
            )
        if column.holds == "datetime":
            raise LabelError(f"{place}: holds dates, which cannot be predicted; give a number, such as days until then")
        if column.holds == "float":
            cells.numbers(table, column)  # refuses infinities
        found, reason = _inferred(column)
        if task is not None:
            found, reason = task, "as told"
        if found == "regression":
            values = cells.numbers(table, column)
            values = values[~np.isnan(values)]
            if values.size < _MIN_ROWS or np.ptp(values) == 0:
                raise LabelError(f"{place}: always {values[0]:g}; a constant needs no network, choose another target")
            return cls(name, "regression", reason, column.holds)
        values, _ = column.counts
        if len(values) == 1:
            raise LabelError(
                f"{place}: has one class only, {values.tolist()[0]!r}; rows of at least one other are needed"
            )
        if len(values) > MAX_CLASSES:
            raise LabelError(
                f"{place}: has {len(values):,} classes, more than {MAX_CLASSES:,}; is it an identifier or free text? "
                'Choose another target, or task="regression" for numbers'
            )
        if found == "binary" and len(values) != 2:
            raise LabelError(f'{place}: has {len(values)} classes where binary means two; use task="multiclass"')
        return cls(name, found, reason, column.holds, _sorted_classes(column))  # type: ignore[arg-type]

    def labelled(self, table: Table, notices: list[str]) -> Table:
        """The table without rows whose target is missing; says in `notices` how many there were."""
        column = table[self.name]
        missing = np.isnan(cells.numbers(table, column)) if self.task == "regression" else column.missing
        if not missing.any():
            return table
        dropped = int(missing.sum())
        if dropped == len(table):
            raise LabelError(f"{table.name}, target '{self.name}': missing in every row, nothing to compare with")
        notices.append(f"target '{self.name}': {dropped:,} of {len(table):,} rows have no value and were left out")
        return table.take(np.flatnonzero(~missing))

    def labels(self, table: Table) -> NDArray[np.float32] | NDArray[np.int32]:
        """float32 [rows, 1] for regression, else int32 [rows] codes; raises `LabelError` at missing or new classes."""
        column = table[self.name]
        if self.task == "regression":
            values = cells.numbers(table, column)
            self._refuse(table, np.isnan(values), "is missing; leave the row out")
            return values.astype(np.float32).reshape(-1, 1)
        self._refuse(table, column.missing, "is missing; leave the row out")
        if self.holds == "boolean":
            return cells.booleans(table, column).astype(np.int32)
        names = tuple(cells.word(value) for value in self.classes)
        found = cells.codes(column, names) - 1
        new = np.flatnonzero(found < 0)
        if new.size:
            value = cells.word(column.values[new[:1]].tolist()[0])
            raise LabelError(
                f"{table.where(int(new[0]), self.name)}: class {value!r} was not there in training"
                f"{nearest(value, names)}"
            )
        return found.astype(np.int32)

    def _refuse(self, table: Table, wrong: NDArray[np.bool_], what: str) -> None:
        if wrong.any():
            raise LabelError(f"{table.where(int(np.flatnonzero(wrong)[0]), self.name)}: the target {what}")

    def decode(self, outputs: Array) -> Array:
        """What outputs mean: class names from integer codes or from probabilities, numbers for regression.

        Probabilities are [rows, classes] (the largest wins) or, for two, that of the second: [rows, 1] or [rows].
        """
        outputs = np.asarray(outputs)
        if self.task == "regression":
            return outputs.reshape(-1)
        wide = outputs.ndim == 2 and outputs.shape[1] == len(self.classes)
        if outputs.dtype.kind in "iu" and outputs.ndim == 1:
            codes = outputs
        elif wide:
            codes = outputs.argmax(axis=1)
        elif len(self.classes) == 2 and outputs.size == len(outputs):
            codes = (outputs.reshape(-1) > 0.5).astype(np.int64)
        else:
            raise ShapeError(
                f"outputs of shape {list(outputs.shape)} do not fit the {len(self.classes)} classes of '{self.name}'; "
                f"expected [rows, {len(self.classes)}]"
            )
        if codes.size and not 0 <= codes.min() <= codes.max() < len(self.classes):
            raise ArgumentError(f"a class code lies outside 0…{len(self.classes) - 1} for target '{self.name}'")
        return self.class_array[codes]

    @property
    def class_array(self) -> Array:
        """The classes as an array: object for text, else int64, float64 or bool."""
        if self.holds != "text":
            return np.array(self.classes, {"integer": np.int64, "float": np.float64, "boolean": np.bool_}[self.holds])
        array = np.empty(len(self.classes), object)
        array[:] = self.classes
        return array

    def to_json(self) -> dict[str, Any]:
        """A plain dict that `from_json` reads back."""
        return {
            "name": self.name,
            "task": self.task,
            "reason": self.reason,
            "holds": self.holds,
            "classes": list(self.classes),
        }

    @classmethod
    def from_json(cls, record: object) -> Target:
        """The target of a plain dict; raises `DataError` for a malformed one."""
        kinds: dict[str, records.Check] = {
            "text": records.text,
            "integer": lambda value: type(value) is int and abs(value) < 2**63,
            "boolean": records.flag,
            "float": records.real,
        }

        def classes(values: object) -> bool:
            return isinstance(values, list) and (not values or 2 <= len(values) <= MAX_CLASSES)

        read = records.checked(
            record,
            "target",
            name=records.text,
            task=records.one_of(get_args(Task)),
            reason=records.text,
            holds=records.one_of(kinds),
            classes=classes,
        )
        values, task = read["classes"], read["task"]
        sizes = {"regression": len(values) == 0, "binary": len(values) == 2, "multiclass": len(values) >= 2}
        if not all(map(kinds[read["holds"]], values)) or len(set(values)) != len(values) or not sizes[task]:
            raise LabelError(f"target: classes do not fit {task} over {read['holds']}; the file is damaged")
        return cls(read["name"], task, read["reason"], read["holds"], tuple(values))


def _inferred(column: Column) -> tuple[str, str]:
    values, counts = column.counts
    distinct = len(values)
    task = "binary" if distinct == 2 else "multiclass"
    if column.holds == "boolean":
        return "binary", "booleans"
    if column.holds == "text":
        if distinct > _FEW and cells.mostly_numbers(column):
            return "regression", f"numbers written as text, {distinct:,} distinct"
        return task, f"text, {distinct:,} distinct"
    whole = column.holds == "integer" or bool(np.all(values == np.floor(values)))
    if whole and distinct == 2:
        return "binary", "two distinct whole numbers"
    if column.holds == "integer" and distinct <= _FEW and counts.sum() >= _ROWS_EACH * distinct:
        return "multiclass", f'integers, only {distinct} distinct; task="regression" takes them for amounts'
    return "regression", f"{'integers' if column.holds == 'integer' else 'numbers'}, {distinct:,} distinct"


def _sorted_classes(column: Column) -> tuple[Class, ...]:
    """The classes in code order: numbers by size, an ordered source's order, text by code point."""
    values = column.counts[0].tolist()
    if column.order and column.holds == "text":
        return tuple(name for name in column.order if name in set(values))
    return tuple(sorted(values))
