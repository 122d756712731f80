"""Metrics of right and wrong answers by class: precision, recall, F1 score, confusion matrix.

Each label is compared with one decision: outputs of one unit, and several that are right or wrong independently, are
decided by a threshold; of classes that exclude each other, the most probable is decided for. A NaN prediction decides
for no class, so that it can be missed but never right.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy

from pellucid.core.graph import Tensor
from pellucid.errors import ArgumentError, ShapeError
from pellucid.nn.losses import Loss, matched
from pellucid.nn.metrics.base import (
    Metric,
    Result,
    as_one_hot,
    both,
    decided,
    is_number,
    known_rows,
    row_weights,
    rows,
)
from pellucid.nn.metrics.fit import check_logits, is_multiclass, needs_classes
from pellucid.nn.schedules import number
from pellucid.ops import argmax, cast, expand_dims, greater, one_hot, reshape, stack, sum, transpose

AVERAGES = (None, "micro", "macro", "weighted")


def ratio(part: numpy.ndarray, whole: numpy.ndarray) -> numpy.ndarray:
    """part / whole, 0 where the whole is 0."""
    result: numpy.ndarray = numpy.divide(part, whole, out=numpy.zeros_like(part, dtype=numpy.float64), where=whole != 0)
    return result


def most_probable(y_pred: Tensor) -> Tensor:
    """1 in the column of each row's largest prediction (the first of equals), else 0; no 1 in a row with a NaN."""
    chosen = one_hot(argmax(y_pred), int(y_pred.shape[-1] or 0))
    return chosen * expand_dims(cast(known_rows(y_pred), "float32"), -1)


def above(y_pred: Tensor, threshold: float, from_logits: bool) -> Tensor:
    """1 where the prediction is above the threshold, else 0."""
    return both(decided(y_pred, threshold, from_logits), is_number(y_pred))


def counts(y_true: Tensor, answer: Tensor, weight: Tensor) -> list[Tensor]:
    """Weighted true positives, false positives and false negatives of each column: labels and answers [n, c]."""
    right = sum(weight * (y_true * answer), axis=0)
    return [right, sum(weight * answer, axis=0) - right, sum(weight * y_true, axis=0) - right]


class Ratio(Metric):
    """What precision and recall share.

    `thresholds`: one or several (then the result is an array), ½ where none are given; `class_id`: look at one column.
    `average`: for classes that exclude each other, decide for the most probable one and average over the classes:
    `macro`, `micro`, `weighted`, or `none` for one number per class.

    Departure from Keras: in a network of several classes, precision and recall without arguments mean
    `average="macro"`; Keras compares every class probability with ½ and adds up all classes, and fails for class
    numbers as labels.
    """

    part: int  # which of (true positives, false positives, false negatives) stands beside the first in the denominator

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        class_id: int | None = None,
        name: str | None = None,
        *,
        average: str | None = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(name)
        given = [thresholds] if isinstance(thresholds, (int, float)) else thresholds
        for value in given or ():
            if not 0.0 <= number("thresholds", value) <= 1.0:
                raise ArgumentError(f"{type(self).__name__}: thresholds must be from 0 to 1, got {value!r}")
        if average not in (None, "none", *AVERAGES):
            choices = "macro, micro, weighted, none"
            raise ArgumentError(f"{type(self).__name__}: average must be one of {choices}, got {average!r}")
        if average and thresholds is not None:
            raise ArgumentError(f"{type(self).__name__}: average needs no threshold; leave out thresholds")
        self.thresholds = list(thresholds) if isinstance(thresholds, Sequence) else thresholds
        self.class_id, self.average, self.from_logits = class_id, average, from_logits

    def statistics(self, y_true: Tensor, y_pred: Tensor, weight: Tensor | None) -> list[Tensor]:
        t = as_one_hot(y_true, y_pred)
        if t.rank == 1:  # [n] beside [n]
            t, y_pred = expand_dims(t, -1), expand_dims(y_pred, -1)
        elif y_pred.rank < t.rank:
            y_pred = expand_dims(y_pred, -1)
        weights, t, p = row_weights(weight, y_pred), rows(t), rows(y_pred)
        answers = most_probable(p) if self.average else p
        if self.class_id is not None:
            if not 0 <= self.class_id < (t.shape[-1] or 0):
                raise ShapeError(f"{self.name}: class_id={self.class_id} is outside predictions {y_pred.spec}")
            t, answers = (value[..., self.class_id : self.class_id + 1] for value in (t, answers))
        if self.average:
            return counts(t, answers, weights)
        several = [counts(t, above(answers, value, self.from_logits), weights) for value in self._thresholds()]
        return [stack(parts) for parts in zip(*several, strict=True)]

    def _thresholds(self) -> list[float]:
        if self.thresholds is None:
            return [0.5]
        return self.thresholds if isinstance(self.thresholds, list) else [self.thresholds]

    def compute(self, *totals: numpy.ndarray) -> Result:
        right, other = totals[0], totals[self.part]
        if not self.average:  # [thresholds, columns]
            result = ratio(right.sum(axis=-1), right.sum(axis=-1) + other.sum(axis=-1))
            return result if isinstance(self.thresholds, list) and len(result) > 1 else float(result[0])
        return averaged(lambda a, b: ratio(a, a + b), self.average, right, other, right + totals[2])

    def fitted(self, loss: Loss, output: Tensor, where: str) -> Metric:
        needs_classes(loss, output, where)
        if is_multiclass(loss, output):
            if self.thresholds is None and self.average is None:
                result = copy.copy(self)
                result.average = "macro"
                return result
            return self
        if self.average:
            raise ArgumentError(f"{where}: average is for several classes that exclude each other; leave it out")
        check_logits(self.from_logits, True, loss, output, where)
        return self


