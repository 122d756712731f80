"""Metrics: by hand, against scikit-learn and Keras where they are installed, over batches, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy
import pytest

from pellucid import ops
from pellucid.core.graph import Tensor
from pellucid.core.sources import feed
from pellucid.errors import ArgumentError, ShapeError, StateError, UnknownNameError
from pellucid.nn import losses, metrics
from pellucid.nn.losses import Loss
from pellucid.nn.metrics import Metric

F = numpy.float32
NAN = numpy.nan
RANDOM = numpy.random.default_rng(6)
N = 60
CHANCES = RANDOM.uniform(size=(N, 1)).astype(F)
ANSWERS = (RANDOM.uniform(size=(N, 1)) < 0.3 + 0.5 * CHANCES).astype(F)
CLASSES = RANDOM.integers(0, 4, N)
ROWS = numpy.eye(4, dtype=F)[CLASSES]
SOFT = (0.7 * RANDOM.dirichlet([1, 1, 1, 1], N) + 0.3 * ROWS).astype(F)
SEVERAL = RANDOM.uniform(size=(N, 4)).astype(F)
NUMBERS = RANDOM.normal(size=(N, 2)).astype(F)
GUESSES = (NUMBERS + 0.4 * RANDOM.normal(size=(N, 2))).astype(F)
WEIGHTS = RANDOM.uniform(0, 2, N).astype(F)


def dense(units: int, activation: Any = None) -> Tensor:
    y = feed((None, 5)) @ feed((5, units)) + feed((units,))
    return activation(y) if activation else y


# By hand


def test_binary_accuracy_by_hand() -> None:
    # 0.9 and 0.2 are on the right side; 0.4 is not; ½ is not above ½, so it says 0
    assert metrics.BinaryAccuracy()(F([1, 0, 1, 0]), F([0.9, 0.2, 0.4, 0.5])) == 0.75
    assert metrics.BinaryAccuracy(threshold=0.3)(F([1, 0, 1, 0]), F([0.9, 0.2, 0.4, 0.5])) == 0.75
    assert metrics.BinaryAccuracy(from_logits=True)(F([1, 0, 1, 0]), F([0.1, -0.1, -0.1, 0.4])) == 0.5


def test_weighted_accuracy_by_hand() -> None:
    # right: weights 3 and 0 of 3 + 1 + 0
    assert metrics.BinaryAccuracy()(F([[1], [1], [0]]), F([[0.9], [0.1], [0.1]]), F([3, 1, 0])) == 0.75


def test_precision_recall_and_f1_by_hand() -> None:
    y, p = F([1, 1, 0, 0, 1]), F([0.9, 0.2, 0.8, 0.1, 0.7])  # TP 2, FP 1, FN 1
    assert metrics.Precision()(y, p) == pytest.approx(2 / 3)
    assert metrics.Recall()(y, p) == pytest.approx(2 / 3)
    assert metrics.F1Score()(y, p) == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert metrics.ConfusionMatrix()(y, p).tolist() == [[1, 1], [1, 2]]  # type: ignore[union-attr]
    # at 0.75: TP 1, FP 1, FN 2; at 0.15: TP 3, FP 1, FN 0
    numpy.testing.assert_allclose(metrics.Precision([0.75, 0.15])(y, p), [1 / 2, 3 / 4])
    numpy.testing.assert_allclose(metrics.Recall([0.75, 0.15])(y, p), [1 / 3, 1])


def test_ratios_of_nothing_are_zero() -> None:
    assert metrics.Precision()(F([1, 1]), F([0.1, 0.2])) == 0.0
    assert metrics.Recall()(F([0, 0]), F([0.9, 0.2])) == 0.0
    assert metrics.F1Score()(F([0, 0]), F([0.1, 0.2])) == 0.0


def test_auc_by_hand() -> None:
    # Of the four pairs of a positive and a negative, three are ranked right.
    assert metrics.AUC()(F([0, 0, 1, 1]), F([0.1, 0.4, 0.35, 0.8])) == pytest.approx(0.75)
    assert metrics.AUC()(F([0, 1]), F([0.5, 0.5])) == pytest.approx(0.5)


def test_r2_by_hand() -> None:
    # ȳ = 2: spread 1 + 0 + 1 = 2; residual 0 + 0 + 1
    assert metrics.R2Score()(F([1, 2, 3]), F([1, 2, 2])) == pytest.approx(0.5)
    # adjusted for one regressor: 1 - ½·2/1
    assert metrics.R2Score(num_regressors=1)(F([1, 2, 3]), F([1, 2, 2])) == pytest.approx(0.0)
    assert metrics.R2Score()(F([5, 5]), F([5, 5])) == 1.0
    assert metrics.R2Score()(F([5, 5]), F([5, 6])) == 0.0


def test_top_k_counts_larger_predictions() -> None:
    p = F([[0.1, 0.4, 0.3, 0.2]] * 3)
    assert metrics.SparseTopKCategoricalAccuracy(k=2)([1, 2, 3], p) == pytest.approx(2 / 3)
    assert metrics.TopKCategoricalAccuracy(k=3)(numpy.eye(4, dtype=F)[[1, 2, 3]], p) == 1.0


# Ties and NaN


@pytest.mark.parametrize(
    ("metric", "y", "p"),
    [
        (metrics.BinaryAccuracy(), [0.0, 1.0], [NAN, NAN]),
        (metrics.BinaryAccuracy(from_logits=True), [0.0, 1.0], [NAN, NAN]),
        (metrics.CategoricalAccuracy(), [[1.0, 0.0], [0.0, 1.0]], [[NAN, NAN], [0.1, NAN]]),
        (metrics.SparseCategoricalAccuracy(), [0, 1], [[NAN, NAN], [NAN, 0.9]]),
        (metrics.SparseTopKCategoricalAccuracy(k=2), [0, 1], [[NAN, NAN, 0.3], [NAN, 0.9, 0.1]]),
        (metrics.Precision(), [1.0, 0.0], [NAN, NAN]),
        (metrics.Recall(average="macro"), [0, 1], [[NAN, NAN], [NAN, 0.9]]),
        (metrics.F1Score(), [1.0, 0.0], [NAN, NAN]),
        (metrics.AUC(), [1.0, 0.0], [NAN, NAN]),
    ],
    ids=lambda item: getattr(item, "name", ""),
)
def test_nan_is_never_right(metric: Metric, y: Any, p: Any) -> None:
    assert metric(numpy.array(y), numpy.array(p, F)) == 0.0


def test_nan_is_in_no_cell_of_a_confusion_matrix() -> None:
    assert metrics.ConfusionMatrix()([0, 1], F([[NAN, 0.1], [0.2, 0.8]])).tolist() == [[0, 0], [0, 1]]  # type: ignore
    assert metrics.ConfusionMatrix()(F([0, 1]), F([NAN, 0.8])).tolist() == [[0, 0], [0, 1]]  # type: ignore[union-attr]


def test_of_equal_predictions_the_first_is_chosen() -> None:
    assert metrics.SparseCategoricalAccuracy()([0, 1], F([[0.5, 0.5], [0.5, 0.5]])) == 0.5


# Against scikit-learn


def sk(name: str) -> Any:
    return getattr(pytest.importorskip("sklearn.metrics"), name)


@pytest.mark.parametrize("weight", [None, WEIGHTS], ids=["even", "weighted"])
def test_classes_against_scikit_learn(weight: Any) -> None:
    best, options = SOFT.argmax(1), {"sample_weight": weight}
    same = {"rel": 1e-5}
    assert metrics.SparseCategoricalAccuracy()(CLASSES, SOFT, weight) == pytest.approx(
        sk("accuracy_score")(CLASSES, best, **options), **same
    )
    numpy.testing.assert_allclose(
        metrics.ConfusionMatrix(4)(CLASSES, SOFT, weight), sk("confusion_matrix")(CLASSES, best, **options), rtol=1e-5
    )
    assert metrics.SparseTopKCategoricalAccuracy(k=2)(CLASSES, SOFT, weight) == pytest.approx(
        sk("top_k_accuracy_score")(CLASSES, SOFT, k=2, **options), **same
    )
    for average in ("macro", "micro", "weighted", None):
        for ours, theirs in [
            (metrics.Precision(average=average or "none"), "precision_score"),
            (metrics.Recall(average=average or "none"), "recall_score"),
            (metrics.F1Score(average=average), "f1_score"),
        ]:
            expected = sk(theirs)(CLASSES, best, average=average, zero_division=0, **options)
            for labels in (CLASSES, CLASSES[:, None], ROWS):
                ours.reset_state()
                numpy.testing.assert_allclose(ours(labels, SOFT, weight), expected, rtol=1e-5)


@pytest.mark.parametrize("weight", [None, WEIGHTS], ids=["even", "weighted"])
def test_binary_against_scikit_learn(weight: Any) -> None:
    y, said = ANSWERS[:, 0], CHANCES[:, 0] > 0.5
    for ours, theirs in [
        (metrics.BinaryAccuracy(), "accuracy_score"), (metrics.Precision(), "precision_score"),
        (metrics.Recall(), "recall_score"), (metrics.F1Score(), "f1_score"),
    ]:  # fmt: skip
        expected = sk(theirs)(y, said, sample_weight=weight)
        assert ours(ANSWERS, CHANCES, weight) == pytest.approx(expected, rel=1e-5)
        ours.reset_state()
        assert ours(y, CHANCES[:, 0], weight) == pytest.approx(expected, rel=1e-5)
    fine = metrics.AUC(num_thresholds=20001)(ANSWERS, CHANCES, weight)
    assert fine == pytest.approx(sk("roc_auc_score")(y, CHANCES, sample_weight=weight), abs=1e-4)


@pytest.mark.parametrize("weight", [None, WEIGHTS], ids=["even", "weighted"])
def test_numbers_against_scikit_learn(weight: Any) -> None:
    options: dict[str, Any] = {"sample_weight": weight}
    squared = sk("mean_squared_error")(NUMBERS, GUESSES, **options)
    assert metrics.MeanSquaredError()(NUMBERS, GUESSES, weight) == pytest.approx(squared, rel=1e-5)
    assert metrics.RootMeanSquaredError()(NUMBERS, GUESSES, weight) == pytest.approx(squared**0.5, rel=1e-5)
    expected = sk("mean_absolute_error")(NUMBERS, GUESSES, **options)
    assert metrics.MeanAbsoluteError()(NUMBERS, GUESSES, weight) == pytest.approx(expected, rel=1e-5)
    names = {None: "raw_values", "uniform_average": "uniform_average", "variance_weighted_average": "variance_weighted"}
    for ours, theirs in names.items():
        expected = sk("r2_score")(NUMBERS, GUESSES, multioutput=theirs, **options)
        numpy.testing.assert_allclose(metrics.R2Score(ours)(NUMBERS, GUESSES, weight), expected, rtol=1e-5)


@pytest.mark.parametrize("batch", [7, 100, 1000])
def test_r2_of_labels_far_from_zero(batch: int) -> None:
    # Years 2000 ± 5 in float32: Σy² has a million times the spread, and plain float32 sums get R² wrong by per cents.
    random = numpy.random.default_rng(8)
    y = (2000 + 5 * random.normal(size=1000)).astype(F)
    p = (y + 2 * random.normal(size=1000)).astype(F)
    weight = random.uniform(0.5, 1.5, 1000).astype(F)
    metric = metrics.R2Score()
    for start in range(0, 1000, batch):
        metric.update_state(y[start : start + batch], p[start : start + batch], weight[start : start + batch])
    wide, w = y.astype(float), weight.astype(float)
    spread = (w * (wide - numpy.average(wide, weights=w)) ** 2).sum()
    assert metric.result() == pytest.approx(1 - (w * (wide - p.astype(float)) ** 2).sum() / spread, rel=1e-5)


# Against Keras

CASES: list[tuple[str, dict[str, Any], Any, Any]] = [
    ("BinaryAccuracy", {}, ANSWERS, CHANCES),
    ("BinaryAccuracy", {"threshold": 0.3}, ANSWERS, CHANCES),
    ("CategoricalAccuracy", {}, ROWS, SOFT),
    ("SparseCategoricalAccuracy", {}, CLASSES, SOFT),
    ("TopKCategoricalAccuracy", {"k": 2}, ROWS, SOFT),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, CLASSES, SOFT),
    ("Precision", {}, ANSWERS, CHANCES),
    ("Precision", {"thresholds": [0.2, 0.5, 0.7]}, ANSWERS, CHANCES),
    ("Precision", {}, (SEVERAL > 0.4).astype(F), SOFT),
    ("Precision", {"class_id": 2, "thresholds": 0.3}, ROWS, SOFT),
    ("Recall", {}, ANSWERS, CHANCES),
    ("Recall", {"thresholds": 0.3}, ANSWERS, CHANCES),
    ("F1Score", {"threshold": 0.5}, ANSWERS, CHANCES),
    ("F1Score", {"average": "macro"}, ROWS, SOFT),
    ("F1Score", {"average": "micro", "threshold": 0.4}, (SEVERAL > 0.4).astype(F), SOFT),
    ("F1Score", {"average": "weighted"}, ROWS, SOFT),
    ("AUC", {}, ANSWERS, CHANCES),
    ("AUC", {"curve": "PR"}, ANSWERS, CHANCES),
    ("AUC", {"num_thresholds": 5}, ANSWERS, CHANCES),
    ("AUC", {"summation_method": "minoring"}, ANSWERS, CHANCES),
    ("AUC", {"summation_method": "majoring", "curve": "PR"}, ANSWERS, CHANCES),
    ("AUC", {"from_logits": True}, ANSWERS, 8 * CHANCES - 4),
    ("AUC", {}, ROWS, SOFT),
    ("MeanSquaredError", {}, NUMBERS, GUESSES),
    ("RootMeanSquaredError", {}, NUMBERS, GUESSES),
    ("MeanAbsoluteError", {}, NUMBERS, GUESSES),
    ("MeanAbsolutePercentageError", {}, NUMBERS, GUESSES),
    ("MeanSquaredLogarithmicError", {}, abs(NUMBERS), abs(GUESSES)),
    ("LogCoshError", {}, NUMBERS, GUESSES),
    ("CosineSimilarity", {}, NUMBERS, GUESSES),
    ("Poisson", {}, abs(NUMBERS), abs(GUESSES)),
    ("R2Score", {}, NUMBERS, GUESSES),
    ("R2Score", {"class_aggregation": "variance_weighted_average"}, NUMBERS, GUESSES),
    ("R2Score", {"num_regressors": 3}, NUMBERS[:, :1], GUESSES[:, :1]),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}, ANSWERS, CHANCES),
    ("BinaryCrossentropy", {"from_logits": True}, ANSWERS, CHANCES),
    ("CategoricalCrossentropy", {}, ROWS, SOFT),
    ("SparseCategoricalCrossentropy", {}, CLASSES, SOFT),
    ("KLDivergence", {}, ROWS, SOFT),
    ("Hinge", {}, ANSWERS, CHANCES),
    ("SquaredHinge", {}, ANSWERS, CHANCES),
    ("CategoricalHinge", {}, ROWS, SOFT),
]


@pytest.mark.parametrize(("name", "options", "y", "p"), CASES, ids=lambda item: item if isinstance(item, str) else "")
def test_against_keras(keras: Any, name: str, options: dict[str, Any], y: Any, p: Any) -> None:
    for weight in (None, WEIGHTS):
        ours, theirs = getattr(metrics, name)(**options), getattr(keras.metrics, name)(**options)
        for rows in (slice(0, 25), slice(25, N)):  # two batches of different size
            arguments = (y[rows], p[rows], None if weight is None else weight[rows])
            ours.update_state(*arguments)
            theirs.update_state(*arguments)
        expected = keras.ops.convert_to_numpy(theirs.result())
        numpy.testing.assert_allclose(ours.result(), expected, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("name", sorted(set(metrics.CLASSES) - {"ConfusionMatrix", "Huber"}))
def test_names_and_defaults_are_those_of_keras(keras: Any, name: str) -> None:
    theirs, config = getattr(keras.metrics, name)().get_config(), getattr(metrics, name)().get_config()["config"]
    assert config["name"] == theirs["name"].rstrip("_0123456789")
    assert all(theirs[key] == given for key, given in config.items() if key in theirs and key != "name")


def test_every_metric_has_a_case() -> None:
    assert {name for name, *_ in CASES} | {"ConfusionMatrix", "Huber"} == set(metrics.CLASSES)


@pytest.mark.parametrize(("name", "options", "y", "p"), CASES, ids=lambda item: item if isinstance(item, str) else "")
def test_batches_add_up_and_shapes_are_fixed(name: str, options: dict[str, Any], y: Any, p: Any) -> None:
    whole, parts = getattr(metrics, name)(**options), getattr(metrics, name)(**options)
    whole.update_state(y, p, WEIGHTS)
    for start in range(0, N, 13):
        rows = slice(start, start + 13)
        parts.update_state(y[rows], p[rows], WEIGHTS[rows])
    numpy.testing.assert_allclose(parts.result(), whole.result(), rtol=1e-5)
    labels = feed(y.shape, "int32" if y.dtype.kind == "i" else "float32")
    for value in whole.statistics(labels, feed(p.shape), feed((N,))):
        assert value.dtype == "float32"
        assert N not in value.shape


def test_state() -> None:
    metric = metrics.MeanSquaredError()
    with pytest.raises(StateError, match="update_state"):
        metric.result()
    metric.update_state(F([[0]]), F([[2]]))
    assert metric.result() == 4.0
    metric.reset_state()
    metric.update_state(F([[0]]), F([[1]]))
    assert metric.result() == 1.0


@pytest.mark.parametrize(
    ("name", "options"), [*((name, options) for name, options, *_ in CASES), ("ConfusionMatrix", {"num_classes": 3})]
)
def test_configuration_round_trip(name: str, options: dict[str, Any]) -> None:
    metric = getattr(metrics, name)(**options, name="mine")
    config = json.loads(json.dumps(metric.get_config()))
    again = getattr(metrics, config["class_name"])(**config["config"])
    assert again == metric
    assert again.name == "mine"


# What fits

BCE, BCE_LOGITS = losses.BinaryCrossentropy(), losses.BinaryCrossentropy(from_logits=True)
CCE, SPARSE = losses.CategoricalCrossentropy(), losses.SparseCategoricalCrossentropy()
SPARSE_LOGITS, MSE = losses.SparseCategoricalCrossentropy(from_logits=True), losses.MeanSquaredError()


@pytest.mark.parametrize(
    ("loss", "output", "expected"),
    [
        (BCE, dense(1, ops.sigmoid), metrics.BinaryAccuracy("acc")),
        (BCE, dense(3, ops.sigmoid), metrics.BinaryAccuracy("acc")),
        (BCE_LOGITS, dense(1), metrics.BinaryAccuracy("acc", from_logits=True)),
        (BCE, dense(2, ops.softmax), metrics.CategoricalAccuracy("acc")),
        (CCE, dense(3, ops.softmax), metrics.CategoricalAccuracy("acc")),
        (SPARSE, dense(3, ops.softmax), metrics.SparseCategoricalAccuracy("acc")),
        (SPARSE_LOGITS, dense(3), metrics.SparseCategoricalAccuracy("acc")),
        (MSE, dense(1, ops.sigmoid), metrics.BinaryAccuracy("acc")),
        (MSE, dense(1, ops.step), metrics.BinaryAccuracy("acc")),
        (MSE, dense(3, ops.softmax), metrics.CategoricalAccuracy("acc")),
        (losses.Hinge(), dense(1, ops.tanh), metrics.BinaryAccuracy("acc", threshold=0.0)),
        (losses.CategoricalHinge(), dense(3), metrics.CategoricalAccuracy("acc")),
    ],
    ids=lambda item: "",
)
def test_accuracy_is_resolved(loss: Loss, output: Tensor, expected: Metric) -> None:
    assert metrics.get("acc", loss, output) == expected


def test_accuracy_of_logits_has_its_threshold_at_zero() -> None:
    metric = metrics.get("accuracy", BCE_LOGITS, dense(1))
    # Keras counts 0.2 as a no here, for it is below ½.
    assert metric(F([[1], [1], [0]]), F([[0.2], [3.0], [-0.2]])) == 1.0
    assert metrics.get("auc", BCE_LOGITS, dense(1)) == metrics.AUC(from_logits=True)
    assert metrics.get("precision", BCE_LOGITS, dense(1))(F([[1], [0]]), F([[0.2], [-0.2]])) == 1.0


def test_hinge_accuracy_takes_signs() -> None:
    metric = metrics.get("accuracy", losses.Hinge(), dense(1, ops.tanh))
    assert metric(F([[1], [-1], [-1]]), F([[0.2], [-0.9], [0.1]])) == pytest.approx(2 / 3)


def test_names_objects_configurations_and_functions() -> None:
    one, many = dense(1, ops.sigmoid), dense(4, ops.softmax)
    assert metrics.get("mse", BCE, one).name == "mse"
    assert metrics.get("AUC", BCE, one).name == "AUC"
    assert isinstance(metrics.get("r2_score", MSE, dense(1)), metrics.R2Score)
    assert metrics.get("f1", BCE, one) == metrics.F1Score(name="f1")
    assert metrics.get("f1_score", SPARSE, many) == metrics.F1Score("macro")
    assert metrics.get("f1_score", BCE, dense(3, ops.sigmoid)) == metrics.F1Score("macro", 0.5)
    assert metrics.get("precision", SPARSE, many) == metrics.Precision(average="macro")
    precision = metrics.Precision()
    assert metrics.get(precision, BCE, one) is precision
    assert metrics.get(precision, SPARSE, many) == metrics.Precision(average="macro")
    assert precision.average is None  # the object given is left as it was
    assert metrics.get(metrics.AUC, BCE, one) == metrics.AUC()
    assert metrics.get(metrics.AUC(num_thresholds=7).get_config(), BCE, one) == metrics.AUC(num_thresholds=7)
    assert isinstance(metrics.get(losses.mean_absolute_error, MSE, dense(1)), metrics.MeanAbsoluteError)
    own = metrics.get(lambda y, p: ops.absolute(y - p), MSE, dense(1))
    assert own(F([[1], [2]]), F([[2], [5]])) == 2.0
    with pytest.raises(UnknownNameError, match="did you mean 'accuracy'"):
        metrics.get("acuracy", BCE, one)
    with pytest.raises(ArgumentError):
        metrics.get(3, BCE, one)


@pytest.mark.parametrize(
    ("identifier", "loss", "output", "words"),
    [
        ("accuracy", MSE, dense(1), ["mean_squared_error", "rmse"]),
        ("accuracy", losses.Huber(), dense(1, ops.relu), ["relu", "r2_score"]),
        ("precision", MSE, dense(1), ["numbers"]),
        ("auc", MSE, dense(1), ["numbers"]),
        ("binary_accuracy", SPARSE, dense(3, ops.softmax), ["sparse_categorical_accuracy"]),
        ("categorical_accuracy", SPARSE, dense(3, ops.softmax), ["sparse_categorical_accuracy"]),
        ("sparse_categorical_accuracy", CCE, dense(3, ops.softmax), ["categorical_accuracy"]),
        ("sparse_categorical_accuracy", BCE, dense(1, ops.sigmoid), ["binary_accuracy"]),
        ("top_k_categorical_accuracy", CCE, dense(3, ops.softmax), ["k=5 of 3"]),
        ("mse", SPARSE, dense(3, ops.softmax), ["class numbers", "accuracy"]),
        ("r2_score", BCE, dense(1, ops.sigmoid), ["classes", "auc"]),
        ("categorical_crossentropy", SPARSE, dense(3, ops.softmax), ["sparse"]),
        ("confusion_matrix", BCE, dense(3, ops.sigmoid), ["precision"]),
        ("auc", SPARSE_LOGITS, dense(3), ["softmax"]),
        (metrics.BinaryAccuracy(), BCE_LOGITS, dense(1), ["from_logits=True"]),
        (metrics.AUC(), BCE_LOGITS, dense(1), ["from_logits=True"]),
        (metrics.Precision(), BCE_LOGITS, dense(1), ["from_logits=True"]),
        (metrics.BinaryAccuracy(from_logits=True), BCE, dense(1, ops.sigmoid), ["leave out from_logits"]),
        (metrics.BinaryCrossentropy(), BCE_LOGITS, dense(1), ["from_logits=True"]),
        (metrics.Precision(average="macro"), BCE, dense(1, ops.sigmoid), ["average"]),
    ],
    ids=lambda item: item if isinstance(item, str) else "",
)
def test_refused(identifier: Any, loss: Loss, output: Tensor, words: list[str]) -> None:
    with pytest.raises(ArgumentError) as caught:
        metrics.get(identifier, loss, output)
    assert all(word in str(caught.value) for word in [*words, "metric"]), str(caught.value)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: metrics.AUC(num_thresholds=1), "num_thresholds"),
        (lambda: metrics.AUC(curve="RC"), "RC"),
        (lambda: metrics.F1Score(average="mean"), "mean"),
        (lambda: metrics.F1Score(threshold=0.0), "threshold"),
        (lambda: metrics.Precision(1.5), "1.5"),
        (lambda: metrics.Precision(0.5, average="macro"), "threshold"),
        (lambda: metrics.TopKCategoricalAccuracy(k=0), "k must"),
        (lambda: metrics.ConfusionMatrix(1), "num_classes"),
        (lambda: metrics.R2Score("mean"), "class_aggregation"),
        (lambda: metrics.BinaryAccuracy(threshold=0.0, from_logits=True), "between 0 and 1"),
    ],
)
def test_wrong_arguments(make: Any, named: str) -> None:
    with pytest.raises(ArgumentError, match=named):
        make()


def test_wrong_shapes() -> None:
    with pytest.raises(ShapeError, match="class_id=4"):
        metrics.Precision(class_id=4)(ROWS, SOFT)
    with pytest.raises(ShapeError, match="num_classes=3"):
        metrics.ConfusionMatrix(3)(CLASSES, SOFT)
    with pytest.raises(ShapeError):
        metrics.BinaryAccuracy()(F([1, 0, 1]), F([[0.1], [0.2]]))
