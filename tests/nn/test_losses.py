"""Losses: by hand, against Keras where it is installed, at extreme logits, derivatives, and what is refused."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy
import pytest

from pellucid import ops
from pellucid.core.autodiff import gradients
from pellucid.core.evaluate import evaluate
from pellucid.core.graph import Tensor, order
from pellucid.core.sources import feed
from pellucid.errors import ArgumentError, LabelError, ShapeError, UnknownNameError
from pellucid.nn import losses
from pellucid.nn.losses import Loss
from pellucid.nn.losses.origin import activation_of

F = numpy.float32
EXTREME = [0.0, 1.0, -1.0, 88.0, -88.0, 104.0, -104.0, 1e4, -1e4, 1e38, -1e38]


def value(loss: Any, y_true: Any, y_pred: Any) -> list[float]:
    return [float(item) for item in numpy.ravel(loss(y_true, y_pred).numpy())]


# By hand


def test_numbers_by_hand() -> None:
    y, p = F([[1.0, 2.0]]), F([[2.0, 5.0]])  # errors 1 and 3
    assert value(losses.mean_squared_error, y, p) == [5.0]  # (1 + 9)/2
    assert value(losses.mean_absolute_error, y, p) == [2.0]  # (1 + 3)/2
    assert value(losses.mean_absolute_percentage_error, y, p) == [125.0]  # (100 + 150)/2
    assert value(losses.huber, y, p) == [1.5]  # (1/2 + (3 - 1/2))/2
    expected = (math.log(math.cosh(1)) + math.log(math.cosh(3))) / 2
    assert value(losses.log_cosh, y, p) == pytest.approx([expected])
    expected = (math.log(3 / 2) ** 2 + math.log(6 / 3) ** 2) / 2
    assert value(losses.mean_squared_logarithmic_error, y, p) == pytest.approx([expected])
    assert value(losses.poisson, y, p) == pytest.approx([(2 - math.log(2) + 5 - 2 * math.log(5)) / 2], rel=1e-6)
    # (1·2 + 2·5)/(√5·√29)
    assert value(losses.cosine_similarity, y, p) == pytest.approx([-12 / math.sqrt(5 * 29)])


def test_classes_by_hand() -> None:
    assert value(losses.binary_crossentropy, F([[0.0]]), F([[0.633]])) == pytest.approx([1.002], abs=5e-4)  # -ln 0.367
    assert value(losses.categorical_crossentropy, F([[0, 1, 0]]), F([[0.2, 0.5, 0.3]])) == pytest.approx([math.log(2)])
    assert value(losses.sparse_categorical_crossentropy, [1], F([[0.2, 0.5, 0.3]])) == pytest.approx([math.log(2)])
    # ½·ln(½/¼) + ½·ln(½/¾)
    expected = 0.5 * math.log(2) + 0.5 * math.log(2 / 3)
    assert value(losses.kl_divergence, F([[0.5, 0.5]]), F([[0.25, 0.75]])) == pytest.approx([expected], rel=1e-5)
    assert value(losses.hinge, F([[1.0, -1.0]]), F([[0.5, 0.25]])) == [0.875]  # (½ + 1¼)/2
    assert value(losses.hinge, F([[1.0, 0.0]]), F([[0.5, 0.25]])) == [0.875]  # 0 is taken as -1
    assert value(losses.squared_hinge, F([[1.0, -1.0]]), F([[0.5, 0.25]])) == [0.90625]  # (¼ + 25/16)/2
    assert value(losses.categorical_hinge, F([[0, 1, 0]]), F([[2.0, 1.5, 1.0]])) == [1.5]  # 1 + 2 - 1.5


def test_softmax_of_the_article() -> None:
    # e³² / (e³⁴ + e³² + e²⁵) = 0.119…, whose cross-entropy is -ln of it
    (loss,) = value(lambda y, p: losses.sparse_categorical_crossentropy(y, p, from_logits=True), [1], F([[34, 32, 25]]))
    assert math.exp(-loss) == pytest.approx(0.12, abs=1e-3)


def test_label_smoothing_by_hand() -> None:
    # y = 1 drawn by 0.2 towards ½ is 0.9
    (loss,) = value(lambda y, p: losses.binary_crossentropy(y, p, label_smoothing=0.2), F([[1]]), F([[0.6]]))
    assert loss == pytest.approx(-(0.9 * math.log(0.6) + 0.1 * math.log(0.4)), rel=1e-6)


def test_weights_count_values_not_weights() -> None:
    # errors² 1 and 9, weights 2 and ½: (2 + 4.5)/2 values
    loss = losses.MeanSquaredError()
    y, p = F([[0], [0]]), F([[1], [3]])
    assert float(loss(y, p, F([2.0, 0.5]))) == 3.25
    assert float(losses.MeanSquaredError(reduction="sum")(y, p, F([2.0, 0.5]))) == 6.5
    assert losses.MeanSquaredError(reduction="none")(y, p, F([2.0, 0.5])).numpy().tolist() == [2.0, 4.5]
    assert losses.MeanSquaredError(reduction=None)(y, p).numpy().tolist() == [1.0, 9.0]
    with pytest.raises(ShapeError, match="sample_weight"):
        loss(y, p, F([1.0, 1.0, 1.0]))


def test_ranks_are_matched_and_shapes_are_not_broadcast() -> None:
    assert float(losses.MeanSquaredError()(F([1, 2, 3]), F([[1], [2], [5]]))) == pytest.approx(4 / 3)
    assert float(losses.MeanSquaredError()(F([[1], [2], [3]]), F([1, 2, 5]))) == pytest.approx(4 / 3)
    with pytest.raises(ShapeError, match=r"\[3\].*\[3, 2\]"):
        losses.mean_squared_error(F([1, 2, 3]), numpy.zeros((3, 2), F))


def test_weights_per_example_of_sequences() -> None:
    y, p = numpy.zeros((2, 3, 1), F), numpy.ones((2, 3, 1), F)
    assert float(losses.MeanSquaredError()(y, p, F([1.0, 0.0]))) == 0.5


# Against Keras

RANDOM = numpy.random.default_rng(4)
NUMBERS = (RANDOM.normal(size=(6, 3)).astype(F), RANDOM.normal(size=(6, 3)).astype(F))
POSITIVE = tuple(numpy.abs(value) for value in NUMBERS)
SOFT = RANDOM.dirichlet([1, 2, 3, 1], 6).astype(F)
ROWS = numpy.eye(4, dtype=F)[RANDOM.integers(0, 4, 6)]
LOGITS = (3 * RANDOM.normal(size=(6, 4))).astype(F)
ANSWERS = RANDOM.integers(0, 2, (6, 4)).astype(F)
CORNERS = (4 * RANDOM.random((2, 6, 2))).astype(F)
BOXES = tuple(numpy.hstack([corner, corner + 1 + 5 * RANDOM.random((6, 2))]).astype(F) for corner in CORNERS)
OURS = {"GIoULoss"}  # Keras has none; tests/nn/test_detection.py has its oracle
CASES: list[tuple[str, dict[str, Any], Any, Any]] = [
    ("MeanSquaredError", {}, *NUMBERS),
    ("MeanAbsoluteError", {}, *NUMBERS),
    ("MeanAbsolutePercentageError", {}, *NUMBERS),
    ("MeanSquaredLogarithmicError", {}, *POSITIVE),
    ("Huber", {}, *NUMBERS),
    ("Huber", {"delta": 0.3}, *NUMBERS),
    ("LogCosh", {}, *NUMBERS),
    ("Poisson", {}, *POSITIVE),
    ("CosineSimilarity", {}, *NUMBERS),
    ("CosineSimilarity", {"axis": 0}, *NUMBERS),
    ("Hinge", {}, ANSWERS, LOGITS),
    ("Hinge", {}, 2 * ANSWERS - 1, LOGITS),
    ("SquaredHinge", {}, ANSWERS, LOGITS),
    ("CategoricalHinge", {}, ROWS, LOGITS),
    ("KLDivergence", {}, ROWS, SOFT),
    ("KLDivergence", {}, SOFT[::-1], SOFT),
    ("BinaryCrossentropy", {}, ANSWERS, SOFT),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}, ANSWERS, SOFT),
    ("BinaryCrossentropy", {"from_logits": True}, ANSWERS, LOGITS),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, ANSWERS, LOGITS),
    ("BinaryCrossentropy", {"axis": 0}, ANSWERS, SOFT),
    ("BinaryFocalCrossentropy", {}, ANSWERS, SOFT),
    ("BinaryFocalCrossentropy", {"gamma": 0.5, "apply_class_balancing": True, "alpha": 0.3}, ANSWERS, SOFT),
    ("BinaryFocalCrossentropy", {"gamma": 0.0, "label_smoothing": 0.1}, ANSWERS, SOFT),
    ("BinaryFocalCrossentropy", {"from_logits": True, "axis": 0}, ANSWERS, LOGITS),
    ("BinaryFocalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, ANSWERS, LOGITS),
    ("CategoricalFocalCrossentropy", {}, ROWS, SOFT),
    ("CategoricalFocalCrossentropy", {"gamma": 0.5, "alpha": 0.4, "label_smoothing": 0.1}, ROWS, SOFT),
    ("CategoricalFocalCrossentropy", {"gamma": 0.0}, SOFT[::-1], numpy.abs(LOGITS)),
    ("CategoricalFocalCrossentropy", {"from_logits": True}, ROWS, LOGITS),
    ("CategoricalFocalCrossentropy", {"from_logits": True, "axis": 0}, ANSWERS, LOGITS),
    ("GIoULoss", {}, *BOXES),
    ("CategoricalCrossentropy", {}, ROWS, SOFT),
    ("CategoricalCrossentropy", {}, SOFT[::-1], SOFT),
    ("CategoricalCrossentropy", {}, ROWS, numpy.abs(LOGITS)),  # not summing to 1: divided by the sum
    ("CategoricalCrossentropy", {"label_smoothing": 0.2}, ROWS, SOFT),
    ("CategoricalCrossentropy", {"from_logits": True}, ROWS, LOGITS),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, ROWS, LOGITS),
    ("CategoricalCrossentropy", {"from_logits": True, "axis": 0}, ANSWERS, LOGITS),
    ("SparseCategoricalCrossentropy", {}, ROWS.argmax(1), SOFT),
    ("SparseCategoricalCrossentropy", {}, ROWS.argmax(1)[:, None], SOFT),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, ROWS.argmax(1), LOGITS),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, ROWS.argmax(1).reshape(2, 3), LOGITS.reshape(2, 3, 4)),
]


@pytest.mark.parametrize(
    ("name", "options", "y", "p"),
    [case for case in CASES if case[0] not in OURS],
    ids=lambda item: item if isinstance(item, str) else "",
)
def test_against_keras(keras: Any, name: str, options: dict[str, Any], y: Any, p: Any) -> None:
    for reduction in ("sum_over_batch_size", "sum", "none"):
        ours = getattr(losses, name)(**options, reduction=reduction)
        theirs = getattr(keras.losses, name)(**options, reduction=reduction)
        expected = numpy.asarray(theirs(y, p))
        numpy.testing.assert_allclose(ours(y, p).numpy(), expected, rtol=1e-5, atol=1e-6)
        weight = (
            numpy.linspace(0, 2, expected.size or 1, dtype=F).reshape(expected.shape) if reduction == "none" else None
        )
        if weight is not None and expected.ndim:
            expected = numpy.asarray(theirs(y, p, sample_weight=weight))
            numpy.testing.assert_allclose(ours(y, p, weight).numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", sorted(set(losses.CLASSES) - OURS))
def test_names_and_defaults_are_those_of_keras(keras: Any, name: str) -> None:
    theirs, config = getattr(keras.losses, name)(), getattr(losses, name)().get_config()["config"]
    assert config["name"] == theirs.name
    known = theirs.get_config()
    assert all(known[key] == given for key, given in config.items() if key in known)


def test_every_loss_has_a_case() -> None:
    assert {name for name, *_ in CASES} == set(losses.CLASSES)


# Any logit


def value_and_gradient(build: Any, logits: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    x = feed(logits.shape, str(logits.dtype))
    loss = build(x)
    total = ops.sum(loss)
    results = evaluate([loss, *gradients(total, [x])], {x: logits})
    return results[0], results[1]


@pytest.mark.parametrize("label", [0.0, 1.0, 0.3])
@pytest.mark.parametrize("behind", [False, True], ids=["from_logits", "behind_sigmoid"])
def test_binary_crossentropy_at_extreme_logits(label: float, behind: bool) -> None:
    x = F(EXTREME)[:, None]

    def build(logits: Tensor) -> Tensor:
        y = numpy.full(x.shape, label, F)
        if behind:
            return losses.binary_crossentropy(y, ops.sigmoid(logits))
        return losses.binary_crossentropy(y, logits, from_logits=True)

    loss, gradient = value_and_gradient(build, x)
    with numpy.errstate(over="ignore"):
        wide = x.astype(numpy.float64)
        exact = label * numpy.logaddexp(0, -wide) + (1 - label) * numpy.logaddexp(0, wide)
        expected = 1 / (1 + numpy.exp(-wide)) - label
    assert numpy.isfinite(loss).all()
    assert numpy.isfinite(gradient).all()
    numpy.testing.assert_allclose(loss, exact[:, 0], rtol=1e-6, atol=1e-37)
    numpy.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-7)  # ŷ - y


@pytest.mark.parametrize(
    ("kind", "behind"),
    [(kind, behind) for kind in ("sparse", "categorical", "soft") for behind in (False, True)] + [("divergence", True)],
)
@pytest.mark.parametrize("size", [1.0, 88.0, 104.0, 1e4, 1e38, 3e38])
def test_crossentropy_at_extreme_logits(kind: str, behind: bool, size: float) -> None:
    x = F([[size, -size, 0.0], [-size, size, size / 2], [size, size, size], [0, 0, 0]])
    labels = numpy.array([0, 0, 2, 1], numpy.int32)
    rows = F([[0.5, 0.0, 0.5]] * 4) if kind == "soft" else numpy.eye(3, dtype=F)[labels]

    def build(logits: Tensor) -> Tensor:
        prediction, options = (ops.softmax(logits), {}) if behind else (logits, {"from_logits": True})
        if kind == "sparse":
            return losses.sparse_categorical_crossentropy(labels, prediction, **options)
        if kind == "divergence":
            return losses.kl_divergence(rows, prediction)
        return losses.categorical_crossentropy(rows, prediction, **options)

    loss, gradient = value_and_gradient(build, x)
    wide = x.astype(numpy.float64)
    shifted = wide - wide.max(axis=1, keepdims=True)
    log_p = shifted - numpy.log(numpy.exp(shifted).sum(axis=1, keepdims=True))
    finite = numpy.abs(log_p).max(axis=1) < 3.4e38  # beyond, the loss itself is no float32
    numpy.testing.assert_allclose(
        loss[finite], -(rows * log_p).sum(axis=1)[finite], rtol=1e-6, atol=1e-5 + 1e-6 * size * (kind == "divergence")
    )
    assert not numpy.isnan(loss).any()
    numpy.testing.assert_allclose(gradient, numpy.exp(log_p) - rows, atol=1e-6)  # ŷ - y


def test_logits_are_found_through_reshape_only_where_classes_stay_last() -> None:
    x = feed((None, 6))
    flat = ops.reshape(ops.sigmoid(x), (None, 2, 3))
    names = {
        group.name for node in order([losses.binary_crossentropy(feed((None, 2, 3)), flat)]) for group in node.groups
    }
    assert "binary_crossentropy" in names
    assert "binary_crossentropy_from_probabilities" not in names
    mixed = ops.reshape(ops.softmax(x), (None, 3))
    names = {
        group.name for node in order([losses.categorical_crossentropy(feed((None, 3)), mixed)]) for group in node.groups
    }
    assert "categorical_crossentropy_from_probabilities" in names


@pytest.mark.parametrize("leading", [(5,), (2, 3)])
def test_sparse_crossentropy_is_the_engines_group(leading: tuple[int, ...]) -> None:
    logits, labels = feed((*leading, 4)), feed(leading, "int32")
    for loss in (
        losses.sparse_categorical_crossentropy(labels, ops.softmax(logits)),
        losses.sparse_categorical_crossentropy(labels, logits, from_logits=True),
    ):
        groups = {node.groups[0] for node in order([loss]) if node.groups}
        (group,) = (group for group in groups if group.name == "sparse_categorical_crossentropy")
        rows = math.prod(leading)
        assert [(item.shape, item.dtype) for item in group.inputs] == [((rows, 4), "float32"), ((rows,), "int32")]
        assert [item.shape for item in group.outputs] == [(rows,)]
        assert group.attributes == {}
        assert not any(item.name == "softmax" for item in groups)  # the logits behind are used
        assert loss.shape == leading


def test_probabilities_of_zero_are_kept_from_infinity() -> None:
    for loss in (losses.binary_crossentropy, losses.categorical_crossentropy, losses.kl_divergence):
        assert numpy.isfinite(loss(F([[1, 0]]), F([[0, 1]])).numpy()).all()
    assert value(losses.sparse_categorical_crossentropy, [0], F([[0, 1]])) == pytest.approx([-math.log(1e-7)], rel=1e-5)


@pytest.mark.parametrize("size", [1e10, 1e30, 1e38])
def test_robust_losses_at_extreme_errors(size: float) -> None:
    for loss in (losses.huber, losses.log_cosh, losses.mean_absolute_error):
        for error in (size, -size):
            result, gradient = value_and_gradient(lambda x, loss=loss: loss(numpy.zeros((1, 1), F), x), F([[error]]))
            assert result[0] == pytest.approx(size)
            assert gradient[0, 0] == numpy.sign(error)


# Derivatives


@pytest.mark.parametrize(("name", "options", "y", "p"), CASES, ids=lambda item: item if isinstance(item, str) else "")
def test_derivatives_against_differences(name: str, options: dict[str, Any], y: Any, p: Any) -> None:
    loss, wide = getattr(losses, name)(**options), p.astype(numpy.float64)
    x = feed(wide.shape, "float64")
    total = loss(y if y.dtype.kind == "i" else y.astype(numpy.float64), x)
    (gradient,) = evaluate(gradients(total, [x]), {x: wide})
    direction = numpy.random.default_rng(1).normal(size=wide.shape)
    h = 1e-6
    up, down = (float(evaluate([total], {x: wide + sign * h * direction})[0]) for sign in (1, -1))
    assert float((gradient * direction).sum()) == pytest.approx((up - down) / (2 * h), rel=1e-5, abs=1e-8)


# By name


def test_by_name_configuration_object_and_function() -> None:
    assert isinstance(losses.get("mse"), losses.MeanSquaredError)
    assert isinstance(losses.get("MSE"), losses.MeanSquaredError)
    assert isinstance(losses.get("BinaryCrossentropy"), losses.BinaryCrossentropy)
    assert isinstance(losses.get(losses.mean_absolute_error), losses.MeanAbsoluteError)
    assert isinstance(losses.get(losses.Huber), losses.Huber)
    huber = losses.Huber(2.0)
    assert losses.get(huber) is huber
    own = losses.get(lambda y_true, y_pred: ops.mean(ops.absolute(y_true - y_pred) * 2.0, axis=-1))
    assert float(own(F([[1]]), F([[2]]))) == 2.0
    with pytest.raises(ArgumentError, match="cannot be saved"):
        own.get_config()
    with pytest.raises(UnknownNameError, match="did you mean 'mean_squared_error'"):
        losses.get("mean_square_error")
    with pytest.raises(ArgumentError):
        losses.get(7)


@pytest.mark.parametrize(("name", "options"), [(name, options) for name, options, *_ in CASES])
def test_configuration_round_trip(name: str, options: dict[str, Any]) -> None:
    loss = getattr(losses, name)(**options, reduction="sum", name="mine")
    again = losses.get(json.loads(json.dumps(loss.get_config())))
    assert again == loss
    assert again.name == "mine"
    assert again.reduction == "sum"


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: losses.Huber(0), "delta"),
        (lambda: losses.BinaryCrossentropy(label_smoothing=1.5), "1.5"),
        (lambda: losses.MeanSquaredError(reduction="average"), "average"),
        (lambda: losses.CategoricalCrossentropy(axis=True), "axis"),
        (lambda: losses.get({"class_name": "Huber", "config": {"dealt": 1}}), "dealt"),
    ],
)
def test_wrong_arguments(make: Any, named: str) -> None:
    with pytest.raises(ArgumentError, match=named):
        make()


# What is refused before training


def dense(units: int, activation: Any = None) -> Tensor:
    y = feed((None, 5)) @ feed((5, units)) + feed((units,))
    return activation(y) if activation else y


@pytest.mark.parametrize(
    ("activation", "name"),
    [(None, "linear"), (ops.relu, "relu"), (ops.softmax, "softmax"), (ops.sigmoid, "sigmoid"), (ops.gelu, "gelu"),
     (ops.hard_sigmoid, "hard_sigmoid"), (ops.log_softmax, "log_softmax"), (ops.exp, "exp")],
)  # fmt: skip
def test_activations_are_recognised(activation: Any, name: str) -> None:
    assert activation_of(dense(3, activation)) == name
    assert activation_of(ops.reshape(dense(4, activation), (None, 2, 2))) == name


N = 6
NUMBERS_0_TO_2 = numpy.array([0, 1, 2, 0, 1, 2])
ONE_HOT = numpy.eye(3)[NUMBERS_0_TO_2]
BINARY = numpy.array([0, 1, 1, 0, 1, 0])
REFUSED: list[tuple[Loss, Any, Tensor, type[Exception], list[str]]] = [
    (
        losses.CategoricalCrossentropy(),
        NUMBERS_0_TO_2,
        dense(3, ops.softmax),
        LabelError,
        ["sparse_categorical_crossentropy", "one-hot"],
    ),
    (
        losses.CategoricalCrossentropy(),
        NUMBERS_0_TO_2[:, None],
        dense(3, ops.softmax),
        LabelError,
        ["sparse_categorical_crossentropy"],
    ),
    (
        losses.SparseCategoricalCrossentropy(),
        ONE_HOT,
        dense(3, ops.softmax),
        LabelError,
        ["categorical_crossentropy", "argmax"],
    ),
    (
        losses.SparseCategoricalCrossentropy(),
        numpy.array([0, 1, 3, 0]),
        dense(3, ops.softmax),
        LabelError,
        ["row 2", "is 3", "3 output units", "4 units"],
    ),
    (losses.SparseCategoricalCrossentropy(), numpy.array([0, -1]), dense(3, ops.softmax), LabelError, ["row 1", "-1"]),
    (
        losses.SparseCategoricalCrossentropy(),
        numpy.array([0, 1.5]),
        dense(3, ops.softmax),
        LabelError,
        ["1.5", "whole"],
    ),
    (losses.SparseCategoricalCrossentropy(), BINARY, dense(1, ops.sigmoid), LabelError, ["binary_crossentropy"]),
    (losses.SparseCategoricalCrossentropy(), numpy.zeros((4, 2), int), dense(3, ops.softmax), LabelError, ["[4, 2]"]),
    (
        losses.BinaryCrossentropy(),
        numpy.array([0, 1, 2]),
        dense(1, ops.sigmoid),
        LabelError,
        ["row 2", "is 2", "sparse_categorical"],
    ),
    (
        losses.BinaryCrossentropy(),
        NUMBERS_0_TO_2,
        dense(3, ops.softmax),
        ShapeError,
        ["sparse_categorical_crossentropy"],
    ),
    (losses.Hinge(), numpy.array([-1, 1, 2]), dense(1), LabelError, ["row 2", "-1 and 1"]),
    (losses.Hinge(), numpy.array([-1, 0, 1]), dense(1), LabelError, ["-1 and 1"]),
    (losses.Poisson(), numpy.array([1, -2]), dense(1, ops.softplus), LabelError, ["row 1", "-2"]),
    (losses.Poisson(), numpy.array([1, 2]), dense(1), ArgumentError, ["linear", "softplus"]),
    (losses.MeanSquaredLogarithmicError(), numpy.array([1, -2]), dense(1), LabelError, ["at least 0"]),
    (losses.MeanSquaredError(), numpy.array(["a", "b"]), dense(1), LabelError, ["'a'", "target column"]),
    (losses.MeanSquaredError(), numpy.array(["a", "b"], object), dense(1), LabelError, ["'a'"]),
    (losses.MeanSquaredError(), numpy.array([1.0, numpy.nan]), dense(1), LabelError, ["row 1", "nan"]),
    (losses.MeanSquaredError(), numpy.zeros((4, 2)), dense(3), ShapeError, ["[4, 2]", "[?, 3]", "2 units"]),
    (losses.MeanSquaredError(), NUMBERS_0_TO_2, dense(3, ops.softmax), ShapeError, ["sparse_categorical_crossentropy"]),
    (losses.MeanSquaredError(), BINARY, dense(1, ops.softmax), ArgumentError, ["always 1", "sigmoid", "2 units"]),
    (losses.CategoricalCrossentropy(), 2 * ONE_HOT, dense(3, ops.softmax), LabelError, ["from 0 to 1"]),
    (
        losses.CategoricalCrossentropy(),
        numpy.ones((4, 3)),
        dense(3, ops.softmax),
        LabelError,
        ["add up to 3", "sigmoid"],
    ),
    (losses.CategoricalHinge(), NUMBERS_0_TO_2, dense(3), LabelError, ["one-hot"]),
    (losses.KLDivergence(), NUMBERS_0_TO_2, dense(3, ops.softmax), LabelError, ["sparse_categorical"]),
    (losses.BinaryCrossentropy(), BINARY, dense(1), ArgumentError, ["linear", "sigmoid", "from_logits=True"]),
    (losses.BinaryCrossentropy(), BINARY, dense(1, ops.relu), ArgumentError, ["relu", "sigmoid"]),
    (losses.BinaryCrossentropy(), BINARY, dense(1, ops.tanh), ArgumentError, ["tanh"]),
    (losses.CategoricalCrossentropy(), ONE_HOT, dense(3), ArgumentError, ["linear", "softmax"]),
    (losses.SparseCategoricalCrossentropy(), NUMBERS_0_TO_2, dense(3), ArgumentError, ["linear", "softmax"]),
    (
        losses.BinaryCrossentropy(from_logits=True),
        BINARY,
        dense(1, ops.sigmoid),
        ArgumentError,
        ["from_logits", "sigmoid"],
    ),
    (
        losses.SparseCategoricalCrossentropy(from_logits=True),
        NUMBERS_0_TO_2,
        dense(3, ops.softmax),
        ArgumentError,
        ["from_logits"],
    ),
]


@pytest.mark.parametrize(("loss", "labels", "output", "error", "words"), REFUSED, ids=lambda item: "")
def test_refused(loss: Loss, labels: Any, output: Tensor, error: type[Exception], words: list[str]) -> None:
    with pytest.raises(error) as caught:
        loss.check(labels, output, "dense_7")
    message = str(caught.value)
    assert all(word in message for word in [*words, "dense_7", loss.name]), message


ACCEPTED: list[tuple[Loss, Any, Tensor]] = [
    (losses.MeanSquaredError(), numpy.zeros(N), dense(1)),
    (losses.MeanSquaredError(), numpy.zeros((N, 1)), dense(1, ops.relu)),
    (losses.MeanSquaredError(), numpy.zeros((N, 3)), dense(3)),
    (losses.MeanSquaredError(), numpy.zeros((N, 2)), ops.reshape(dense(2), (None, 2, 1))),
    (losses.BinaryCrossentropy(), BINARY, dense(1, ops.sigmoid)),
    (losses.BinaryCrossentropy(), BINARY.astype(bool), dense(1, ops.sigmoid)),
    (losses.BinaryCrossentropy(), ONE_HOT, dense(3, ops.sigmoid)),
    (losses.BinaryCrossentropy(from_logits=True), BINARY, dense(1)),
    (losses.CategoricalCrossentropy(), ONE_HOT, dense(3, ops.softmax)),
    (losses.SparseCategoricalCrossentropy(), NUMBERS_0_TO_2, dense(3, ops.softmax)),
    (losses.SparseCategoricalCrossentropy(), NUMBERS_0_TO_2[:, None].astype(float), dense(3, ops.softmax)),
    (losses.SparseCategoricalCrossentropy(from_logits=True), NUMBERS_0_TO_2, dense(3)),
    (losses.SparseCategoricalCrossentropy(from_logits=True), NUMBERS_0_TO_2, dense(3, ops.log_softmax)),
    (losses.Hinge(), 2 * BINARY - 1, dense(1, ops.tanh)),
    (losses.Hinge(), BINARY, dense(1)),
    (losses.Poisson(), numpy.array([0, 3, 2]), dense(1, ops.exp)),
    (losses.KLDivergence(), SOFT[:, :3] / SOFT[:, :3].sum(1, keepdims=True), dense(3, ops.softmax)),
    (losses.get(lambda y, p: p), numpy.zeros((N, 7)), dense(1)),
]


@pytest.mark.parametrize(("loss", "labels", "output"), ACCEPTED, ids=lambda item: "")
def test_accepted(loss: Loss, labels: Any, output: Tensor) -> None:
    loss.check(labels, output, "dense_7")
    assert loss.label_dtype == ("int32" if isinstance(loss, losses.SparseCategoricalCrossentropy) else "float32")