def averaged(
    function: Any, average: str | None, first: numpy.ndarray, second: numpy.ndarray, support: numpy.ndarray
) -> Result:
    """A function of two counts per class, averaged: of sums (micro), evenly (macro), or by the labels (weighted)."""
    if average == "micro":
        return float(function(first.sum(), second.sum()))
    each: numpy.ndarray = function(first, second)
    if average == "macro":
        return float(each.mean())
    if average == "weighted":
        return float(ratio((each * support).sum(), support.sum()))
    return each


class Precision(Ratio):
    """True positives / all that were taken for positive: how far a yes can be trusted; 0 where there was none.

    >>> Precision()([0, 1, 1, 1], [0.9, 0.1, 0.8, 0.7])
    0.6666666666666666
    """

    part = 1


class Recall(Ratio):
    """True positives / all positives: how many were found; 0 where there are none.

    >>> Recall()([0, 1, 1, 1], [0.9, 0.1, 0.8, 0.7])
    0.6666666666666666
    """

    part = 2


class F1Score(Metric):
    """2·TP / (2·TP + FP + FN): the harmonic mean of precision and recall, by class or averaged. van Rijsbergen 1979.

    `threshold`: what a probability must exceed; without one, the most probable class is taken. `average`: `micro`,
    `macro`, `weighted`, or `None` for one number per class.

    Departures from Keras: with one output unit and no threshold ½ is taken, for the largest of one is always that one,
    and the result is a number. Labels may be class numbers.

    >>> F1Score()([[0], [1], [1]], [[0.9], [0.1], [0.8]])
    0.5
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        *,
        from_logits: bool = False,
    ) -> None:
        super().__init__(name)
        if average not in AVERAGES:
            raise ArgumentError(f"F1Score: average must be micro, macro, weighted or None, got {average!r}")
        if threshold is not None and not 0.0 < number("threshold", threshold) <= 1.0:
            raise ArgumentError(f"F1Score: threshold must be above 0 and at most 1, got {threshold!r}")
        self.average, self.threshold, self.from_logits = average, threshold, from_logits

    def statistics(self, y_true: Tensor, y_pred: Tensor, weight: Tensor | None) -> list[Tensor]:
        t = as_one_hot(y_true, y_pred)
        p = expand_dims(y_pred, -1) if y_pred.rank < t.rank or y_pred.rank == 1 else y_pred
        weights, t, p = row_weights(weight, p), rows(expand_dims(t, -1) if t.rank == 1 else t), rows(p)
        if self.threshold is None and p.shape[-1] != 1:
            return counts(t, most_probable(p), weights)
        return counts(t, above(p, self.threshold or 0.5, self.from_logits), weights)

    def compute(self, *totals: numpy.ndarray) -> Result:
        right, wrong, missed = totals
        average = "macro" if self.average is None and len(right) == 1 else self.average

        def score(tp: numpy.ndarray, errors: numpy.ndarray) -> numpy.ndarray:
            return ratio(2 * tp, 2 * tp + errors)

        return averaged(score, average, right, wrong + missed, right + missed)

    def fitted(self, loss: Loss, output: Tensor, where: str) -> Metric:
        needs_classes(loss, output, where)
        if not is_multiclass(loss, output):
            check_logits(self.from_logits, True, loss, output, where)
        return self


class ConfusionMatrix(Metric):
    """How often each class (row) was taken for each class (column), weighted. Predictions with NaN are counted nowhere.

    `num_classes` is the output's where left out; a single output unit has the classes 0 and 1, apart at `threshold`.

    >>> ConfusionMatrix()([0, 1, 1], [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    array([[1., 0.],
           [1., 1.]])
    """

    def __init__(
        self,
        num_classes: int | None = None,
        name: str | None = None,
        *,
        threshold: float = 0.5,
        from_logits: bool = False,
    ) -> None:
        super().__init__(name)
        if num_classes is not None and (not isinstance(num_classes, int) or num_classes < 2):
            raise ArgumentError(f"ConfusionMatrix: num_classes must be a whole number above 1, got {num_classes!r}")
        self.num_classes, self.threshold, self.from_logits = num_classes, number("threshold", threshold), from_logits

    def statistics(self, y_true: Tensor, y_pred: Tensor, weight: Tensor | None) -> list[Tensor]:
        if y_pred.rank == 1 or y_pred.shape[-1] == 1:
            t, p = (expand_dims(v, -1) if v.rank == 1 else v for v in matched(y_true, y_pred, self.name))
            yes = [greater(t, 0.5), decided(p, self.threshold, self.from_logits)]
            labels, answers = (one_hot(cast(reshape(v, (-1,)), "int32"), 2) for v in yes)
            answers = answers * cast(is_number(rows(p)), "float32")
        else:
            p = y_pred
            labels, answers = rows(as_one_hot(y_true, p)), most_probable(rows(p))
        if self.num_classes not in (None, labels.shape[-1]):
            raise ShapeError(
                f"{self.name}: num_classes={self.num_classes}, but predictions {y_pred.spec} have {labels.shape[-1]}"
            )
        return [transpose(labels) @ (row_weights(weight, p) * answers)]

    def compute(self, *totals: numpy.ndarray) -> Result:
        return totals[0]

    def fitted(self, loss: Loss, output: Tensor, where: str) -> Metric:
        needs_classes(loss, output, where)
        if not is_multiclass(loss, output):
            if output.shape[-1] != 1:
                raise ArgumentError(
                    f"{where}: {output.shape[-1]} outputs that are right or wrong independently have no common matrix; "
                    "use precision and recall"
                )
            check_logits(self.from_logits, True, loss, output, where)
        return self
