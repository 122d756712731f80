"""Optimizers that divide each element's step by how large its gradients have been: Adagrad, RMSprop, Adadelta."""

from __future__ import annotations

from typing import Any

from pellucid.core.graph import Tensor, composite
from pellucid.nn.optimizers.base import Optimizer, Rule, decayed
from pellucid.nn.schedules import at_least, within
from pellucid.ops import sqrt, square


@composite
def rmsprop(
    parameter: Tensor, gradient: Tensor, *state: Tensor, rho: float, momentum: float, epsilon: float, centered: bool,
    weight_decay: float,
) -> tuple[Tensor, ...]:  # fmt: skip
    """v ← ρ·v + (1 - ρ)·g²; p ← p - learning_rate·g / √(v + ε). Centered: v less the square of the gradients' mean.

    With momentum the steps are added up: m ← momentum·m + step; p ← p - m.
    """
    *slots, learning_rate = state
    velocity = rho * slots[0] + (1.0 - rho) * square(gradient)
    results, spread = [velocity], velocity
    if momentum:
        results.append(slots[1])
    if centered:
        average = rho * slots[-1] + (1.0 - rho) * gradient
        results.append(average)
        spread = velocity - square(average)
    step = learning_rate * gradient / sqrt(spread + epsilon)
    if momentum:
        step = results[1] = momentum * slots[1] + step
    return decayed(parameter, learning_rate, weight_decay) - step, *results


class RMSprop(Optimizer):
    """p ← p - learning_rate·g / √(v + ε) with v a running mean of g². Tieleman & Hinton 2012.

    >>> RMSprop().learning_rate
    0.001
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, name)
        self.rho, self.momentum = within("rho", rho, 0.0, 1.0), within("momentum", momentum, 0.0, 1.0)
        self.epsilon, self.centered = at_least("epsilon", epsilon, 0.0), centered

    def slots(self) -> dict[str, float]:
        names = ["velocity", *(["momentum"] if self.momentum else []), *(["average_gradient"] if self.centered else [])]
        return dict.fromkeys(names, 0.0)

    def rule(self) -> Rule:
        return rmsprop

    def attributes(self) -> dict[str, float]:
        return {"rho": self.rho, "momentum": self.momentum, "epsilon": self.epsilon, "centered": self.centered}


@composite
def adagrad(
    parameter: Tensor,
    gradient: Tensor,
    accumulator: Tensor,
    learning_rate: Tensor,
    *,
    epsilon: float,
    weight_decay: float,
) -> tuple[Tensor, Tensor]:
    """a ← a + g²; p ← p - learning_rate·g / √(a + ε)."""
    a = accumulator + square(gradient)
    return decayed(parameter, learning_rate, weight_decay) - learning_rate * gradient / sqrt(a + epsilon), a


class Adagrad(Optimizer):
    """p ← p - learning_rate·g / √(a + ε) with a the sum of all g² so far. Duchi, Hazan, Singer 2011.

    >>> Adagrad(initial_accumulator_value=0.5).slots()
    {'accumulator': 0.5}
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, name)
        self.initial_accumulator_value = at_least("initial_accumulator_value", initial_accumulator_value, 0.0)
        self.epsilon = at_least("epsilon", epsilon, 0.0)

    def slots(self) -> dict[str, float]:
        return {"accumulator": self.initial_accumulator_value}

    def rule(self) -> Rule:
        return adagrad

    def attributes(self) -> dict[str, float]:
        return {"epsilon": self.epsilon}


@composite
def adadelta(
    parameter: Tensor, gradient: Tensor, accumulated_grad: Tensor, accumulated_delta: Tensor, learning_rate: Tensor, *,
    rho: float, epsilon: float, weight_decay: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """a ← ρ·a + (1 - ρ)·g²; step = g·√(d + ε) / √(a + ε); d ← ρ·d + (1 - ρ)·step²; p ← p - learning_rate·step."""
    a = rho * accumulated_grad + (1.0 - rho) * square(gradient)
    step = sqrt(accumulated_delta + epsilon) * gradient / sqrt(a + epsilon)
    d = rho * accumulated_delta + (1.0 - rho) * square(step)
    return decayed(parameter, learning_rate, weight_decay) - learning_rate * step, a, d


class Adadelta(Optimizer):
    """Steps in proportion to the size of earlier steps, so that units fit. Zeiler 2012 (whose learning rate is 1).

    >>> Adadelta(1.0).rho
    0.95
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, name)
        self.rho, self.epsilon = within("rho", rho, 0.0, 1.0), at_least("epsilon", epsilon, 0.0)

    def slots(self) -> dict[str, float]:
        return {"accumulated_grad": 0.0, "accumulated_delta_var": 0.0}

    def rule(self) -> Rule:
        return adadelta

    def attributes(self) -> dict[str, float]:
        return {"rho": self.rho, "epsilon": self.epsilon}
