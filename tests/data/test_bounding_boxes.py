"""Boxes: formats and overlap by hand, what is suppressed, targets and answers; mean average precision against COCO."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest

from pellucid.errors import ArgumentError, ShapeError, UnknownNameError
from pellucid.utils.bounding_boxes import (
    Detections,
    compute_iou,
    convert_format,
    detections,
    grid_targets,
    mean_average_precision,
    non_max_suppression,
)

BOX = {"xyxy": [10, 20, 30, 50], "yxyx": [20, 10, 50, 30], "xywh": [10, 20, 20, 30], "center_xywh": [20, 35, 20, 30]}


@pytest.mark.parametrize("source", BOX)
@pytest.mark.parametrize("target", BOX)
def test_formats(source, target):
    np.testing.assert_allclose(convert_format(BOX[source], source, target), BOX[target])
    several = np.tile(BOX[source], (2, 3, 1))
    np.testing.assert_allclose(convert_format(several, source, target), np.tile(BOX[target], (2, 3, 1)))


def test_overlap_by_hand():
    a = [[0, 0, 4, 4], [0, 0, 2, 2]]
    b = [[2, 2, 6, 6], [4, 0, 8, 4], [1, 1, 3, 3], [0, 0, 4, 4]]
    expected = [[4 / 28, 0, 4 / 16, 1], [0, 0, 1 / 7, 4 / 16]]
    np.testing.assert_allclose(compute_iou(a, b), expected)
    assert compute_iou([[1, 1, 1, 1]], [[1, 1, 1, 1]]) == 0  # boxes without an area agree on nothing
    assert compute_iou([[0, 0, 4, 4], [4, 0, 0, 4]], [[4, 0, 0, 4]]).tolist() == [[0], [0]]  # nor those turned over
    assert compute_iou(np.zeros((0, 4)), b).shape == (0, 4)


def test_of_boxes_that_overlap_the_best_is_kept():
    boxes = [[0, 0, 10, 10], [0, 0, 10, 9], [0, 5, 10, 15], [20, 20, 30, 30]]
    scores = [0.6, 0.9, 0.7, 0.1]  # the first overlaps the second by 0.9, the third by 1/3
    assert non_max_suppression(boxes, scores).tolist() == [1, 2, 3]
    assert non_max_suppression(boxes, scores, iou_threshold=0.2).tolist() == [1, 3]
    assert non_max_suppression(boxes, scores, iou_threshold=0.95).tolist() == [1, 2, 0, 3]
    assert non_max_suppression(boxes, scores, max_output_size=1).tolist() == [1]
    assert non_max_suppression(np.zeros((0, 4)), []).tolist() == []


def test_suppression_against_brute_force():
    random = np.random.default_rng(0)
    corner = random.uniform(0, 20, (60, 2))
    boxes, scores = np.hstack([corner, corner + random.uniform(1, 12, (60, 2))]), random.uniform(size=60)
    kept = non_max_suppression(boxes, scores, 0.4)
    expected = []
    for i in sorted(range(60), key=lambda i: -scores[i]):
        if all(compute_iou(boxes[[i]], boxes[[j]]) <= 0.4 for j in expected):
            expected.append(i)
    assert kept.tolist() == expected


def test_targets_by_hand():
    # Cells are 4 wide, their middles at 2, 6, 10, 14. Image 1: a large box around (8, 8) and a thin one around (13, 2).
    boxes = [[[2, 2, 14, 14], [12.5, 0, 13.5, 4]], [[-1, -1, -1, -1], [-1, -1, -1, -1]]]
    targets = grid_targets(boxes, [[1, 0], [-1, -1]], (4, 4), 4, 3)
    expected = np.zeros((2, 4, 4))
    expected[0, 1:3, 1:3] = 1  # less than one stride from (8, 8)
    expected[0, 0, 3] = 1  # it holds the middle of the thin box, though its own, at 14, is not in it
    np.testing.assert_array_equal(targets.weights, expected)
    np.testing.assert_array_equal(targets.boxes[0, 1, 2], [2, 2, 14, 14])
    np.testing.assert_array_equal(targets.boxes[0, 0, 3], [12.5, 0, 13.5, 4])
    np.testing.assert_array_equal(targets.classes[0, 1, 2], [0, 1, 0])
    np.testing.assert_array_equal(targets.classes[0, 0, 3], [1, 0, 0])
    np.testing.assert_array_equal(targets.classes.sum(-1), expected)
    assert not targets.boxes[targets.weights == 0].any()


def test_a_cell_answers_for_the_nearest_box():
    boxes = [[[0, 0, 16, 16], [0, 0, 12, 12]]]  # middles at 8 and 6; the cells' at 2, 6, 10, 14
    targets = grid_targets(boxes, [[0, 1]], (4, 4), 4, 2)
    assert targets.classes[0, 1, 1].tolist() == [0, 1]
    assert targets.classes[0, 2, 2].tolist() == [1, 0]


def test_a_wider_radius_takes_more_cells():
    counts = [grid_targets([[[0, 0, 32, 32]]], [[0]], (8, 8), 4, 1, radius).weights.sum() for radius in (1, 2, 9)]
    assert counts == [4, 16, 64]


def test_answers():
    scores = np.zeros((2, 2, 2, 3), np.float32)
    boxes = np.zeros((2, 2, 2, 4), np.float32)
    boxes[0] = [[[0, 0, 8, 8], [0, 0, 8, 9]], [[20, 20, 28, 28], [40, 40, 44, 44]]]
    scores[0, 0, 0] = [0.1, 0.8, 0.6]  # two classes at one place
    scores[0, 0, 1] = [0.0, 0.9, 0.0]  # nearly the same place, surer
    scores[0, 1, 0] = [0.3, 0.0, 0.0]
    found = detections(scores, boxes, confidence_threshold=0.25)
    assert found.classes.tolist() == [[1, 2, 0], [-1, -1, -1]]
    np.testing.assert_allclose(found.confidence, [[0.9, 0.6, 0.3], [-1, -1, -1]])
    np.testing.assert_array_equal(found.boxes[0], [[0, 0, 8, 9], [0, 0, 8, 8], [20, 20, 28, 28]])
    assert detections(scores, boxes, confidence_threshold=0.25, max_detections=1).classes.tolist() == [[1], [-1]]
    assert detections(scores, boxes, confidence_threshold=0.95).classes.shape == (2, 0)


def test_targets_and_answers_are_each_others_inverse():
    boxes = np.array([[[4, 4, 20, 24], [40, 30, 60, 50]], [[10, 12, 30, 40], [-1, -1, -1, -1]]], np.float32)
    classes = np.array([[3, 1], [2, -1]], np.int32)
    targets = grid_targets(boxes, classes, (8, 8), 8, 4)
    found = detections(targets.classes, targets.boxes)
    assert mean_average_precision(boxes, classes, found, 0.99) == 1.0
    assert sorted(found.classes[0].tolist()) == [1, 3]
    np.testing.assert_array_equal(found.boxes[1, 0], boxes[1, 0])


# Mean average precision

TRUE = np.array([[[0, 0, 10, 10], [20, 20, 30, 30]], [[5, 5, 15, 15], [-1, -1, -1, -1]]], float)
KINDS = np.array([[0, 0], [0, -1]])


def answers(*rows: list[tuple[list[float], int, float]]) -> Detections:
    """One list of (box, class, confidence) for each image."""
    most = max(map(len, rows))
    padded = [[*row, *[([-1] * 4, -1, -1.0)] * (most - len(row))] for row in rows]
    boxes, classes, confidence = (np.array([[one[i] for one in row] for row in padded]) for i in range(3))
    return Detections(boxes.reshape(len(rows), most, 4).astype(np.float32), classes, confidence.astype(np.float32))


def test_average_precision_by_hand():
    right, wrong = [0, 0, 10, 10], [50, 50, 60, 60]
    # Surest first: right, wrong, right, and one true box is never found: precision 1 up to recall 1/3, then 2/3 up to
    # 2/3, then 0. Of the recalls 0, 0.01, …, 1 the first 34 and the next 33 are reached.
    found = answers([(right, 0, 0.9), (wrong, 0, 0.8)], [([5, 5, 15, 15], 0, 0.7)])
    assert mean_average_precision(TRUE, KINDS, found) == pytest.approx((34 + 33 * 2 / 3) / 101)


def test_a_true_box_is_found_once():
    again = answers([([0, 0, 10, 10], 0, 0.9), ([0, 0, 10, 10], 0, 0.8), ([20, 20, 30, 30], 0, 0.7)], [])
    once = answers([([0, 0, 10, 10], 0, 0.9), ([80, 80, 90, 90], 0, 0.8), ([20, 20, 30, 30], 0, 0.7)], [])
    assert mean_average_precision(TRUE, KINDS, again) == mean_average_precision(TRUE, KINDS, once)


def test_boxes_must_agree_by_the_threshold_and_classes_altogether():
    half = answers([([0, 0, 10, 5], 0, 0.9), ([20, 20, 30, 30], 0, 0.8)], [([5, 5, 15, 15], 0, 0.7)])
    assert mean_average_precision(TRUE, KINDS, half, 0.5) == 1.0
    assert mean_average_precision(TRUE, KINDS, half, 0.51) < 0.7
    other = answers([([0, 0, 10, 10], 1, 0.9)], [])
    assert mean_average_precision(TRUE, KINDS, other) == 0.0
    assert mean_average_precision(TRUE, np.full_like(KINDS, -1), other) == 0.0  # nothing to be found


def scenes(seed: int) -> tuple[np.ndarray, np.ndarray, Detections]:
    """Random boxes of three classes in twelve images, and answers: some near, some wrong, some missing."""
    random = np.random.default_rng(seed)
    boxes, classes = np.full((12, 5, 4), -1.0), np.full((12, 5), -1)
    rows = []
    for image in range(12):
        count = random.integers(0, 6)
        corner = random.uniform(0, 60, (count, 2))
        boxes[image, :count] = np.hstack([corner, corner + random.uniform(4, 30, (count, 2))])
        classes[image, :count] = random.integers(0, 3, count)
        row = [
            (
                list(box + random.normal(0, 0.1, 4) * np.tile(box[2:] - box[:2], 2)),
                int(kind if random.random() < 0.8 else random.integers(0, 3)),
                conf,
            )
            for box, kind, conf in zip(boxes[image, :count], classes[image, :count], random.random(count), strict=True)
            for _ in range(random.integers(0, 3))
        ]
        rows.append([(box, kind, float(np.float32(conf * random.random()))) for box, kind, conf in row])
    return boxes, classes, answers(*rows)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("threshold", [0.5, 0.75])
def test_mean_average_precision_is_cocos(seed, threshold):
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    boxes, classes, found = scenes(seed)
    truth = coco.COCO()
    places = [(image, place) for image, place in np.argwhere(classes >= 0)]
    truth.dataset = {
        "images": [{"id": i} for i in range(len(boxes))],
        "categories": [{"id": kind} for kind in range(3)],
        "annotations": [
            {"id": number, "image_id": image, "category_id": int(classes[image, place]), "iscrowd": 0,
             "bbox": [*boxes[image, place, :2], *(boxes[image, place, 2:] - boxes[image, place, :2])],
             "area": float((boxes[image, place, 2:] - boxes[image, place, :2]).prod())}
            for number, (image, place) in enumerate(places, 1)
        ],
    }  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        given = truth.loadRes([
            {"image_id": int(image), "category_id": int(found.classes[image, place]),
             "bbox": convert_format(found.boxes[image, place], "xyxy", "xywh").astype(float).tolist(),
             "score": float(found.confidence[image, place])}
            for image, place in np.argwhere(found.classes >= 0)
        ])  # fmt: skip
        run = evaluation.COCOeval(truth, given, "bbox")
        run.params.iouThrs = np.array([threshold])
        run.params.areaRng, run.params.areaRngLbl = [[0, 1e10]], ["all"]
        run.evaluate()
        run.accumulate()
    precision = run.eval["precision"][0, :, :, 0, -1]
    expected = precision[precision > -1].mean()
    assert 0.02 < expected < 0.98
    assert mean_average_precision(boxes, classes, found, threshold) == pytest.approx(expected, abs=1e-6)


def test_requests_that_cannot_be_met_are_refused():
    with pytest.raises(UnknownNameError, match="format of boxes 'xyhw'"):
        convert_format([1, 2, 3, 4], "xyhw", "xyxy")
    with pytest.raises(ShapeError, match=r"compute_iou needs boxes \[n, 4\], got the shape \(1, 3\)"):
        compute_iou([[1, 2, 3]], [[1, 2, 3, 4]])
    with pytest.raises(ShapeError, match="a class for each box"):
        grid_targets([[[1, 2, 3, 4]]], [[1, 2]], (2, 2), 4, 3)
    with pytest.raises(ArgumentError, match="class 3 is not among 3"):
        grid_targets([[[1, 2, 3, 4]]], [[3]], (2, 2), 4, 3)
    with pytest.raises(ShapeError, match="detections needs scores"):
        detections(np.zeros((2, 3)), np.zeros((2, 3, 4)))
    with pytest.raises(ShapeError, match="give the same images"):
        mean_average_precision(TRUE[:1], KINDS[:1], answers([], [([0, 0, 1, 1], 0, 0.5)]))
