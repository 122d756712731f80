"""Hinge losses: no loss once the right answer leads by a margin of 1."""

from __future__ import annotations

import numpy

from pellucid.core.graph import Tensor
from pellucid.nn.losses import checks
from pellucid.nn.losses.base import Loss, loss_function
from pellucid.ops import equal, max, mean, relu, square, sum, where


def _signed(y_true: Tensor) -> Tensor:
    """Labels 0 and 1 as -1 and 1; labels -1 and 1 as they are."""
    return where(equal(y_true, 0.0), -1.0, y_true)


@loss_function
def hinge(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Mean of max(0, 1 - y·ŷ) over the last axis, with labels -1 and 1 (0 is taken as -1).

    >>> hinge([[1.0, -1.0]], [[0.25, -3.0]]).numpy()
    array([0.375], dtype=float32)
    """
    return mean(relu(1.0 - _signed(y_true) * y_pred), axis=-1)


@loss_function
def squared_hinge(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Mean of max(0, 1 - y·ŷ)² over the last axis, with labels -1 and 1 (0 is taken as -1).

    >>> squared_hinge([[1.0, -1.0]], [[0.5, -3.0]]).numpy()
    array([0.125], dtype=float32)
    """
    return mean(square(relu(1.0 - _signed(y_true) * y_pred)), axis=-1)


@loss_function
def categorical_hinge(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """max(0, 1 + max (1 - y)·ŷ - Σ y·ŷ) over the last axis, with one-hot labels. Crammer & Singer 2001.

    >>> categorical_hinge([[0.0, 1.0]], [[0.75, 0.5]]).numpy()
    array([1.25], dtype=float32)
    """
    right = sum(y_true * y_pred, axis=-1)
    best_wrong = max((1.0 - y_true) * y_pred, axis=-1)
    return relu(1.0 + best_wrong - right)


class Hinge(Loss):
    """The mean of max(0, 1 - y·ŷ). Labels are -1 and 1, or 0 and 1.

    >>> round(float(Hinge()([[1.0, -1.0]], [[0.5, -2.0]])), 4)
    0.25
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return hinge(y_true, y_pred)

    def check_fit(self, labels: numpy.ndarray, output: Tensor, where: str) -> None:
        super().check_fit(labels, output, where)
        checks.check_signs(labels, where)


class SquaredHinge(Hinge):
    """The mean of max(0, 1 - y·ŷ)². Labels are -1 and 1, or 0 and 1.

    >>> round(float(SquaredHinge()([[1.0, -1.0]], [[0.5, -2.0]])), 4)
    0.125
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return squared_hinge(y_true, y_pred)


class CategoricalHinge(Loss):
    """max(0, 1 + the largest wrong score - the right score). Labels are one-hot.

    >>> round(float(CategoricalHinge()([[0, 1, 0]], [[0.2, 0.5, 0.3]])), 4)
    0.8
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return categorical_hinge(y_true, y_pred)

    def check_fit(self, labels: numpy.ndarray, output: Tensor, where: str) -> None:
        checks.check_one_hot(labels, output, where, sparse=None)
