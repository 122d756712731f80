"""`TableGlass`: the methods of a table model that open it, in the words of its columns and classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy

from pellucid.data.encoder import NUMBERS, Encoder
from pellucid.data.read import read
from pellucid.data.table import Table
from pellucid.errors import ArgumentError, DataError
from pellucid.explain.forward_text import number

if TYPE_CHECKING:
    from pellucid.explain.why import Why
    from pellucid.train.tabular import TableModel

Place = tuple[str, int | None]  # the name of an input, and of several numbers which


class TableGlass:
    """What can be seen of a table model."""

    def why(self, source: object, row: int | None = None, output: Any = None, baseline: object = None) -> Why:
        """What each column of one row contributes to its prediction, beside a usual row: see `Why`.

        `row` counts from 0, where the source has several. `output` is the class whose probability is explained; the
        predicted one otherwise. `baseline` is a row to compare with; otherwise the average of each number in training
        and the commonest category. Contributions go back through all preparation to the columns that were given.

        >>> import pellucid
        >>> rows = {"a": list(range(60)), "b": [i % 7 for i in range(60)], "y": [3.0 * i for i in range(60)]}
        >>> model = pellucid.TableModel.train(rows, "y", hidden=(8,), epochs=5, seed=1, verbose=0)
        >>> sorted(model.why(rows, row=0).parts)
        ['a', 'b']
        """
        from pellucid.explain.attribution import attribute
        from pellucid.explain.why import Share, record

        model = cast("TableModel", self)
        one = one_row(read(source), row)
        arrays = model.encoder.features(one)
        other = None if baseline is None else one_row(read(baseline), None)
        start = model.encoder.usual if other is None else model.encoder.features(other)
        names = model.model.input_names
        place, sign, words = _output(model, arrays, output)
        found = attribute(
            model.model, model.model.executor, [arrays[name] for name in names], [start[name] for name in names],
            (0, place), sign,
        )  # fmt: skip
        columns = places(model.encoder)
        parts = dict(zip(names, found.contributions, strict=True))
        sums = [sum(float(parts[name][() if at is None else at]) for name, at in where) for where in columns.values()]
        share = Share(
            "columns",
            "columns",
            numpy.array([one[name].values[0] for name in columns], object),
            numpy.array(sums),
            tuple(columns),
            tuple(_cell(one, name) for name in columns),
            tuple(_usual(model.encoder, name) if other is None else _cell(other, name) for name in columns),
        )
        return record(words, "a usual row" if other is None else "the row it is compared with", found, [share])


def places(encoder: Encoder) -> dict[str, list[Place]]:
    """Where each column of the table is among the network's inputs: a date is in several places."""
    found: dict[str, list[Place]] = {name: [] for name in encoder.columns}
    for i, one in enumerate(encoder.numbers):
        found[one.column].append((NUMBERS, i))
    for category in encoder.categories:
        found[category.column].append((category.name, None))
    return found


def one_row(table: Table, row: int | None) -> Table:
    """One row of a table; raises `ArgumentError` where it has several and none is chosen, or has not that many."""
    if row is None and len(table) != 1:
        raise ArgumentError(f"{table.name} has {len(table):,} rows; choose one: row=0 to {len(table) - 1}")
    place = 0 if row is None else row
    if not 0 <= place < len(table):
        raise ArgumentError(f"row {place}: {table.name} has {len(table):,} rows, counted from 0 to {len(table) - 1:,}")
    return table.take(numpy.array([place]))


def _output(model: TableModel, arrays: dict[str, Any], wanted: Any) -> tuple[int, float, str]:
    """The network's output that is explained, its sign (of two classes the network gives the second), and its name."""
    target = model.target
    if not target.classes:
        if wanted is not None:
            raise ArgumentError(f"'{target.name}' is a number and has no classes to choose from; leave output out")
        return 0, 1.0, target.name
    classes = list(map(str, target.classes))
    if wanted is None:
        wanted = classes[int(model.probabilities(model.model.predict(arrays))[0].argmax())]
    if str(wanted) not in classes:
        raise DataError(f"'{target.name}' has no class {wanted!r}. There are: {', '.join(classes)}")
    place = classes.index(str(wanted))
    words = f"the probability of {target.name} = {wanted}"
    return (0, 1.0 if place else -1.0, words) if target.task == "binary" else (place, 1.0, words)


def _cell(table: Table, name: str) -> str:
    """A cell as people read it."""
    column = table[name]
    if column.missing[0]:
        return "missing"
    value = column.values[0]
    return number(float(value)) if column.holds in ("float", "integer") else str(value)


def _usual(encoder: Encoder, name: str) -> str:
    """The value of a column in a usual row; "" of dates, which have none."""
    for category in encoder.categories:
        if category.column == name:
            return category.commonest or "unknown"
    found = [(i, one) for i, one in enumerate(encoder.numbers) if one.column == name]
    if len(found) != 1 or found[0][1].kind == "datetime":
        return ""
    (place, one) = found[0]
    value = float(encoder.usual[NUMBERS][0, place])
    return one.order[min(max(round(value), 0), len(one.order) - 1)] if one.order else number(float(f"{value:.5g}"))
