"""Losses for classes: how far predicted probabilities are from the truth. Safe at any logit.

Three cases: with `from_logits=True` predictions are logits, and ln σ(x), ln softmax(x) are taken without forming the
probability; where a prediction came straight out of softmax or sigmoid, the logits behind it are used the same way, so
that the derivative is ŷ - y at any size; other predictions are probabilities, kept in [10⁻⁷, 1 - 10⁻⁷].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy

from pellucid.core.graph import Tensor, TensorLike, composite
from pellucid.core.spec import known
from pellucid.errors import ArgumentError, DtypeError, ShapeError
from pellucid.nn.losses import checks
from pellucid.nn.losses.base import EPSILON, Loss, as_float, as_tensor, matched
from pellucid.nn.losses.origin import sigmoid_logits, softmax_logits
from pellucid.ops import clip, greater, log, log_softmax, mean, one_hot, reshape, softplus, squeeze, sum, where


def binary_crossentropy(
    y_true: TensorLike, y_pred: TensorLike, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Tensor:
    """Mean of -(y·ln ŷ + (1 - y)·ln(1 - ŷ)) over an axis; labels are first drawn towards ½ by `label_smoothing`.

    >>> binary_crossentropy([[0.0]], [[0.633]]).numpy().round(3)
    array([1.002], dtype=float32)
    """
    t, p = matched(y_true, y_pred, "binary_crossentropy")
    if label_smoothing:
        t = t * (1.0 - label_smoothing) + 0.5 * label_smoothing
    logits = p if from_logits else sigmoid_logits(p)
    values = _binary_crossentropy(t, p) if logits is None else _binary_crossentropy_from_logits(t, logits)
    return mean(values, axis=axis)


def categorical_crossentropy(
    y_true: TensorLike, y_pred: TensorLike, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Tensor:
    """-Σ y·ln ŷ along an axis; labels are first drawn towards evenness by `label_smoothing`.

    >>> categorical_crossentropy([[0.0, 1.0]], [[0.75, 0.25]]).numpy().round(4)
    array([1.3863], dtype=float32)
    """
    t, p = matched(y_true, y_pred, "categorical_crossentropy")
    if label_smoothing:
        t = t * (1.0 - label_smoothing) + label_smoothing / known((p.shape[axis],))[0]
    logits = p if from_logits else softmax_logits(p, axis)
    if logits is None:
        return _categorical_crossentropy(t, p, axis=axis)
    return _categorical_crossentropy_from_logits(t, logits, axis=axis)


def sparse_categorical_crossentropy(
    y_true: TensorLike, y_pred: TensorLike, from_logits: bool = False, axis: int = -1
) -> Tensor:
    """-ln ŷ[y]: labels are the numbers of the classes. Shapes: int32 [n…] or [n…, 1], [n…, classes] → [n…].

    >>> sparse_categorical_crossentropy([1], [[0.75, 0.25]]).numpy().round(4)
    array([1.3863], dtype=float32)
    """
    t, p = as_tensor(y_true), as_float(y_pred)
    if axis % p.rank != p.rank - 1:
        raise ArgumentError(f"sparse_categorical_crossentropy: classes must stand on the last axis, got axis={axis}")
    if t.rank == p.rank and t.shape[-1] == 1:
        t = squeeze(t, -1)
    if t.dtype != "int32":
        raise DtypeError(
            f"sparse_categorical_crossentropy needs int32 labels, got {t.spec}; they are numbers of classes"
        )
    if t.rank != p.rank - 1:
        raise ShapeError(
            f"sparse_categorical_crossentropy: labels {t.spec} do not fit predictions {p.spec}; "
            "give one class per example, or use categorical_crossentropy for one-hot labels"
        )
    classes, rest = p.shape[-1], p.shape[:-1]
    logits = p if from_logits else softmax_logits(p)
    labels = reshape(t, (-1,))
    if logits is None:
        result = _sparse_categorical_crossentropy(reshape(p, (-1, classes)), labels)
    else:
        result = _sparse_categorical_crossentropy_from_logits(reshape(logits, (-1, classes)), labels)
    return reshape(result, rest)


def kl_divergence(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """Σ y·ln(y / ŷ) over the last axis, both at least 10⁻⁷. Kullback & Leibler 1951.

    >>> kl_divergence([[0.5, 0.5]], [[0.25, 0.75]]).numpy().round(4)
    array([0.1438], dtype=float32)
    """
    t, p = matched(y_true, y_pred, "kl_divergence")
    logits = softmax_logits(p)
    return _kl_divergence(t, p) if logits is None else _kl_divergence_from_logits(t, logits)


def named(name: str) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Make a function a composite under another name than its own."""

    def rename(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        function.__name__ = name
        return composite(function)

    return rename


@named("binary_crossentropy")
def _binary_crossentropy_from_logits(y_true: Tensor, logits: Tensor) -> Tensor:
    """-ln σ(x) = ln(1 + e⁻ˣ) and -ln(1 - σ(x)) = ln(1 + eˣ)."""
    return y_true * softplus(-logits) + (1.0 - y_true) * softplus(logits)


@named("binary_crossentropy_from_probabilities")
def _binary_crossentropy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    p = clip(y_pred, EPSILON, 1.0 - EPSILON)
    return -(y_true * log(p) + (1.0 - y_true) * log(1.0 - p))


@named("categorical_crossentropy")
def _categorical_crossentropy_from_logits(y_true: Tensor, logits: Tensor, *, axis: int) -> Tensor:
    return -sum(where(greater(y_true, 0.0), y_true * log_softmax(logits, axis=axis), 0.0), axis=axis)  # 0·ln 0 = 0


@named("categorical_crossentropy_from_probabilities")
def _categorical_crossentropy(y_true: Tensor, y_pred: Tensor, *, axis: int) -> Tensor:
    p = clip(y_pred / sum(y_pred, axis=axis, keepdims=True), EPSILON, 1.0 - EPSILON)
    return -sum(y_true * log(p), axis=axis)


def _pick(values: Tensor, labels: Tensor) -> Tensor:
    """values[n, labels[n]], which may stand beside infinities."""
    chosen = greater(one_hot(labels, known(values.shape[-1:])[0]), 0.0)
    return sum(where(chosen, values, 0.0), axis=-1)


@named("sparse_categorical_crossentropy")
def _sparse_categorical_crossentropy_from_logits(logits: Tensor, labels: Tensor) -> Tensor:
    return -_pick(log_softmax(logits), labels)


@named("sparse_categorical_crossentropy_from_probabilities")
def _sparse_categorical_crossentropy(y_pred: Tensor, labels: Tensor) -> Tensor:
    p = clip(y_pred / sum(y_pred, axis=-1, keepdims=True), EPSILON, 1.0 - EPSILON)
    return -_pick(log(p), labels)


@named("kl_divergence_from_logits")
def _kl_divergence_from_logits(y_true: Tensor, logits: Tensor) -> Tensor:
    t = clip(y_true, EPSILON, 1.0)
    return sum(t * (log(t) - log_softmax(logits)), axis=-1)


@named("kl_divergence")
def _kl_divergence(y_true: Tensor, y_pred: Tensor) -> Tensor:
    t, p = clip(y_true, EPSILON, 1.0), clip(y_pred, EPSILON, 1.0)
    return sum(t * log(t / p), axis=-1)


class Crossentropy(Loss):
    """What the cross-entropies of labels given as probabilities share."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        super().__init__(reduction, name)
        if not 0.0 <= float(label_smoothing) <= 1.0:
            raise ArgumentError(f"{type(self).__name__}: label_smoothing must be from 0 to 1, got {label_smoothing!r}")
        if isinstance(axis, bool) or not isinstance(axis, int):
            raise ArgumentError(f"{type(self).__name__}: axis must be a whole number, got {axis!r}")
        self.from_logits, self.label_smoothing, self.axis = from_logits, float(label_smoothing), axis


class BinaryCrossentropy(Crossentropy):
    """-(y·ln ŷ + (1 - y)·ln(1 - ŷ)): one or several yes-or-no answers, each from a sigmoid. Labels are from 0 to 1.

    >>> round(float(BinaryCrossentropy()([[0.0]], [[0.633]])), 4)
    1.0024
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return binary_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing, self.axis)

    def check_fit(self, labels: numpy.ndarray, output: Tensor, where: str) -> None:
        checks.check_probabilities(output, where, self.from_logits, "sigmoid")
        checks.check_shape(labels, output, where)
        checks.check_range(labels, 0.0, 1.0, where, "binary labels are 0 and 1; for more classes use "
                           "sparse_categorical_crossentropy with one output unit per class and softmax")  # fmt: skip


