"""Requests that cannot be met: each is one error of ours, which says what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest

import pellucid
from pellucid.errors import ArgumentError, DataError, PellucidError, StateError, UnknownNameError
from pellucid.layers import Dense, Input

X, Y = numpy.array([[2.0, 5.0], [4.0, 6.0]], "float32"), numpy.array([[0.0], [1.0]], "float32")


@pytest.fixture(scope="module")
def model() -> Any:
    made = pellucid.Sequential([Input((2,), name="student"), Dense(2, "relu", name="hidden"), Dense(1, "sigmoid")])
    made.compile("adam", "binary_crossentropy")
    return made


REQUESTS: dict[str, tuple[Any, type[PellucidError], str]] = {
    "no labels": (lambda m: m.explain_step(X, None), ArgumentError, "give y"),
    "weight: a number": (lambda m: m.explain_step(X, Y, weight=3), ArgumentError, "hidden/kernel"),
    "weight: nothing": (lambda m: m.explain_step(X, Y, weight=[]), ArgumentError, "hidden/kernel"),
    "labels of a layer": (lambda m: m.explain_step(X, Y, names={"hiden": ["a"]}), UnknownNameError, "mean 'hidden'"),
    "diagram: a layer": (lambda m: m.diagram(names={"hiden": ["a"]}), UnknownNameError, "mean 'hidden'"),
    "diagram: row": (lambda m: m.diagram(x=X, row="a"), ArgumentError, "0 to 1"),
    "diagram: labels alone": (lambda m: m.diagram(y=Y), ArgumentError, "give x"),
    "diagram: no trace": (lambda m: m.diagram(trace="abc"), ArgumentError, "student"),
    "why: baseline": (lambda m: m.why(X[:1], baseline="a"), ArgumentError, "number"),
    "why: vocabulary": (lambda m: m.why(X[:1], vocabulary=["a"]), ArgumentError, "ids"),
    "what if: text": (lambda m: m.what_if(X[:1], {0: "a"}), ArgumentError, "number"),
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_requests(model: Any, request_: tuple[Any, type[PellucidError], str]) -> None:
    ask, kind, said = request_
    with pytest.raises(kind, match=said):
        ask(model)


def test_plots_of_tables_need_their_model(model: Any) -> None:
    with pytest.raises(ArgumentError, match="need a TableModel, got Sequential"):
        pellucid.plot.table_kinds(model)


def test_a_step_of_too_many_examples(model: Any) -> None:
    with pytest.raises(ArgumentError, match="1,024 at most, got 100,000"):
        model.explain_step(numpy.ones((100_000, 2)), numpy.ones((100_000, 1)))


def test_rows_of_tables() -> None:
    table = {"x": [float(i) for i in range(60)], "y": [2.0 * i for i in range(60)]}
    houses = pellucid.TableModel.train(table, "y", hidden=(), epochs=1, seed=1, verbose=0)
    for row in (60, -1, "a"):
        with pytest.raises(ArgumentError, match=f"row {row}: .* 60 rows, counted from 0 to 59"):
            houses.why(table, row=row)  # type: ignore[arg-type]


def test_diagram_of_another_network(model: Any) -> None:
    other = pellucid.Sequential([Input((2,), name="other"), Dense(1)])
    with pytest.raises(ArgumentError, match="inputs are student; got one with other"):
        model.diagram(trace=other.trace(X))


@pytest.mark.parametrize("ask", ["diagram", "trace", "why", "grad_cam"])
def test_unbuilt(ask: str) -> None:
    unbuilt = pellucid.Sequential([Dense(1)])
    with pytest.raises(StateError, match="Input"):
        getattr(unbuilt, ask)(*(() if ask == "diagram" else (X[:1],)))


@pytest.mark.parametrize("suffix", [".html", ".txt"])
def test_files_that_cannot_be_written(model: Any, tmp_path: Path, suffix: str) -> None:
    for record in (model.trace(X), model.diagram()):
        with pytest.raises(DataError, match="Create the folder first"):
            record.save(tmp_path / "none" / f"it{suffix}")
        record.save(tmp_path / f"it{suffix.upper()}")
        assert record.text() in (tmp_path / f"it{suffix.upper()}").read_text(encoding="utf-8") or suffix == ".html"


def test_labels_are_as_many_as_elements() -> None:
    stack = [pellucid.Input((3,), name="x"), pellucid.layers.Dense(2, name="h"), pellucid.layers.Dense(1, name="y")]
    made = pellucid.Sequential(stack, seed=0)
    made.compile("sgd", "mse")
    x, y = [[1.0, 2.0, 3.0]], [[1.0]]
    for ask in (
        lambda names: made.diagram(names=names),
        lambda names: made.explain_step(x, y, names=names),
        lambda names: made.explain_row(x, names=names),
    ):
        with pytest.raises(ArgumentError, match="names has 2 names for the 3 elements of 'x'"):
            ask({"x": ["a", "b"]})
        with pytest.raises(ArgumentError, match="names has 3 names for the 2 elements of 'h'"):
            ask({"h": ["a", "b", "c"]})
        ask({"x": ["a", "b", "c"], "h": ["d", "e"], "y": ["f"]})
    with pytest.raises(ArgumentError, match="names has 2 names for the 3 elements"):
        made.what_if(x, {"a": 1.0}, names=["a", "b"])
