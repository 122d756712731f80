"""`Metric`: a number that says how good a model is, made of sums that add up over batches.

`statistics` builds those sums as nodes; `compute` makes the number from their totals over an epoch. So a metric costs a
few nodes in the step's graph, and no batch needs to be remembered. `update_state`, `result` and `reset_state` do the
same at once, on arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy

from pellucid.core.evaluate import evaluate
from pellucid.core.graph import Tensor, TensorLike, tensor
from pellucid.core.spec import known
from pellucid.errors import ShapeError, StateError
from pellucid.nn import functions
from pellucid.nn.layer import _snake as snake
from pellucid.nn.losses import Loss, as_tensor, matched, spread
from pellucid.nn.registry import Configured
from pellucid.ops import broadcast_to, cast, equal, greater, logical_and, max, one_hot, reshape, squeeze, sum

Result = float | numpy.ndarray


class Metric(Configured):
    """Base of all metrics.

    >>> from pellucid.metrics import MeanAbsoluteError
    >>> metric = MeanAbsoluteError()
    >>> metric.update_state([1.0, 2.0], [1.0, 4.0])
    >>> metric.result()
    1.0
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = name or snake(type(self).__name__)
        self._totals: list[numpy.ndarray] | None = None

    def arguments(self) -> dict[str, Any]:
        return {**super().arguments(), "name": self.name}

    # What subclasses write

    def statistics(self, y_true: Tensor, y_pred: Tensor, weight: Tensor | None) -> list[Tensor]:
        """Sums over a batch: float32, of fixed shapes, to be added up over batches. `weight` is one per example."""
        raise NotImplementedError

    def compute(self, *totals: numpy.ndarray) -> Result:
        """The metric, from the sums over an epoch (float64)."""
        raise NotImplementedError

    def fitted(self, loss: Loss, output: Tensor, where: str) -> Metric:
        """This metric for a network trained with that loss; raises `ArgumentError` where the two cannot go together."""
        return self

    # What they get

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take another batch of arrays into account."""
        weight = None if sample_weight is None else cast(as_tensor(sample_weight), "float32")
        nodes = self.statistics(as_tensor(y_true), cast(as_tensor(y_pred), "float32"), weight)
        batch = [value.astype(numpy.float64) for value in evaluate(nodes)]
        self._totals = batch if self._totals is None else [a + b for a, b in zip(self._totals, batch, strict=True)]

    def result(self) -> Result:
        """The metric over all batches since the last reset."""
        if self._totals is None:
            raise StateError(f"metric {self.name} has seen no data; call update_state(y_true, y_pred) first")
        return self.compute(*self._totals)

    def reset_state(self) -> None:
        """Forget all batches."""
        self._totals = None

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Result:
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()


class MeanMetric(Metric):
    """The weighted mean of one value per example: Σ w·value / Σ w.

    >>> from pellucid.metrics import MeanSquaredError
    >>> MeanSquaredError()([1.0, 2.0], [1.0, 4.0])
    2.0
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """One value per example, or several."""
        raise NotImplementedError

    def statistics(self, y_true: Tensor, y_pred: Tensor, weight: Tensor | None) -> list[Tensor]:
        values = cast(self.values(y_true, y_pred), "float32")
        if weight is None:
            return [sum(values), tensor(numpy.array(math.prod(known(values.shape)), numpy.float32))]
        weights = broadcast_to(spread(weight, values), values.shape)
        return [sum(values * weights), sum(weights)]

    def compute(self, *totals: numpy.ndarray) -> Result:
        total, count = totals
        return float(total / count) if count else 0.0


class OwnMetric(MeanMetric):
    """The mean of a function of labels and predictions: itself, or the name under which it is registered.

    It gives one value per example, so that batches of any size, weights and masks count as they should.

    >>> from pellucid import ops
    >>> largest = OwnMetric(lambda y_true, y_pred: ops.max(ops.absolute(y_pred - y_true), axis=-1))
    >>> largest([[0.0, 0.0]], [[2.0, -3.0]])
    3.0
    """

    def __init__(self, function: Callable[..., Tensor] | str, name: str | None = None) -> None:
        self.function = functions.as_function("metric", function)
        super().__init__(name or getattr(self.function, "__name__", "metric"))

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        values = functions.call_own(self.function, f"metric {self.name}", y_true, y_pred)
        if not values.rank:
            raise ShapeError(
                f"metric {self.name} gives one number for the whole batch, which cannot be added up over batches and "
                "weights; give one value per example, as in ops.mean(…, axis=-1)"
            )
        return values

    def arguments(self) -> dict[str, Any]:
        return {**super().arguments(), "function": functions.name_of(self.function, f"the metric {self.name}")}


# How labels and predictions are read


def is_sparse(y_true: Tensor, y_pred: Tensor) -> bool:
    """Whether labels are class numbers beside one prediction per class."""
    return y_pred.shape[-1] != 1 and (y_true.rank < y_pred.rank or y_true.shape[-1] == 1)


def class_numbers(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Labels as int32 class numbers, without a last axis of 1."""
    labels = squeeze(y_true, -1) if y_true.rank == y_pred.rank else y_true
    if labels.rank != y_pred.rank - 1:
        raise ShapeError(f"labels {y_true.spec} are no class numbers for predictions {y_pred.spec}; give one a row")
    return cast(labels, "int32")


def as_one_hot(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Labels with one float32 column per class, whether they are class numbers or one-hot already."""
    if is_sparse(y_true, y_pred):
        return one_hot(class_numbers(y_true, y_pred), known(y_pred.shape[-1:])[0])
    return cast(matched(y_true, y_pred, "metric")[0], "float32")


def is_number(y: Tensor) -> Tensor:
    """Where a prediction is not NaN, for only NaN differs from itself. A NaN is never counted as right."""
    return equal(y, y)


def rows(y: Tensor) -> Tensor:
    """Leading axes made one: [n…, c] → [n, c]."""
    return reshape(y, (-1, y.shape[-1]))


def row_weights(weight: TensorLike | None, y: Tensor) -> Tensor:
    """One weight for every row of `rows(y)`, as [n, 1]: 1 where none are given."""
    shape = (*known(y.shape[:-1]), 1)
    if weight is None:
        return tensor(numpy.ones((math.prod(shape), 1), numpy.float32))
    return reshape(broadcast_to(spread(weight, y), shape), (-1, 1))


def logit(probability: float) -> float:
    """ln(p / (1 - p)): the logit at which a sigmoid reaches p."""
    if probability <= 0.0 or probability >= 1.0:
        return -math.inf if probability <= 0.0 else math.inf
    return math.log(probability / (1.0 - probability))


def decided(y_pred: Tensor, threshold: float, from_logits: bool) -> Tensor:
    """Whether a probability is above the threshold; logits are compared with the threshold's own logit, ½ with 0."""
    return greater(y_pred, logit(threshold) if from_logits else threshold)


def both(x: Tensor, y: Tensor) -> Tensor:
    """1 where both hold, else 0."""
    return cast(logical_and(x, y), "float32")


def known_rows(y: Tensor) -> Tensor:
    """Where no prediction of a row is NaN: the largest of a row is NaN as soon as one is."""
    return is_number(max(y, axis=-1))
