"""`Optimizer`: how gradients change parameters, as nodes. Here: learning rate, clipping, decay and state.

An optimizer names its state per parameter (`slots`) and gives a rule: a composite from (parameter, gradient, *slots,
*scalars) to (parameter, *slots). Everything else is here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from pellucid.core.graph import Tensor, Variable, composite
from pellucid.errors import ArgumentError, ShapeError
from pellucid.nn import schedules
from pellucid.nn.registry import Configured
from pellucid.nn.schedules import Schedule, above, at_least
from pellucid.ops import cast, clip, expm1, maximum, sqrt, square, sum

Rule = Callable[..., Any]
Updates = list[tuple[Variable, Tensor]]


class Optimizer(Configured):
    """Base of all optimizers.

    Args: `learning_rate`: a number or a schedule; `weight_decay`: each step first takes learning_rate·weight_decay of
    every parameter away (Loshchilov & Hutter 2019); at most one of `clipnorm` (the longest a parameter's gradient may
    be), `clipvalue` (the largest any element may be) and `global_clipnorm` (the longest all gradients together may be).

    >>> from pellucid.optimizers import SGD
    >>> SGD(0.1, clipnorm=1.0).clipnorm
    1.0
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        self.name = name or type(self).__name__.lower()
        self.weight_decay = None if weight_decay is None else at_least("weight_decay", weight_decay, 0.0)
        clips = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        given = {key: above(key, value, 0.0) for key, value in clips.items() if value is not None}
        if len(given) > 1:
            raise ArgumentError(f"{type(self).__name__}: give at most one of {', '.join(clips)}, got {given}")
        self.clipnorm, self.clipvalue, self.global_clipnorm = map(given.get, clips)
        self.iteration = Variable(numpy.zeros((), numpy.int32), "iteration", trainable=False)
        self.variables: list[Variable] = [self.iteration]
        rate = schedules.get(learning_rate)
        self._schedule = rate if isinstance(rate, Schedule) else None
        if not isinstance(rate, Schedule):
            self._rate = Variable(numpy.array(rate, numpy.float32), "learning_rate", trainable=False)
            self.variables.append(self._rate)
        self._parameters: list[Variable] = []
        self._slots: list[list[Variable]] = []
        self._common: list[Variable] = []

    # What subclasses write

    def slots(self) -> dict[str, float]:
        """The state kept for each parameter, by name, with its first value."""
        return {}

    def common(self) -> dict[str, float]:
        """The scalar state kept for all parameters together, by name, with its first value."""
        return {}

    def scalars(self, rate: Tensor, time: Tensor, *common: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """What the rule needs beside slots, from the learning rate and this step's number (from 1); new `common`."""
        return [rate], []

    def rule(self) -> Rule:
        """The composite that updates one parameter."""
        raise NotImplementedError

    def attributes(self) -> dict[str, float]:
        """The rule's attributes."""
        return {}

    # What they get

    @property
    def learning_rate(self) -> float:
        """The learning rate of the coming step. Setting it takes effect from there on, unless a schedule decides."""
        if self._schedule is not None:
            return self._schedule(int(self.iteration.value))
        return float(str(self._rate.value))  # the shortest decimal, 0.001 rather than 0.0010000000474974513

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        if self._schedule is not None:
            raise ArgumentError(
                f"{type(self).__name__}: the learning rate follows {self._schedule!r}, so it cannot be set; "
                "make the optimizer with a number to set it later"
            )
        self._rate.assign(at_least("learning_rate", value, 0.0))

    @property
    def iterations(self) -> int:
        """Steps done."""
        return int(self.iteration.value)

    def arguments(self) -> dict[str, Any]:
        return {**super().arguments(), "learning_rate": self._schedule or self.learning_rate}

    def build(self, parameters: Sequence[Variable]) -> None:
        """Make the state for these parameters. For the same ones again the state stays; for others it starts anew."""
        if self._parameters and [*map(id, self._parameters)] == [*map(id, parameters)]:
            return
        self._parameters = list(parameters)
        self.iteration.assign(0)
        self._common = [
            Variable(numpy.array(start, numpy.float32), name, False) for name, start in self.common().items()
        ]
        self._slots = [
            [Variable(numpy.full(p.shape, start, p.value.dtype), name, False) for name, start in self.slots().items()]
            for p in parameters
        ]
        own = [self.iteration] if self._schedule else [self.iteration, self._rate]
        self.variables = [*own, *self._common, *(slot for slots in self._slots for slot in slots)]

    def apply(self, gradients: Sequence[Tensor], parameters: Sequence[Variable]) -> Updates:
        """The updates of one step: parameters, their slots, and the optimizer's own state."""
        self.build(parameters)
        if len(gradients) != len(parameters):
            raise ShapeError(f"{type(self).__name__}: {len(gradients)} gradients for {len(parameters)} parameters")
        rate = self._schedule(self.iteration.tensor) if self._schedule else self._rate.tensor
        time = cast(self.iteration.tensor, "float32") + 1.0
        scalars, common = self.scalars(rate, time, *(variable.tensor for variable in self._common))
        rule, attributes = self.rule(), {**self.attributes(), "weight_decay": self.weight_decay or 0.0}
        updates: Updates = []
        for parameter, gradient, slots in zip(parameters, self._clipped(gradients), self._slots, strict=True):
            state = [slot.tensor for slot in slots]
            results = rule(parameter.tensor, gradient, *state, *scalars, **attributes)
            updates += zip([parameter, *slots], results if isinstance(results, tuple) else (results,), strict=True)
        return [*updates, *zip(self._common, common, strict=True), (self.iteration, self.iteration.tensor + 1)]

    def _clipped(self, gradients: Sequence[Tensor]) -> Sequence[Tensor]:
        if self.clipvalue is not None:
            return [clip(gradient, -self.clipvalue, self.clipvalue) for gradient in gradients]
        if self.clipnorm is not None:
            return [clip_by_norm(gradient, norm(gradient), self.clipnorm) for gradient in gradients]
        if self.global_clipnorm is not None:
            length = norm(*gradients)
            return [clip_by_norm(gradient, length, self.global_clipnorm) for gradient in gradients]
        return gradients


@composite
def norm(*gradients: Tensor) -> Tensor:
    """√Σ g² over all elements of all gradients."""
    total = sum(square(gradients[0]))
    for gradient in gradients[1:]:
        total = total + sum(square(gradient))
    return sqrt(total)


@composite
def clip_by_norm(gradient: Tensor, length: Tensor, limit: Tensor) -> Tensor:
    """g·limit / max(‖g‖, limit): the same direction, no longer than the limit. Pascanu, Mikolov, Bengio 2013."""
    return gradient * (limit / maximum(length, limit))


def decayed(parameter: Tensor, learning_rate: Tensor, weight_decay: float) -> Tensor:
    """p - learning_rate·weight_decay·p."""
    return parameter - (learning_rate * weight_decay) * parameter if weight_decay else parameter


def correction(beta: float, time: Tensor) -> Tensor:
    """1 - βᵗ = -expm1(t·ln β), without the cancellation that 1 - βᵗ suffers for β near 1."""
    return -expm1(time * (math.log(beta) if beta else -math.inf))
