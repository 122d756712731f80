"""Metrics of numbers: how far predictions are from labels, and how much of the labels' spread they explain."""

from __future__ import annotations

import math

import numpy

from pellucid.core.graph import Tensor, tensor
from pellucid.core.spec import known
from pellucid.errors import ArgumentError
from pellucid.nn import losses
from pellucid.nn.losses import Loss, matched
from pellucid.nn.metrics.base import MeanMetric, Metric, Result, row_weights, rows
from pellucid.nn.metrics.confusion import ratio
from pellucid.nn.metrics.fit import CLASSIFICATION, needs_numbers
from pellucid.ops import broadcast_to, expand_dims, maximum, square, sum


class Distance(MeanMetric):
    """The mean of a distance between labels and predictions."""

    def fitted(self, loss: Loss, output: Tensor, where: str) -> Metric:
        needs_numbers(loss, where)
        return self


class MeanSquaredError(Distance):
    """The mean of (y - ŷ)².

    >>> MeanSquaredError()([[0.0], [0.0]], [[1.0], [3.0]])
    5.0
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return losses.mean_squared_error(y_true, y_pred)


class RootMeanSquaredError(Distance):
    """The root of the mean of (y - ŷ)², in the units of the labels.

    >>> RootMeanSquaredError()([[0.0], [0.0]], [[1.0], [7.0]])
    5.0
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return losses.mean_squared_error(y_true, y_pred)

    def compute(self, *totals: numpy.ndarray) -> Result:
        return math.sqrt(super().compute(*totals))


class MeanAbsoluteError(Distance):
    """The mean of |y - ŷ|, in the units of the labels.

    >>> MeanAbsoluteError()([[0.0], [0.0]], [[1.0], [-3.0]])
    2.0
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return losses.mean_absolute_error(y_true, y_pred)


class MeanAbsolutePercentageError(Distance):
    """The mean of 100·|y - ŷ| / |y|: per cent.

    >>> MeanAbsolutePercentageError()([[4.0]], [[3.0]])
    25.0
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return losses.mean_absolute_percentage_error(y_true, y_pred)


class MeanSquaredLogarithmicError(Distance):
    """The mean of (ln(1 + y) - ln(1 + ŷ))².

    >>> round(MeanSquaredLogarithmicError()([[0.0]], [[1.0]]), 4)
    0.4805
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return losses.mean_squared_logarithmic_error(y_true, y_pred)


class LogCoshError(Distance):
    """The mean of ln cosh(ŷ - y).

    >>> round(LogCoshError()([[0.0]], [[1.0]]), 4)
    0.4338
    """

    def __init__(self, name: str | None = "logcosh") -> None:
        super().__init__(name)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return losses.log_cosh(y_true, y_pred)


class Huber(Distance):
    """The mean of e²/2 for |e| ≤ δ and δ·|e| - δ²/2 beyond.

    >>> Huber(delta=1.0)([[0.0, 0.0]], [[0.5, 3.0]])
    1.3125
    """

    def __init__(self, delta: float = 1.0, name: str | None = None) -> None:
        super().__init__(name)
        self.delta = losses.Huber(delta).delta

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return losses.huber(y_true, y_pred, delta=self.delta)


class Poisson(Distance):
    """The mean of ŷ - y·ln ŷ.

    >>> round(Poisson()([[1.0]], [[2.0]]), 4)
    1.3069
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return losses.poisson(y_true, y_pred)


class CosineSimilarity(Distance):
    """Σ y·ŷ / (‖y‖·‖ŷ‖): 1 for equal directions, -1 for opposite ones (the loss has the sign turned).

    >>> CosineSimilarity()([[1.0, 0.0]], [[2.0, 0.0]])
    1.0
    """

    def __init__(self, name: str | None = "cosine_similarity", *, axis: int = -1) -> None:
        super().__init__(name)
        self.axis = axis

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return -losses.cosine_similarity(y_true, y_pred, axis=self.axis)


