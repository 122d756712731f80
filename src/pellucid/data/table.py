"""A table in memory: named columns as NumPy arrays, each with a mask of its missing cells, and where they came from.

Every source (file, frame, dict of arrays, list of dicts) becomes a `Table` first; `schema` decides what its columns
mean, `encoder` turns them into what a network eats. Five kinds of values exist here:

| `Column.holds` | `values.dtype` | in a missing cell |
|---|---|---|
| `float` | float64 | NaN |
| `integer` | int64 | 0 |
| `boolean` | bool | False |
| `datetime` | datetime64[us], UTC | NaT |
| `text` | object, each cell a `str` | None |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, nearest

Array = NDArray[Any]

_HOLDS = {"f": "float", "i": "integer", "b": "boolean", "M": "datetime", "O": "text"}
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True, eq=False)
class Column:
    """One column: its values, which of them are missing, and the order of its categories where the source has one."""

    name: str
    values: Array
    missing: NDArray[np.bool_]
    order: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    @property
    def holds(self) -> str:
        """What the cells are: `float`, `integer`, `boolean`, `datetime` or `text`."""
        return _HOLDS[self.values.dtype.kind]

    @cached_property
    def present(self) -> Array:
        """The values that are not missing."""
        return self.values if not self.missing.any() else self.values[~self.missing]

    @cached_property
    def counts(self) -> tuple[Array, NDArray[np.int64]]:
        """The distinct present values and how often each occurs; sorted, save for text: in first-seen order."""
        if self.holds != "text":
            values, counts = np.unique(self.present, return_counts=True)
            return values, counts.astype(np.int64)
        seen = Counter(self.present.tolist())
        return _objects(list(seen)), np.fromiter(seen.values(), np.int64, len(seen))

    def take(self, rows: NDArray[np.int64]) -> Column:
        """The column with only these rows, in this order."""
        return replace(self, values=self.values[rows], missing=self.missing[rows])


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length, their order, and where they came from.

    `index` holds each row's number in the source and `line` turns such a number into a line of the file, so that a
    message about a part of a table still points at the right place. `notices` are what the reader has to say.

    >>> table = Table.of({"age": [3, 40, None], "city": ["Lima", "Oslo", "Lima"]})
    >>> len(table), table.names, table["age"].holds
    (3, ('age', 'city'), 'integer')
    """

    columns: Mapping[str, Column]
    name: str = "table"
    index: NDArray[np.int64] | None = None
    line: Callable[[int], int | None] | None = None
    notices: tuple[str, ...] = field(default=())

    @classmethod
    def of(cls, columns: Mapping[str, Any], name: str = "table") -> Table:
        """A table from a dict of arrays or lists of equal length; raises `DataError` for anything else."""
        made = {str(key): column(str(key), values) for key, values in columns.items()}
        if not made:
            raise DataError(f"{name} has no columns; give at least one named column of values")
        lengths = {key: len(value) for key, value in made.items()}
        if len(set(lengths.values())) > 1:
            common, _ = Counter(lengths.values()).most_common(1)[0]
            odd = next(key for key, length in lengths.items() if length != common)
            raise DataError(
                f"{name}: column '{odd}' has {lengths[odd]:,} values where the others have {common:,}; every column "
                "needs one value per row (None where it is missing)"
            )
        return cls(made, name)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def __getitem__(self, name: str) -> Column:
        if name not in self.columns:
            raise DataError(f"{self.name} has no column '{name}'{nearest(name, self.columns)}")
        return self.columns[name]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(self.columns)

    def take(self, rows: NDArray[np.int64]) -> Table:
        """The table with only these rows, in this order."""
        index = np.asarray(rows, np.int64) if self.index is None else self.index[rows]
        return replace(self, columns={key: value.take(rows) for key, value in self.columns.items()}, index=index)

    def where(self, row: int, column: str) -> str:
        """The place of a cell, as messages name it: file and line, or row counted from 0, and column."""
        return f"{self.name}, {self.place(row)}, column '{column}'"

    def place(self, row: int) -> str:
        """The place of a row in its source: the line of the file, or the row counted from 0."""
        source = row if self.index is None else int(self.index[row])
        line = self.line(source) if self.line else None
        return f"line {line}" if line else f"row {source} (counted from 0)"


