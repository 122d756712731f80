"""Focal losses: cross-entropies that look away from what the network already gets right.

In detection nearly every place of an image is empty, and easily seen to be; their many small losses would drown the few
that matter. The factor (1 - p)^γ, with p the probability given to what is true, takes them away. Lin et al., "Focal
Loss for Dense Object Detection", 2017.
"""

from __future__ import annotations

import numpy

from pellucid.core.graph import Tensor, TensorLike
from pellucid.core.spec import known
from pellucid.nn import arguments
from pellucid.nn.losses import checks
from pellucid.nn.losses.base import EPSILON, matched
from pellucid.nn.losses.origin import sigmoid_logits, softmax_logits
from pellucid.nn.losses.probability import CategoricalCrossentropy, Crossentropy, named
from pellucid.ops import clip, expm1, log, log_softmax, maximum, mean, power, sigmoid, softplus, sum

_TINY = 1e-30


def binary_focal_crossentropy(
    y_true: TensorLike,
    y_pred: TensorLike,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """Mean over an axis of -(1 - p)^γ·ln p, p the probability given to what is true: ŷ where y is 1, else 1 - ŷ.

    With `apply_class_balancing` it is weighted by α where y is 1, and by 1 - α where it is 0; labels are first drawn
    towards ½ by `label_smoothing`. Lin et al. 2017.

    >>> binary_focal_crossentropy([[1.0]], [[0.5]]).numpy().round(4)  # a quarter of ln 2
    array([0.1733], dtype=float32)
    """
    t, p = matched(y_true, y_pred, "binary_focal_crossentropy")
    if label_smoothing:
        t = t * (1.0 - label_smoothing) + 0.5 * label_smoothing
    logits = p if from_logits else sigmoid_logits(p)
    if logits is None:
        values = _binary_focal_crossentropy(t, p, gamma=gamma)
    else:
        values = _binary_focal_crossentropy_from_logits(t, logits, gamma=gamma)
    if apply_class_balancing:
        values = values * (t * alpha + (1.0 - t) * (1.0 - alpha))
    return mean(values, axis=axis)


def categorical_focal_crossentropy(
    y_true: TensorLike,
    y_pred: TensorLike,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """-Σ α·(1 - ŷ)^γ·y·ln ŷ along an axis; labels are first drawn towards evenness by `label_smoothing`.

    >>> categorical_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).numpy().round(4)  # ¼ of a quarter of ln 2
    array([0.0433], dtype=float32)
    """
    t, p = matched(y_true, y_pred, "categorical_focal_crossentropy")
    if label_smoothing:
        t = t * (1.0 - label_smoothing) + label_smoothing / known((p.shape[axis],))[0]
    logits = p if from_logits else softmax_logits(p, axis)
    if logits is None:
        return alpha * _categorical_focal_crossentropy(t, p, gamma=gamma, axis=axis)
    return alpha * _categorical_focal_crossentropy_from_logits(t, logits, gamma=gamma, axis=axis)


@named("binary_focal_crossentropy")
def _binary_focal_crossentropy_from_logits(y_true: Tensor, logits: Tensor, *, gamma: float) -> Tensor:
    """1 - p = y·σ(-x) + (1 - y)·σ(x)."""
    missed = y_true * sigmoid(-logits) + (1.0 - y_true) * sigmoid(logits)
    return _factor(missed, gamma) * (y_true * softplus(-logits) + (1.0 - y_true) * softplus(logits))


@named("binary_focal_crossentropy_from_probabilities")
def _binary_focal_crossentropy(y_true: Tensor, y_pred: Tensor, *, gamma: float) -> Tensor:
    p = clip(y_pred, EPSILON, 1.0 - EPSILON)
    missed = y_true * (1.0 - p) + (1.0 - y_true) * p
    return _factor(missed, gamma) * -(y_true * log(p) + (1.0 - y_true) * log(1.0 - p))


@named("categorical_focal_crossentropy")
def _categorical_focal_crossentropy_from_logits(y_true: Tensor, logits: Tensor, *, gamma: float, axis: int) -> Tensor:
    log_p = maximum(log_softmax(logits, axis=axis), -1.0 / _TINY)  # where it is -∞, 0·ln ŷ still is 0
    return -sum(_factor(-expm1(log_p), gamma) * y_true * log_p, axis=axis)


@named("categorical_focal_crossentropy_from_probabilities")
def _categorical_focal_crossentropy(y_true: Tensor, y_pred: Tensor, *, gamma: float, axis: int) -> Tensor:
    p = clip(y_pred / sum(y_pred, axis=axis, keepdims=True), EPSILON, 1.0 - EPSILON)
    return -sum(_factor(1.0 - p, gamma) * y_true * log(p), axis=axis)


def _factor(missed: Tensor, gamma: float) -> Tensor:
    """missed^γ, with a finite derivative where nothing is missed."""
    return power(missed if gamma >= 1.0 else maximum(missed, _TINY), gamma)


class BinaryFocalCrossentropy(Crossentropy):
    """-(1 - p)^γ·ln p: as `BinaryCrossentropy`, with less weight on answers that are right already.

    p is the probability given to what is true. γ = 0 weighs all alike; with 2, an answer at p = 0.9 counts a hundredth.
    `apply_class_balancing` weighs positives by `alpha` and negatives by 1 - `alpha`. Lin et al. 2017.

    >>> round(float(BinaryFocalCrossentropy(gamma=2)([[1.0]], [[0.9]])), 6)  # 0.01 · 0.105
    0.001054
    """

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        super().__init__(from_logits, label_smoothing, axis, reduction, name)
        self.apply_class_balancing = arguments.flag(
            "BinaryFocalCrossentropy", "apply_class_balancing", apply_class_balancing
        )
        self.alpha = arguments.number("BinaryFocalCrossentropy", "alpha", alpha, 0.0, 1.0)
        self.gamma = arguments.number("BinaryFocalCrossentropy", "gamma", gamma, 0.0)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return binary_focal_crossentropy(
            y_true, y_pred, self.apply_class_balancing, self.alpha, self.gamma, self.from_logits,
            self.label_smoothing, self.axis,
        )  # fmt: skip

    def check_fit(self, labels: numpy.ndarray, output: Tensor, where: str) -> None:
        checks.check_probabilities(output, where, self.from_logits, "sigmoid")
        checks.check_shape(labels, output, where)
        checks.check_range(labels, 0.0, 1.0, where, "labels of yes-or-no answers are 0 and 1; for one of several "
                           "classes use categorical_focal_crossentropy with one-hot labels and softmax")  # fmt: skip


class CategoricalFocalCrossentropy(CategoricalCrossentropy):
    """-Σ α·(1 - ŷ)^γ·y·ln ŷ: as `CategoricalCrossentropy`, with less weight on answers that are right already.

    `alpha`: one weight for all classes. Lin et al. 2017.

    >>> round(float(CategoricalFocalCrossentropy(alpha=1)([[0, 1, 0]], [[0.25, 0.5, 0.25]])), 4)  # ¼ · ln 2
    0.1733
    """

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        super().__init__(from_logits, label_smoothing, axis, reduction, name)
        self.alpha = arguments.number("CategoricalFocalCrossentropy", "alpha", alpha, 0.0)
        self.gamma = arguments.number("CategoricalFocalCrossentropy", "gamma", gamma, 0.0)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return categorical_focal_crossentropy(
            y_true, y_pred, self.alpha, self.gamma, self.from_logits, self.label_smoothing, self.axis
        )
