"""Plots of table models: each kind where it suits."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

import pellucid as pl
from pellucid import plot
from pellucid.errors import ArgumentError
from pellucid.plot.tables import KINDS

random = numpy.random.default_rng(0)
X = random.normal(size=120)
NUMBERS = {"x": X.tolist(), "y": (3 * X + 1).tolist()}
CLASSES = {"x": X.tolist(), "y": numpy.where(X > 0.5, "high", numpy.where(X < -0.5, "low", "middle")).tolist()}


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    options: dict[str, Any] = {"hidden": (8,), "epochs": 3, "seed": 1, "verbose": 0}
    return {
        "numbers": pl.TableModel.train(NUMBERS, "y", **options),
        "classes": pl.TableModel.train(CLASSES, "y", **options),
    }


def test_every_kind_suits_a_model(models: dict[str, Any]) -> None:
    kinds = {name: plot.table_kinds(model) for name, model in models.items()}
    assert {*kinds["numbers"], *kinds["classes"]} == set(KINDS)
    for name, table in (("numbers", NUMBERS), ("classes", CLASSES)):
        for kind in kinds[name]:
            assert plot.table_plot(models[name], table, kind).get_title("left")


def test_predictions_and_truth(models: dict[str, Any]) -> None:
    ax = plot.table_plot(models["numbers"], NUMBERS, "predicted")
    offsets = ax.collections[0].get_offsets()
    numpy.testing.assert_allclose(offsets[:, 0], NUMBERS["y"], rtol=1e-5)
    numpy.testing.assert_allclose(offsets[:, 1], models["numbers"].predict(NUMBERS), rtol=1e-5)


def test_the_confusion_matrix_is_that_of_evaluate(models: dict[str, Any]) -> None:
    ax = plot.table_plot(models["classes"], CLASSES, "confusion_matrix")
    matrix = numpy.array(models["classes"].evaluate(CLASSES)["confusion_matrix"])
    numpy.testing.assert_allclose(ax.images[0].get_array(), matrix / matrix.sum(1, keepdims=True))
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["high", "low", "middle"]


def test_what_does_not_suit_is_refused(models: dict[str, Any]) -> None:
    with pytest.raises(
        ArgumentError, match=r"predicts numbers\. Those that suit 'y': learning_curves, predicted, residuals"
    ):
        plot.table_plot(models["numbers"], NUMBERS, "roc")
    with pytest.raises(ArgumentError, match=r"predicts classes \(high, low, middle\). Those that suit"):
        plot.table_plot(models["classes"], CLASSES, "residuals")
    with pytest.raises(ArgumentError, match=r"'pie' is no kind of plot\. Those that suit"):
        plot.table_plot(models["classes"], CLASSES, "pie")
    with pytest.raises(ArgumentError, match="needs data: a table that has the column 'y'"):
        plot.table_plot(models["classes"], None, "roc")
