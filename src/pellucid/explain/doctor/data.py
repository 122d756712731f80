"""What the checks of data look at: columns, labels and broken cells, of arrays or of a table, from a sample of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

from pellucid.data import cells
from pellucid.data import table as tables

Array = NDArray[Any]

ROWS = 20_000  # that are looked at: shares of one in a thousand are known to a tenth of themselves
FIELD = 64  # unnamed columns from which on they are one field, such as pixels, and no column is judged by itself
LARGEST = float(numpy.finfo(numpy.float32).max)
_CHUNK = 1 << 22  # numbers that are tested for being finite at a time
_NEVER = 1e-6
_HELD = 2_000  # rows of the held-out part that are looked up in the other: a share of 2 % is 40 of them


@dataclass(frozen=True, eq=False)
class Column:
    """One value per row: NaN where it is missing; of categories, their numbers."""

    name: str
    values: Array  # float64 [rows]
    is_category: bool = False

    @property
    def known(self) -> Array:
        """The values that are not missing."""
        found: Array = self.values[numpy.isfinite(self.values)]
        return found


@dataclass(frozen=True, eq=False)
class Labels:
    """What is to be predicted, one value per row of the sample: a number, or the number of a class."""

    name: str
    values: Array  # float64 [rows]
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Broken:
    """Cells of an input or column that are not finite."""

    name: str
    missing: int  # NaN
    infinite: int  # also what is beyond float32
    cells: int
    row: int  # the first row with one


@dataclass(frozen=True)
class Twins:
    """Rows of one part that stand in another part, too; or a second time `within` the same table."""

    rows: int
    twins: int
    by_chance: float  # the share to be expected where columns have nothing to do with each other
    within: bool = False


@dataclass(frozen=True, eq=False)
class DataView:
    """A dataset as the checks see it. `fills_missing`: the network knows what to do with NaN."""

    rows: int
    columns: tuple[Column, ...]
    labels: tuple[Labels, ...]
    broken: tuple[Broken, ...] = ()
    fills_missing: bool = False
    twins: Twins | None = None


def sample(rows: int, most: int = ROWS) -> Array:
    """At most so many rows, evenly spread over all of them."""
    if rows <= most:
        return numpy.arange(rows)
    return numpy.linspace(0, rows - 1, most).astype(numpy.int64)


def columns_of(name: str, array: Array, rows: Array, names: Sequence[str] = ()) -> list[Column]:
    """The columns of an input [rows, features]; none of images, sequences, or many columns without names."""
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.dtype.kind not in "fiub" or (not names and array.shape[1] >= FIELD):
        return []
    given = list(names) or [name if array.shape[1] == 1 else f"{name}[{i}]" for i in range(array.shape[1])]
    values = array[rows].astype(numpy.float64)
    return [Column(given[i], values[:, i]) for i in range(array.shape[1])]


def broken_cells(name: str, array: Array) -> Broken | None:
    """How many cells are NaN or infinite, if any are; all rows are looked at."""
    if array.dtype.kind != "f" or not array.size:
        return None
    each = max(1, _CHUNK // max(array[:1].size, 1))
    missing = infinite = 0
    first = -1
    for start in range(0, len(array), each):
        with numpy.errstate(over="ignore"):
            part = array[start : start + each].astype(numpy.float32, copy=False)
        finite = numpy.isfinite(part)
        if not finite.all():
            nan = int(numpy.isnan(part).sum())
            missing, infinite = missing + nan, infinite + int((~finite).sum()) - nan
            if first < 0:
                first = start + int(numpy.argmin(finite.reshape(len(part), -1).all(axis=1)))
    return Broken(name, missing, infinite, array.size, first) if first >= 0 else None


def twins_of(part: Sequence[Array], other: Sequence[Array]) -> Twins:
    """How many rows of one part stand in another; a part is an array for each input."""
    chosen = sample(len(part[0]), _HELD)
    known = set(_fingerprints(other, numpy.arange(len(other[0]))))
    found = sum(one in known for one in _fingerprints(part, chosen))
    return Twins(len(chosen), found, _by_chance(other))


def repeats_in(columns: Sequence[Array]) -> Twins:
    """How many rows of a whole table stand in it a second time: a random split would part some of them."""
    rows = len(columns[0])
    chosen = sample(rows)
    distinct = len(set(_fingerprints(columns, chosen)))
    return Twins(len(chosen), len(chosen) - distinct, _by_chance(columns), within=True)


def _fingerprints(arrays: Sequence[Array], rows: Array) -> list[int]:
    flat = [numpy.ascontiguousarray(array).reshape(len(array), -1) for array in arrays]
    return [hash(b"".join(one[row].tobytes() for one in flat)) for row in rows]


def _by_chance(arrays: Sequence[Array]) -> float:
    """The share of rows that agree with another in every column, if columns were independent: 1 - exp(-n·q).

    q, the chance that two rows agree, is the product over columns of Σ c(c - 1) / (m(m - 1)) for values that stand c
    times among m rows.
    """
    rows = sample(len(arrays[0]), _HELD)
    agree = float(len(arrays[0]))
    for array in arrays:
        for column in array[rows].reshape(len(rows), -1).T:
            _, counts = numpy.unique(column, return_counts=True)
            agree *= float((counts * (counts - 1)).sum() / max(len(rows) * (len(rows) - 1), 1))
            if agree < _NEVER:
                return 0.0
    return float(-numpy.expm1(-agree))


# Tables


def view_of_table(table: tables.Table, target: str, classes: Sequence[Any]) -> DataView:
    """A table whose column `target` is to be predicted; `classes` are its classes, or none where it is a number."""
    rows = sample(len(table))
    part = table.take(rows)
    columns = [_column(part[name]) for name in part.names]
    by_name = {column.name: column for column in columns}
    wanted = by_name.pop(target)
    if classes and not wanted.is_category:  # numbers of classes in the order of their values
        wanted = Column(target, numpy.searchsorted(numpy.asarray(classes, numpy.float64), wanted.values).astype(float))
    names = [cells.word(value) for value in (part[target].counts[0].tolist() if wanted.is_category else classes)]
    labels = Labels(target, wanted.values, tuple(names) if classes else ())
    broken = [found for name in table.names if (found := _broken(table[name])) is not None]
    repeats = repeats_in([column.values for column in columns])
    return DataView(len(table), tuple(by_name.values()), (labels,), tuple(broken), True, repeats)


def _column(column: tables.Column) -> Column:
    if column.holds == "text" and not cells.mostly_numbers(column):
        numbers: Mapping[Any, float] = {value: float(i) for i, value in enumerate(column.counts[0].tolist())}
        values = [numbers.get(value, numpy.nan) for value in column.values.tolist()]
        return Column(column.name, numpy.array(values, numpy.float64), is_category=True)
    return Column(column.name, _numbers(column))


def _numbers(column: tables.Column) -> Array:
    if column.holds == "text":
        found = (None if value is None else cells.number(value) for value in column.values.tolist())
        return numpy.array([numpy.nan if value is None else value for value in found], numpy.float64)
    values = column.values.astype("int64") if column.holds == "datetime" else column.values
    return numpy.where(column.missing, numpy.nan, values.astype(numpy.float64))


def _broken(column: tables.Column) -> Broken | None:
    missing = int(column.missing.sum())
    if column.holds == "text" and not cells.mostly_numbers(column):
        return Broken(column.name, missing, 0, len(column), int(column.missing.argmax())) if missing else None
    return broken_cells(column.name, _numbers(column))
