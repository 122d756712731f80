"""Decision regions: the answers of the model, everywhere and at the examples."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

import pellucid as pl
from pellucid import plot
from pellucid.errors import ArgumentError, LabelError, ShapeError, UnknownNameError
from pellucid.plot import regions

random = numpy.random.default_rng(0)
X = random.normal(size=(60, 2))
Y = (X[:, 0] > 0).astype(int)


def test_answers_of_every_form_are_probabilities() -> None:
    s = 1 / (1 + numpy.exp(-X[:, 0]))
    wanted = numpy.column_stack([1 - s, s])
    for answer in (lambda x: 1 / (1 + numpy.exp(-x[:, 0])), lambda x: x[:, :1], lambda x: x[:, :1] * [-0.5, 0.5]):
        numpy.testing.assert_allclose(regions._chances(answer, X, None), wanted, rtol=1e-5)
    three = random.dirichlet(numpy.ones(3), 60)
    numpy.testing.assert_allclose(regions._chances(lambda x: three, X, None), three)


def test_the_grid_and_the_boundary(pyplot: Any) -> None:
    seen = []

    def model(x: numpy.ndarray) -> numpy.ndarray:
        seen.append(x)
        return 1 / (1 + numpy.exp(-4 * x[:, 0]))

    ax = plot.decision_regions(model, X, Y, names=("a", "b"))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("a", "b")
    everywhere = seen[0]
    assert (everywhere.min(0) < X.min(0)).all()
    assert (everywhere.max(0) > X.max(0)).all()
    boundary = numpy.concatenate([path.vertices for path in ax.collections[0].get_paths()])
    numpy.testing.assert_allclose(boundary[:, 0], 0, atol=1e-3)
    image = ax.images[0].get_array()
    left, right = image[80, 5], image[80, -5]
    assert not numpy.allclose(left, right)
    numpy.testing.assert_allclose(image[5, 5], image[-5, 5])


def test_points_by_class_and_mistakes_with_a_ring() -> None:
    truth = Y.copy()
    truth[:3] = 1 - truth[:3]
    ax = plot.decision_regions(lambda x: 1 / (1 + numpy.exp(-x[:, 0])), X, truth)
    assert "57 of 60 right (95.0%)" in ax.get_title("left")
    points = [one for one in ax.collections if len(one.get_offsets()) > 1]
    assert [len(one.get_offsets()) for one in points] == [(truth == 0).sum(), (truth == 1).sum()]
    numpy.testing.assert_allclose(points[0].get_offsets(), X[truth == 0])
    ringed = numpy.concatenate([numpy.array(one.get_linewidths()) > 1 for one in points]).sum()
    assert ringed == 3


def test_a_network_and_a_table_model() -> None:
    model = pl.Sequential([pl.layers.Dense(3, "softmax", input_shape=(2,))], seed=0)
    labels = model.predict(X.astype("float32")).argmax(1)
    assert "60 of 60 right" in plot.decision_regions(model, X, labels, "probability").get_title("left")
    columns = {"grams": X[:, 0].tolist(), "size": X[:, 1].tolist()}
    table = {**columns, "kind": numpy.array(["plum", "kiwi"])[Y].tolist()}
    fitted = pl.TableModel.train(table, "kind", hidden=(4,), epochs=3, seed=0, verbose=0)
    ax = plot.decision_regions(fitted, columns, table["kind"])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("grams", "size")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["kiwi", "plum"]
    right = int((fitted.predict(columns) == numpy.array(table["kind"])).sum())
    assert f"{right} of 60 right" in ax.get_title("left")


def test_what_does_not_suit_is_refused() -> None:
    with pytest.raises(ArgumentError, match="two features, x has 3"):
        plot.decision_regions(lambda x: x[:, 0], numpy.ones((4, 3)))
    with pytest.raises(UnknownNameError, match="Known: classes, probability"):
        plot.decision_regions(lambda x: x[:, 0], X, kind="class")
    with pytest.raises(ShapeError, match="gives 2 classes, but 3 are named"):
        plot.decision_regions(lambda x: x[:, 0], X, classes=["a", "b", "c"])
    with pytest.raises(LabelError, match="y has the class 'kiwi'"):
        plot.decision_regions(lambda x: x[:, 0], X, ["kiwi"] * 60)
    with pytest.raises(ArgumentError, match="must be a model or a function"):
        plot.decision_regions(3, X)
