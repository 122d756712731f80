"""How good a table's predictions are, in the figures that suit the task, and how these are called and written."""

from __future__ import annotations

from typing import Any

import numpy
from numpy.typing import NDArray

from pellucid.core.graph import Program, tensor
from pellucid.core.sources import feed
from pellucid.data import records
from pellucid.data.target import Target
from pellucid.errors import DataError
from pellucid.execute.program import Executor
from pellucid.nn import metrics

_NUMBERS: dict[str, tuple[str, ...]] = {
    "regression": ("r2", "rmse", "mae"),
    "binary": ("accuracy", "baseline_accuracy", "precision", "recall", "f1", "auc"),
    "multiclass": ("accuracy", "baseline_accuracy", "precision", "recall", "f1"),
}


LABELS = {
    "r2": "R²", "rmse": "RMSE", "mae": "MAE", "accuracy": "accuracy", "baseline_accuracy": "baseline",
    "precision": "precision", "recall": "recall", "f1": "F1", "auc": "AUC",
}  # fmt: skip


def meaning(name: str, target: Target) -> str:
    """What a figure says, in plain words."""
    yes = f"'{target.classes[1]}'" if target.task == "binary" else "a class (mean over classes)"
    return {
        "r2": f"share of the spread of {target.name} that is explained; 0 is guessing its mean",
        "rmse": f"root of the mean squared error, in units of {target.name}",
        "mae": "mean size of an error, in the same units",
        "accuracy": "share of rows whose class is right",
        "baseline_accuracy": "accuracy of always the commonest class",
        "precision": f"of the rows taken for {yes}, the share that is right",
        "recall": f"of the rows of {yes}, the share that is found",
        "f1": "harmonic mean of precision and recall",
        "auc": f"chance that a row of {yes} gets a higher probability than another",
    }[name]


def written(name: str, value: float) -> str:
    """A figure with the digits that say something.

    >>> written("r2", -0.25), written("rmse", 47225.06), written("mae", 1.23456)
    ('−0.2500', '47,225', '1.235')
    """
    if name not in ("rmse", "mae"):
        return f"{value:.4f}".replace("-", "−")
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def figures(target: Target, labels: NDArray[Any], outputs: NDArray[Any]) -> dict[str, Any]:
    """`rows` and the figures of a task: see `TableModel.evaluate`. Plain values, ready for JSON."""
    kinds, truth = _metrics(target), _truth(target, labels)
    if target.task == "regression":
        return {"rows": len(labels), **{name: float(metric(labels, outputs)) for name, metric in kinds.items()}}
    matrix = kinds.pop("accuracy")(labels, outputs)
    assert isinstance(matrix, numpy.ndarray)
    return {
        "rows": len(labels),
        "accuracy": float(numpy.trace(matrix) / len(labels)),
        "baseline_accuracy": float(numpy.bincount(labels).max() / len(labels)),
        **{name: float(metric(truth, outputs)) for name, metric in kinds.items()},
        "classes": list(target.classes),
        "confusion_matrix": matrix.astype(int).tolist(),
    }


def _metrics(target: Target) -> dict[str, Any]:
    """What measures each figure; "accuracy" is read off a confusion matrix."""
    if target.task == "regression":
        return {
            "r2": metrics.R2Score(), "rmse": metrics.RootMeanSquaredError(), "mae": metrics.MeanAbsoluteError(),
        }  # fmt: skip
    average = None if target.task == "binary" else "macro"
    found = {
        "accuracy": metrics.ConfusionMatrix(len(target.classes)), "precision": metrics.Precision(average=average),
        "recall": metrics.Recall(average=average), "f1": metrics.F1Score(average=average),
    }  # fmt: skip
    return {**found, "auc": metrics.AUC()} if target.task == "binary" else found


def _truth(target: Target, labels: NDArray[Any]) -> NDArray[Any]:
    """Labels as metrics of yes and no compare them with the outputs."""
    return labels[:, None] if target.task == "binary" else labels


def intervals(
    target: Target, labels: NDArray[Any], outputs: NDArray[Any], executor: Executor, draws: int = 400
) -> dict[str, tuple[float, float]]:
    """For each figure the bounds between which 95 % of it lies where the rows are drawn anew, with repetition.

    The percentile bootstrap of Efron 1979. Metrics are sums over rows, so that a draw is a weight for each row, and all
    draws are runs of one small program. A draw in which a figure is not defined (one class alone) does not count.
    """
    weights = feed((len(labels),), "float32", "weights")
    kinds = _metrics(target)
    outputs = numpy.asarray(outputs, numpy.float32)
    statistics = {
        name: metric.statistics(
            tensor(labels if name == "accuracy" else _truth(target, labels)), tensor(outputs), weights
        )
        for name, metric in kinds.items()
    }
    run = executor.compile(Program((weights,), tuple(value for values in statistics.values() for value in values)))
    random, found = numpy.random.default_rng(0), dict[str, list[float]]()
    for _ in range(draws):
        drawn = numpy.bincount(random.integers(0, len(labels), len(labels)), minlength=len(labels))
        totals = iter(run(drawn.astype(numpy.float32)))
        for name, metric in kinds.items():
            value = metric.compute(*(next(totals).astype(numpy.float64) for _ in statistics[name]))
            value = numpy.trace(value) / value.sum() if name == "accuracy" else value
            found.setdefault(name, []).append(float(value))
    bounds = {name: numpy.nanpercentile(values, [2.5, 97.5]) for name, values in found.items()}
    return {name: (float(low), float(high)) for name, (low, high) in bounds.items()}


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
