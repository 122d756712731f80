"""Confusion matrices and threshold curves beside scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from pellucid import plot
from pellucid.errors import ArgumentError, DataError, LabelError, ShapeError

random = numpy.random.default_rng(4)
CLASSES = ["apple", "banana", "orange"]
TRUE = random.integers(0, 3, 90)
CHANCES = random.dirichlet(numpy.ones(3), 90) + 0.5 * numpy.eye(3)[TRUE]


def cells(ax: Any) -> dict[tuple[int, int], str]:
    return {(round(text.get_position()[1]), round(text.get_position()[0])): text.get_text() for text in ax.texts}


def test_counts_and_shares_of_the_true_class() -> None:
    ax = plot.confusion_matrix(["no", "no", "no", "yes"], ["no", "yes", "no", "yes"])
    assert cells(ax) == {(0, 0): "2\n66.7%", (0, 1): "1\n33.3%", (1, 0): "0\n0.0%", (1, 1): "1\n100.0%"}
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["no", "yes"]
    numpy.testing.assert_allclose(ax.images[0].get_array(), [[2 / 3, 1 / 3], [0, 1]])


def test_the_matrix_is_scikit_learns() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    ax = plot.confusion_matrix(TRUE, CHANCES, CLASSES)
    wanted = metrics.confusion_matrix(TRUE, CHANCES.argmax(1), normalize="true")
    numpy.testing.assert_allclose(ax.images[0].get_array(), wanted)
    named = plot.confusion_matrix(numpy.array(CLASSES)[TRUE], CHANCES, CLASSES)
    numpy.testing.assert_allclose(named.images[0].get_array(), wanted)


def test_a_class_that_does_not_occur_has_an_empty_row() -> None:
    ax = plot.confusion_matrix([0, 0], [0, 2], classes=[0, 1, 2])
    numpy.testing.assert_array_equal(ax.images[0].get_array(), [[0.5, 0, 0.5], [0, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize("rounded", [False, True], ids=["distinct", "tied"])
def test_roc_of_two_classes(rounded: bool) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    truth = TRUE == 1
    score = CHANCES[:, 1].round(1) if rounded else CHANCES[:, 1]
    ax = plot.roc(truth, score)
    x, y, _ = metrics.roc_curve(truth, score, drop_intermediate=False)
    numpy.testing.assert_allclose(ax.lines[-1].get_xdata(), x)
    numpy.testing.assert_allclose(ax.lines[-1].get_ydata(), y)
    assert f"area {metrics.roc_auc_score(truth, score):.3f}" in ax.get_title(loc="left")


def test_precision_and_recall_of_two_classes() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    truth = numpy.where(TRUE == 1, "yes", "no")
    ax = plot.precision_recall(truth, CHANCES[:, 1])
    precision, recall, _ = metrics.precision_recall_curve(truth, CHANCES[:, 1], pos_label="yes")
    numpy.testing.assert_allclose(ax.lines[-1].get_xdata()[1:], recall[-2::-1])
    numpy.testing.assert_allclose(ax.lines[-1].get_ydata()[1:], precision[-2::-1])
    wanted = metrics.average_precision_score(truth, CHANCES[:, 1], pos_label="yes")
    assert f"average precision {wanted:.3f}" in ax.get_title(loc="left").replace("\n", " ")
    assert ax.lines[0].get_ydata()[0] == pytest.approx((TRUE == 1).mean())


def test_several_classes_each_against_the_rest() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    ax = plot.roc(numpy.array(CLASSES)[TRUE], CHANCES, CLASSES)
    areas = [metrics.roc_auc_score(i == TRUE, CHANCES[:, i]) for i in range(3)]
    wanted = [f"{name}: {area:.3f}" for name, area in zip(CLASSES, areas, strict=True)]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == wanted
    assert f"mean area {numpy.mean(areas):.3f}" in ax.get_title(loc="left").replace("\n", " ")


def test_of_many_classes_those_with_the_smallest_area_are_drawn() -> None:
    truth = numpy.arange(100) % 10
    scores = numpy.eye(10)[truth] * numpy.linspace(0.9, 0.0, 10) + random.random((100, 10))
    legend = plot.roc(truth, scores).get_legend()
    shown = [text.get_text().split(":")[0] for text in legend.get_texts()]
    assert len(shown) == 6
    assert {"7", "8", "9"} <= set(shown)
    assert "0" not in shown


def test_probabilities_of_two_classes_may_have_two_columns() -> None:
    two = plot.roc(TRUE == 1, numpy.column_stack([1 - CHANCES[:, 1], CHANCES[:, 1]]), ["rest", "banana"])
    numpy.testing.assert_array_equal(
        two.lines[-1].get_ydata(), plot.roc(TRUE == 1, CHANCES[:, 1]).lines[-1].get_ydata()
    )


def test_one_hot_labels_are_classes() -> None:
    one = plot.roc(numpy.eye(3)[TRUE], CHANCES).lines[-1].get_ydata()
    numpy.testing.assert_array_equal(one, plot.roc(TRUE, CHANCES).lines[-1].get_ydata())


def test_a_class_without_rows_has_no_curve() -> None:
    few = TRUE < 2
    legend = plot.roc(TRUE[few], CHANCES[few], CLASSES).get_legend()
    shown = [text.get_text() for text in legend.get_texts()]
    assert shown[2] == "orange: no rows"
    assert [text.split(":")[0] for text in shown] == CLASSES


def test_what_does_not_suit_is_refused() -> None:
    with pytest.raises(ArgumentError, match="two classes apart, but there are 3"):
        plot.roc(TRUE, CHANCES[:, 0])
    with pytest.raises(ShapeError, match="3 columns for 2 classes"):
        plot.roc(TRUE, CHANCES, ["a", "b"])
    with pytest.raises(LabelError, match="only rows of class 1"):
        plot.roc([1, 1], [0.2, 0.3], [0, 1])
    with pytest.raises(LabelError, match="fractions"):
        plot.confusion_matrix([0, 1], [0.2, 0.8])
    with pytest.raises(LabelError, match="'kiwi', which is not among the classes apple, banana, orange"):
        plot.confusion_matrix(["kiwi"], ["apple"], CLASSES)
    with pytest.raises(ShapeError, match="y_true 90, y_pred 2"):
        plot.confusion_matrix(TRUE, [0, 1])
    with pytest.raises(DataError, match="NaN or infinite"):
        plot.roc([0, 1], [0.5, numpy.nan])
