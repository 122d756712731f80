"""What detectors learn by: focal losses at extreme logits, GIoU against counted squares, boxes from distances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest

import pellucid
from pellucid import layers, ops
from pellucid.core.autodiff import gradients
from pellucid.core.evaluate import evaluate
from pellucid.core.graph import Tensor
from pellucid.core.sources import feed
from pellucid.errors import ArgumentError, LabelError, PellucidError, ShapeError
from pellucid.nn import losses
from pellucid.utils.bounding_boxes import grid_targets

F = numpy.float32


def value_and_gradient(loss: Any, y: numpy.ndarray, x: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    logits = feed(x.shape, str(x.dtype))
    values = loss(y, logits)
    results = evaluate([values, *gradients(ops.sum(values), [logits])], {logits: x})
    return results[0], results[1]


def test_focal_by_hand() -> None:
    # p of what is true is 0.9 and 0.4: 0.1²·(-ln 0.9) and 0.6²·(-ln 0.4), and their mean
    expected = (0.01 * -numpy.log(0.9) + 0.36 * -numpy.log(0.4)) / 2
    found = losses.binary_focal_crossentropy(F([[1, 0]]), F([[0.9, 0.6]])).numpy()
    numpy.testing.assert_allclose(found, [expected], rtol=1e-5)
    balanced = losses.BinaryFocalCrossentropy(apply_class_balancing=True, alpha=0.3)
    expected = (0.3 * 0.01 * -numpy.log(0.9) + 0.7 * 0.36 * -numpy.log(0.4)) / 2
    assert float(balanced(F([[1, 0]]), F([[0.9, 0.6]]))) == pytest.approx(expected, rel=1e-5)
    found = losses.categorical_focal_crossentropy(F([[0, 1]]), F([[0.2, 0.8]]), alpha=0.5, gamma=3.0).numpy()
    numpy.testing.assert_allclose(found, [0.5 * 0.2**3 * -numpy.log(0.8)], rtol=1e-5)


def test_without_focus_it_is_the_crossentropy() -> None:
    random = numpy.random.default_rng(0)
    y, x = random.integers(0, 2, (5, 3)).astype(F), random.normal(size=(5, 3)).astype(F)
    focal = losses.binary_focal_crossentropy(y, x, gamma=0.0, from_logits=True).numpy()
    numpy.testing.assert_allclose(focal, losses.binary_crossentropy(y, x, from_logits=True).numpy(), rtol=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("size", [1.0, 88.0, 104.0, 1e4, 1e38])
def test_focal_losses_at_extreme_logits(gamma: float, size: float) -> None:
    x = F([[size], [-size], [0.0]])
    for label in (0.0, 1.0):
        y = numpy.full(x.shape, label, F)
        value, gradient = value_and_gradient(
            lambda y, x: losses.binary_focal_crossentropy(y, x, gamma=gamma, from_logits=True), y, x
        )
        z = x.astype(numpy.float64) * (2 * label - 1)  # the logit of what is true
        log_missed, log_p = -numpy.logaddexp(0, z), -numpy.logaddexp(0, -z)
        numpy.testing.assert_allclose(value, (numpy.exp(gamma * log_missed) * -log_p)[:, 0], rtol=1e-5, atol=1e-30)
        assert numpy.isfinite(gradient).all()
        assert (gradient * (1 - 2 * label) >= 0).all()  # more of what is true never costs more
    rows = F([[size, -size, 0.0], [-size, size, size / 2], [0, 0, 0]])
    for true in range(3):
        value, gradient = value_and_gradient(
            lambda y, x: losses.categorical_focal_crossentropy(y, x, gamma=gamma, from_logits=True),
            numpy.tile(numpy.eye(3, dtype=F)[true], (3, 1)),
            rows,
        )
        assert numpy.isfinite(value).all()
        assert numpy.isfinite(gradient).all()


def test_logits_behind_sigmoid_and_softmax_are_used() -> None:
    x = F([[200.0, -200.0]])
    right, wrong = F([[1, 0]]), F([[0, 1]])
    for loss, activation in (
        (losses.binary_focal_crossentropy, ops.sigmoid),
        (losses.categorical_focal_crossentropy, ops.softmax),
    ):
        behind = lambda y, x, loss=loss, activation=activation: loss(y, activation(x))  # noqa: E731
        assert value_and_gradient(behind, right, x)[0] == 0
        value, gradient = value_and_gradient(behind, wrong, x)
        assert value[0] >= 50  # from probabilities, 10⁻⁷ would be the least: at most 16
        assert numpy.abs(gradient).max() > 0.2


def counted(a: numpy.ndarray, b: numpy.ndarray) -> float:
    """1 - GIoU of boxes at whole numbers, by counting squares."""
    squares = [
        {(x, y) for x in range(left, right) for y in range(top, bottom)}
        for left, top, right, bottom in (a, b, [*numpy.minimum(a, b)[:2], *numpy.maximum(a, b)[2:]])
    ]
    common, union, around = len(squares[0] & squares[1]), len(squares[0] | squares[1]), len(squares[2])
    return 1 - common / union + (around - union) / around


def test_giou_against_counted_squares() -> None:
    random = numpy.random.default_rng(3)
    corners = random.integers(0, 8, (2, 40, 2))
    a, b = (numpy.hstack([corner, corner + random.integers(1, 6, (40, 2))]) for corner in corners)
    expected = [counted(*pair) for pair in zip(a, b, strict=True)]
    assert min(expected) < 0.7
    assert max(expected) > 1.5
    numpy.testing.assert_allclose(losses.giou_loss(a.astype(F), b.astype(F)).numpy(), expected, rtol=1e-6)


def test_giou_pulls_boxes_together_that_have_nothing_in_common() -> None:
    value, gradient = value_and_gradient(losses.giou_loss, F([[0, 0, 2, 2]]), F([[6, 0, 8, 2]]))
    assert value[0] == pytest.approx(1.5)  # around: 16, of which 8 are in neither
    assert gradient[0, 0] > 0  # it is to begin further left
    assert numpy.isfinite(value_and_gradient(losses.giou_loss, F([[1, 1, 1, 1]]), F([[1, 1, 1, 1]]))[1]).all()


def test_places_without_a_box_count_nothing() -> None:
    y, p = F([[[0, 0, 2, 2], [0, 0, 0, 0]]]), F([[[1, 0, 3, 2], [5, 5, 9, 9]]])
    assert float(losses.GIoULoss(reduction="sum")(y, p, F([[1, 0]]))) == pytest.approx(2 / 3)


def test_boxes_from_distances_by_hand() -> None:
    distances = numpy.zeros((1, 2, 3, 4), F)
    distances[0, 1, 2] = [1, 0.5, 0.25, 2]  # the cell in row 1 and column 2, whose middle is x = 20, y = 12
    boxes = layers.BoxesFromDistances(8)(ops.relu(distances)).numpy()
    numpy.testing.assert_array_equal(boxes[0, 1, 2], [12, 8, 22, 28])
    numpy.testing.assert_array_equal(boxes[0, 0, 1], [12, 4, 12, 4])


@pytest.mark.parametrize("shape", [(8, 8, 3), (None, 8, 4), (8, 4)])
def test_distances_of_another_shape_are_refused(shape: tuple[int | None, ...]) -> None:
    with pytest.raises(ShapeError, match="BoxesFromDistances needs"):
        layers.BoxesFromDistances(8)(layers.Input(shape))


def test_a_detector_is_trained_saved_and_explained(tmp_path: Path) -> None:
    image = layers.Input((16, 16, 1))
    features = layers.Conv2D(6, 5, strides=8, padding="same", activation="relu", name="features")(image)
    classes = layers.Conv2D(2, 1, activation="sigmoid", name="classes")(features)
    boxes = layers.BoxesFromDistances(8, name="boxes")(layers.Conv2D(4, 1, activation="softplus")(features))
    model = pellucid.Model(image, [classes, boxes], seed=0)
    loss = {"classes": losses.BinaryFocalCrossentropy(), "boxes": losses.GIoULoss()}
    model.compile(pellucid.optimizers.Adam(0.02), loss, loss_weights={"classes": 20.0, "boxes": 1.0})
    x = numpy.random.default_rng(0).random((8, 16, 16, 1)).astype(F)
    truth = grid_targets(numpy.tile(F([[[1, 2, 7, 7], [8, 8, 15, 16]]]), (8, 1, 1)), [[0, 1]] * 8, (2, 2), 8, 2)
    labels, weights = {"classes": truth.classes, "boxes": truth.boxes}, {"boxes": truth.weights}
    history = model.fit(x, labels, sample_weight=weights, epochs=60, verbose=0).history["loss"]
    assert history[-1] < history[0] / 2
    model.save(tmp_path / "detector.safetensors")
    again = pellucid.models.load_model(tmp_path / "detector.safetensors")
    for ours, theirs in zip(model.predict(x), again.predict(x), strict=True):
        numpy.testing.assert_array_equal(ours, theirs)
    first = {name: value[:1] for name, value in labels.items()}
    text = model.explain_step(x[:1], first, sample_weight={"boxes": truth.weights[:1]}).text()
    assert "giou" in text.lower()
    assert "boxes" in model.trace(x[:1]).text()
    assert "BoxesFromDistances" in model.diagram().svg()


def dense(units: int, activation: Any = None) -> Tensor:
    y = feed((None, 5)) @ feed((5, units)) + feed((units,))
    return activation(y) if activation else y


@pytest.mark.parametrize(
    ("loss", "labels", "output", "kind", "told"),
    [
        (losses.BinaryFocalCrossentropy(), [[0, 2]], dense(2, ops.sigmoid), LabelError, "categorical_focal"),
        (losses.BinaryFocalCrossentropy(), [[0, 1]], dense(2), ArgumentError, "sigmoid"),
        (losses.BinaryFocalCrossentropy(from_logits=True), [[0]], dense(1, ops.sigmoid), ArgumentError, "from_logits"),
        (losses.CategoricalFocalCrossentropy(), [0, 1], dense(3, ops.softmax), LabelError, "one-hot"),
        (losses.CategoricalFocalCrossentropy(), [[0, 1]], dense(2), ArgumentError, "softmax"),
        (losses.GIoULoss(), [[0, 0, 1]], dense(3), ShapeError, "4 numbers"),
        (losses.GIoULoss(), [[0, 0, 1]], dense(4), ShapeError, "4"),
        (losses.GIoULoss(), [[0, 0, 1, 1], [5, 5, 2, 8]], dense(4), LabelError, "5.0, 5.0, 2.0, 8.0.*ends before"),
    ],
)
def test_what_cannot_work_is_refused(
    loss: losses.Loss, labels: Any, output: Tensor, kind: type[PellucidError], told: str
) -> None:
    with pytest.raises(kind, match=told):
        loss.check(numpy.array(labels), output, "last")


def test_wrong_arguments() -> None:
    with pytest.raises(ArgumentError, match="gamma"):
        losses.BinaryFocalCrossentropy(gamma=-1)
    with pytest.raises(ArgumentError, match="alpha"):
        losses.BinaryFocalCrossentropy(alpha=1.5)
    with pytest.raises(ArgumentError, match="apply_class_balancing"):
        losses.BinaryFocalCrossentropy(0.25)
