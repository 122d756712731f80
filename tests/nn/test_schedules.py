"""Schedules: by hand, against Keras where it is installed, and inside a graph."""

from __future__ import annotations

import math
from typing import Any

import numpy
import pytest

from pellucid.core.evaluate import evaluate
from pellucid.core.sources import feed
from pellucid.errors import ArgumentError
from pellucid.nn import schedules
from pellucid.nn.schedules import (
    CosineDecay,
    ExponentialDecay,
    InverseTimeDecay,
    LinearWarmup,
    PiecewiseConstantDecay,
    PolynomialDecay,
    Schedule,
)

STEPS = [0, 1, 2, 5, 9, 10, 11, 15, 20, 21, 37, 100, 1000]

# Each with the name and arguments of Keras's own.
CASES = [
    ExponentialDecay(0.1, 10, 0.5),
    ExponentialDecay(0.1, 10, 0.5, staircase=True),
    InverseTimeDecay(0.1, 10, 0.7),
    InverseTimeDecay(0.1, 10, 0.7, staircase=True),
    PolynomialDecay(0.1, 20),
    PolynomialDecay(0.1, 20, 0.01, power=2.0),
    PolynomialDecay(0.1, 10, 0.01, power=0.5, cycle=True),
    PiecewiseConstantDecay([10, 20], [0.1, 0.01, 0.001]),
    CosineDecay(0.1, 20),
    CosineDecay(0.1, 20, alpha=0.1),
    CosineDecay(0.0, 20, warmup_target=0.1, warmup_steps=10),
    CosineDecay(0.02, 20, alpha=0.5, warmup_target=0.1, warmup_steps=5),
]


@pytest.mark.parametrize("schedule", CASES, ids=repr)
def test_against_keras(keras: Any, schedule: Schedule) -> None:
    config = schedule.get_config()
    theirs = getattr(keras.optimizers.schedules, config["class_name"])(**config["config"])
    for step in STEPS:
        assert schedule(step) == pytest.approx(float(theirs(step)), rel=2e-6, abs=2e-8), step


def test_exponential_by_hand() -> None:
    # 0.8·0.5^(30/10) = 0.8/8 = 0.1; with staircase ⌊35/10⌋ = 3 gives the same.
    assert ExponentialDecay(0.8, 10, 0.5)(30) == pytest.approx(0.1)
    assert ExponentialDecay(0.8, 10, 0.5, staircase=True)(35) == pytest.approx(0.1)


def test_cosine_by_hand() -> None:
    # A third of the way cos(π/3) = 1/2, so ½·(1 + ½) = 3/4 of the rate; at the end and later nothing is left.
    assert CosineDecay(1.0, 30)(10) == pytest.approx(0.75, rel=1e-6)
    assert CosineDecay(1.0, 30)(30) == pytest.approx(0.0, abs=1e-7)
    assert CosineDecay(1.0, 30)(10**9) >= 0.0


def test_cosine_is_accurate_everywhere() -> None:
    schedule = CosineDecay(1.0, 1000)
    for step in range(0, 1001, 37):
        assert schedule(step) == pytest.approx((1 + math.cos(math.pi * step / 1000)) / 2, abs=2e-7)


def test_piecewise_holds_a_value_up_to_its_boundary() -> None:
    schedule = PiecewiseConstantDecay([2, 4], [1.0, 0.5, 0.25])
    assert [schedule(step) for step in range(6)] == [1.0, 1.0, 1.0, 0.5, 0.5, 0.25]


def test_warmup_rises_and_then_follows() -> None:
    # Over 4 steps to 0.4: 0, 0.1, 0.2, 0.3; then the other schedule from its own step 0.
    constant = LinearWarmup(0.4, 4)
    assert [round(constant(step), 6) for step in (0, 1, 2, 3, 4, 50)] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.4]
    other = ExponentialDecay(0.4, 1, 0.5)
    assert [round(LinearWarmup(other, 4)(step), 6) for step in (2, 4, 5, 6)] == [0.2, 0.4, 0.2, 0.1]
    assert LinearWarmup(0.4, 4, initial_learning_rate=0.2)(1) == pytest.approx(0.25)


@pytest.mark.parametrize("schedule", [*CASES, LinearWarmup(CosineDecay(0.1, 20), 5)], ids=repr)
def test_in_a_graph_and_through_its_configuration(schedule: Schedule) -> None:
    step = feed((), "int32")
    rate = schedule(step)
    assert (rate.shape, rate.dtype) == ((), "float32")
    again = schedules.get(schedule.get_config())
    assert again == schedule
    for number in STEPS:
        (value,) = evaluate([rate], {step: numpy.int32(number)})
        assert float(value) == schedule(number) == again(number)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: ExponentialDecay(0.1, 0, 0.5), "decay_steps"),
        (lambda: ExponentialDecay(-0.1, 10, 0.5), "initial_learning_rate"),
        (lambda: ExponentialDecay(0.1, 10, 0.0), "decay_rate"),
        (lambda: CosineDecay(0.1, -5), "-5"),
        (lambda: PiecewiseConstantDecay([1, 2], [0.1, 0.2]), "one more value"),
        (lambda: PiecewiseConstantDecay([2, 1], [0.1, 0.2, 0.3]), "ascend"),
        (lambda: PolynomialDecay(float("nan"), 10), "finite"),
        (lambda: LinearWarmup(0.1, 0), "warmup_steps"),
        (lambda: schedules.get({"class_name": "CosinusDecay", "config": {}}), "CosineDecay"),
        (lambda: schedules.get("fast"), "fast"),
    ],
)
def test_refusals(make: object, named: str) -> None:
    with pytest.raises(ArgumentError, match=named):
        make()  # type: ignore[operator]
