"""Loss surfaces beside the loss written out in NumPy, and the paths on them."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

import pellucid as pl
from pellucid import plot
from pellucid.errors import ArgumentError, ShapeError, StateError, UnknownNameError
from pellucid.plot import plane as planes
from pellucid.plot import surface as surfaces

random = numpy.random.default_rng(5)
X = random.normal(size=(30, 2)).astype("float32")
Y = (X[:, :1] * X[:, 1:] + 0.5).astype("float32")


def network() -> Any:
    model = pl.Sequential(
        [pl.layers.Dense(3, activation="tanh", input_shape=(2,)), pl.layers.Dropout(0.5), pl.layers.Dense(1)], seed=1
    )
    model.compile("sgd", "mse")
    return model


def by_hand(vector: numpy.ndarray) -> float:
    """The mean squared error of `network` with these weights: 2·3 + 3 + 3 + 1."""
    hidden = numpy.tanh(X @ vector[:6].reshape(2, 3) + vector[6:9])
    return float(((hidden @ vector[9:12, None] + vector[12] - Y) ** 2).mean())


def linear(w: float = -1.0, b: float = 0.0) -> Any:
    model = pl.Sequential([pl.layers.Dense(1, input_shape=(1,))])
    model.compile(pl.optimizers.SGD(0.1), "mse")
    model.set_weights([[[w]], [b]])
    return model


def test_the_loss_of_any_weights_leaves_the_model_as_it_is() -> None:
    model = network()
    before = planes.weights(model)
    loss = planes.Loss(model, X, Y)
    for vector in random.normal(size=(5, 13)):
        assert loss(vector) == pytest.approx(by_hand(vector), rel=1e-5)
    numpy.testing.assert_array_equal(planes.weights(model), before)


def test_the_plane_of_two_weights_is_their_values() -> None:
    model = network()
    plane = planes.of_weights(model, ["dense/kernel[1,2]", "dense_1/bias[0]"])
    start = planes.weights(model)
    numpy.testing.assert_allclose(plane.coordinates(start[None]), [[start[5], start[12]]], atol=1e-7)
    a, b = numpy.array([-1.0, 2.0]), numpy.array([0.5, 0.6, 0.7])
    found = plane.loss(planes.Loss(model, X, Y), a, b)
    for i, j in numpy.ndindex(3, 2):
        vector = start.copy()
        vector[5], vector[12] = a[j], b[i]
        assert found[i, j] == pytest.approx(by_hand(vector), rel=1e-5)


def test_random_directions_are_as_long_as_the_filters() -> None:
    model = network()
    one, again, other = (planes.random(model, seed) for seed in (0, 0, 1))
    numpy.testing.assert_array_equal(one.first, again.first)
    assert not numpy.array_equal(one.first, other.first)
    for direction in (one.first, one.second):
        kernel, weights = direction[:6].reshape(2, 3), planes.weights(model)[:6].reshape(2, 3)
        numpy.testing.assert_allclose((kernel**2).sum(0), (weights**2).sum(0))
        assert not direction[6:9].any()  # the biases


def test_filters_of_a_convolution() -> None:
    model = pl.Sequential([pl.layers.Conv2D(4, 3, input_shape=(5, 5, 2)), pl.layers.Flatten(), pl.layers.Dense(1)])
    kernel = model.get_weights()[0]
    direction = planes.random(model, 0).first[: kernel.size].reshape(kernel.shape)
    numpy.testing.assert_allclose((direction**2).sum((0, 1, 2)), (kernel**2).sum((0, 1, 2)), rtol=1e-6)


def test_the_plane_of_a_path_is_its_principal_components() -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    path = numpy.cumsum(random.normal(size=(20, 13)), 0)
    plane = planes.of_paths([path])
    around_the_end = numpy.vstack([path - path[-1], path[-1] - path])  # scikit-learn takes the mean away
    pca = decomposition.PCA(2).fit(around_the_end)
    numpy.testing.assert_allclose(numpy.abs([plane.first @ pca.components_[0], plane.second @ pca.components_[1]]), 1)
    assert f"({pca.explained_variance_ratio_[0]:.0%})" in plane.labels[0]
    numpy.testing.assert_allclose(plane.coordinates(path)[-1], 0, atol=1e-9)
    assert (plane.coordinates(path)[0] <= 0).all()


def test_paths_of_every_form_are_the_same() -> None:
    model = network()
    path = pl.callbacks.Recorder()
    model.fit(X, Y, epochs=4, verbose=0, callbacks=path)
    rows = planes.vectors(model, path)
    assert rows.shape == (5, 13)
    numpy.testing.assert_array_equal(rows[-1], planes.weights(model))
    numpy.testing.assert_array_equal(planes.vectors(model, path.recording), rows)
    numpy.testing.assert_array_equal(planes.vectors(model, path.recording.weights), rows)
    numpy.testing.assert_array_equal(planes.vectors(model, rows), rows)


def test_statistics_are_no_weights() -> None:
    model = pl.Sequential([pl.layers.Dense(2, input_shape=(2,)), pl.layers.BatchNormalization(), pl.layers.Dense(1)])
    assert planes.vectors(model, [model.get_weights()] * 2).shape == (2, 6 + 4 + 3)


@pytest.mark.parametrize("kind", surfaces.KINDS)
def test_the_path_is_drawn_where_it_went(kind: str) -> None:
    x = numpy.linspace(-1, 1, 11)[:, None]
    y = 2 * x + 1
    model, path = linear(), pl.callbacks.Recorder()
    losses = model.fit(x, y, epochs=5, batch_size="all", verbose=0, callbacks=path).history["loss"]
    ax = plot.loss_surface(model, x, y, path=path, kind=kind, points=9)
    line = ax.lines[0]
    drawn = numpy.array(line.get_data_3d() if kind == "3d" else line.get_data())
    numpy.testing.assert_allclose(drawn[:2].T, [[w[0, 0], b[0]] for w, b in path.recording.weights], atol=1e-6)
    if kind == "3d":
        numpy.testing.assert_allclose(drawn[2][:5], losses, rtol=1e-5)
    assert ax.get_title("left").startswith(f"Loss along the path: from {losses[0]:.3g} to")


def test_the_paraboloid_is_exact() -> None:
    x, y = random.normal(size=20), random.normal(size=20)
    w, b = random.normal(size=(2, 7))
    found = surfaces._bowl(x, y, w, b)
    numpy.testing.assert_allclose(found, [((i * x + j - y) ** 2).mean() for i, j in zip(w, b, strict=True)], rtol=1e-12)
    slope, intercept = numpy.polyfit(x, y, 1)
    ax = plot.paraboloid(x, y, kind="contour")
    numpy.testing.assert_allclose(numpy.ravel(ax.lines[-1].get_data()), [slope, intercept])


def test_the_path_lies_on_the_paraboloid() -> None:
    x, y = numpy.array([0.0, 1.0, 2.0]), numpy.array([1.0, 3.0, 5.0])
    ax = plot.paraboloid(x, y, path=[[0.0, 0.0], [1.0, 0.5], [2.0, 1.0]])
    assert ax.lines[0].get_data_3d()[2] == pytest.approx([35 / 3, ((0.5) ** 2 + 1.5**2 + 2.5**2) / 3, 0.0], abs=1e-12)


def test_what_a_surface_shows_by_itself() -> None:
    assert plot.loss_surface(network(), X, Y, points=3).get_xlabel() == "first random direction"
    assert plot.loss_surface(linear(), [[1.0]], [1.0], points=3).get_ylabel() == "dense/bias[0]"
    path = [planes.weights(network()) * share for share in (1.0, 0.9, 0.7)]
    assert "principal" in plot.loss_surface(network(), X, Y, path=path, points=3).get_xlabel()


def test_what_does_not_suit_is_refused(pyplot: Any) -> None:
    model = network()
    with pytest.raises(UnknownNameError, match=r"Known: dense/bias\[0\], dense/kernel\[0,0\], dense_1/bias"):
        plot.loss_surface(model, X, Y, ("dense/kernal[0,0]", "dense/bias[0]"))
    with pytest.raises(ArgumentError, match=r"its last weight is dense/kernel\[1,2\]"):
        plot.loss_surface(model, X, Y, ("dense/kernel[2,0]", "dense/bias[0]"))
    with pytest.raises(ArgumentError, match="must differ"):
        plot.loss_surface(model, X, Y, ("dense/bias[0]", "dense/bias[0]"))
    with pytest.raises(ArgumentError, match=r"Recorder\(\)"):
        plot.loss_surface(model, X, Y, "path")
    with pytest.raises(UnknownNameError, match="Known: path, random"):
        plot.loss_surface(model, X, Y, "randm")
    with pytest.raises(UnknownNameError, match="Known: 3d, contour"):
        plot.loss_surface(model, X, Y, kind="4d")
    with pytest.raises(ShapeError, match="the path has 2 weights in a step, the model 13"):
        plot.loss_surface(model, X, Y, path=[[1.0, 2.0], [1.0, 3.0]])
    with pytest.raises(StateError, match=r"call model\.compile"):
        plot.loss_surface(pl.Sequential([pl.layers.Dense(1, input_shape=(2,))]), X, Y)
    with pytest.raises(ArgumentError, match="projection='3d'"):
        plot.loss_surface(model, X, Y, kind="3d", ax=pyplot.gca())
    with pytest.raises(ArgumentError, match="valley without a bottom"):
        plot.paraboloid([1, 1], [1, 2])


def test_a_network_of_several_inputs() -> None:
    first, second = pl.Input((1,), name="first"), pl.Input((1,), name="second")
    joined = pl.layers.Concatenate()([first, second])
    model = pl.Model([first, second], pl.layers.Dense(1, use_bias=False, name="last")(joined), seed=0)
    model.compile("sgd", "mse")
    for given in ({"first": X[:, :1], "second": X[:, 1:]}, [X[:, :1], X[:, 1:]]):
        loss = planes.Loss(model, given, Y)
        assert loss(numpy.array([0.5, -1.0])) == pytest.approx(((X @ [[0.5], [-1.0]] - Y) ** 2).mean(), rel=1e-5)
