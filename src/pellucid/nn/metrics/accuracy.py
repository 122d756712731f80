"""Accuracy: how often the prediction is the label.

Where several predictions are equally large the first counts as chosen. In the top k a label counts when fewer than k
predictions are larger than its own. A NaN among the predictions of an example makes it wrong.
"""

from __future__ import annotations

from pellucid.core.graph import Tensor
from pellucid.errors import ArgumentError
from pellucid.nn.losses import Loss, matched
from pellucid.nn.losses.origin import activation_of
from pellucid.nn.metrics.base import (
    MeanMetric,
    Metric,
    as_one_hot,
    both,
    class_numbers,
    decided,
    is_number,
    known_rows,
)
from pellucid.nn.metrics.fit import check_logits, needs_classes, needs_labels
from pellucid.nn.schedules import number
from pellucid.ops import argmax, cast, equal, expand_dims, greater, less, sum, where


class BinaryAccuracy(MeanMetric):
    """How often a probability lies on the label's side of the threshold. Labels are 0 and 1 (or -1 and 1).

    With `from_logits` the threshold is still a probability: ½ is the logit 0.

    >>> BinaryAccuracy()([[1], [0]], [[0.9], [0.6]])
    0.5
    """

    def __init__(
        self, name: str | None = "binary_accuracy", *, threshold: float = 0.5, from_logits: bool = False
    ) -> None:
        super().__init__(name)
        self.threshold, self.from_logits = number("threshold", threshold), from_logits
        if from_logits and not 0.0 < self.threshold < 1.0:
            raise ArgumentError(
                f"BinaryAccuracy: with from_logits=True the threshold must be between 0 and 1, got {threshold!r}"
            )

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        t, p = matched(y_true, y_pred, self.name)
        agree = equal(decided(p, self.threshold, self.from_logits), greater(t, 0.5))
        return both(agree, is_number(p))

    def fitted(self, loss: Loss, output: Tensor, where: str) -> Metric:
        needs_classes(loss, output, where)
        needs_labels("binary", loss, output, where)
        check_logits(self.from_logits, 0.0 < self.threshold < 1.0, loss, output, where)
        return self


class CategoricalAccuracy(MeanMetric):
    """How often the most probable class is that of the one-hot label.

    >>> CategoricalAccuracy()([[0, 1], [1, 0]], [[0.2, 0.8], [0.4, 0.6]])
    0.5
    """

    def __init__(self, name: str | None = "categorical_accuracy") -> None:
        super().__init__(name)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        t, p = matched(y_true, y_pred, self.name)
        return both(equal(argmax(p), argmax(t)), known_rows(p))

    def fitted(self, loss: Loss, output: Tensor, where: str) -> Metric:
        needs_classes(loss, output, where)
        needs_labels("categorical", loss, output, where)
        return self


class SparseCategoricalAccuracy(MeanMetric):
    """How often the most probable class is that of the label, a class number.

    >>> SparseCategoricalAccuracy()([1, 0], [[0.2, 0.8], [0.4, 0.6]])
    0.5
    """

    def __init__(self, name: str | None = "sparse_categorical_accuracy") -> None:
        super().__init__(name)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return both(equal(argmax(y_pred), class_numbers(y_true, y_pred)), known_rows(y_pred))

    def fitted(self, loss: Loss, output: Tensor, where: str) -> Metric:
        needs_classes(loss, output, where)
        needs_labels("sparse", loss, output, where)
        return self


class TopKCategoricalAccuracy(MeanMetric):
    """How often the class of the one-hot label is among the k most probable.

    >>> TopKCategoricalAccuracy(k=2)([[0, 0, 1]], [[0.5, 0.1, 0.4]])
    1.0
    """

    kind = "categorical"

    def __init__(self, k: int = 5, name: str | None = "top_k_categorical_accuracy") -> None:
        super().__init__(name)
        if not isinstance(k, int) or k < 1:
            raise ArgumentError(f"{type(self).__name__}: k must be a whole number of at least 1, got {k!r}")
        self.k = k

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        chosen = greater(as_one_hot(y_true, y_pred), 0.5)
        own = expand_dims(sum(where(chosen, y_pred, 0.0), axis=-1), -1)
        larger = sum(cast(greater(y_pred, own), "float32"), axis=-1)
        return both(less(larger, float(self.k)), known_rows(y_pred))

    def fitted(self, loss: Loss, output: Tensor, where: str) -> Metric:
        needs_classes(loss, output, where)
        needs_labels(self.kind, loss, output, where)
        units = output.shape[-1]
        if units is not None and self.k >= units:
            raise ArgumentError(f"{where}: k={self.k} of {units} classes is always right; choose k below {units}")
        return self


class SparseTopKCategoricalAccuracy(TopKCategoricalAccuracy):
    """How often the class of the label, a class number, is among the k most probable.

    >>> SparseTopKCategoricalAccuracy(k=2)([2], [[0.5, 0.1, 0.4]])
    1.0
    """

    kind = "sparse"

    def __init__(self, k: int = 5, name: str | None = "sparse_top_k_categorical_accuracy") -> None:
        super().__init__(k, name)


def accuracy(loss: Loss, output: Tensor, name: str, where: str) -> Metric:
    """The accuracy that fits a loss and an output: binary, categorical or sparse."""
    from pellucid.nn.losses import CategoricalHinge, Hinge

    needs_classes(loss, output, where)
    if loss.label_dtype == "int32":
        return SparseCategoricalAccuracy(name)
    if isinstance(loss, Hinge):  # outputs on either side of 0
        probable = activation_of(output) == "sigmoid"
        return BinaryAccuracy(name, threshold=0.5 if probable else 0.0)
    several = output.shape[-1] != 1 and (activation_of(output) == "softmax" or isinstance(loss, CategoricalHinge))
    if several or type(loss).__name__ in ("CategoricalCrossentropy", "KLDivergence"):
        return CategoricalAccuracy(name)
    return BinaryAccuracy(name, from_logits=bool(getattr(loss, "from_logits", False)))
