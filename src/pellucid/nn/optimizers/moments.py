"""Optimizers that follow running means of the gradient: Adam, AdamW, Nadam, Adamax, Lion."""

from __future__ import annotations

import math
from typing import Any

from pellucid.core.graph import Tensor, composite
from pellucid.nn.optimizers.base import Optimizer, Rule, correction, decayed
from pellucid.nn.schedules import at_least, within
from pellucid.ops import absolute, exp, maximum, sign, sqrt, square


@composite
def adam(
    parameter: Tensor, gradient: Tensor, momentum: Tensor, velocity: Tensor, learning_rate: Tensor,
    correction_1: Tensor, correction_2: Tensor, *, beta_1: float, beta_2: float, epsilon: float, weight_decay: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """m += (g - m)(1 - β₁); v += (g² - v)(1 - β₂); p -= m·α / (√v + ε), α = learning_rate·√(1 - β₂ᵗ) / (1 - β₁ᵗ)."""
    m = momentum + (gradient - momentum) * (1.0 - beta_1)
    v = velocity + (square(gradient) - velocity) * (1.0 - beta_2)
    alpha = learning_rate * sqrt(correction_2) / correction_1
    return decayed(parameter, learning_rate, weight_decay) - m * alpha / (sqrt(v) + epsilon), m, v


@composite
def amsgrad(
    parameter: Tensor, gradient: Tensor, momentum: Tensor, velocity: Tensor, velocity_hat: Tensor,
    learning_rate: Tensor, correction_1: Tensor, correction_2: Tensor, *, beta_1: float, beta_2: float, epsilon: float,
    weight_decay: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Adam that divides by the largest √v so far. Reddi, Kale, Kumar 2018."""
    m = momentum + (gradient - momentum) * (1.0 - beta_1)
    v = velocity + (square(gradient) - velocity) * (1.0 - beta_2)
    v_hat = maximum(velocity_hat, v)
    alpha = learning_rate * sqrt(correction_2) / correction_1
    return decayed(parameter, learning_rate, weight_decay) - m * alpha / (sqrt(v_hat) + epsilon), m, v, v_hat


class Moments(Optimizer):
    """What optimizers with two decay rates β₁ and β₂ share."""

    def __init__(self, learning_rate: Any, beta_1: float, beta_2: float, epsilon: float, *shared: Any) -> None:
        super().__init__(learning_rate, *shared)
        self.beta_1, self.beta_2 = within("beta_1", beta_1, 0.0, 1.0), within("beta_2", beta_2, 0.0, 1.0)
        self.epsilon = at_least("epsilon", epsilon, 0.0)

    def slots(self) -> dict[str, float]:
        return {"momentum": 0.0, "velocity": 0.0}

    def scalars(self, rate: Tensor, time: Tensor, *common: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        return [rate, correction(self.beta_1, time), correction(self.beta_2, time)], []

    def attributes(self) -> dict[str, float]:
        return {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}


class Adam(Moments):
    """Steps along a running mean of the gradient, divided by that of its size. Kingma & Ba 2015.

    >>> [variable.name for variable in Adam().variables]
    ['iteration', 'learning_rate']
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, weight_decay, clipnorm, clipvalue, global_clipnorm, name
        )
        self.amsgrad = amsgrad

    def slots(self) -> dict[str, float]:
        return {**super().slots(), **({"velocity_hat": 0.0} if self.amsgrad else {})}

    def rule(self) -> Rule:
        return amsgrad if self.amsgrad else adam


class AdamW(Adam):
    """Adam with weight decay apart from the gradient. Loshchilov & Hutter 2019.

    >>> AdamW().weight_decay
    0.004
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, amsgrad, at_least("weight_decay", weight_decay, 0.0), clipnorm,
            clipvalue, global_clipnorm, name,
        )  # fmt: skip


@composite
def nadam(
    parameter: Tensor, gradient: Tensor, momentum: Tensor, velocity: Tensor, learning_rate: Tensor, ahead: Tensor,
    here: Tensor, correction_2: Tensor, *, beta_1: float, beta_2: float, epsilon: float, weight_decay: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """m and v as in Adam; p -= learning_rate·(ahead·m + here·g) / (√(v / (1 - β₂ᵗ)) + ε)."""
    m = momentum + (gradient - momentum) * (1.0 - beta_1)
    v = velocity + (square(gradient) - velocity) * (1.0 - beta_2)
    step = learning_rate * (ahead * m + here * gradient) / (sqrt(v / correction_2) + epsilon)
    return decayed(parameter, learning_rate, weight_decay) - step, m, v


class Nadam(Moments):
    """Adam that looks one step ahead, as Nesterov's momentum does. Dozat 2016.

    With uₜ = β₁·(1 - ½·0.96ᵗ) and Uₜ = u₁·…·uₜ: ahead = uₜ₊₁ / (1 - Uₜ₊₁), here = (1 - uₜ) / (1 - Uₜ).

    >>> Nadam().common()
    {'u_product': 1.0}
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, weight_decay, clipnorm, clipvalue, global_clipnorm, name
        )

    def common(self) -> dict[str, float]:
        return {"u_product": 1.0}

    def scalars(self, rate: Tensor, time: Tensor, *common: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        now, following = (self.beta_1 * (1.0 - 0.5 * exp(t * math.log(0.96))) for t in (time, time + 1.0))
        product = common[0] * now
        ahead, here = following / (1.0 - product * following), (1.0 - now) / (1.0 - product)
        return [rate, ahead, here, correction(self.beta_2, time)], [product]

    def rule(self) -> Rule:
        return nadam


@composite
def adamax(
    parameter: Tensor, gradient: Tensor, momentum: Tensor, norm: Tensor, learning_rate: Tensor, correction_1: Tensor, *,
    beta_1: float, beta_2: float, epsilon: float, weight_decay: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """m += (g - m)(1 - β₁); u ← max(β₂·u, |g|); p -= learning_rate·m / ((1 - β₁ᵗ)·(u + ε))."""
    m = momentum + (gradient - momentum) * (1.0 - beta_1)
    u = maximum(beta_2 * norm, absolute(gradient))
    return decayed(parameter, learning_rate, weight_decay) - learning_rate * m / (correction_1 * (u + epsilon)), m, u


class Adamax(Moments):
    """Adam with the largest gradient in place of the mean square. Kingma & Ba 2015, section 7.

    >>> Adamax().slots()
    {'momentum': 0.0, 'norm': 0.0}
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, weight_decay, clipnorm, clipvalue, global_clipnorm, name
        )

    def slots(self) -> dict[str, float]:
        return {"momentum": 0.0, "norm": 0.0}

    def scalars(self, rate: Tensor, time: Tensor, *common: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        return [rate, correction(self.beta_1, time)], []

    def rule(self) -> Rule:
        return adamax


@composite
def lion(
    parameter: Tensor, gradient: Tensor, momentum: Tensor, learning_rate: Tensor, *, beta_1: float, beta_2: float,
    weight_decay: float,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """p -= learning_rate·sign(β₁·m + (1 - β₁)·g); m ← β₂·m + (1 - β₂)·g."""
    step = learning_rate * sign(beta_1 * momentum + (1.0 - beta_1) * gradient)
    return decayed(parameter, learning_rate, weight_decay) - step, beta_2 * momentum + (1.0 - beta_2) * gradient


class Lion(Optimizer):
    """Steps of one size along the sign of a running mean. Chen et al. 2023.

    >>> Lion().slots()
    {'momentum': 0.0}
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, name)
        self.beta_1, self.beta_2 = within("beta_1", beta_1, 0.0, 1.0), within("beta_2", beta_2, 0.0, 1.0)

    def slots(self) -> dict[str, float]:
        return {"momentum": 0.0}

    def rule(self) -> Rule:
        return lion

    def attributes(self) -> dict[str, float]:
        return {"beta_1": self.beta_1, "beta_2": self.beta_2}
