"""`VAE`: its loss against the formulas of Kingma & Welling in NumPy, and what it draws."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from pellucid import Input, Model, Sequential
from pellucid.errors import ArgumentError, ShapeError
from pellucid.layers import Dense, Sampling
from pellucid.models import VAE, load_model
from pellucid.optimizers import Adam


def draw(rows: int) -> numpy.ndarray:
    """Zeros and ones, independent of each other."""
    return (numpy.random.default_rng(0).random((rows, 6)) < [0.9, 0.1, 0.5, 0.2, 0.8, 0.5]).astype("float32")


X = draw(300)


def vae(seed: int = 0) -> VAE:
    x = Input((6,))
    hidden = Dense(8, "tanh")(x)
    encoder = Model(x, [Dense(2, name="mean")(hidden), Dense(2, name="log_variance")(hidden)], seed=1)
    model = VAE(encoder, Sequential([Input((2,)), Dense(6, "sigmoid")], seed=2), seed=seed)
    model.compile(Adam(0.01))
    return model


def test_both_parts_of_the_loss() -> None:
    """Against NumPy: the divergence exactly, the reconstruction by the mean over many draws."""
    model = vae()
    found = [model.evaluate(X, return_dict=True) for _ in range(40)]
    mean, log_variance = (value.astype(float) for value in model.encoder.predict(X))
    divergence = 0.5 * (mean**2 + numpy.exp(log_variance) - 1 - log_variance).sum(1).mean()
    assert found[0]["divergence_loss"] == pytest.approx(divergence, rel=1e-5)
    drawn = numpy.random.default_rng(1)
    expected = []
    for _ in range(40):
        code = mean + numpy.exp(log_variance / 2) * drawn.normal(size=mean.shape)
        p = model.decode(code.astype("float32")).astype(float)
        expected.append(-(X * numpy.log(p) + (1 - X) * numpy.log(1 - p)).sum(1).mean())
    mine = [one["reconstruction_loss"] for one in found]
    assert numpy.mean(mine) == pytest.approx(numpy.mean(expected), abs=4 * numpy.std(expected) / 40**0.5)
    assert numpy.std(mine) == pytest.approx(numpy.std(expected), rel=0.5)  # it draws, and as widely
    for one in found:
        assert one["loss"] == pytest.approx(one["reconstruction_loss"] + one["divergence_loss"], rel=1e-5)


def test_training_comes_near_the_best_bound() -> None:
    """Independent elements: no code helps, so that the best ELBO is minus their entropy, and the divergence is 0."""
    x = draw(4000)
    history = vae().fit(x, epochs=30, verbose=0, validation_data=x).history
    p = x.mean(0)
    entropy = -(p * numpy.log(p) + (1 - p) * numpy.log(1 - p)).sum()
    assert history["val_loss"][-1] == pytest.approx(entropy, rel=0.03)
    assert history["val_divergence_loss"][-1] < 0.05
    assert set(history) >= {"loss", "reconstruction_loss", "divergence_loss", "val_reconstruction_loss"}


def test_predicting_draws_nothing() -> None:
    model = vae()
    assert numpy.array_equal(model.predict(X), model.predict(X))
    assert numpy.array_equal(model.predict(X), model.decode(model.encode(X)))
    assert numpy.array_equal(model.encode(X), model.encoder.predict(X)[0])


def test_generating() -> None:
    model = vae()
    made = model.generate(2000, seed=5)
    codes = numpy.random.default_rng(5).standard_normal((2000, 2), "float32")
    assert numpy.array_equal(made, model.decode(codes))
    assert not numpy.array_equal(model.generate(3), model.generate(3))
    with pytest.raises(ArgumentError, match="count"):
        model.generate(0)


def test_a_whole_one_is_in_one_file(tmp_path: Any) -> None:
    model = vae()
    model.fit(X, verbose=0)
    model.save(tmp_path / "v.safetensors")
    again = load_model(tmp_path / "v.safetensors")
    assert isinstance(again, VAE)
    histories = [one.fit(X, epochs=2, verbose=0).history for one in (model, again)]
    assert histories[0] == histories[1]
    assert numpy.array_equal(again.generate(4, seed=1), model.generate(4, seed=1))


def test_every_part_opens() -> None:
    trace = vae().trace(X[:3], X[:3])
    layer = trace["code"]
    z = trace["encoder/mean"].activation + layer.parts["standard_deviation"] * layer.parts["noise"]
    numpy.testing.assert_allclose(layer.activation, z, rtol=1e-5)


def test_a_named_penalty_is_in_the_history() -> None:
    """Of any model, beside the losses of its outputs."""
    x = Input((4,))
    code = Sampling()(Dense(2)(x), Dense(2)(x))
    model = Model(x, [Dense(1, name="a")(code), Dense(1, name="b")(code)], seed=0)
    model.compile("sgd", "mse")
    history = model.fit(numpy.ones((8, 4)), [numpy.ones((8, 1))] * 2, verbose=0).history
    assert list(history) == ["loss", "a_loss", "b_loss", "divergence_loss"]
    assert history["loss"][0] == pytest.approx(sum(history[name][0] for name in list(history)[1:]), rel=1e-5)


def test_what_does_not_fit_is_refused() -> None:
    decoder = Sequential([Input((2,)), Dense(6, "sigmoid")])
    with pytest.raises(ArgumentError, match=r"VAE: the encoder must have 2 outputs, got 1"):
        VAE(Sequential([Input((6,)), Dense(2)]), decoder)
    x = Input((6,))
    with pytest.raises(ShapeError, match=r"encoder makes \[2\] and \[3\], the decoder takes"):
        VAE(Model(x, [Dense(2)(x), Dense(3)(x)]), decoder)
    with pytest.raises(ShapeError, match="must be equal"):
        Sampling()(Input((2,)), Input((3,)))
