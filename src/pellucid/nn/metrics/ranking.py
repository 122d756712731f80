"""The area under a curve: how well predictions rank positives above negatives, whatever the threshold."""

from __future__ import annotations

import numpy

from pellucid.core.graph import Tensor
from pellucid.errors import ArgumentError
from pellucid.nn.losses import Loss
from pellucid.nn.metrics.base import Metric, Result, as_one_hot, is_number, row_weights
from pellucid.nn.metrics.confusion import ratio
from pellucid.nn.metrics.fit import check_logits, is_multiclass, needs_classes
from pellucid.ops import cast, expand_dims, floor, maximum, minimum, reshape, scatter_add, sigmoid, where


class AUC(Metric):
    """The area under the ROC curve (recall over false-positive rate) or the PR curve (precision over recall).

    The chance that a random positive is ranked above a random negative, for ROC: ½ is guessing, 1 perfect. The curve is
    drawn through `num_thresholds` thresholds, evenly from 0 to 1; between them ROC is a straight line, and PR is
    interpolated as by Davis & Goadrich 2006. Several outputs count as so many independent answers.
    A NaN counts as the worst prediction for its label.

    >>> AUC()([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = "auc",
        *,
        from_logits: bool = False,
    ) -> None:
        super().__init__(name)
        if not isinstance(num_thresholds, int) or num_thresholds < 2:
            raise ArgumentError(f"AUC: num_thresholds must be a whole number of at least 2, got {num_thresholds!r}")
        if curve not in ("ROC", "PR"):
            raise ArgumentError(f"AUC: curve must be 'ROC' or 'PR', got {curve!r}")
        if summation_method not in ("interpolation", "minoring", "majoring"):
            raise ArgumentError(
                f"AUC: summation_method must be 'interpolation', 'minoring' or 'majoring', got {summation_method!r}"
            )
        self.num_thresholds, self.curve, self.summation_method = num_thresholds, curve, summation_method
        self.from_logits = from_logits

    def statistics(self, y_true: Tensor, y_pred: Tensor, weight: Tensor | None) -> list[Tensor]:
        """Weights of positives and of negatives by the number of thresholds below their prediction, less 1."""
        t = as_one_hot(y_true, y_pred)
        p = sigmoid(y_pred) if self.from_logits else y_pred
        if p.rank < t.rank or p.rank == 1:
            p, t = expand_dims(p, -1), t if p.rank < t.rank else expand_dims(t, -1)
        weights = row_weights(weight, p)
        p, t = reshape(p, (-1, p.shape[-1])), reshape(t, (-1, p.shape[-1]))
        p = where(is_number(p), p, 1.0 - t)
        steps = self.num_thresholds - 1
        above = -floor(-(minimum(maximum(p, 0.0), 1.0) * float(steps))) - 1.0  # thresholds below p, after the first
        bins = cast(maximum(above, 0.0), "int32")
        return [scatter_add(weights * share, bins, steps) for share in (t, 1.0 - t)]

    def compute(self, *totals: numpy.ndarray) -> Result:
        # Positives and negatives above each threshold: sums from the top; the last threshold lies above them all.
        tp, fp = (numpy.append(numpy.cumsum(part[::-1])[::-1], 0.0) for part in totals)
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._interpolated(tp, fp)
        recall = ratio(tp, tp[:1])
        x, y = (ratio(fp, fp[:1]), recall) if self.curve == "ROC" else (recall, ratio(tp, tp + fp))
        low, high = numpy.minimum(y[:-1], y[1:]), numpy.maximum(y[:-1], y[1:])
        heights = {"interpolation": (low + high) / 2, "minoring": low, "majoring": high}[self.summation_method]
        return float(((x[:-1] - x[1:]) * heights).sum())

    @staticmethod
    def _interpolated(tp: numpy.ndarray, fp: numpy.ndarray) -> float:
        """Between two thresholds true positives grow in a straight line with all that are taken for positive, p.

        Precision is then slope + intercept / p, and its integral over recall slope·(Δtp + intercept·Δln p) / positives.
        """
        p = tp + fp
        slope = ratio(tp[:-1] - tp[1:], p[:-1] - p[1:])
        intercept = tp[1:] - slope * p[1:]
        both = (p[:-1] > 0) & (p[1:] > 0)
        growth = numpy.log(numpy.divide(p[:-1], p[1:], out=numpy.ones_like(slope), where=both))
        return float(ratio(slope * (tp[:-1] - tp[1:] + intercept * growth), tp[:1]).sum())

    def fitted(self, loss: Loss, output: Tensor, where: str) -> Metric:
        needs_classes(loss, output, where)
        if is_multiclass(loss, output) and getattr(loss, "from_logits", False):
            raise ArgumentError(f"{where}: logits of several classes are no probabilities; end in softmax instead")
        check_logits(self.from_logits, True, loss, output, where)
        return self