def column(name: str, values: Any, order: Sequence[str] = ()) -> Column:
    """A column from any one-dimensional array or list; `None`, NaN, NaT and empty text are missing."""
    masked = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    if hasattr(values, "__array__"):
        array = np.asarray(values)
        if array.ndim != 1:
            raise DataError(f"column '{name}' has shape {array.shape}; a column is one-dimensional, one value per row")
        values = array
    elif isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise DataError(f"column '{name}' is one {type(values).__name__}; give a list or array with one value per row")
    else:
        values = list(values)
    made = _from_array(name, values) if isinstance(values, np.ndarray) else _from_list(name, values)
    if masked is not None and masked.any():
        blank = {"float": np.nan, "datetime": np.datetime64("NaT"), "text": None}.get(made.holds, 0)
        cells = made.values.copy()
        cells[masked] = blank
        made = replace(made, values=cells, missing=made.missing | masked)
    return replace(made, order=tuple(order))


def _from_array(name: str, array: Array) -> Column:
    kind = array.dtype.kind
    if kind == "O":
        return _from_list(name, array.tolist())
    if kind in "UT":
        return _text(name, array.astype(object))
    if kind == "S":
        return _text(name, np.char.decode(array, "utf-8", "replace").astype(object))
    if kind == "b":
        return Column(name, array, np.zeros(len(array), bool))
    if kind == "u" and array.dtype.itemsize == 8 and array.size and array.max() > np.iinfo(np.int64).max:
        kind = "f"
    if kind in "iu":
        return Column(name, array.astype(np.int64, copy=False), np.zeros(len(array), bool))
    if kind == "f":
        values = array.astype(np.float64, copy=False)
        return Column(name, values, np.isnan(values))
    if kind == "M":
        return Column(name, array.astype("datetime64[us]"), np.isnat(array))
    if kind == "m":  # a duration, in seconds
        seconds = array / np.timedelta64(1, "s")
        return Column(name, seconds, np.isnan(seconds))
    raise DataError(f"column '{name}' holds values of type {array.dtype}; use numbers, booleans, text or dates")


def _from_list(name: str, cells: list[Any]) -> Column:
    """Decide by the set of Python types, found at C speed, so that no branch runs per cell for clean columns."""
    types = set(map(type, cells))
    if not types <= {bool, int, float, str}:
        cells = [_plain(cell) for cell in cells]
        types = set(map(type, cells))
    if types >= {float, str} or types >= {float, datetime}:  # NaN is what pandas puts into gaps
        cells = [None if cell != cell else cell for cell in cells]
        types = set(map(type, cells))
    missing = np.fromiter((cell is None for cell in cells), bool, len(cells))
    types -= {type(None)}
    if types == {bool}:
        return Column(name, np.array([cell is True for cell in cells], bool), missing)
    if types == {int}:
        try:
            return Column(name, np.array([0 if cell is None else cell for cell in cells], np.int64), missing)
        except OverflowError:
            types = {float}
    if types and types <= {bool, int, float}:
        try:
            values = np.array([np.nan if cell is None else float(cell) for cell in cells], np.float64)
        except OverflowError:
            raise DataError(f"column '{name}' holds an integer too large for a 64-bit float") from None
        return Column(name, values, np.isnan(values))
    if types == {datetime}:
        return Column(name, np.array(cells, "datetime64[us]"), missing)
    return _text(name, _objects([cell if cell is None or type(cell) is str else str(cell) for cell in cells]))


def _plain(cell: Any) -> Any:
    """A cell of a rarer type as one of None, bool, int, float, str, datetime."""
    if isinstance(cell, np.generic):
        cell = cell.item()
    if cell is None or isinstance(cell, bool):
        return cell
    for plain in (int, float, str):  # also their subclasses, such as enumerations
        if isinstance(cell, plain):
            return plain(cell)
    if isinstance(cell, Decimal):
        return float(cell)
    if isinstance(cell, datetime):
        if cell != cell:  # pandas' NaT
            return None
        moment = datetime(*cell.timetuple()[:6], cell.microsecond, cell.tzinfo)
        return moment.astimezone(timezone.utc).replace(tzinfo=None) if cell.tzinfo else moment
    if isinstance(cell, date):
        return datetime(cell.year, cell.month, cell.day)
    if isinstance(cell, time):
        return _EPOCH.replace(hour=cell.hour, minute=cell.minute, second=cell.second, microsecond=cell.microsecond)
    if isinstance(cell, timedelta):
        return cell.total_seconds()
    if type(cell).__name__ in ("NAType", "NaTType"):  # pandas' missing values, without importing pandas
        return None
    return str(cell)


def _text(name: str, cells: Array) -> Column:
    missing = np.asarray((cells == None) | (cells == ""), bool)  # noqa: E711 (elementwise)
    if missing.any():
        cells = cells.copy()
        cells[missing] = None
    return Column(name, cells, missing)


def _objects(cells: list[Any]) -> Array:
    array = np.empty(len(cells), object)
    array[:] = cells
    return array
