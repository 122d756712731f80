"""Losses for numbers: how far a prediction is from the value it should be."""

from __future__ import annotations

import math

import numpy

from pellucid.core.graph import Tensor
from pellucid.errors import ArgumentError
from pellucid.nn.losses import checks
from pellucid.nn.losses.base import EPSILON, Loss, loss_function
from pellucid.ops import absolute, l2_normalize, log, log1p, maximum, mean, minimum, softplus, square, sum


@loss_function
def mean_squared_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Mean of (y - ŷ)² over the last axis.

    >>> mean_squared_error([[1.0, 2.0]], [[3.0, 2.0]]).numpy()
    array([2.], dtype=float32)
    """
    return mean(square(y_true - y_pred), axis=-1)


@loss_function
def mean_absolute_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Mean of |y - ŷ| over the last axis.

    >>> mean_absolute_error([[1.0, 2.0]], [[3.0, 2.0]]).numpy()
    array([1.], dtype=float32)
    """
    return mean(absolute(y_true - y_pred), axis=-1)


@loss_function
def mean_absolute_percentage_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Mean of 100·|y - ŷ| / max(|y|, 10⁻⁷) over the last axis: per cent.

    >>> mean_absolute_percentage_error([[4.0]], [[3.0]]).numpy()
    array([25.], dtype=float32)
    """
    return 100.0 * mean(absolute((y_true - y_pred) / maximum(absolute(y_true), EPSILON)), axis=-1)


@loss_function
def mean_squared_logarithmic_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Mean of (ln(1 + y) - ln(1 + ŷ))² over the last axis, both taken as at least 10⁻⁷.

    >>> mean_squared_logarithmic_error([[1.0]], [[3.0]]).numpy().round(4)
    array([0.4805], dtype=float32)
    """
    difference = log1p(maximum(y_pred, EPSILON)) - log1p(maximum(y_true, EPSILON))
    return mean(square(difference), axis=-1)


@loss_function
def huber(y_true: Tensor, y_pred: Tensor, delta: float = 1.0) -> Tensor:
    """Mean of e²/2 where |e| = |y - ŷ| ≤ δ, else of δ·|e| - δ²/2. Huber 1964.

    >>> huber([[0.0, 0.0]], [[0.5, 3.0]]).numpy()
    array([1.3125], dtype=float32)
    """
    distance = absolute(y_pred - y_true)
    near = minimum(distance, delta)  # near·(|e| - near/2) is both branches at once, and squares nothing large
    return mean(near * (distance - 0.5 * near), axis=-1)


@loss_function
def log_cosh(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Mean of ln cosh(ŷ - y) = |e| + ln(1 + e^(-2|e|)) - ln 2 over the last axis, safe at any error.

    >>> log_cosh([[0.0]], [[100.0]]).numpy().round(4)
    array([99.3069], dtype=float32)
    """
    distance = absolute(y_pred - y_true)
    return mean(distance + softplus(-2.0 * distance) - math.log(2.0), axis=-1)


@loss_function
def poisson(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Mean of ŷ - y·ln(ŷ + 10⁻⁷) over the last axis: counts y from a Poisson distribution of mean ŷ, up to a constant.

    >>> poisson([[2.0]], [[1.0]]).numpy().round(4)
    array([1.], dtype=float32)
    """
    return mean(y_pred - y_true * log(y_pred + EPSILON), axis=-1)


@loss_function
def cosine_similarity(y_true: Tensor, y_pred: Tensor, axis: int = -1) -> Tensor:
    """-Σ y·ŷ / (‖y‖·‖ŷ‖) along an axis: -1 for equal directions, 0 for right angles, 1 for opposite ones.

    >>> cosine_similarity([[1.0, 0.0]], [[2.0, 0.0]]).numpy()
    array([-1.], dtype=float32)
    """
    return -sum(l2_normalize(y_true, axis=axis) * l2_normalize(y_pred, axis=axis), axis=axis)


class MeanSquaredError(Loss):
    """The mean of (y - ŷ)².

    >>> round(float(MeanSquaredError()([[1.0, 2.0]], [[2.0, 5.0]])), 4)
    5.0
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return mean_squared_error(y_true, y_pred)


class MeanAbsoluteError(Loss):
    """The mean of |y - ŷ|.

    >>> round(float(MeanAbsoluteError()([[1.0, 2.0]], [[2.0, 5.0]])), 4)
    2.0
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return mean_absolute_error(y_true, y_pred)


class MeanAbsolutePercentageError(Loss):
    """The mean of 100·|y - ŷ| / |y|: per cent.

    >>> round(float(MeanAbsolutePercentageError()([[100.0]], [[90.0]])), 4)
    10.0
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return mean_absolute_percentage_error(y_true, y_pred)


class MeanSquaredLogarithmicError(Loss):
    """The mean of (ln(1 + y) - ln(1 + ŷ))². Labels are at least 0.

    >>> round(float(MeanSquaredLogarithmicError()([[0.0]], [[1.0]])), 4)
    0.4805
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return mean_squared_logarithmic_error(y_true, y_pred)

    def check_fit(self, labels: numpy.ndarray, output: Tensor, where: str) -> None:
        super().check_fit(labels, output, where)
        checks.check_range(labels, 0.0, math.inf, where, "use mean_squared_error, or shift the labels to at least 0")


class Huber(Loss):
    """Squares small errors and takes large ones as they are: outliers pull less. δ is where one becomes the other.

    >>> round(float(Huber(delta=1.0)([[0.0, 0.0]], [[0.5, 3.0]])), 4)
    1.3125
    """

    def __init__(
        self, delta: float = 1.0, reduction: str | None = "sum_over_batch_size", name: str | None = "huber_loss"
    ) -> None:
        super().__init__(reduction, name)
        if not 0.0 < float(delta) < math.inf:
            raise ArgumentError(f"Huber: delta must be a finite number above 0, got {delta!r}")
        self.delta = float(delta)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return huber(y_true, y_pred, delta=self.delta)


class LogCosh(Loss):
    """The mean of ln cosh(ŷ - y): near squared for small errors, near absolute for large ones.

    >>> round(float(LogCosh()([[0.0]], [[1.0]])), 4)
    0.4338
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return log_cosh(y_true, y_pred)


class Poisson(Loss):
    """The mean of ŷ - y·ln ŷ, for counts. Labels are at least 0; outputs must be above 0.

    >>> round(float(Poisson()([[1.0]], [[2.0]])), 4)
    1.3069
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return poisson(y_true, y_pred)

    def check_fit(self, labels: numpy.ndarray, output: Tensor, where: str) -> None:
        super().check_fit(labels, output, where)
        checks.check_range(
            labels, 0.0, math.inf, where, "Poisson is for counts; use mean_squared_error for other numbers"
        )
        checks.check_positive(output, where)


class CosineSimilarity(Loss):
    """-Σ y·ŷ / (‖y‖·‖ŷ‖): only directions count.

    >>> round(float(CosineSimilarity()([[1.0, 0.0]], [[3.0, 4.0]])), 4)
    -0.6
    """

    def __init__(self, axis: int = -1, reduction: str | None = "sum_over_batch_size", name: str | None = None) -> None:
        super().__init__(reduction, name)
        self.axis = axis

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return cosine_similarity(y_true, y_pred, axis=self.axis)
