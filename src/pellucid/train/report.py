"""`Report`: one offline page on a table model: its data, its training, how good it is, where it errs, and why.

The numbers are gathered here, as plain values; `report_page` lays them out.
"""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import numpy
from numpy.typing import NDArray

from pellucid._version import __version__
from pellucid.data.table import Column, Table
from pellucid.explain.doctor import Diagnosis
from pellucid.explain.importance import Importance
from pellucid.explain.rendered import Rendered
from pellucid.explain.why import Why
from pellucid.train import table_figures

if TYPE_CHECKING:
    from pellucid.train.tabular import TableModel

Array = NDArray[Any]
_BARS = 24  # in a column's small picture
_WORST = 10  # rows that are shown


@dataclass(frozen=True)
class ColumnSummary:
    """One column: what it is taken for, what it holds, and how often each part of its range, or each category, is."""

    name: str
    kind: str
    missing: int
    distinct: int
    values: str
    bars: tuple[int, ...]


@dataclass(frozen=True)
class Mistake:
    """A row that the model is most wrong about, and what its columns contributed to the prediction.

    `size`: of a number |error|, of a class 1 - its probability.
    """

    place: str
    true: str
    predicted: str
    size: float
    cells: dict[str, str]
    why: Why


@dataclass(frozen=True, eq=False)
class Report(Rendered):
    """What there is to know of a table model, on one page that opens offline: `save("report.html")`, or .txt, .json.

    `figures` are measured on `rows_tested` rows that training has not seen, `intervals` the bounds between which 95 %
    of a figure lies where these rows are drawn anew, `importance` how much worse the model gets when a column is
    shuffled, and `diagnosis` what the doctor finds in the rows trained on (where these are there) and in the network.

    >>> from pellucid.train.tabular import TableModel
    >>> table = {"x": list(range(90)), "y": [3.0 * x + 1.0 for x in range(90)]}
    >>> made = TableModel.train(table, "y", hidden=(4,), epochs=3, seed=1, verbose=0).report()
    >>> made.rows_tested, sorted(made.figures)
    (18, ['mae', 'r2', 'rmse'])
    """

    model: TableModel
    command: str
    made: str
    columns: tuple[ColumnSummary, ...]
    rows_tested: int
    figures: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    mistakes: tuple[Mistake, ...]
    importance: Importance
    diagnosis: Diagnosis
    truth: Array
    outputs: Array
    provenance: dict[str, str]

    @property
    def title(self) -> str:
        return f"{self.model.target.name}: predicted from {self.model.source['name']}"

    def body(self) -> str:
        from pellucid.train.report_page import body

        return body(self)

    def text(self) -> str:
        """The figures with their intervals, and the rows that the model is most wrong about."""
        from pellucid.explain.numbers import columns

        rows = [["", "", "95 % of the time"]]
        for name, value in self.figures.items():
            bounds = [table_figures.written(name, bound) for bound in self.intervals.get(name, ())]
            rows.append([table_figures.LABELS[name], table_figures.written(name, value), " … ".join(bounds)])
        worst = [["", "true", "predicted", "most by"]]
        worst += [[one.place, one.true, one.predicted, _reasons(one.why)] for one in self.mistakes]
        return (
            f"{self.title}\n\non {self.rows_tested:,} rows that it was not trained on:\n{columns(rows)}\n\n"
            f"most wrong about:\n{columns(worst, left=(0, 3))}"
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "title": self.title, "made": self.made, "command": self.command, "rows_tested": self.rows_tested,
            "figures": self.figures, "intervals": {name: list(bounds) for name, bounds in self.intervals.items()},
            "columns": [asdict(one) for one in self.columns],
            "mistakes": [{**vars(one), "why": one.why.to_json()} for one in self.mistakes],
            "importance": self.importance.to_json(), "diagnosis": self.diagnosis.to_json(),
            "settings": self.model.settings.to_json(), "provenance": self.provenance, "notices": self.model.notices,
        }  # fmt: skip


