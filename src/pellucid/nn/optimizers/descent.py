"""Gradient descent, plain and with momentum."""

from __future__ import annotations

from typing import Any

from pellucid.core.graph import Tensor, composite
from pellucid.errors import ArgumentError
from pellucid.nn.optimizers.base import Optimizer, Rule, decayed
from pellucid.nn.schedules import number


@composite
def sgd(parameter: Tensor, gradient: Tensor, learning_rate: Tensor, *, weight_decay: float) -> Tensor:
    """p ← p - learning_rate·g."""
    return decayed(parameter, learning_rate, weight_decay) - learning_rate * gradient


@composite
def sgd_momentum(
    parameter: Tensor,
    gradient: Tensor,
    momentum: Tensor,
    learning_rate: Tensor,
    *,
    rate: float,
    nesterov: bool,
    weight_decay: float,
) -> tuple[Tensor, Tensor]:
    """m ← rate·m - learning_rate·g; p ← p + m, or with Nesterov's look ahead p ← p + rate·m - learning_rate·g."""
    step = learning_rate * gradient
    m = momentum * rate - step
    return decayed(parameter, learning_rate, weight_decay) + (m * rate - step if nesterov else m), m


class SGD(Optimizer):
    """Stochastic gradient descent: p ← p - learning_rate·g. Robbins & Monro 1951.

    With `momentum` (Polyak 1964) a velocity is followed; with `nesterov` (Nesterov 1983; Sutskever et al. 2013) it
    looks one step ahead.

    >>> SGD(0.1, momentum=0.9).learning_rate
    0.1
    """

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, name)
        if not 0.0 <= number("momentum", momentum) <= 1.0:
            raise ArgumentError(f"SGD: momentum must be from 0 to 1, got {momentum!r}")
        self.momentum, self.nesterov = float(momentum), nesterov

    def slots(self) -> dict[str, float]:
        return {"momentum": 0.0} if self.momentum else {}

    def rule(self) -> Rule:
        return sgd_momentum if self.momentum else sgd

    def attributes(self) -> dict[str, float]:
        return {"rate": self.momentum, "nesterov": self.nesterov} if self.momentum else {}
