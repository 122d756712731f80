"""Maps of layers: principal components beside scikit-learn's."""

from __future__ import annotations

import builtins
from typing import Any

import numpy
import pytest

import pellucid as pl
from pellucid import plot
from pellucid.errors import ArgumentError, ShapeError, UnknownNameError

random = numpy.random.default_rng(0)
VALUES = random.normal(size=(40, 6)) * [5, 3, 1, 1, 1, 1]
LABELS = random.integers(0, 3, 40)


def points(ax: Any) -> numpy.ndarray:
    return numpy.concatenate([one.get_offsets() for one in ax.collections])


def test_principal_components() -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    ax = plot.layer_map(VALUES)
    pca = decomposition.PCA(2)
    wanted = pca.fit_transform(VALUES)
    numpy.testing.assert_allclose(numpy.abs(points(ax)), numpy.abs(wanted))
    assert f"{pca.explained_variance_ratio_[0]:.0%}" in ax.get_xlabel()


def test_two_values_are_drawn_as_they_are() -> None:
    numpy.testing.assert_array_equal(points(plot.layer_map(VALUES[:, :2])), VALUES[:, :2])


def test_classes_have_colours_and_names_in_their_midst() -> None:
    ax = plot.layer_map(VALUES[:, :2], LABELS, classes=["x", "y", "z"])
    assert [text.get_text() for text in ax.texts] == ["x", "y", "z"]
    for i, (one, text) in enumerate(zip(ax.collections, ax.texts, strict=True)):
        numpy.testing.assert_array_equal(one.get_offsets(), VALUES[i == LABELS, :2])
        numpy.testing.assert_allclose(text.get_position(), numpy.median(VALUES[i == LABELS, :2], 0))


def test_numbers_have_a_scale() -> None:
    ax = plot.layer_map(VALUES, VALUES[:, 0])
    numpy.testing.assert_array_equal(ax.collections[0].get_array(), VALUES[:, 0])


def test_layers_of_a_trace() -> None:
    model = pl.Sequential(
        [pl.layers.Dense(5, "relu", input_shape=(6,), name="hidden"), pl.layers.Dense(2, name="code"),
         pl.layers.Dense(1, name="last")]
    )  # fmt: skip
    trace = model.trace(VALUES)
    numpy.testing.assert_allclose(points(plot.layer_map(trace, layer="code")), trace["code"].activation, rtol=1e-6)
    assert plot.layer_map(trace).get_title("left") == "40 examples as hidden sees them"
    with pytest.raises(UnknownNameError, match="Known: code, hidden, last"):
        plot.layer_map(trace, layer="hiden")


def test_neighbours_stay_together() -> None:
    pytest.importorskip("sklearn.manifold")
    two = numpy.concatenate([random.normal(0, 1, (20, 6)), random.normal(40, 1, (20, 6))])
    found = points(plot.layer_map(two, method="tsne"))
    inside = numpy.linalg.norm(found[:20] - found[:20].mean(0), axis=1).max()
    assert numpy.linalg.norm(found[:20].mean(0) - found[20:].mean(0)) > inside


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    given = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name.startswith("sklearn"):
            raise ImportError(name)
        return given(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ArgumentError, match="pip install scikit-learn"):
        plot.layer_map(VALUES, method="tsne")


def test_what_does_not_suit_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="Known: pca, tsne"):
        plot.layer_map(VALUES, method="umap")
    with pytest.raises(ArgumentError, match="at least 3 examples of 2 values; got 40 of 1"):
        plot.layer_map(VALUES[:, :1])
    with pytest.raises(ShapeError, match="source 40, labels 2"):
        plot.layer_map(VALUES, [0, 1])
    with pytest.raises(ArgumentError, match="40 classes"):
        plot.layer_map(VALUES, [f"class {i}" for i in range(40)])
