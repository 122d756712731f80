"""How good a table's predictions are, in the figures that suit the task."""

from __future__ import annotations

from typing import Any

import numpy
from numpy.typing import NDArray

from pellucid.data import records
from pellucid.data.target import Target
from pellucid.errors import DataError
from pellucid.nn import metrics

_NUMBERS: dict[str, tuple[str, ...]] = {
    "regression": ("r2", "rmse", "mae"),
    "binary": ("accuracy", "baseline_accuracy", "precision", "recall", "f1", "auc"),
    "multiclass": ("accuracy", "baseline_accuracy", "precision", "recall", "f1"),
}


def figures(target: Target, labels: NDArray[Any], outputs: NDArray[Any]) -> dict[str, Any]:
    """`rows` and the figures of a task: see `TableModel.evaluate`. Plain values, ready for JSON."""
    if target.task == "regression":
        kinds: dict[str, Any] = {
            "r2": metrics.R2Score(), "rmse": metrics.RootMeanSquaredError(), "mae": metrics.MeanAbsoluteError(),
        }  # fmt: skip
        return {"rows": len(labels), **{name: float(metric(labels, outputs)) for name, metric in kinds.items()}}
    matrix = metrics.ConfusionMatrix(len(target.classes))(labels, outputs)
    assert isinstance(matrix, numpy.ndarray)
    average = None if target.task == "binary" else "macro"
    truth = labels[:, None] if target.task == "binary" else labels
    kinds = {
        "precision": metrics.Precision(average=average), "recall": metrics.Recall(average=average),
        "f1": metrics.F1Score(average=average),
    }  # fmt: skip
    if target.task == "binary":
        kinds["auc"] = metrics.AUC()
    return {
        "rows": len(labels),
        "accuracy": float(numpy.trace(matrix) / len(labels)),
        "baseline_accuracy": float(numpy.bincount(labels).max() / len(labels)),
        **{name: float(metric(truth, outputs)) for name, metric in kinds.items()},
        "classes": list(target.classes),
        "confusion_matrix": matrix.astype(int).tolist(),
    }


def names(target: Target) -> tuple[str, ...]:
    """The figures of a task that are one number, in the order in which they are shown."""
    return _NUMBERS[target.task]


def check(target: Target | None, found: dict[str, Any]) -> None:
    """Raise `DataError` unless these are figures for the target, as read from a file."""
    numeric = target is not None and target.task == "regression"
    wanted = {"rows", *(names(target) if target else ()), *(() if numeric else ("classes", "confusion_matrix"))}
    size = len(target.classes) if target else 0
    matrix = found.get("confusion_matrix", [])
    whole = isinstance(matrix, list) and all(
        isinstance(row, list) and len(row) == size and all(map(records.count, row)) for row in matrix
    )
    plain = all(records.real(found[name]) for name in wanted - {"classes", "confusion_matrix"} if name in found)
    if found.keys() != wanted or not plain or not whole or len(matrix) != (0 if numeric else size):
        raise DataError("the test figures do not fit the target; the file is damaged or foreign")
