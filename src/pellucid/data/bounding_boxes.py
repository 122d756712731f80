"""Boxes around what stands in images: their formats, how well two agree, and what detectors learn and answer.

A box is left, top, right and bottom in pixels ("xyxy") unless a format says otherwise. Images have different numbers of
boxes: arrays [images, most, 4] are filled up with rows of -1, as are those of classes, [images, most].
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ArgumentError, ShapeError, UnknownNameError

__all__ = [
    "Detections",
    "GridTargets",
    "compute_iou",
    "convert_format",
    "detections",
    "grid_targets",
    "mean_average_precision",
    "non_max_suppression",
]

Numbers = NDArray[np.float32]
Classes = NDArray[np.int32]

# xyxy = boxes @ matrix, for boxes of the format as rows.
_FORMATS = {
    name: np.array(matrix, np.float64)
    for name, matrix in {
        "center_xywh": [[1, 0, 1, 0], [0, 1, 0, 1], [-0.5, 0, 0.5, 0], [0, -0.5, 0, 0.5]],
        "xywh": [[1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1]],
        "xyxy": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
        "yxyx": [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]],
    }.items()
}
_RECALLS = np.linspace(0, 1, 101)  # at which COCO reads the precision


class GridTargets(NamedTuple):
    """What a detector is to say at each cell of a grid, and how much a cell's box counts.

    >>> GridTargets(*grid_targets([[[2, 2, 6, 6]]], [[3]], (2, 2), 8, 10)).classes.shape
    (1, 2, 2, 10)
    """

    classes: Numbers  # [images, rows, columns, classes]: 1 where something of the class stands
    boxes: Numbers  # [images, rows, columns, 4]: left, top, right, bottom in pixels
    weights: Numbers  # [images, rows, columns]: 1 where there is a box, else 0


class Detections(NamedTuple):
    """What a detector found: the surest first, and rows of -1 after the last.

    >>> found = detections([[[0.9], [0.2]]], [[[0, 0, 4, 4], [8, 8, 9, 9]]], confidence_threshold=0.5)
    >>> found.boxes.shape, found.classes.tolist()
    ((1, 1, 4), [[0]])
    """

    boxes: Numbers  # [images, most, 4]
    classes: Classes  # [images, most]
    confidence: Numbers  # [images, most], from 0 to 1


def convert_format(boxes: ArrayLike, source: str, target: str) -> Numbers:
    """Boxes [n…, 4] from one format to another: "xyxy", "yxyx", "xywh" (left, top, width, height), "center_xywh".

    Raises `UnknownNameError` for another format, with those that there are.

    >>> convert_format([10, 20, 30, 50], "xyxy", "xywh").tolist()
    [10.0, 20.0, 20.0, 30.0]
    """
    for name in (source, target):
        if name not in _FORMATS:
            raise UnknownNameError("format of boxes", name, _FORMATS)
    matrix = _FORMATS[source] @ np.linalg.inv(_FORMATS[target])
    converted: Numbers = (_boxes(boxes, "convert_format") @ matrix).astype(np.float32)
    return converted


def compute_iou(boxes1: ArrayLike, boxes2: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union of every box of one list with every one of another: 1 for equal boxes, 0 for apart ones.

    Shapes: [n, 4], [m, 4] → [n, m].

    >>> compute_iou([[0, 0, 2, 2]], [[1, 0, 3, 2], [5, 5, 6, 6]]).round(4).tolist()
    [[0.3333, 0.0]]
    """
    first, second = _boxes(boxes1, "compute_iou")[:, None], _boxes(boxes2, "compute_iou")[None]
    common = _area(np.maximum(first[..., :2], second[..., :2]), np.minimum(first[..., 2:], second[..., 2:]))
    union = _area(first[..., :2], first[..., 2:]) + _area(second[..., :2], second[..., 2:]) - common
    iou: NDArray[np.float64] = common / np.maximum(union, 1e-7)
    return iou


