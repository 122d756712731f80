"""Losses of classes as metrics: their mean over an epoch, whatever the training loss is."""

from __future__ import annotations

from pellucid.core.graph import Tensor
from pellucid.nn import losses
from pellucid.nn.losses import Loss, checks
from pellucid.nn.metrics.base import MeanMetric, Metric
from pellucid.nn.metrics.fit import needs_classes, needs_labels


class LossMetric(MeanMetric):
    """The mean of a loss. `kind` is that of its labels, `wanted` the activation that gives its probabilities."""

    kind: str
    wanted: str | None = None
    loss: Loss

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return self.loss.call(y_true, y_pred)

    def fitted(self, loss: Loss, output: Tensor, where: str) -> Metric:
        needs_classes(loss, output, where)
        needs_labels(self.kind, loss, output, where)
        if self.wanted:
            checks.check_probabilities(output, where, bool(getattr(self.loss, "from_logits", False)), self.wanted)
        return self


class BinaryCrossentropy(LossMetric):
    """The mean of -(y·ln ŷ + (1 - y)·ln(1 - ŷ)).

    >>> round(BinaryCrossentropy()([[0.0]], [[0.633]]), 3)
    1.002
    """

    kind, wanted = "binary", "sigmoid"

    def __init__(self, name: str | None = None, *, from_logits: bool = False, label_smoothing: float = 0.0) -> None:
        super().__init__(name)
        self.from_logits, self.label_smoothing = from_logits, label_smoothing
        self.loss = losses.BinaryCrossentropy(from_logits, label_smoothing)


class CategoricalCrossentropy(LossMetric):
    """The mean of -Σ y·ln ŷ, for one-hot labels.

    >>> round(CategoricalCrossentropy()([[0, 1, 0]], [[0.25, 0.5, 0.25]]), 4)
    0.6931
    """

    kind, wanted = "categorical", "softmax"

    def __init__(
        self, name: str | None = None, *, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
    ) -> None:
        super().__init__(name)
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis
        self.loss = losses.CategoricalCrossentropy(from_logits, label_smoothing, axis)


class SparseCategoricalCrossentropy(LossMetric):
    """The mean of -ln ŷ[y], for class numbers as labels.

    >>> round(SparseCategoricalCrossentropy()([1], [[0.25, 0.5, 0.25]]), 4)
    0.6931
    """

    kind, wanted = "sparse", "softmax"

    def __init__(self, name: str | None = None, *, from_logits: bool = False, axis: int = -1) -> None:
        super().__init__(name)
        self.from_logits, self.axis = from_logits, axis
        self.loss = losses.SparseCategoricalCrossentropy(from_logits, axis=axis)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        from pellucid.ops import cast

        return self.loss.call(cast(y_true, "int32"), y_pred)


class KLDivergence(LossMetric):
    """The mean of Σ y·ln(y / ŷ).

    >>> round(KLDivergence()([[0.5, 0.5]], [[0.25, 0.75]]), 4)
    0.1438
    """

    kind, wanted = "categorical", "softmax"

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)
        self.loss = losses.KLDivergence()


class Hinge(LossMetric):
    """The mean of max(0, 1 - y·ŷ), for labels -1 and 1 or 0 and 1.

    >>> Hinge()([[1.0, -1.0]], [[0.5, -2.0]])
    0.25
    """

    kind = "binary"

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)
        self.loss = losses.Hinge()


class SquaredHinge(LossMetric):
    """The mean of max(0, 1 - y·ŷ)².

    >>> SquaredHinge()([[1.0, -1.0]], [[0.5, -2.0]])
    0.125
    """

    kind = "binary"

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)
        self.loss = losses.SquaredHinge()


class CategoricalHinge(LossMetric):
    """The mean of max(0, 1 + the largest wrong score - the right score), for one-hot labels.

    >>> round(CategoricalHinge()([[0, 1, 0]], [[0.2, 0.5, 0.3]]), 4)
    0.8
    """

    kind = "categorical"

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)
        self.loss = losses.CategoricalHinge()