class R2Score(Metric):
    """1 - Σ (y - ŷ)² / Σ (y - ȳ)²: the share of the labels' spread that is explained; 1 is perfect, 0 the mean's own.

    `class_aggregation` of several outputs: `uniform_average`, `variance_weighted_average`, or `None` for one each.
    With `num_regressors` p > 0, adjusted for chance: 1 - (1 - R²)·(n - 1) / (n - p - 1).
    Labels that are all equal give 0, or 1 where they are met exactly.

    >>> R2Score()([[1.0], [2.0], [3.0]], [[1.0], [2.0], [2.0]])
    0.5
    """

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
    ) -> None:
        super().__init__(name)
        if class_aggregation not in (None, "uniform_average", "variance_weighted_average"):
            raise ArgumentError(
                "R2Score: class_aggregation must be 'uniform_average', 'variance_weighted_average' or None, "
                f"got {class_aggregation!r}"
            )
        if not isinstance(num_regressors, int) or num_regressors < 0:
            raise ArgumentError(f"R2Score: num_regressors must be a whole number of at least 0, got {num_regressors!r}")
        self.class_aggregation, self.num_regressors = class_aggregation, num_regressors

    def statistics(self, y_true: Tensor, y_pred: Tensor, weight: Tensor | None) -> list[Tensor]:
        """Examples; n = Σw and Σw·(y - ŷ)² per output; then the parts of Σw·y and Σw·y² around c, near the mean.

        Σw·y² itself would round away the spread of labels that lie close together far from 0, such as years. So
        Σw·y = d + n·c and Σw·y² = q + 2·c·d + n·c² with d = Σw·(y - c) and q = Σw·(y - c)², where the large products
        are given in parts that float32 holds exactly (Dekker 1971), to be added up in float64.
        """
        t, p = matched(y_true, y_pred, self.name)
        t, p = (rows(expand_dims(value, -1) if value.rank == 1 else value) for value in (t, p))
        w = broadcast_to(row_weights(weight, t), t.shape)
        n = sum(w, axis=0)
        c = _upper(sum(w * t, axis=0) / maximum(n, 1e-30))
        n_upper, square_upper = _upper(n), _upper(c * c)
        n_lower, square_lower = n - n_upper, c * c - square_upper
        d, q = sum(w * (t - c), axis=0), sum(w * square(t - c), axis=0)
        products = [n_upper * square_upper, n_upper * square_lower, n_lower * (c * c)]
        examples = tensor(numpy.array(known(t.shape)[0], numpy.float32))
        return [examples, n, sum(w * square(t - p), axis=0), d, n_upper * c, n_lower * c, q, 2.0 * (c * d), *products]

    def compute(self, *totals: numpy.ndarray) -> Result:
        examples, n, residual = totals[:3]
        first, second = numpy.sum(totals[3:6], axis=0), numpy.sum(totals[6:], axis=0)
        spread = second - ratio(first * first, n)
        scores = numpy.where(spread > 0, 1.0 - ratio(residual, spread), (residual == 0).astype(float))
        if self.class_aggregation is None:
            return self._adjusted(scores, float(examples))
        if self.class_aggregation == "uniform_average":
            return float(self._adjusted(scores.mean(), float(examples)))
        return float(self._adjusted(ratio((spread * scores).sum(), spread.sum()), float(examples)))

    def _adjusted(self, score: numpy.ndarray, examples: float) -> numpy.ndarray:
        rest = examples - self.num_regressors - 1
        if not self.num_regressors or rest <= 0:
            return score
        return 1.0 - (1.0 - score) * (examples - 1) / rest

    def fitted(self, loss: Loss, output: Tensor, where: str) -> Metric:
        if isinstance(loss, CLASSIFICATION):
            raise ArgumentError(f"{where}: {loss.name} predicts classes, not numbers; use 'accuracy' or 'auc'")
        return self


def _upper(x: Tensor) -> Tensor:
    """The upper 12 of the 24 bits of each number, so that products of two are exact. Veltkamp 1968; Dekker 1971."""
    scaled = 4097.0 * x
    return scaled - (scaled - x)
