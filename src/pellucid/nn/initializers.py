"""Initial values of weights. Each draw is a function of one seed alone, so that a run can be repeated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy

from pellucid.core.spec import show_shape
from pellucid.errors import ArgumentError, ShapeError
from pellucid.nn import arguments
from pellucid.nn.registry import Configured, from_config, look_up

_entropy = numpy.random.SeedSequence()


def set_global_seed(seed: int | None) -> None:
    """Where initial weights without a seed of their own are drawn from, from now on.

    >>> from pellucid.utils import set_random_seed
    >>> set_random_seed(0)
    """
    global _entropy
    _entropy = numpy.random.SeedSequence(seed)


def next_seed() -> int:
    """A fresh seed from the global sequence."""
    return int(_entropy.spawn(1)[0].generate_state(1, numpy.uint64)[0])


class Initializer(Configured):
    """Makes an array of a given shape. `seed` fixes the draw; without one, every call draws anew.

    A class of your own has a method `draw(shape, random)`, `random` being a NumPy generator.

    >>> class Alternating(Initializer):
    ...     def draw(self, shape, random):
    ...         return (-1.0) ** numpy.arange(numpy.prod(shape)).reshape(shape)
    >>> Alternating()((3,))
    array([ 1., -1.,  1.])
    """

    seed: int | None = None

    def __call__(self, shape: Sequence[int], seed: int | None = None) -> numpy.ndarray:
        own = self.seed if self.seed is not None else seed
        key = next_seed() if own is None else own
        return self.draw(tuple(shape), numpy.random.Generator(numpy.random.Philox(key)))

    def draw(self, shape: tuple[int, ...], random: numpy.random.Generator) -> numpy.ndarray:
        raise NotImplementedError


class Zeros(Initializer):
    """All zero.

    >>> Zeros()((2,))
    array([0., 0.])
    """

    def draw(self, shape: tuple[int, ...], random: numpy.random.Generator) -> numpy.ndarray:
        return numpy.zeros(shape)


class Ones(Initializer):
    """All one.

    >>> Ones()((2,))
    array([1., 1.])
    """

    def draw(self, shape: tuple[int, ...], random: numpy.random.Generator) -> numpy.ndarray:
        return numpy.ones(shape)


class Constant(Initializer):
    """A given number everywhere, or given numbers that broadcast to the shape.

    >>> Constant(0.5)((2,))
    array([0.5, 0.5])
    """

    def __init__(self, value: Any = 0.0) -> None:
        self.value = arguments.numbers("Constant", "value", value)

    def draw(self, shape: tuple[int, ...], random: numpy.random.Generator) -> numpy.ndarray:
        try:
            return numpy.broadcast_to(numpy.asarray(self.value), shape)
        except ValueError as error:
            given = show_shape(numpy.shape(self.value))
            raise ShapeError(f"Constant: values {given} do not broadcast to a weight {show_shape(shape)}") from error


class Identity(Initializer):
    """The identity matrix times `gain`.

    >>> Identity(2.0)((2, 2))
    array([[2., 0.],
           [0., 2.]])
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = arguments.number("Identity", "gain", gain)

    def draw(self, shape: tuple[int, ...], random: numpy.random.Generator) -> numpy.ndarray:
        if len(shape) != 2:
            raise ShapeError(f"Identity makes matrices; a weight {show_shape(shape)} needs another initializer")
        return self.gain * numpy.eye(*shape)


class RandomNormal(Initializer):
    """Normal numbers.

    >>> bool(abs(RandomNormal(mean=3.0, stddev=0.1, seed=1)((10000,)).mean() - 3.0) < 0.01)
    True
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        owner = type(self).__name__
        self.mean = arguments.number(owner, "mean", mean)
        self.stddev = arguments.number(owner, "stddev", stddev, 0.0)
        self.seed = arguments.seed(owner, seed)

    def draw(self, shape: tuple[int, ...], random: numpy.random.Generator) -> numpy.ndarray:
        return random.normal(self.mean, self.stddev, shape)


class TruncatedNormal(RandomNormal):
    """Normal numbers, drawn again where beyond two deviations (their variance is then 0.774·stddev²).

    >>> bool(abs(TruncatedNormal(stddev=1.0, seed=1)((10000,))).max() <= 2.0)
    True
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(mean, stddev, seed)

    def draw(self, shape: tuple[int, ...], random: numpy.random.Generator) -> numpy.ndarray:
        return self.mean + self.stddev * truncated_normal(random, shape)


