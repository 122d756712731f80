"""Partial dependence: the average prediction when one column is set to the same value in every row. Friedman 2001, 8.2.

Beside the average stands the middle 80 % of the rows' own curves (Goldstein et al. 2015): where that band fans out, the
column acts together with others. Columns that belong together make rows that never occur; the curve is then a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from pellucid.errors import ArgumentError, DataError, UnknownNameError
from pellucid.explain.importance import places_of
from pellucid.explain.numbers import columns, number
from pellucid.explain.page import escape, table
from pellucid.explain.rendered import Rendered
from pellucid.explain.why import choose
from pellucid.explain.why_text import rounded
from pellucid.nn.network import Network


@dataclass(frozen=True, eq=False, repr=False)
class PartialDependence(Rendered):
    """The average prediction of `rows` rows, and the middle 80 % of predictions, over the values of one column."""

    column: str
    what: str
    values: tuple[Any, ...]
    average: numpy.ndarray
    low: numpy.ndarray
    high: numpy.ndarray
    rows: int

    @property
    def title(self) -> str:
        return f"{self.what} by {self.column}"

    @property
    def shown(self) -> list[str]:
        """The values as people read them."""
        return [rounded(value) if isinstance(value, float) else str(value) for value in self.values]

    def text(self) -> str:
        """A table of values."""
        head = f"{self.what} when {self.column} is the same in all of {self.rows:,} rows"
        return f"{head}\n\n" + columns([[self.column, "average", "80 % of rows between", "and"], *self._lines()])

    def body(self) -> str:
        """The same as HTML."""
        head = [self.column, "average", "80 % of rows between", "and"]
        lines = [[escape(cell) for cell in row] for row in self._lines()]
        lead = f'<p class="lead">when {escape(self.column)} is the same in all of {self.rows:,} rows</p>\n'
        return lead + table(lines, [escape(cell) for cell in head])

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "column": self.column, "what": self.what, "values": [_plain(value) for value in self.values],
            "average": self.average.tolist(), "low": self.low.tolist(), "high": self.high.tolist(), "rows": self.rows,
        }  # fmt: skip

    def plot(self, ax: Any = None) -> Any:
        """Draw it: `pellucid.plot.partial_dependence`."""
        import pellucid

        return pellucid.plot.partial_dependence(self, ax=ax)

    def _lines(self) -> list[list[str]]:
        figures = [[number(float(f"{value:.5g}")) for value in row] for row in (self.average, self.low, self.high)]
        return [list(row) for row in zip(self.shown, *figures, strict=True)]


def dependence(
    column: str, what: str, values: Sequence[Any], predict: Callable[[Any], numpy.ndarray]
) -> PartialDependence:
    """`predict(value)` gives what every row is predicted as, [rows], when the column has that value."""
    found = numpy.array([predict(value) for value in values], numpy.float64)
    low, high = numpy.quantile(found, [0.1, 0.9], axis=1)
    return PartialDependence(column, what, tuple(values), found.mean(axis=1), low, high, found.shape[1])


def grid(values: numpy.ndarray, points: int, column: str) -> list[float]:
    """All values where they are few, else evenly from the 5 % to the 95 % quantile."""
    if isinstance(points, bool) or not isinstance(points, int) or points < 2:
        raise ArgumentError(f"points must be a whole number from 2, got {points!r}")
    known = numpy.unique(values[numpy.isfinite(values)])
    if not known.size:
        raise DataError(f"column {column!r} has no values in these rows")
    if len(known) <= points:
        return [float(value) for value in known]
    low, high = numpy.quantile(values[numpy.isfinite(values)], [0.05, 0.95])
    return [float(value) for value in numpy.linspace(low, high, points)]


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, bool, int, float)) else str(value)


def of_arrays(
    network: Network,
    arrays: list[numpy.ndarray],
    column: int | str,
    output: Any,
    points: int,
    names: Sequence[str] | None,
    predict: Callable[[Any], Any],
) -> PartialDependence:
    """The dependence of a network's output on one column of its inputs: see `Model.partial_dependence`."""
    places = places_of(arrays, network.input_names, names)
    if isinstance(column, int) and len(arrays) == 1 and 0 <= column < len(places):
        column = list(places)[column]
    if column not in places:
        raise UnknownNameError("column", column, places)
    ((place, at),) = places[str(column)]
    outputs = predict(arrays)
    listed = outputs if isinstance(outputs, list) else [outputs]
    chosen = choose(network, output, None, lambda: [value.mean(axis=0) for value in listed])

    def of(value: float) -> numpy.ndarray:
        made = list(arrays)
        made[place] = arrays[place].copy()
        made[place][... if at is None else (..., at)] = value
        found = predict(made)
        one = found[chosen.output] if isinstance(found, list) else found
        return numpy.asarray(one.reshape(len(one), -1)[:, chosen.index])

    values = arrays[place] if at is None else arrays[place][..., at]
    return dependence(str(column), chosen.words, grid(values.astype(numpy.float64).ravel(), points, str(column)), of)
