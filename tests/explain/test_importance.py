"""Permutation importance and partial dependence: beside scikit-learn's, and of rules known by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy
import pytest

import pellucid
from pellucid import layers
from pellucid.errors import ArgumentError, DataError, UnknownNameError

DRAW = numpy.random.default_rng(4)
X = DRAW.normal(size=(400, 3)).astype("float32")
Y = (2 * X[:, :1] + numpy.sin(2 * X[:, 1:2])).astype("float32")


def fitted() -> pellucid.Model:
    model = pellucid.Sequential([pellucid.Input((3,)), layers.Dense(24, "tanh"), layers.Dense(1, name="y")], seed=1)
    model.compile(pellucid.optimizers.Adam(0.02), "mse", metrics=["r2_score"])
    model.fit(X, Y, epochs=30, verbose=0)
    return model


class Estimator:
    """A model as scikit-learn sees it."""

    def __init__(self, model: pellucid.Model) -> None:
        self.model = model
        self.is_fitted_ = True

    def fit(self, x: Any, y: Any) -> Estimator:
        return self

    def predict(self, x: Any) -> Any:
        return self.model.predict(numpy.asarray(x, "float32"))[:, 0]

    def score(self, x: Any, y: Any) -> float:
        return -float(numpy.mean((self.predict(x) - numpy.ravel(y)) ** 2))


def test_importance_beside_sklearn() -> None:
    inspection = pytest.importorskip("sklearn.inspection")
    model = fitted()
    ours = model.importance(X, Y, repeats=20, names=["a", "b", "c"])
    theirs = inspection.permutation_importance(Estimator(model), X, Y, n_repeats=20, random_state=0)
    assert list(ours.means) == ["a", "b", "c"]
    numpy.testing.assert_allclose(list(ours.means.values()), theirs.importances_mean, rtol=0.05, atol=1e-3)
    assert ours.score == pytest.approx(model.evaluate(X, Y)[0])


def test_importance_by_hand() -> None:
    """y = 3a, so that shuffling a makes the loss 9·mean (a - a')², and others leave it as it was."""
    model = pellucid.Sequential([pellucid.Input((2,)), layers.Dense(1)])
    model.set_weights([[[3.0], [0.0]], [0.0]])
    model.compile("sgd", "mse")
    found = model.importance(X[:, :2], 3 * X[:, :1], repeats=2, seed=7)
    draw = numpy.random.default_rng(7)
    expected = [9 * numpy.mean((X[:, 0] - X[draw.permutation(400), 0]) ** 2) for _ in range(2)]
    numpy.testing.assert_allclose(found.drops["input[0]"], expected, rtol=1e-4)
    assert not found.drops["input[1]"].any()


def test_a_metric_that_grows_and_several_inputs() -> None:
    a, ids = pellucid.Input((2,), name="a"), pellucid.Input((), dtype="int32", name="kind")
    x = layers.Concatenate()([a, layers.CategoryEncoding(3, "one_hot")(ids)])
    model = pellucid.Model([a, ids], layers.Dense(1, "sigmoid")(x), seed=0)
    model.set_weights([[[0.0], [0.0], [9.0], [-9.0], [9.0]], [0.0]])
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    kinds = numpy.arange(300) % 3
    found = model.importance([X[:300, :2], kinds], (kinds != 1).astype(int), metric="accuracy")
    assert next(iter(found.means)) == "kind"
    assert found["kind"] == pytest.approx(4 / 9, abs=0.08)  # right by chance: 1/3·1/3 + 2/3·2/3 = 5/9
    assert found["a[0]"] == 0.0
    with pytest.raises(UnknownNameError, match="Known: accuracy, loss"):
        model.importance([X[:300, :2], kinds], kinds != 1, metric="acuracy")
    with pytest.raises(ArgumentError, match="repeats"):
        model.importance([X[:300, :2], kinds], kinds != 1, repeats=0)


def test_dependence_beside_sklearn() -> None:
    inspection = pytest.importorskip("sklearn.inspection")
    from sklearn.base import BaseEstimator, RegressorMixin

    class Regressor(RegressorMixin, Estimator, BaseEstimator):  # type: ignore[misc]
        pass

    model = fitted()
    x = X.copy()
    x[:, 1] = numpy.round(x[:, 1])  # few values, so that both take them all
    ours = model.partial_dependence(x, "b", names=["a", "b", "c"])
    theirs = inspection.partial_dependence(Regressor(model), x, [1], grid_resolution=20, kind="both", method="brute")
    numpy.testing.assert_allclose(ours.values, theirs["grid_values"][0], rtol=1e-6)
    numpy.testing.assert_allclose(ours.average, theirs["average"][0], rtol=1e-4, atol=1e-5)
    low, high = numpy.quantile(theirs["individual"][0], [0.1, 0.9], axis=0)
    numpy.testing.assert_allclose(ours.low, low, rtol=1e-4, atol=1e-5)
    numpy.testing.assert_allclose(ours.high, high, rtol=1e-4, atol=1e-5)
    assert ours.what == "y"
    with pytest.raises(UnknownNameError, match="Known: a, b, c"):
        model.partial_dependence(X, "d", names=["a", "b", "c"])
    with pytest.raises(UnknownNameError, match="column"):
        model.partial_dependence(X, 3)


def table() -> dict[str, list[Any]]:
    city = DRAW.choice(["Oslo", "Lima"], 300, p=[0.7, 0.3]).tolist()
    size = DRAW.choice(["S", "M", "L"], 300).tolist()
    m2 = [None if i % 20 == 0 else float(v) for i, v in enumerate(DRAW.uniform(20, 200, 300))]
    day = [f"2024-{1 + i % 12:02d}-{1 + i % 27:02d}" for i in range(300)]
    price = [(m or 110) * 2 + 100 * (c == "Lima") for m, c in zip(m2, city, strict=True)]
    return {"m2": m2, "city": city, "size": size, "day": day, "noise": DRAW.normal(size=300).tolist(), "price": price}


def test_tables() -> None:
    rows = table()
    model = pellucid.TableModel.train(rows, "price", epochs=60, seed=1, verbose=0, kinds={"size": ["S", "M", "L"]})
    found = model.importance(rows)
    assert list(found.means)[:2] == ["m2", "city"]
    assert found.score == pytest.approx(model.evaluate(rows)["r2"])
    with pytest.raises(UnknownNameError, match="did you mean 'city'"):
        found["citty"]

    city = model.partial_dependence(rows, "city")
    assert city.values == ("Oslo", "Lima")
    for value, average in zip(city.values, city.average, strict=True):
        assert average == pytest.approx(float(model.predict({**rows, "city": [value] * 300}).mean()), rel=1e-6)
    assert city.average[1] - city.average[0] == pytest.approx(100, abs=15)
    assert model.partial_dependence(rows, "size").values == ("S", "M", "L")
    m2 = model.partial_dependence(rows, "m2", points=10)
    assert len(m2.values) == 10
    assert numpy.polyfit(m2.values, m2.average, 1)[0] == pytest.approx(2, abs=0.2)
    assert len(model.partial_dependence(rows, "day", points=5).values) == 5
    with pytest.raises(UnknownNameError, match="Known: city, day, m2, noise, size"):
        model.partial_dependence(rows, "price")
    with pytest.raises(ArgumentError, match="points"):
        model.partial_dependence(rows, "m2", points=1)


def test_dependence_of_a_class() -> None:
    rows = {"x": DRAW.normal(size=200).tolist(), "z": DRAW.normal(size=200).tolist()}
    rows["kind"] = ["high" if x > 0 else "low" for x in rows["x"]]  # type: ignore[misc]
    model = pellucid.TableModel.train(rows, "kind", epochs=20, seed=1, verbose=0)
    low, high = (model.partial_dependence(rows, "x", output=name) for name in ("low", "high"))
    numpy.testing.assert_allclose(low.average, 1 - high.average, atol=1e-6)
    assert high.average[-1] > 0.8 > 0.2 > high.average[0]
    assert high.what == "the probability of kind = high"
    assert model.importance(rows).figure == "accuracy"
    with pytest.raises(DataError, match="no class 'mid'"):
        model.partial_dependence(rows, "x", output="mid")


def test_renderings() -> None:
    model = fitted()
    importance, dependence = model.importance(X, Y), model.partial_dependence(X, 0)
    for record in (importance, dependence):
        assert "<table>" in record.html()
        json.dumps(record.to_json())
        assert record.plot().get_title("left")
    assert importance.text().splitlines()[3].split()[0] == "input[0]"
    assert len(dependence.text().splitlines()) == 23


def test_tables_by_another_metric() -> None:
    table = {"a": X[:200, 0], "b": X[:200, 1], "y": 3.0 * X[:200, 0]}
    model = pellucid.TableModel.train(table, "y", hidden=(8,), epochs=20, seed=1, verbose=0)
    by_error = model.importance(table, "mae")
    assert by_error.figure == "mae"
    assert by_error.score == pytest.approx(model.evaluate(table)["mae"], rel=1e-5)
    assert by_error["a"] > 10 * abs(by_error["b"])  # an error grows when a column is shuffled
    assert model.importance(table).figure == "r2"
    with pytest.raises(UnknownNameError, match=r"unknown metric 'auc'.* Known: mae, r2, rmse"):
        model.importance(table, "auc")
