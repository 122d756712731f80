"""`TableGlass`: the methods of a table model that open it, in the words of its columns and classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy

from pellucid.data import cells
from pellucid.data.encoder import NUMBERS, Encoder
from pellucid.data.read import read
from pellucid.data.table import Table
from pellucid.data.table import column as make_column
from pellucid.errors import ArgumentError, DataError, UnknownNameError
from pellucid.explain.dependence import dependence, grid
from pellucid.explain.numbers import number
from pellucid.train import table_figures

if TYPE_CHECKING:
    from pellucid.explain.dependence import PartialDependence
    from pellucid.explain.doctor import Diagnosis
    from pellucid.explain.importance import Importance
    from pellucid.explain.record import StepExplanation
    from pellucid.explain.row import RowExplanation
    from pellucid.explain.trace import Trace
    from pellucid.explain.what_if import WhatIf
    from pellucid.explain.why import Why
    from pellucid.plot.diagram import Diagram
    from pellucid.train.report import Report
    from pellucid.train.tabular import TableModel

Place = tuple[str, int | None]  # the name of an input, and of several numbers which


class TableGlass:
    """What can be seen of a table model."""

    def trace(self, source: object, exact: bool = False) -> Trace:
        """What every layer makes of these rows, preparation included: see `Trace`.

        Where the table has the target's column, also how the loss changes with it.

        >>> import pellucid
        >>> rows = {"a": [i / 2 for i in range(60)], "b": [i % 7 for i in range(60)], "y": [3.0 * i for i in range(60)]}
        >>> model = pellucid.TableModel.train(rows, "y", hidden=(8,), epochs=5, seed=1, verbose=0)
        >>> model.trace({"a": [1.0], "b": [2]})["hidden_1"].activation.shape
        (1, 8)
        """
        model = cast("TableModel", self)
        table = read(source)
        known = model.target.name in table.columns
        table = model.target.labelled(table, []) if known else table
        labels = model.encoder.labels(table) if known else None
        return model.model.trace(model.encoder.features(table), labels, exact=exact)

    def why(self, source: object, row: int | None = None, output: Any = None, baseline: object = None) -> Why:
        """What each column of one row contributes to its prediction, beside a usual row: see `Why`.

        `row` counts from 0, where the source has several. `output` is the class whose probability is explained; the
        predicted one otherwise. `baseline` is a row to compare with; otherwise the average of each number in training
        and the commonest category. Contributions go back through all preparation to the columns that were given.

        >>> import pellucid
        >>> rows = {"a": [i / 2 for i in range(60)], "b": [i % 7 for i in range(60)], "y": [3.0 * i for i in range(60)]}
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
        place, sign, words = _output(model, output, lambda: model.model.predict(arrays))
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

    def explain_row(
        self, source: object, row: int | None = None, count: int = 4, notices: list[str] | None = None
    ) -> RowExplanation:
        """How the prediction for one row comes about: its columns prepared, then each layer's weighted sums.

        `row` counts from 0, where the source has several. `count`: units of each layer, and parts of each sum, that are
        shown; those that matter most for what comes after. What the user should know is appended to `notices`.

        >>> import pellucid
        >>> rows = {"a": [i / 2 for i in range(60)], "b": [i % 7 for i in range(60)], "y": [3.0 * i for i in range(60)]}
        >>> model = pellucid.TableModel.train(rows, "y", hidden=(), epochs=5, seed=1, verbose=0)
        >>> [stage.name for stage in model.explain_row(rows, row=0).stages][-2:]
        ['output', 'in_target_units']
        """
        from pellucid.explain.forward import forward_pass, units_that_matter
        from pellucid.explain.row import RowExplanation
        from pellucid.train.opening import open_model

        model = cast("TableModel", self)
        table = read(source)
        one = one_row(table, row)
        opened = open_model(model.model, model.encoder.features(one, notices), unrolled=True)
        stages = forward_pass(opened, model.element_names())
        outputs = stages[-1].values[None]
        place = int(outputs[0].argmax()) if model.target.task == "multiclass" else 0
        facts = _facts(model, one, outputs)
        where = table.name if row is None else f"{table.name}, row {row}"
        units = units_that_matter(stages, place, count)
        return RowExplanation(f"{where}: {_headline(model, facts)}", stages, units, count, facts)

    def explain_step(
        self, source: object, row: int | None = None, weight: str | Sequence[str] | None = None
    ) -> StepExplanation:
        """One training step on one row, whose target is known: see `Model.explain_step`.

        >>> import pellucid
        >>> rows = {"a": [i / 2 for i in range(60)], "b": [i % 7 for i in range(60)], "y": [3.0 * i for i in range(60)]}
        >>> model = pellucid.TableModel.train(rows, "y", hidden=(), epochs=5, seed=1, verbose=0)
        >>> model.explain_step(rows, row=0, weight="output/bias[0]").weights[0].name
        'output/bias[0]'
        """
        model = cast("TableModel", self)
        one = model.target.labelled(one_row(read(source), row), [])
        arrays, labels = model.encoder.features(one), model.encoder.labels(one)
        return model.model.explain_step(arrays, labels, weight, names=model.element_names())

    def importance(self, source: object, metric: str | None = None, repeats: int = 5, seed: int = 0) -> Importance:
        """How much worse a figure is on these rows when one column is shuffled: see `Importance`. Breiman 2001.

        `metric`: one of those that `evaluate` gives; R² unless told, of classes accuracy.

        >>> import pellucid
        >>> rows = {"a": [i / 2 for i in range(60)], "b": [i % 7 for i in range(60)], "y": [3.0 * i for i in range(60)]}
        >>> model = pellucid.TableModel.train(rows, "y", hidden=(8,), epochs=50, seed=1, verbose=0)
        >>> list(model.importance(rows).means)
        ['a', 'b']
        """
        from pellucid.explain.importance import permutation_importance
        from pellucid.train.callbacks import GROWING

        model = cast("TableModel", self)
        table = model.target.labelled(read(source), [])
        arrays, labels = model.encoder.features(table), model.encoder.labels(table)
        names = model.model.input_names
        where = {
            column: [(names.index(name), at) for name, at in found] for column, found in places(model.encoder).items()
        }
        figure = metric or ("accuracy" if model.target.classes else "r2")
        known = table_figures.names(model.target)
        if figure not in known:
            raise UnknownNameError("metric", figure, known)

        def score(changed: list[Any]) -> float:
            outputs = model.model.predict(dict(zip(names, changed, strict=True)))
            return float(table_figures.figures(model.target, labels, outputs)[figure])

        return permutation_importance(
            [arrays[name] for name in names], where, score, figure, figure.endswith(GROWING), repeats, seed
        )

    def partial_dependence(
        self, source: object, column: str, output: Any = None, points: int = 20
    ) -> PartialDependence:
        """The average prediction when one column has the same value in all these rows: see `PartialDependence`.

        Numbers and dates go from their 5 % to their 95 % quantile in `points` steps, categories by how common they are.
        `output`: the class whose probability is meant; of two classes the second otherwise. Friedman 2001.

        >>> import pellucid
        >>> rows = {"a": [i / 2 for i in range(60)], "b": [i % 7 for i in range(60)], "y": [3.0 * i for i in range(60)]}
        >>> model = pellucid.TableModel.train(rows, "y", hidden=(8,), epochs=5, seed=1, verbose=0)
        >>> model.partial_dependence(rows, "b").values
        (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
        """

        model = cast("TableModel", self)
        table = read(source)
        if column not in model.encoder.columns:
            raise UnknownNameError("column of the network", column, model.encoder.columns)
        classes = model.target.classes
        wanted = classes[1] if output is None and model.target.task == "binary" else output
        place, sign, words = _output(model, wanted, lambda: model._answers(table, None).mean(axis=0, keepdims=True))

        def of(value: Any) -> numpy.ndarray:
            cells = make_column(column, [value] * len(table), table[column].order)
            made = replace(table, columns={**table.columns, column: cells})
            found = numpy.asarray(model._answers(made, None)[:, place])
            return found if sign > 0 else 1.0 - found

        return dependence(column, words, _values(model.encoder, table, column, points), of)

    def what_if(self, source: object, changes: Mapping[str, Any], row: int | None = None) -> WhatIf:
        """What changes when columns of one row do: the prediction, and the units inside, by layer: see `WhatIf`.

        `changes` are new cells by column; `row` counts from 0, where the source has several.

        >>> import pellucid
        >>> rows = {"a": [i / 2 for i in range(60)], "b": [i % 7 for i in range(60)], "y": [3.0 * i for i in range(60)]}
        >>> model = pellucid.TableModel.train(rows, "y", hidden=(8,), epochs=5, seed=1, verbose=0)
        >>> model.what_if(rows, {"a": 20.0}, row=0).changes
        (('a', '0', '20'),)
        """
        from pellucid.explain.what_if import what_if

        model = cast("TableModel", self)
        one = one_row(read(source), row)
        unknown = next((name for name in changes if name not in model.encoder.columns), None)
        if unknown is not None or not changes:
            raise UnknownNameError("column of the network", unknown, model.encoder.columns)
        cells = {name: make_column(name, [value], one[name].order) for name, value in changes.items()}
        other = replace(one, columns={**one.columns, **cells})
        made = [(name, _cell(one, name), _cell(other, name)) for name in changes]
        before, notes = self._traced(one)
        after, found = self._traced(other)
        names = model.element_names()
        prepared = names.get("fill_missing", [])
        vectors = [part for name, part in names.items() if name.endswith((" one_hot", " embedding"))]
        names |= {
            "log_scale": prepared,
            "standardize": prepared,
            "features": [*prepared, *names["ranges"], *(one for part in vectors for one in part)],
        }
        return what_if(made, before, after, names, [note for note in found if note not in notes])

    def _traced(self, table: Table) -> tuple[Trace, list[str]]:
        """A trace, and what is to be said of the columns."""
        model, notes = cast("TableModel", self), list[str]()
        return model.model.trace(model.encoder.features(table, notes)), notes

    def diagnose(self, source: object) -> Diagnosis:
        """What is wrong with a table, with the network as it is now, and with the course of its training.

        The table must have the target's column. See `Diagnosis`.

        >>> from pellucid.train.tabular import TableModel
        >>> table = {"x": [0.5 * i for i in range(90)], "y": [1.5 * i for i in range(90)], "unit": ["m"] * 90}
        >>> TableModel.train(table, "y", hidden=(4,), epochs=20, seed=1, verbose=0).diagnose(table).codes
        ['D103']
        """
        from pellucid.train.diagnosing import diagnose_table_model

        return diagnose_table_model(cast("TableModel", self), source)

    def report(self, source: object = None, command: str = "") -> Report:
        """All there is to know of this model on one page, tested on the rows held out, or on another table with the
        target's column: see `Report`. `command` is shown as what repeats the run.

        Raises `DataError` where no rows were held out, or where the model comes from a file and no table is given.
        """
        from pellucid.train.report import make_report

        model = cast("TableModel", self)
        table = model.parts.get("test") if source is None else model.target.labelled(read(source), [])
        if table is None:
            raise DataError("a report needs rows to test on: give a table with the target's column, report(source)")
        return make_report(model, table, command)

    def diagram(self, source: object = None, row: int = 0, show: str = "weights", title: str = "") -> Diagram:
        """A picture of the network with the names of columns and classes: see `Model.diagram`.

        With a table, neurons show the values of one of its rows; "gradients" need its target's value too.
        """
        model = cast("TableModel", self)
        names = model.element_names()
        if source is None:
            return model.model.diagram(None, show, names=names, title=title)
        table = read(source)
        if not 0 <= row < len(table):
            raise ArgumentError(
                f"row {row}: {table.name} has {len(table):,} rows, counted from 0 to {len(table) - 1:,}"
            )
        one = table.take(numpy.array([row]))
        y = model.encoder.labels(one) if model.target.name in one.columns else None
        return model.model.diagram(None, show, model.encoder.features(one, []), y, 0, names, title)


