"""`Autoencoder`: against principal components, which are what a linear one finds, and by hand."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from pellucid import Input, Model, Sequential
from pellucid.errors import ArgumentError, ShapeError, StateError
from pellucid.layers import Dense, Rescaling
from pellucid.models import Autoencoder, load_model
from pellucid.optimizers import Adam

RANDOM = numpy.random.default_rng(0)
X = (RANDOM.normal(size=(200, 2)) @ RANDOM.normal(size=(2, 5)) + 0.1 * RANDOM.normal(size=(200, 5))).astype("float32")
X -= X.mean(0)


def linear(codes: int = 2) -> Autoencoder:
    encoder = Sequential([Input((5,)), Dense(codes, use_bias=False)], seed=1)
    return Autoencoder(encoder, Sequential([Input((codes,)), Dense(5, use_bias=False)], seed=2), seed=3)


def fitted() -> Autoencoder:
    model = linear()
    model.compile(Adam(0.01), "mse")
    model.fit(X, epochs=300, batch_size=20, verbose=0)
    return model


def test_a_linear_one_finds_the_principal_components() -> None:
    """The least error that two numbers leave is that of the first two components (Bourlard & Kamp 1988)."""
    values = numpy.linalg.svd(X, compute_uv=False)
    least = float((values[2:] ** 2).sum() / X.size)
    model = fitted()
    assert least < model.evaluate(X) < 1.05 * least
    assert model.errors(X).mean() == pytest.approx(model.evaluate(X), rel=1e-5)


def test_by_hand() -> None:
    model = linear(1)
    model.encoder.set_weights([[[1.0], [0], [0], [0], [2]]])
    model.decoder.set_weights([[[1.0, 0, 0, 0, 3]]])
    x = numpy.float32([[1, 0, 0, 0, 1], [0, 2, 0, 0, 0]])
    assert model.encode(x).tolist() == [[3.0], [0.0]]
    assert model.decode([[3.0]]).tolist() == [[3.0, 0, 0, 0, 9]]
    assert model.predict(x).tolist() == [[3.0, 0, 0, 0, 9], [0, 0, 0, 0, 0]]
    assert model.errors(x) == pytest.approx([(2**2 + 8**2) / 5, 2**2 / 5])


def test_an_example_is_its_own_label() -> None:
    model = linear()
    model.compile("adam", "mse")
    history = model.fit(X, epochs=2, validation_data=X[:50], verbose=0).history
    assert history["val_loss"][-1] == pytest.approx(model.evaluate(X[:50], X[:50]), rel=1e-5)
    assert model.evaluate(X, 0 * X) != pytest.approx(model.evaluate(X), rel=1e-2)  # another label, where one is given
    kept = model.fit(X, validation_split=0.2, verbose=0).history
    assert kept["val_loss"][0] == pytest.approx(model.evaluate(X[-40:]), rel=1e-5)


def test_a_whole_one_is_in_one_file(tmp_path: Any) -> None:
    model = fitted()
    model.save(tmp_path / "a.safetensors")
    again = load_model(tmp_path / "a.safetensors")
    assert isinstance(again, Autoencoder)
    assert numpy.array_equal(again.encode(X), model.encode(X))
    assert numpy.array_equal(again.decode([[1.0, 2.0]]), model.decode([[1.0, 2.0]]))
    assert again.history is not None
    for one in (model, again):
        one.fit(X, epochs=1, verbose=0)
    assert numpy.array_equal(again.predict(X), model.predict(X))  # Adam's state and the order of examples, too


def test_it_opens() -> None:
    model = fitted()
    trace = model.trace(X[:2], X[:2])
    numpy.testing.assert_allclose(trace["encoder/dense"].activation, model.encode(X[:2]), rtol=1e-5)
    assert "Autoencoder" not in model.diagram(x=X[:1]).text()
    assert "encoder: Sequential, 2 values" in model.diagram(x=X[:1]).text()
    step = model.explain_step(X[:4], X[:4], "encoder/dense/kernel[0,0]")
    # ∂/∂w₀₀ of mean (x·E·D - x)²
    e, d = (network.get_weights()[0].astype(float) for network in (model.encoder, model.decoder))
    x = X[:4].astype(float)
    assert step.weights[0].gradient == pytest.approx((x.T @ (2 * (x @ e @ d - x) / x.size) @ d.T)[0, 0], rel=1e-6)


def test_what_does_not_fit_is_refused() -> None:
    encoder, decoder = (Sequential([Input((n,)), Dense(7 - n)]) for n in (5, 2))
    assert [layer.name for layer in Autoencoder(encoder, decoder).layers] == ["encoder", "decoder"]
    with pytest.raises(ArgumentError, match=r"decoder must be a model.*Sequential"):
        Autoencoder(encoder, Dense(5))
    with pytest.raises(StateError, match=r"encoder is not built.*Input"):
        Autoencoder(Sequential([Dense(5)]), decoder)
    with pytest.raises(ShapeError, match=r"encoder makes \[2\], the decoder takes \[5\]"):
        Autoencoder(encoder, Sequential([Input((5,)), Dense(5)]))
    with pytest.raises(ShapeError, match=r"decoder makes \[4\] of an example of shape \[5\]"):
        Autoencoder(encoder, Sequential([Input((2,)), Dense(4)]))
    x = Input((5,))
    with pytest.raises(ArgumentError, match=r"encoder must have 1 output, got 2"):
        Autoencoder(Model(x, [Dense(2)(x), Rescaling(2.0)(x)]), decoder)
