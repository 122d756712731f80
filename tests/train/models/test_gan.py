"""`GAN`: a step worked out by hand, a distribution learned, and both networks in one file."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from pellucid import Input, Sequential
from pellucid.errors import ArgumentError, ShapeError, StateError
from pellucid.layers import BatchNormalization, Dense
from pellucid.losses import BinaryCrossentropy
from pellucid.models import GAN, load_model
from pellucid.optimizers import SGD, Adam

REAL = (numpy.random.default_rng(0).normal(size=(600, 2)) * 0.3 + [2.0, -1.0]).astype(numpy.float32)


def gan(seed: int = 0) -> GAN:
    generator = Sequential([Input((4,)), Dense(16, "relu"), BatchNormalization(), Dense(2)], seed=1)
    return GAN(generator, Sequential([Input((2,)), Dense(16, "tanh"), Dense(1, "sigmoid")], seed=2), seed=seed)


def compiled(seed: int = 0) -> GAN:
    model = gan(seed)
    model.compile(Adam(5e-3, 0.5), Adam(5e-3, 0.5))
    return model


def test_a_step_by_hand() -> None:
    """A generator that ignores its noise, g = b, and a discriminator σ(w·x): first w, then b, which sees the new w."""
    generator = Sequential([Input((1,)), Dense(1, kernel_initializer="zeros")], seed=1)
    discriminator = Sequential([Input((1,)), Dense(1, "sigmoid", use_bias=False)], seed=2)
    model = GAN(generator, discriminator, seed=0)
    generator.set_weights([[[0.0]], [2.0]])
    discriminator.set_weights([[[0.5]]])
    model.compile(SGD(0.1), SGD(0.2))
    history = model.fit(numpy.ones((4, 1)), batch_size=4, verbose=0).history

    def sigmoid(x: float) -> float:
        return float(1 / (1 + numpy.exp(-x)))

    w, b = 0.5, 2.0
    assert history["real_score"] == pytest.approx([sigmoid(w)])
    assert history["generated_score"] == pytest.approx([sigmoid(2 * w)])
    assert history["discriminator_loss"] == pytest.approx([-numpy.log(sigmoid(w)) - numpy.log(1 - sigmoid(2 * w))])
    w -= 0.2 * ((sigmoid(w) - 1) * 1 + sigmoid(w * b) * b)
    assert discriminator.get_weights()[0] == pytest.approx(w)
    assert history["generator_loss"] == pytest.approx([-numpy.log(sigmoid(w * b))])
    b -= 0.1 * (sigmoid(w * b) - 1) * w
    assert generator.get_weights()[1] == pytest.approx(b)
    assert history["loss"] == pytest.approx([history["discriminator_loss"][0] + history["generator_loss"][0]])


@pytest.mark.parametrize("kind", ["probabilities", "logits", "mse"])
def test_it_learns_where_the_data_are(kind: str) -> None:
    model = gan(3)
    loss: Any = "binary_crossentropy"
    if kind != "probabilities":
        ending = Sequential([Input((2,)), Dense(16, "tanh"), Dense(1)], seed=2)
        model = GAN(model.generator, ending, seed=3)
        loss = "mse" if kind == "mse" else BinaryCrossentropy(from_logits=True)
    model.compile(Adam(5e-3, 0.5), Adam(5e-3, 0.5), loss)
    model.fit(REAL, epochs=60, batch_size=60, verbose=0)
    made = model.generate(500, seed=1)
    numpy.testing.assert_allclose(made.mean(axis=0), [2.0, -1.0], atol=0.5)
    assert numpy.array_equal(model.generate(500, seed=1), made)
    assert not numpy.array_equal(model.generate(3), model.generate(3))


def test_both_networks_are_in_one_file(tmp_path: Any) -> None:
    model = compiled()
    model.fit(REAL, epochs=2, verbose=0)
    model.save(tmp_path / "g.safetensors")
    again = load_model(tmp_path / "g.safetensors")
    assert isinstance(again, GAN)
    assert numpy.array_equal(again.generate(5, seed=2), model.generate(5, seed=2))
    assert numpy.array_equal(again.discriminator.predict(REAL), model.discriminator.predict(REAL))
    assert again.history is not None
    assert again.history.history == model.history.history
    histories = [one.fit(REAL, epochs=2, verbose=0).history for one in (model, again)]
    assert histories[0] == histories[1]  # both optimizers' states, noise and order go on
    with pytest.raises(ArgumentError, match="exists"):
        model.save(tmp_path / "g.safetensors", overwrite=False)


def test_one_not_compiled_is_saved_too(tmp_path: Any) -> None:
    model = gan()
    model.save(tmp_path / "g.safetensors")
    again = load_model(tmp_path / "g.safetensors")
    assert numpy.array_equal(again.generate(2, seed=0), model.generate(2, seed=0))
    with pytest.raises(StateError, match="not compiled"):
        again.fit(REAL, verbose=0)


def test_both_networks_open() -> None:
    model = compiled()
    assert model.generator.trace(numpy.ones((2, 4)))["dense_1"].activation.shape == (2, 2)
    assert len(model.discriminator.why(REAL[:1], names=["a", "b"]).parts) == 2


def test_what_does_not_fit_is_refused() -> None:
    generator, discriminator = gan().generator, gan().discriminator
    with pytest.raises(ArgumentError, match="GAN: the generator must be a model"):
        GAN(Dense(2), discriminator)
    with pytest.raises(ShapeError, match=r"generator makes \[2\], the discriminator takes \[3\]"):
        GAN(generator, Sequential([Input((3,)), Dense(1, "sigmoid")]))
    with pytest.raises(ShapeError, match=r"one number per example.*it gives \[2\]"):
        GAN(generator, Sequential([Input((2,)), Dense(2)]))
    with pytest.raises(ArgumentError, match=r"discriminator.*from_logits"):
        GAN(generator, Sequential([Input((2,)), Dense(1)])).compile()
    rate = Adam()
    with pytest.raises(ArgumentError, match="share an optimizer"):
        gan().compile(rate, rate)
    with pytest.raises(StateError, match=r"gan\.compile"):
        gan().fit(REAL, verbose=0)
    with pytest.raises(StateError, match=r"gan\.compile"):
        gan().fit(iter([REAL]), verbose=0)
    with pytest.raises(ShapeError, match="3"):
        compiled().fit(numpy.ones((8, 3)), verbose=0)