def _facts(model: TableModel, one: Table, outputs: Any) -> dict[str, Any]:
    """The row, the prediction, the probabilities of the classes, and the true value where the table has one."""
    columns = {name: cells.plain(one[name]) for name in one.names}
    facts: dict[str, Any] = {"columns": columns, "target": model.target.name}
    facts["prediction"] = model.encoder.decode(outputs).tolist()[0]
    if model.target.classes:
        chances = model.probabilities(outputs)[0].tolist()
        facts["probabilities"] = dict(zip(map(str, model.target.classes), chances, strict=True))
    if model.target.name in columns:
        facts["true"] = columns[model.target.name]
    return facts


def _headline(model: TableModel, facts: dict[str, Any]) -> str:
    predicted, true = facts["prediction"], facts.get("true")
    text = f"{model.target.name} is predicted as "
    if not model.target.classes:
        text += number(predicted)
        return text + (f"; the table says {number(true)}" if isinstance(true, (int, float)) else "")
    text += f"{predicted!r} with probability {facts['probabilities'][str(predicted)]:.4f}"
    return text + (f"; the table says {true!r}" if true is not None else "")


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
        raise ArgumentError(f"{table.name} has {len(table):,} rows; choose one row, 0 to {len(table) - 1:,}")
    place = 0 if row is None else row
    if not isinstance(place, (int, numpy.integer)) or not 0 <= place < len(table):
        raise ArgumentError(f"row {place}: {table.name} has {len(table):,} rows, counted from 0 to {len(table) - 1:,}")
    return table.take(numpy.array([place]))


