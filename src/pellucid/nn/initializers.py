"""Initial values of weights. Each draw is a function of one seed alone, so that a run can be repeated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy

from pellucid.errors import ArgumentError
from pellucid.nn.registry import Configured, from_config, look_up

_entropy = numpy.random.SeedSequence()


def set_global_seed(seed: int | None) -> None:
    """Where initial weights without a seed of their own are drawn from, from now on."""
    global _entropy
    _entropy = numpy.random.SeedSequence(seed)


def next_seed() -> int:
    """A fresh seed from the global sequence."""
    return int(_entropy.spawn(1)[0].generate_state(1, numpy.uint64)[0])


class Initializer(Configured):
    """Makes an array of a given shape. `seed` fixes the draw; without one, every call draws anew."""

    seed: int | None = None

    def __call__(self, shape: Sequence[int], seed: int | None = None) -> numpy.ndarray:
        own = self.seed if self.seed is not None else seed
        key = next_seed() if own is None else own
        return self.draw(tuple(shape), numpy.random.Generator(numpy.random.Philox(key)))

    def draw(self, shape: tuple[int, ...], random: numpy.random.Generator) -> numpy.ndarray:
        raise NotImplementedError


class Zeros(Initializer):
    """All zero."""

    def draw(self, shape: tuple[int, ...], random: numpy.random.Generator) -> numpy.ndarray:
        return numpy.zeros(shape)


class Ones(Initializer):
    """All one."""

    def draw(self, shape: tuple[int, ...], random: numpy.random.Generator) -> numpy.ndarray:
        return numpy.ones(shape)


class VarianceScaling(Initializer):
    """Numbers of variance scale/n, where n is the fan-in, the fan-out or their mean; normal ones are cut at two deviations.

    Glorot & Bengio 2010; He et al. 2015; LeCun et al. 1998.
    """

    def __init__(
        self, scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal", seed: int | None = None
    ) -> None:
        if scale <= 0:
            raise ArgumentError(f"VarianceScaling: scale must be above 0, got {scale!r}")
        look_up("mode", dict.fromkeys(("fan_in", "fan_out", "fan_avg")), mode)
        look_up("distribution", dict.fromkeys(("truncated_normal", "untruncated_normal", "uniform")), distribution)
        self.scale, self.mode, self.distribution, self.seed = scale, mode, distribution, seed

    def draw(self, shape: tuple[int, ...], random: numpy.random.Generator) -> numpy.ndarray:
        fan_in, fan_out = fans(shape)
        count = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, count)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return random.uniform(-limit, limit, shape)
        if self.distribution == "untruncated_normal":
            return random.normal(0.0, math.sqrt(variance), shape)
        # 0.8796… is the deviation of a standard normal cut at ±2: dividing by it restores the variance.
        return truncated_normal(random, shape) * math.sqrt(variance) / 0.87962566103423978


class GlorotUniform(VarianceScaling):
    """Even numbers within √(6 / (fan-in + fan-out)). Glorot & Bengio 2010."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_avg", "uniform", seed)


def fans(shape: Sequence[int]) -> tuple[float, float]:
    """Inputs and outputs of one unit: [in, out], or [..., in, out] with a receptive field before."""
    if len(shape) < 2:
        size = float(math.prod(shape)) if shape else 1.0
        return size, size
    field = math.prod(shape[:-2])
    return float(shape[-2] * field), float(shape[-1] * field)


def truncated_normal(random: numpy.random.Generator, shape: tuple[int, ...]) -> numpy.ndarray:
    """Standard normal numbers, drawn again where beyond two deviations."""
    values = random.standard_normal(shape)
    while (outside := numpy.abs(values) > 2.0).any():
        values[outside] = random.standard_normal(int(outside.sum()))
    return values


INITIALIZERS: dict[str, type[Initializer]] = {
    "zeros": Zeros, "ones": Ones, "glorot_uniform": GlorotUniform, "variance_scaling": VarianceScaling,
}  # fmt: skip
_CLASSES = {kind.__name__: kind for kind in INITIALIZERS.values()}


def get(identifier: Any) -> Initializer:
    """An initializer from its name, its configuration or itself."""
    if isinstance(identifier, Initializer):
        return identifier
    if isinstance(identifier, str):
        return look_up("initializer", {**INITIALIZERS, **_CLASSES}, identifier)()
    if isinstance(identifier, dict):
        return from_config("initializer", _CLASSES, identifier)
    raise ArgumentError(f"an initializer is a name or an Initializer object, got {identifier!r}")
