"""The report on a table model: its numbers against NumPy's and sums by hand, and its page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy
import pytest

from pellucid.errors import DataError
from pellucid.execute import executor
from pellucid.train import table_figures
from pellucid.train.tabular import TableModel

DRAW = numpy.random.default_rng(5)
SIZE = DRAW.uniform(20, 200, 300)
PLACE = DRAW.choice(["north", "south"], 300)
TABLE = {
    "size": SIZE,
    "place": PLACE,
    "price": 3.0 * SIZE + 100 * (PLACE == "south") + DRAW.normal(size=300),
    "dear": numpy.where(3.0 * SIZE + 60 * (PLACE == "south") + DRAW.normal(0, 60, 300) > 330, "yes <b>", "no"),
}


def trained(target: str, **options: object) -> TableModel:
    columns = {name: TABLE[name] for name in ("size", "place", target)}
    return TableModel.train(columns, target, hidden=(8,), epochs=8, seed=2, verbose=0, **options)  # type: ignore[arg-type]


def test_figures_intervals_and_mistakes_of_a_number() -> None:
    pytest.importorskip("matplotlib")
    model = trained("price")
    report = model.report(command="pellucid train x.csv")
    test = model.parts["test"]
    guess, true = model.predict(test), test["price"].values
    assert report.rows_tested == len(test) == 60
    assert report.figures["mae"] == pytest.approx(numpy.abs(guess - true).mean(), rel=1e-4)
    low, high = report.intervals["mae"]
    assert low < report.figures["mae"] < high
    worst = numpy.argsort(-numpy.abs(guess - true))
    assert report.mistakes[0].size == pytest.approx(numpy.abs(guess - true).max(), rel=1e-4)
    assert report.mistakes[0].cells["place"] == test["place"].values[worst[0]]
    why = report.mistakes[0].why
    assert why.prediction == pytest.approx(guess[worst[0]], rel=1e-5)
    assert why.baseline + sum(why.parts.values()) + why.gap == pytest.approx(why.prediction, rel=1e-6)
    assert next(iter(why.parts)) in report.text()
    assert [column.name for column in report.columns] == ["size", "place", "price"]
    assert sum(report.columns[1].bars) == len(model.parts["train"])


def test_intervals_are_as_wide_as_theory_says() -> None:
    """The mean of |error| over n rows has standard deviation s/√n, of which 95 % lie within 1.96."""
    labels = DRAW.normal(size=(2000, 1)).astype("float32")
    outputs = labels + DRAW.normal(size=(2000, 1)).astype("float32")
    low, high = table_figures.intervals(trained("price").target, labels, outputs, executor(None))["mae"]
    assert (high - low) / 2 == pytest.approx(1.96 * numpy.abs(outputs - labels).std() / 2000**0.5, rel=0.15)


@pytest.mark.parametrize("target", ["price", "dear"])
def test_the_page_is_whole_and_asks_for_nothing(target: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    report = trained(target).report(command="pellucid train x.csv --target price")
    report.save(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert page.count("<figure>") == 4
    assert "pellucid train x.csv" in page
    assert "yes <b>" not in page
    assert page.count("In a usual row ") == len(report.mistakes)
    assert not re.search(r"<td>-\d", page)  # minus signs, no hyphens
    assert "Share of" in page
    report.save(tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text())["rows_tested"] == report.rows_tested
    assert "most wrong about" in report.text()


def test_a_report_on_another_table_and_refusals() -> None:
    pytest.importorskip("matplotlib")
    model = trained("dear", test_size=0)
    with pytest.raises(DataError, match="give a table"):
        model.report()
    report = model.report({name: TABLE[name][:40] for name in ("size", "place", "dear")})
    assert report.rows_tested == 40
    assert all(mistake.true != mistake.predicted.split(" (")[0] for mistake in report.mistakes)
    with pytest.raises(DataError, match="no rows"):
        model.report({"size": numpy.zeros(0), "place": [], "dear": []})
