"""Learning-rate schedules: the learning rate as a function of the steps done, built into the graph of a training step.

`schedule(step)` takes the optimizer's iteration as a tensor, or a number, which gives a number. Names, arguments and
defaults are Keras 3's; `LinearWarmup` before any other is ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, overload

import numpy

from pellucid.core.graph import Tensor, composite, tensor
from pellucid.errors import ArgumentError
from pellucid.nn.registry import Configured, from_config
from pellucid.ops import cast, exp, floor, greater, less, maximum, minimum, power, square, where


class Schedule(Configured):
    """A learning rate that changes with the steps: a class of your own has a method `rate(step)`.

    >>> class Halving(Schedule):
    ...     def rate(self, step):
    ...         return 0.1 / (1.0 + step)
    >>> Halving()(1), Halving()(3)
    (0.05..., 0.025...)
    """

    @overload
    def __call__(self, step: Tensor) -> Tensor: ...
    @overload
    def __call__(self, step: float) -> float: ...
    def __call__(self, step: Tensor | float) -> Tensor | float:
        if isinstance(step, Tensor):
            return self.rate(cast(step, "float32"))
        return float(self.rate(tensor(numpy.array(step, numpy.float32))).numpy())

    def rate(self, step: Tensor) -> Tensor:
        """The learning rate after `step` steps (float32 scalar), as nodes."""
        raise NotImplementedError


@composite
def half_cosine(x: Tensor) -> Tensor:
    """½·(1 + cos πx) for x from 0 to 1: from 1 down to 0.

    cos πx = sin u with u = π·(½ - x), by Taylor's series to u¹³, whose error is below 10⁻⁹ where |u| ≤ π/2.
    """
    u = math.pi * (0.5 - x)
    result = tensor(1.0 / math.factorial(13), u.spec)
    for k in range(5, -1, -1):
        result = result * square(u) + (-1.0) ** k / math.factorial(2 * k + 1)
    return maximum(0.5 + 0.5 * (u * result), 0.0)


class ExponentialDecay(Schedule):
    """initial·decay_rate^(step / decay_steps); with `staircase` the exponent is rounded down.

    >>> ExponentialDecay(0.5, decay_steps=10, decay_rate=0.5)(20)
    0.125
    """

    def __init__(
        self, initial_learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False
    ) -> None:
        self.initial_learning_rate = at_least("initial_learning_rate", initial_learning_rate, 0.0)
        self.decay_steps = above("decay_steps", decay_steps, 0.0)
        self.decay_rate = above("decay_rate", decay_rate, 0.0)
        self.staircase = staircase

    def rate(self, step: Tensor) -> Tensor:
        p = step / self.decay_steps
        return self.initial_learning_rate * exp((floor(p) if self.staircase else p) * math.log(self.decay_rate))


class InverseTimeDecay(Schedule):
    """initial / (1 + decay_rate·step / decay_steps); with `staircase` the fraction step / decay_steps is rounded down.

    >>> InverseTimeDecay(0.5, decay_steps=10, decay_rate=1.0)(10)
    0.25
    """

    def __init__(
        self, initial_learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False
    ) -> None:
        self.initial_learning_rate = at_least("initial_learning_rate", initial_learning_rate, 0.0)
        self.decay_steps = above("decay_steps", decay_steps, 0.0)
        self.decay_rate = at_least("decay_rate", decay_rate, 0.0)
        self.staircase = staircase

    def rate(self, step: Tensor) -> Tensor:
        p = step / self.decay_steps
        return self.initial_learning_rate / (1.0 + self.decay_rate * (floor(p) if self.staircase else p))


class PolynomialDecay(Schedule):
    """end + (initial - end)·(1 - step / decay_steps)^power; then `end`, or with `cycle` again over ever longer cycles.

    >>> PolynomialDecay(1.0, decay_steps=10, end_learning_rate=0.0)(5)
    0.5
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
    ) -> None:
        self.initial_learning_rate = at_least("initial_learning_rate", initial_learning_rate, 0.0)
        self.decay_steps = above("decay_steps", decay_steps, 0.0)
        self.end_learning_rate = at_least("end_learning_rate", end_learning_rate, 0.0)
        self.power = above("power", power, 0.0)
        self.cycle = cycle

    def rate(self, step: Tensor) -> Tensor:
        if self.cycle:
            cycles = maximum(-floor(-(step / self.decay_steps)), 1.0)
            p = step / (self.decay_steps * cycles)
        else:
            p = minimum(step / self.decay_steps, 1.0)
        rest = 1.0 - p if self.power == 1.0 else power(1.0 - p, self.power)
        return (self.initial_learning_rate - self.end_learning_rate) * rest + self.end_learning_rate