def _output(model: TableModel, wanted: Any, outputs: Callable[[], Any]) -> tuple[int, float, str]:
    """The output that is explained, its sign (of two classes the network gives the second), and its name.

    It is that of the wanted class, else of the likeliest among `outputs`.
    """
    target = model.target
    if not target.classes:
        if wanted is not None:
            raise ArgumentError(f"'{target.name}' is a number: it has no classes to choose from, so name none")
        return 0, 1.0, target.name
    classes = list(map(str, target.classes))
    if wanted is None:
        wanted = classes[int(model.probabilities(outputs())[0].argmax())]
    if str(wanted) not in classes:
        raise DataError(f"'{target.name}' has no class {wanted!r}. There are: {', '.join(classes)}")
    place = classes.index(str(wanted))
    words = f"the probability of {target.name} = {wanted}"
    return (0, 1.0 if place else -1.0, words) if target.task == "binary" else (place, 1.0, words)


def _values(encoder: Encoder, table: Table, name: str, points: int) -> list[Any]:
    """The values of a column that partial dependence goes through."""
    kind = next((one.kind for one in encoder.numbers if one.column == name), "category")
    column = table[name]
    if kind == "number":
        return list(grid(cells.numbers(table, column), points, name))
    if kind == "datetime":
        moments = cells.instants(table, column)
        seconds = grid(moments[~numpy.isnat(moments)].astype("datetime64[s]").astype(numpy.float64), points, name)
        return [numpy.datetime64(int(second), "s").item() for second in seconds]
    order = next((one.order for one in encoder.numbers if one.column == name), ())
    counts = cells.categories(column)
    known = [one for one in order if one in counts] or sorted(counts, key=lambda one: -counts[one])
    return known[:points]


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
