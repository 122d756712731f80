"""Losses for boxes: how badly one rectangle covers another. Boxes are left, top, right and bottom."""

from __future__ import annotations

import numpy

from pellucid.core.graph import Tensor
from pellucid.errors import LabelError, ShapeError
from pellucid.nn.losses import checks
from pellucid.nn.losses.base import EPSILON, Loss, loss_function
from pellucid.ops import maximum, minimum


@loss_function
def giou_loss(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """1 - GIoU: 0 for boxes that are equal, 1 for boxes that touch, and up to 2 the farther they are apart.

    Formula: GIoU = I/U - (C - U)/C, with I the area that both boxes cover, U the area that at least one covers, and C
    that of the smallest box around both. Unlike I/U alone it tells boxes apart that have nothing in common, so that
    descent finds the way. Shapes: [n…, 4], [n…, 4] → [n…]. Rezatofighi et al. 2019.

    >>> giou_loss([[0.0, 0.0, 2.0, 2.0]], [[1.0, 0.0, 3.0, 2.0]]).numpy().round(4)  # I 2, U 6, C 6
    array([0.6667], dtype=float32)
    """
    if y_pred.shape[-1] != 4:
        raise ShapeError(f"giou_loss needs boxes of left, top, right, bottom on the last axis, got {y_pred.spec}")
    (left, top, right, bottom), (pred_left, pred_top, pred_right, pred_bottom) = _sides(y_true), _sides(y_pred)
    common = _area(
        maximum(left, pred_left), maximum(top, pred_top), minimum(right, pred_right), minimum(bottom, pred_bottom)
    )
    union = _area(left, top, right, bottom) + _area(pred_left, pred_top, pred_right, pred_bottom) - common
    around = _area(
        minimum(left, pred_left), minimum(top, pred_top), maximum(right, pred_right), maximum(bottom, pred_bottom)
    )
    union, around = maximum(union, EPSILON), maximum(around, EPSILON)
    return 1.0 - common / union + (around - union) / around


def _sides(boxes: Tensor) -> list[Tensor]:
    return [boxes[..., i] for i in range(4)]


def _area(left: Tensor, top: Tensor, right: Tensor, bottom: Tensor) -> Tensor:
    """0 where right is left of left, or bottom above top."""
    return maximum(right - left, 0.0) * maximum(bottom - top, 0.0)


class GIoULoss(Loss):
    """1 - GIoU of two boxes: from 0 where they are equal to 2 where they are small and far apart.

    Boxes are [left, top, right, bottom] in any unit. Places without a box count nothing with a sample weight of 0.
    Rezatofighi et al. 2019.

    >>> round(float(GIoULoss()([[0.0, 0.0, 2.0, 2.0]], [[1.0, 0.0, 3.0, 2.0]])), 4)
    0.6667
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = "giou_loss") -> None:
        super().__init__(reduction, name)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return giou_loss(y_true, y_pred)

    def check_fit(self, labels: numpy.ndarray, output: Tensor, where: str) -> None:
        checks.check_shape(labels, output, where)
        if output.shape[-1] != 4:
            raise ShapeError(
                f"{where}: a box is 4 numbers (left, top, right, bottom), but the network gives {output.spec}; "
                "give the last layer 4 units"
            )
        boxes = labels.reshape(-1, 4)
        if (wrong := (boxes[:, 2] < boxes[:, 0]) | (boxes[:, 3] < boxes[:, 1])).any():
            box = boxes[int(numpy.argmax(wrong))]
            raise LabelError(
                f"{where}: the box {[float(side) for side in box]} ends before it begins; boxes are left, top, right, "
                'bottom: from another format, utils.bounding_boxes.convert_format(boxes, "xywh", "xyxy")'
            )