class PiecewiseConstantDecay(Schedule):
    """values[0] up to and with step boundaries[0], then values[1] up to boundaries[1], … and the last value after.

    >>> schedule = PiecewiseConstantDecay([10, 20], [0.5, 0.25, 0.125])
    >>> [schedule(step) for step in (10, 11, 21)]
    [0.5, 0.25, 0.125]
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float]) -> None:
        self.boundaries = [at_least("boundaries", boundary, 0.0) for boundary in boundaries]
        self.values = [at_least("values", value, 0.0) for value in values]
        if len(self.values) != len(self.boundaries) + 1:
            raise ArgumentError(
                f"PiecewiseConstantDecay: give one more value than boundaries, got {len(self.values)} values "
                f"and {len(self.boundaries)} boundaries"
            )
        if self.boundaries != sorted(set(self.boundaries)):
            raise ArgumentError(f"PiecewiseConstantDecay: boundaries must ascend, got {list(boundaries)}")

    def rate(self, step: Tensor) -> Tensor:
        result = tensor(self.values[0], step.spec)
        for boundary, value in zip(self.boundaries, self.values[1:], strict=True):
            result = where(greater(step, boundary), value, result)
        return result


class CosineDecay(Schedule):
    """top·((1 - α)·½·(1 + cos(π·step / decay_steps)) + α), then top·α. Loshchilov & Hutter 2017.

    With `warmup_target` the rate first rises in a straight line from initial to that target over `warmup_steps` steps,
    and the cosine starts there.

    >>> CosineDecay(0.5, decay_steps=10)(5)
    0.25
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        *,
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        self.initial_learning_rate = at_least("initial_learning_rate", initial_learning_rate, 0.0)
        self.decay_steps = above("decay_steps", decay_steps, 0.0)
        self.alpha = at_least("alpha", alpha, 0.0)
        self.warmup_target = None if warmup_target is None else at_least("warmup_target", warmup_target, 0.0)
        self.warmup_steps = at_least("warmup_steps", warmup_steps, 0.0)

    def rate(self, step: Tensor) -> Tensor:
        if self.warmup_target is None:
            return self._decay(step, self.initial_learning_rate)
        decayed = self._decay(maximum(step - self.warmup_steps, 0.0), self.warmup_target)
        return rise(step, self.warmup_steps, self.initial_learning_rate, self.warmup_target, decayed)

    def _decay(self, step: Tensor, top: float) -> Tensor:
        shape = half_cosine(minimum(step / self.decay_steps, 1.0))
        return top * ((1.0 - self.alpha) * shape + self.alpha)


class LinearWarmup(Schedule):
    """A straight rise from `initial_learning_rate` over `warmup_steps` steps to a constant rate or another schedule.

    >>> LinearWarmup(0.5, warmup_steps=10)(5)
    0.25
    """

    def __init__(self, target: Any, warmup_steps: float, initial_learning_rate: float = 0.0) -> None:
        self.target: float | Schedule = get(target)
        self.warmup_steps = above("warmup_steps", warmup_steps, 0.0)
        self.initial_learning_rate = at_least("initial_learning_rate", initial_learning_rate, 0.0)

    def rate(self, step: Tensor) -> Tensor:
        if isinstance(self.target, Schedule):
            top, after = self.target(0), self.target.rate(maximum(step - self.warmup_steps, 0.0))
        else:
            top, after = self.target, tensor(self.target, step.spec)
        return rise(step, self.warmup_steps, self.initial_learning_rate, top, after)


def rise(step: Tensor, steps: float, low: float, high: float, after: Tensor) -> Tensor:
    """From low to high in a straight line over some steps, then `after`."""
    if steps == 0:
        return after
    return where(less(step, steps), low + (high - low) * (step / steps), after)


SCHEDULES: dict[str, type[Schedule]] = {
    kind.__name__: kind
    for kind in (
        CosineDecay, ExponentialDecay, InverseTimeDecay, LinearWarmup, PiecewiseConstantDecay, PolynomialDecay,
    )
}  # fmt: skip


def get(identifier: Any) -> float | Schedule:
    """A learning rate: a number of at least 0, a schedule, or a schedule's configuration.

    >>> get(0.1), get(CosineDecay(0.5, 10))(5)
    (0.1, 0.25)
    """
    if isinstance(identifier, Schedule):
        return identifier
    if isinstance(identifier, dict):
        return from_config("schedule", SCHEDULES, identifier)
    return at_least("learning_rate", identifier, 0.0)


def number(name: str, value: Any) -> float:
    """A finite number; raises `ArgumentError` otherwise."""
    try:
        result = math.nan if isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError):
        result = math.nan
    if not math.isfinite(result):
        raise ArgumentError(f"{name} must be a finite number, got {value!r}")
    return result


def at_least(name: str, value: Any, low: float) -> float:
    if number(name, value) < low:
        raise ArgumentError(f"{name} must be at least {low:g}, got {value!r}")
    return number(name, value)


def above(name: str, value: Any, low: float) -> float:
    if number(name, value) <= low:
        raise ArgumentError(f"{name} must be above {low:g}, got {value!r}")
    return number(name, value)


def within(name: str, value: Any, low: float, high: float) -> float:
    """low ≤ value < high."""
    if not low <= number(name, value) < high:
        raise ArgumentError(f"{name} must be at least {low:g} and below {high:g}, got {value!r}")
    return number(name, value)


__all__ = [
    "CosineDecay", "ExponentialDecay", "InverseTimeDecay", "LinearWarmup", "PiecewiseConstantDecay", "PolynomialDecay",
    "Schedule", "get",
]  # fmt: skip
