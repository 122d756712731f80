"""Normalising layers in training: batch statistics, moving averages, frozen and shared layers, extremes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid import ops
from pellucid.core.autodiff import gradients
from pellucid.core.graph import Program
from pellucid.core.random import make_key
from pellucid.core.sources import feed
from pellucid.errors import ArgumentError, ShapeError
from pellucid.execute import executor
from pellucid.layers import (
    BatchNormalization,
    Dense,
    GroupNormalization,
    Input,
    LayerNormalization,
    RMSNormalization,
    UnitNormalization,
)
from pellucid.nn.construction import Construction, constructing


@pytest.fixture(params=["numpy", "native"])
def runs_on(request: pytest.FixtureRequest) -> Any:
    if request.param == "native":
        pytest.importorskip("pellucid._native", reason="the extension is not built")
    return executor(request.param)


def step(layer: Any, x: np.ndarray, g: np.ndarray, runs_on: Any) -> list[np.ndarray]:
    """A step of training: the output, the derivatives of Σ g·y in x and in γ and β, and the averages updated."""
    fed, key = feed(x.shape), feed((4,), "uint32")
    construction = Construction(training=True, key=key)
    with constructing(construction):
        y = layer(fed)
    found = gradients(ops.sum(y * g), [fed, *(variable.tensor for variable in layer.trainable_variables)])
    program = Program((fed, key), (y, *found), tuple(construction.updates))
    result: list[np.ndarray] = runs_on.compile(program)(x, make_key(0))
    return result


@pytest.mark.parametrize("shape", [(7, 3), (1, 5), (6, 1), (4, 9, 16), (3, 5, 4, 6), (130, 33)])
def test_batch_normalization_trains_as_in_pytorch(shape: tuple[int, ...], runs_on: Any) -> None:
    torch = pytest.importorskip("torch")
    random, size = np.random.default_rng(1), shape[-1]
    layer = BatchNormalization(momentum=0.9, epsilon=1e-2)
    layer(Input(shape=shape[1:]))
    weights = [random.uniform(0.5, 2, size).astype(np.float32) for _ in range(4)]
    layer.set_weights(weights)
    gamma, beta, mean, variance = (torch.tensor(weight.astype(np.float64)) for weight in weights)
    gamma.requires_grad_(), beta.requires_grad_()
    for _ in range(3):
        x, g = (random.normal(2, 3, shape).astype(np.float32) for _ in range(2))
        y, dx, dgamma, dbeta = step(layer, x, g, runs_on)
        z = torch.tensor(x.astype(np.float64), requires_grad=True)
        rows = z.reshape(-1, size)
        if len(rows) > 1:
            own = torch.nn.functional.batch_norm(rows, None, None, gamma, beta, True, eps=1e-2)
        else:
            own = (rows - rows) * gamma + beta  # PyTorch refuses one row
        own = own.reshape(shape)
        expected = torch.autograd.grad((own * torch.tensor(g)).sum(), [z, gamma, beta])
        mean = mean * 0.9 + rows.mean(0).detach() * 0.1
        variance = variance * 0.9 + rows.var(0, correction=0).detach() * 0.1
        for got, wanted in zip((y, dx, dgamma, dbeta), (own.detach(), *expected), strict=True):
            np.testing.assert_allclose(got, wanted.numpy(), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(layer.moving_mean.value, mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.value, variance, rtol=1e-5)


def test_batch_normalization_by_hand(runs_on: Any) -> None:
    layer = BatchNormalization(momentum=0.5, epsilon=0.0)
    layer(Input(shape=(2,)))
    x = np.array([[1, 10], [3, 30]], np.float32)  # means 2 and 20, variances 1 and 100
    y, *_ = step(layer, x, np.ones_like(x), runs_on)
    np.testing.assert_allclose(y, [[-1, -1], [1, 1]], rtol=1e-6)
    np.testing.assert_allclose(layer.moving_mean.value, [1, 10])
    np.testing.assert_allclose(layer.moving_variance.value, [1, 50.5])


def test_a_frozen_layer_predicts_in_training(runs_on: Any) -> None:
    layer = BatchNormalization(epsilon=0.0, trainable=False)
    layer(Input(shape=(1,)))
    layer.set_weights([[3.0], [1.0], [5.0], [4.0]])
    y, _ = step(layer, np.array([[7], [9]], np.float32), np.ones((2, 1), np.float32), runs_on)
    np.testing.assert_allclose(y, [[4], [7]])  # 3·(7 - 5)/2 + 1
    assert layer.moving_mean.value == 5


def test_a_frozen_network_freezes_the_layers_inside() -> None:
    inner = pl.Sequential([Input(shape=(3,)), Dense(4), BatchNormalization()])
    model = pl.Sequential([Input(shape=(3,)), inner, Dense(1)])
    inner.trainable = False
    before = inner.get_weights()
    model.compile(optimizer="sgd", loss="mse")
    model.fit(np.ones((8, 3)), np.ones((8, 1)), verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, inner.get_weights(), strict=True))
    assert not pl.Sequential.from_config(inner.get_config()).trainable_variables


def test_a_shared_layer_counts_both_uses(runs_on: Any) -> None:
    shared = BatchNormalization(momentum=0.5)
    first, second = feed((2, 1)), feed((2, 1))
    construction = Construction(training=True)
    with constructing(construction):
        y = shared(first) + shared(second)
    program = Program((first, second), (y,), tuple(construction.updates))
    runs_on.compile(program)(np.float32([[1], [3]]), np.float32([[5], [7]]))
    assert shared.moving_mean.value == 3.5  # 0 → 1 → (1 + 6)/2


def test_moving_averages_are_saved_and_evaluated_with(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    x, y = random.normal(5, 2, (64, 3)), random.normal(size=(64, 1))
    model = pl.Sequential([Input(shape=(3,)), BatchNormalization(momentum=0.5), Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    model.fit(x, y, batch_size=16, epochs=3, verbose=0)
    gamma, beta, mean, variance, kernel, bias = model.get_weights()
    assert abs(mean - 5).max() < 2
    expected = ((x - mean) / np.sqrt(variance + 1e-3) * gamma + beta) @ kernel + bias
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-4, atol=1e-5)
    loss = float(np.mean((expected - y) ** 2))
    assert model.evaluate(x, y) == pytest.approx(loss, rel=1e-5)
    model.save(tmp_path / "model.safetensors")
    again = pl.models.load_model(tmp_path / "model.safetensors")
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights(), strict=True))
    np.testing.assert_array_equal(model.predict(x), again.predict(x))
    assert again.count_params() == 16
    assert len(again.trainable_variables) == 4


def test_a_large_mean_costs_no_digits(runs_on: Any) -> None:
    x = (1e4 + np.random.default_rng(3).normal(size=(512, 3))).astype(np.float32)
    exact = x.astype(np.float64)
    layer = BatchNormalization(epsilon=0.0, momentum=0.0)
    layer(Input(shape=(3,)))
    y, *_ = step(layer, x, np.ones_like(x), runs_on)
    np.testing.assert_allclose(y, (exact - exact.mean(0)) / exact.std(0), atol=1e-2)
    np.testing.assert_allclose(layer.moving_variance.value, exact.var(0), rtol=1e-4)


@pytest.mark.parametrize(
    "layer",
    [
        BatchNormalization(),
        LayerNormalization(),
        GroupNormalization(1),
        UnitNormalization(),
        pl.layers.RMSNormalization(),
    ],
)
@pytest.mark.parametrize("value", [0.0, 7.0, -3e-30, 1e18])
def test_constant_values_stay_finite(layer: Any, value: float, runs_on: Any) -> None:
    x = np.full((4, 6), value, np.float32)
    y, dx, *_ = step(layer, x, np.ones_like(x), runs_on)
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()
    if not isinstance(layer, (UnitNormalization, RMSNormalization)):
        assert not y.any()


def test_refusals() -> None:
    with pytest.raises(ShapeError, match=r"cannot part 6 channels into 4 equal groups"):
        GroupNormalization(groups=4)(Input(shape=(6,)))
    with pytest.raises(ArgumentError, match="includes the batch"):
        BatchNormalization(axis=0)(Input(shape=(6,)))
    with pytest.raises(ShapeError, match="outside a value of 2 axes"):
        LayerNormalization(axis=2)(Input(shape=(6,)))
    with pytest.raises(ArgumentError, match="momentum must be a finite number from 0 to 1"):
        BatchNormalization(momentum=1.5)
    with pytest.raises(ShapeError, match="known size"):
        BatchNormalization()(Input(shape=(3, None)))