class RandomUniform(Initializer):
    """Even numbers from `minval` to `maxval`.

    >>> x = RandomUniform(1.0, 2.0, seed=1)((10000,))
    >>> bool(x.min() >= 1.0), bool(x.max() < 2.0)
    (True, True)
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        self.minval = arguments.number("RandomUniform", "minval", minval)
        self.maxval = arguments.number("RandomUniform", "maxval", maxval, self.minval)
        self.seed = arguments.seed("RandomUniform", seed)

    def draw(self, shape: tuple[int, ...], random: numpy.random.Generator) -> numpy.ndarray:
        return random.uniform(self.minval, self.maxval, shape)


class Orthogonal(Initializer):
    """A random matrix with orthonormal rows or columns, whichever are fewer, times `gain`. Saxe et al. 2014.

    A weight [..., out] of more axes is taken as a matrix [product of the others, out].

    >>> q = Orthogonal(seed=1)((4, 2))
    >>> bool(numpy.allclose(q.T @ q, numpy.eye(2)))
    True
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        self.gain = arguments.number("Orthogonal", "gain", gain)
        self.seed = arguments.seed("Orthogonal", seed)

    def draw(self, shape: tuple[int, ...], random: numpy.random.Generator) -> numpy.ndarray:
        if len(shape) < 2:
            raise ShapeError(
                f"Orthogonal needs at least two axes; a weight {show_shape(shape)} needs another initializer"
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = numpy.linalg.qr(random.standard_normal((max(rows, columns), min(rows, columns))))
        q *= numpy.where(numpy.diag(r) < 0, -1.0, 1.0)  # makes the draw even over all rotations: Mezzadri 2007
        return self.gain * (q if rows >= columns else q.T).reshape(shape)


class VarianceScaling(Initializer):
    """Numbers of variance scale/n; n is the fan-in, the fan-out or their mean. Normal ones are cut at two deviations.

    Glorot & Bengio 2010; He et al. 2015; LeCun et al. 1998.

    >>> x = VarianceScaling(2.0, "fan_out", "untruncated_normal", seed=1)((100, 400))
    >>> round(float(x.var() * 400), 1)
    2.0
    """

    def __init__(
        self, scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal", seed: int | None = None
    ) -> None:
        owner = type(self).__name__
        if arguments.number(owner, "scale", scale, 0.0) == 0.0:
            raise ArgumentError(f"{owner}: scale must be above 0, got {scale!r}")
        look_up("mode", dict.fromkeys(("fan_in", "fan_out", "fan_avg")), mode)
        look_up("distribution", dict.fromkeys(("truncated_normal", "untruncated_normal", "uniform")), distribution)
        self.scale, self.mode, self.distribution = float(scale), mode, distribution
        self.seed = arguments.seed(owner, seed)

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
    """Even numbers within √(6 / (fan-in + fan-out)). Glorot & Bengio 2010.

    >>> bool(abs(GlorotUniform(seed=1)((100, 50))).max() <= 0.2)  # √(6 / 150)
    True
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_avg", "uniform", seed)


class GlorotNormal(VarianceScaling):
    """Cut normal numbers of variance 2 / (fan-in + fan-out). Glorot & Bengio 2010.

    >>> round(float(GlorotNormal(seed=1)((100, 300)).var() * 200), 1)
    1.0
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal", seed)


class HeUniform(VarianceScaling):
    """Even numbers within √(6 / fan-in). He et al. 2015.

    >>> bool(abs(HeUniform(seed=1)((150, 50))).max() <= 0.2)  # √(6 / 150)
    True
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(2.0, "fan_in", "uniform", seed)


class HeNormal(VarianceScaling):
    """Cut normal numbers of variance 2 / fan-in. He et al. 2015.

    >>> round(float(HeNormal(seed=1)((100, 300)).var() * 100), 1)
    2.0
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(2.0, "fan_in", "truncated_normal", seed)


class LecunUniform(VarianceScaling):
    """Even numbers within √(3 / fan-in). LeCun et al. 1998.

    >>> bool(abs(LecunUniform(seed=1)((75, 50))).max() <= 0.2)  # √(3 / 75)
    True
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_in", "uniform", seed)


class LecunNormal(VarianceScaling):
    """Cut normal numbers of variance 1 / fan-in. LeCun et al. 1998.

    >>> round(float(LecunNormal(seed=1)((100, 300)).var() * 100), 1)
    1.0
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_in", "truncated_normal", seed)


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
    "constant": Constant,
    "glorot_normal": GlorotNormal,
    "glorot_uniform": GlorotUniform,
    "he_normal": HeNormal,
    "he_uniform": HeUniform,
    "identity": Identity,
    "lecun_normal": LecunNormal,
    "lecun_uniform": LecunUniform,
    "normal": RandomNormal,
    "one": Ones,
    "ones": Ones,
    "orthogonal": Orthogonal,
    "random_normal": RandomNormal,
    "random_uniform": RandomUniform,
    "truncated_normal": TruncatedNormal,
    "uniform": RandomUniform,
    "variance_scaling": VarianceScaling,
    "zero": Zeros,
    "zeros": Zeros,
}
_CLASSES = {kind.__name__: kind for kind in INITIALIZERS.values()}


def get(identifier: Any) -> Initializer:
    """An initializer from its name, its class, its configuration or itself.

    >>> get("he_normal"), get("HeNormal"), get({"class_name": "Constant", "config": {"value": 2.0}})
    (HeNormal(seed=None), HeNormal(seed=None), Constant(value=2.0))
    """
    if isinstance(identifier, Initializer):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Initializer):
        return identifier()
    if isinstance(identifier, str):
        known = INITIALIZERS if identifier not in _CLASSES else _CLASSES
        return look_up("initializer", known, identifier)()
    if isinstance(identifier, dict):
        return from_config("initializer", _CLASSES, identifier)
    raise ArgumentError(f"an initializer is a name or an Initializer object, got {identifier!r}")


__all__ = [
    "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Identity", "Initializer", "LecunNormal",
    "LecunUniform", "Ones", "Orthogonal", "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling",
    "Zeros", "get",
]  # fmt: skip