def make_report(model: TableModel, test: Table, command: str = "") -> Report:
    """The report on a table model, tested on these rows."""
    truth, outputs = model.encoder.labels(test), model.outputs_for(test)
    found = table_figures.figures(model.target, truth, outputs)
    names = table_figures.names(model.target)
    return Report(
        model,
        command,
        datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        _columns(model, model.parts.get("train", test)),
        len(test),
        {name: found[name] for name in names},
        table_figures.intervals(model.target, truth, outputs, model.model.executor),
        _mistakes(model, test, truth, outputs),
        model.importance(test),
        model.diagnose(model.parts.get("train", test)),
        truth,
        outputs,
        {
            "data": f"{model.source['name']}, {model.schema.rows:,} rows",
            "rows": ", ".join(f"{count:,} {name}" for name, count in model.source["rows"].items() if name != "all"),
            "seed": str(model.settings.seed),
            "pellucid": __version__,
            "numpy": numpy.__version__,
            "python": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}",
            "executor": f"{model.model.executor.name}, {model.model.precision}",
        },
    )


def _columns(model: TableModel, rows: Table) -> tuple[ColumnSummary, ...]:
    """Each column that is used, the target last; bars are of the rows trained on, where these are there."""
    target = model.target.name
    fields = sorted(
        (one for one in model.schema.fields if one.used or one.name == target), key=lambda f: f.name == target
    )
    return tuple(
        ColumnSummary(
            field.name,
            f"target, {model.target.task}" if field.name == target else field.kind,
            field.missing,
            field.distinct,
            field.summary,
            _bars(rows[field.name]) if field.name in rows.columns else (),
        )
        for field in fields
    )


def _bars(column: Column) -> tuple[int, ...]:
    """How often each part of a column's range is, between its first and last hundredth, or each common category."""
    if column.holds in ("text", "boolean"):
        return tuple(sorted(column.counts[1].tolist(), reverse=True)[:_BARS])
    values = column.present.astype(numpy.float64)
    if not len(values):
        return ()
    low, high = numpy.quantile(values, [0.01, 0.99])
    counts, _ = numpy.histogram(values, _BARS, (low, high if high > low else low + 1.0))
    return tuple(counts.tolist())


def _mistakes(model: TableModel, test: Table, truth: Array, outputs: Array) -> tuple[Mistake, ...]:
    """The rows that the model is most wrong about, worst first; right answers are no mistakes."""
    predicted, truth = model.encoder.decode(outputs), truth.ravel()
    if model.target.classes:
        chances = model.probabilities(outputs)
        sizes = 1.0 - chances[numpy.arange(len(truth)), truth.astype(int)]
        names = [str(name) for name in model.target.classes]
        true = [names[int(place)] for place in truth]
        told = [f"{name} ({chance:.1%})" for name, chance in zip(predicted.tolist(), chances.max(axis=1), strict=True)]
        wrong = numpy.flatnonzero(
            numpy.array([name != str(other) for name, other in zip(true, predicted, strict=True)])
        )
    else:
        from pellucid.explain.numbers import number

        sizes = numpy.abs(truth - predicted)
        true, told = [number(float(value)) for value in truth], [number(float(value)) for value in predicted]
        wrong = numpy.flatnonzero(sizes > 0)
    worst = wrong[numpy.argsort(-sizes[wrong], kind="stable")[:_WORST]]
    used = [field.name for field in model.schema.features]
    return tuple(
        Mistake(
            test.place(int(row)),
            true[row],
            told[row],
            float(sizes[row]),
            {name: _cell(test[name], int(row)) for name in used},
            model.why(test, int(row)),
        )
        for row in worst
    )


def _reasons(why: Why) -> str:
    """The two largest contributions in a few words."""
    from pellucid.explain.why_text import signed

    return ", ".join(f"{name} {signed(value)}" for name, value in list(why.parts.items())[:2])


def _cell(column: Column, row: int) -> str:
    if column.missing[row]:
        return "missing"
    value = column.values[row]
    shown = f"{value:,.6g}" if column.holds == "float" else str(value)
    return shown.replace("-", "−") if column.holds in ("float", "integer") else shown