def _area(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of boxes from one corner to another; 0 where they end before they begin."""
    area: NDArray[np.float64] = np.clip(end - start, 0, None).prod(-1)
    return area


def non_max_suppression(
    boxes: ArrayLike, scores: ArrayLike, iou_threshold: float = 0.5, max_output_size: int | None = None
) -> NDArray[np.int64]:
    """The places of the boxes that stay when of those that overlap by more than a threshold only the best is kept.

    Shapes: [n, 4], [n] → at most `max_output_size` places, those of the highest scores first.

    >>> non_max_suppression([[0, 0, 4, 4], [0, 0, 4, 5], [9, 9, 12, 12]], [0.5, 0.9, 0.2]).tolist()
    [1, 2]
    """
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    overlap = compute_iou(boxes, boxes) > iou_threshold
    free = np.ones(len(order), bool)
    kept: list[int] = []
    for place in order:
        if free[place] and (max_output_size is None or len(kept) < max_output_size):
            kept.append(int(place))
            free &= ~overlap[place]
    return np.array(kept, np.int64)


def grid_targets(
    boxes: ArrayLike,
    classes: ArrayLike,
    grid: tuple[int, int],
    stride: float,
    num_classes: int,
    radius: float = 1.0,
) -> GridTargets:
    """What a detector without anchors is to answer: every cell near the middle of a box says the box and its class.

    The grid has (rows, columns) of cells `stride` pixels wide. A cell answers for a box when its own middle lies in the
    box and, in both directions, less than `radius` strides from the box's middle; the cell that holds the middle always
    does. Of several boxes it takes the nearest. Shapes: [images, most, 4], [images, most] → `GridTargets`.
    Source: Tian et al., "FCOS: Fully Convolutional One-Stage Object Detection", 2019 (with centre sampling).

    >>> targets = grid_targets([[[2, 2, 6, 6]]], [[3]], (2, 2), 8, 10)
    >>> targets.weights[0].tolist(), targets.boxes[0, 0, 0].tolist()
    ([[1.0, 0.0], [0.0, 0.0]], [2.0, 2.0, 6.0, 6.0])
    """
    boxes, classes = _boxes(boxes, "grid_targets", 3), np.asarray(classes)
    if classes.shape != boxes.shape[:2]:
        raise ShapeError(f"grid_targets needs a class for each box, got {boxes.shape} and {classes.shape}")
    if classes.size and classes.max() >= num_classes:
        raise ArgumentError(f"grid_targets: class {classes.max()} is not among {num_classes}, counted from 0")
    rows, columns = grid
    y, x = (np.arange(rows)[:, None] + 0.5) * stride, (np.arange(columns)[None] + 0.5) * stride
    targets = GridTargets(
        np.zeros((len(boxes), rows, columns, num_classes), np.float32),
        np.zeros((len(boxes), rows, columns, 4), np.float32),
        np.zeros((len(boxes), rows, columns), np.float32),
    )
    nearest = np.full((len(boxes), rows, columns), np.inf)
    for place in range(boxes.shape[1]):
        left, top, right, bottom = boxes[:, place].T[:, :, None, None]
        across, down = np.abs(x - (left + right) / 2), np.abs(y - (top + bottom) / 2)
        far = np.maximum(across, down)
        inside = (left < x) & (x < right) & (top < y) & (y < bottom)
        near = (inside & (far < radius * stride)) | (far <= stride / 2)
        taken = near & (far < nearest) & (classes[:, place, None, None] >= 0)
        nearest[taken] = far[taken]
        image, row, column = np.nonzero(taken)
        targets.boxes[image, row, column] = boxes[image, place]
        targets.classes[image, row, column] = np.eye(num_classes)[classes[image, place]]
        targets.weights[image, row, column] = 1
    return targets


def detections(
    scores: ArrayLike,
    boxes: ArrayLike,
    confidence_threshold: float = 0.05,
    iou_threshold: float = 0.5,
    max_detections: int = 100,
) -> Detections:
    """What a detector says, as a list for each image: answers above a confidence, and of those that overlap the best.

    Answers of different classes do not suppress each other. Shapes: probabilities [images, n…, classes] and boxes
    [images, n…, 4], as the network gives them → `Detections`.

    >>> found = detections([[[0.9, 0.1], [0.8, 0.1]]], [[[0, 0, 4, 4], [0, 0, 4, 5]]], confidence_threshold=0.2)
    >>> found.boxes.tolist(), found.confidence.round(2).tolist()
    ([[[0.0, 0.0, 4.0, 4.0]]], [[0.8999999761581421]])
    """
    scores, boxes = np.asarray(scores, np.float32), np.asarray(boxes, np.float32)
    if scores.ndim < 3 or boxes.shape != (*scores.shape[:-1], 4):
        raise ShapeError(
            "detections needs scores [images, n…, classes] and boxes [images, n…, 4], got "
            f"{scores.shape} and {boxes.shape}"
        )
    found = []
    for image_scores, image_boxes in zip(scores, boxes, strict=True):
        flat, places = image_scores.reshape(-1, scores.shape[-1]), image_boxes.reshape(-1, 4)
        cells, classes = np.nonzero(flat >= confidence_threshold)
        confidence = flat[cells, classes]
        # Far enough apart that boxes of two classes never overlap: one pass for all classes.
        apart = (classes * (2 * np.abs(places).max(initial=0) + 1))[:, None]
        kept = non_max_suppression(places[cells] + apart, confidence, iou_threshold, max_detections)
        found.append((places[cells][kept], classes[kept].astype(np.int32), confidence[kept]))
    most = max((len(classes) for _, classes, _ in found), default=0)
    filled = Detections(
        np.full((len(found), most, 4), -1, np.float32),
        np.full((len(found), most), -1, np.int32),
        np.full((len(found), most), -1, np.float32),
    )
    for i, one in enumerate(found):
        for whole, part in zip(filled, one, strict=True):
            whole[i, : len(part)] = part
    return filled


def mean_average_precision(
    boxes: ArrayLike, classes: ArrayLike, found: Detections, iou_threshold: float = 0.5
) -> float:
    """How well a detector finds what is there, from 0 to 1: the average precision of each class, and their mean.

    Answers are taken surest first. One is right when its box and a true box of its class, which no surer answer has
    found, agree by at least `iou_threshold`. Precision is the share of right answers, recall the share of true boxes
    found; average precision is the mean, over 101 recalls from 0 to 1, of the best precision at that recall or more.
    Classes that stand in no image are left out. Shapes: [images, most, 4], [images, most] and `Detections`.
    Source: Lin et al., "Microsoft COCO", 2014, as its evaluation has it (there AP50).

    >>> found = Detections([[[0, 0, 4, 4], [9, 9, 12, 12]]], [[2, 2]], [[0.8, 0.9]])
    >>> round(mean_average_precision([[[0, 0, 4, 5]]], [[2]], found), 4)  # the surer answer is wrong
    0.5
    """
    boxes, classes = _boxes(boxes, "mean_average_precision", 3), np.asarray(classes)
    found_boxes, found_classes = _boxes(found.boxes, "mean_average_precision", 3), np.asarray(found.classes)
    confidence = np.asarray(found.confidence, np.float64)
    if len(boxes) != len(found_boxes):
        raise ShapeError(f"{len(boxes)} images have true boxes, {len(found_boxes)} have answers; give the same images")
    averages = []
    for kind in np.unique(classes[classes >= 0]):
        right, sure = [np.zeros(0, bool)], [np.zeros(0)]
        for image in range(len(boxes)):
            order = np.flatnonzero(found_classes[image] == kind)
            order = order[np.argsort(-confidence[image][order], kind="stable")]
            truth = boxes[image][classes[image] == kind]
            right.append(_right(compute_iou(found_boxes[image][order], truth), iou_threshold))
            sure.append(confidence[image][order])
        ranked = np.concatenate(right)[np.argsort(-np.concatenate(sure), kind="stable")]
        averages.append(_average_precision(ranked, int((classes == kind).sum())))
    return float(np.mean(averages)) if averages else 0.0


def _right(iou: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
    """Which answers, the surest first, find a true box that is still free; each takes the one it agrees with most."""
    iou, right = iou.copy(), np.zeros(len(iou), bool)
    for answer in range(len(iou) if iou.shape[1] else 0):
        best = int(iou[answer].argmax())
        right[answer] = iou[answer, best] >= threshold
        if right[answer]:
            iou[:, best] = -1.0
    return right


def _average_precision(right: NDArray[np.bool_], true: int) -> float:
    """From whether each answer is right, the surest first, and how many boxes there are to be found."""
    hits = right.cumsum()
    recall, precision = hits / true, hits / np.arange(1, len(right) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]  # at this recall or more
    places = np.searchsorted(recall, _RECALLS, side="left")
    return float(np.append(best, 0.0)[places].mean())


def _boxes(value: ArrayLike, where: str, rank: int | None = None) -> NDArray[np.float64]:
    boxes = np.asarray(value, np.float64)
    if not boxes.size and (rank is None or boxes.ndim == rank):
        return boxes.reshape(*boxes.shape[:-1], 4) if boxes.ndim > 1 else boxes.reshape(0, 4)
    if boxes.shape[-1:] != (4,) or (rank is not None and boxes.ndim != rank):
        wanted = "[n, 4]" if rank is None else "[images, most, 4]"
        raise ShapeError(f"{where} needs boxes {wanted}, got the shape {boxes.shape}")
    return boxes
