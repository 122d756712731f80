"""The update that is shown is the one that the optimizer makes, for each optimizer and option."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

import pellucid
from pellucid import optimizers
from pellucid.explain.notation import TEXT
from pellucid.layers import Dense, Input
from pellucid.optimizers import schedules

DRAW = numpy.random.default_rng(5)
X, Y = DRAW.normal(size=(4, 3)).astype("float32"), DRAW.normal(size=(4, 1)).astype("float32")
CHOICES: dict[str, Any] = {
    "SGD": lambda: optimizers.SGD(0.1),
    "momentum": lambda: optimizers.SGD(0.1, momentum=0.9),
    "Nesterov": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "weight decay": lambda: optimizers.SGD(0.1, weight_decay=0.01),
    "schedule": lambda: optimizers.SGD(schedules.ExponentialDecay(0.1, 2, 0.5)),
    "cosine": lambda: optimizers.Adam(schedules.CosineDecay(0.1, 10)),
    "clipvalue": lambda: optimizers.SGD(0.1, clipvalue=0.01),
    "clipnorm": lambda: optimizers.SGD(0.1, clipnorm=0.01),
    "global_clipnorm": lambda: optimizers.Adam(0.1, global_clipnorm=0.01),
    "RMSprop": lambda: optimizers.RMSprop(0.01),
    "RMSprop, centered": lambda: optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "Adagrad": lambda: optimizers.Adagrad(0.01),
    "Adadelta": lambda: optimizers.Adadelta(1.0),
    "Adam": lambda: optimizers.Adam(0.01),
    "AMSGrad": lambda: optimizers.Adam(0.01, amsgrad=True),
    "AdamW": lambda: optimizers.AdamW(0.01),
    "Nadam": lambda: optimizers.Nadam(0.01),
    "Adamax": lambda: optimizers.Adamax(0.01),
    "Lion": lambda: optimizers.Lion(0.01),
}


def network(optimizer: Any) -> pellucid.Model:
    model = pellucid.Sequential([Input((3,)), Dense(2, "tanh", name="hidden"), Dense(1, name="out")], seed=2)
    model.compile(optimizer, "mse")
    return model


@pytest.mark.parametrize("kind", CHOICES)
def test_the_update_is_the_one_of_training(kind: str) -> None:
    model = network(CHOICES[kind]())
    for _ in range(3):  # so that running averages are not zero
        model.train_on_batch(X, Y)
    step = model.explain_step(X, Y, weight=["hidden/kernel[1,0]", "out/bias[0]"])
    slots = [variable.value.copy() for variable in model.optimizer.variables]
    model.train_on_batch(X, Y)
    assert any((old != new.value).any() for old, new in zip(slots, model.optimizer.variables, strict=True))
    kernel, *_, bias = model.get_weights()
    found = [weight.new for weight in step.weights]
    assert found == pytest.approx([float(kernel[1, 0]), float(bias[0])], rel=1e-5, abs=1e-6)
    for weight in step.weights:
        for equation in (*weight.update, *weight.aside):
            assert numpy.isfinite(equation.value)
            assert len(TEXT.equation(equation.symbol, equation.expression)) < 400


def test_adam_shows_its_running_averages() -> None:
    model = network(optimizers.Adam(0.01))
    text = model.explain_step(X[:1], Y[:1], weight="w1").text()
    for line in (
        "correction_1 = 1 − 0.9^(steps + 1) = 1 − 0.9^(0 + 1) = 0.1",
        "m′ = m + 0.1·(∂L/∂w₁ − m) = 0 + 0.1·(",
        "v′ = v + 0.001·((∂L/∂w₁)² − v) = 0 + 0.001·(",
        "w₁′ = w₁ − m′·(η·√correction_2 / correction_1) / (√v′ + 1·10⁻⁷)",
    ):
        assert line in text, line


def test_momentum_and_clipping_by_hand() -> None:
    model = network(optimizers.SGD(0.1, momentum=0.9, clipvalue=0.01))
    model.train_on_batch(X, Y)
    (weight,) = model.explain_step(X, Y, weight="w1").weights
    old = float(model.optimizer.variables[2].value[0, 0])
    clipped = min(max(weight.gradient, -0.01), 0.01)
    momentum, new = weight.update
    assert momentum.value == pytest.approx(0.9 * old - 0.1 * clipped, rel=1e-5)
    assert new.value == pytest.approx(weight.value + momentum.value, rel=1e-5)
    assert "min(max(∂L/∂w₁, −0.01), 0.01)" in TEXT.write(momentum.expression)
