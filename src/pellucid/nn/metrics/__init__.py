"""Metrics by name: what is shown beside the loss. Names, arguments and defaults are Keras 3's.

Departures stand at the class. Thresholds are probabilities everywhere: where the loss takes logits
(`from_logits=True`), a metric named as a string compares the logits with the logit of its threshold (½ is 0), and a
metric object must say `from_logits=True` too, or is refused. Keras compares logits with ½, so that a good network seems
a bad one.
"""

from __future__ import annotations

import inspect
from typing import Any

from pellucid.core.graph import Tensor
from pellucid.errors import ArgumentError
from pellucid.nn import functions, losses
from pellucid.nn.losses import Loss
from pellucid.nn.metrics.accuracy import (
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    accuracy,
)
from pellucid.nn.metrics.base import MeanMetric, Metric, OwnMetric
from pellucid.nn.metrics.bleu import bleu
from pellucid.nn.metrics.confusion import ConfusionMatrix, F1Score, Precision, Recall
from pellucid.nn.metrics.fit import kind_of_labels
from pellucid.nn.metrics.frechet import frechet_distance
from pellucid.nn.metrics.probability import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    Hinge,
    KLDivergence,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from pellucid.nn.metrics.ranking import AUC
from pellucid.nn.metrics.regression import (
    CosineSimilarity,
    Huber,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    R2Score,
    RootMeanSquaredError,
)
from pellucid.nn.registry import from_config, look_up

METRICS: dict[str, type[Metric]] = {
    "auc": AUC,
    "bce": BinaryCrossentropy,
    "binary_accuracy": BinaryAccuracy,
    "binary_crossentropy": BinaryCrossentropy,
    "categorical_accuracy": CategoricalAccuracy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "categorical_hinge": CategoricalHinge,
    "confusion_matrix": ConfusionMatrix,
    "cosine_similarity": CosineSimilarity,
    "f1": F1Score,
    "f1_score": F1Score,
    "hinge": Hinge,
    "huber": Huber,
    "kl_divergence": KLDivergence,
    "kld": KLDivergence,
    "log_cosh": LogCoshError,
    "logcosh": LogCoshError,
    "mae": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "mean_absolute_error": MeanAbsoluteError,
    "mean_absolute_percentage_error": MeanAbsolutePercentageError,
    "mean_squared_error": MeanSquaredError,
    "mean_squared_logarithmic_error": MeanSquaredLogarithmicError,
    "mse": MeanSquaredError,
    "msle": MeanSquaredLogarithmicError,
    "poisson": Poisson,
    "precision": Precision,
    "r2": R2Score,
    "r2_score": R2Score,
    "recall": Recall,
    "rmse": RootMeanSquaredError,
    "root_mean_squared_error": RootMeanSquaredError,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "sparse_top_k_categorical_accuracy": SparseTopKCategoricalAccuracy,
    "squared_hinge": SquaredHinge,
    "top_k_categorical_accuracy": TopKCategoricalAccuracy,
}
CLASSES: dict[str, type[Metric]] = {kind.__name__: kind for kind in METRICS.values()}
ACCURACIES = ("accuracy", "acc")


def get(identifier: Any, loss: Loss, output: Tensor) -> Metric:
    """A metric from its name, its configuration, itself, or a function of labels and predictions, made to fit.

    `accuracy` (or `acc`) is resolved from the loss and the output. Raises `ArgumentError` for a metric that does not
    fit the loss or the last activation. A name stays the metric's name, so that `history["acc"]` is found again.

    >>> from pellucid.nn.layers import Input
    >>> get("mae", losses.MeanSquaredError(), Input((1,))).name
    'mae'
    """
    where = f"metric {identifier if isinstance(identifier, str) else getattr(identifier, 'name', identifier)!r}"
    if isinstance(identifier, str):
        function = functions.named(identifier)
        if function is not None:
            return OwnMetric(function)
        name = identifier if identifier in CLASSES else identifier.lower()
        if name in ACCURACIES:
            return accuracy(loss, output, identifier, where)
        kind = look_up("metric", {**METRICS, **CLASSES, **dict.fromkeys(ACCURACIES, Metric)}, name)
        return _from_name(kind, identifier, loss, output).fitted(loss, output, where)
    if isinstance(identifier, Metric):
        return identifier.fitted(loss, output, where)
    if isinstance(identifier, dict):
        return from_config("metric", {**CLASSES, "OwnMetric": OwnMetric}, identifier).fitted(loss, output, where)
    if isinstance(identifier, type) and issubclass(identifier, Metric):
        return identifier().fitted(loss, output, where)
    if callable(identifier):
        name = getattr(identifier, "__name__", "")
        if name in METRICS and getattr(losses, name, None) is identifier:
            return get(name, loss, output)
        return OwnMetric(identifier)
    raise ArgumentError(f"a metric is a name, a Metric object or a function of two tensors, got {identifier!r}")


def _from_name(kind: type[Metric], name: str, loss: Loss, output: Tensor) -> Metric:
    """The metric of a name with the options that suit the loss: logits as the loss has them, F1 as one number."""
    options: dict[str, Any] = {"name": name}
    if "from_logits" in inspect.signature(kind).parameters:
        options["from_logits"] = bool(getattr(loss, "from_logits", False))
    if kind is F1Score and output.shape[-1] != 1:
        options |= {"average": "macro"}
        if kind_of_labels(loss, output) == "binary":
            options |= {"threshold": 0.5}  # several independent answers
    return kind(**options)


__all__ = [
    "AUC",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "ConfusionMatrix",
    "CosineSimilarity",
    "F1Score",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCoshError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanMetric",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "OwnMetric",
    "Poisson",
    "Precision",
    "R2Score",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SquaredHinge",
    "TopKCategoricalAccuracy",
    "bleu",
    "frechet_distance",
    "get",
]