class CategoricalCrossentropy(Crossentropy):
    """-Σ y·ln ŷ: one of several classes, from softmax. Labels are one-hot, or probabilities of the classes.

    >>> round(float(CategoricalCrossentropy()([[0, 1, 0]], [[0.25, 0.5, 0.25]])), 4)
    0.6931
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return categorical_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing, self.axis)

    def check_fit(self, labels: numpy.ndarray, output: Tensor, where: str) -> None:
        checks.check_probabilities(output, where, self.from_logits, "softmax")
        checks.check_one_hot(labels, output, where, sparse="sparse_categorical_crossentropy", axis=self.axis)


class SparseCategoricalCrossentropy(Loss):
    """-ln ŷ[y]: one of several classes, from softmax. Labels are the numbers of the classes, from 0.

    >>> round(float(SparseCategoricalCrossentropy()([1], [[0.25, 0.5, 0.25]])), 4)
    0.6931
    """

    label_dtype = "int32"

    def __init__(
        self,
        from_logits: bool = False,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = None,
    ) -> None:
        super().__init__(reduction, name)
        self.from_logits, self.axis = from_logits, axis

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return sparse_categorical_crossentropy(y_true, y_pred, self.from_logits, self.axis)

    def check_fit(self, labels: numpy.ndarray, output: Tensor, where: str) -> None:
        checks.check_probabilities(output, where, self.from_logits, "softmax")
        checks.check_classes(labels, output, where)


class KLDivergence(Loss):
    """Σ y·ln(y / ŷ): how far one distribution is from another. Labels are probabilities.

    >>> round(float(KLDivergence()([[0.5, 0.5]], [[0.25, 0.75]])), 4)
    0.1438
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return kl_divergence(y_true, y_pred)

    def check_fit(self, labels: numpy.ndarray, output: Tensor, where: str) -> None:
        checks.check_probabilities(output, where, False, "softmax")
        checks.check_one_hot(labels, output, where, sparse="sparse_categorical_crossentropy")
