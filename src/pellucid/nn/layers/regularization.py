"""Layers that act in training alone, against fitting too closely: what they drop or add is drawn anew at each step.

The draws are functions of the run's seed and step, or of a layer's own `seed` and the step where that is given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy

from pellucid import ops
from pellucid.core.graph import Tensor, tensor
from pellucid.core.spec import Shape, known, show_shape
from pellucid.errors import ArgumentError, ShapeError
from pellucid.nn import arguments, regularizers
from pellucid.nn.construction import current
from pellucid.nn.layer import Layer
from pellucid.nn.layers.core import as_float
from pellucid.nn.layers.spatial import Spatial
from pellucid.ops.composites import SELU_ALPHA, SELU_SCALE


def stream_of(seed: int | None) -> tuple[Tensor, int]:
    """The key and a stream for one random op: of the run's seed and step, or of a layer's own seed and the step."""
    key, stream = current().stream()
    if seed is None:
        return key, stream
    words = numpy.array([seed & 0xFFFFFFFF, seed >> 32], numpy.uint32)
    return ops.concatenate([tensor(words), key[2:]]), stream


class Noise(Layer, registered=False):
    """What noisy layers share: x itself unless training, and else `disturb`, which draws from a stream of its own."""

    supports_masking = True
    seed: int | None

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        self.check(x)
        return self.disturb(x) if training and self.strength > 0.0 else x

    def check(self, x: Tensor) -> None:
        """Refuse an input of a wrong shape, in prediction too."""

    @property
    def strength(self) -> float:
        """0 where the layer does nothing."""
        raise NotImplementedError

    def disturb(self, x: Tensor) -> Tensor:
        """x with what a training step does to it."""
        raise NotImplementedError

    def uniform(self, shape: Shape) -> Tensor:
        """Numbers drawn evenly from [0, 1)."""
        key, stream = stream_of(self.seed)
        return ops.random_uniform(key, known(shape), stream)

    def normal(self, shape: Shape) -> Tensor:
        """Numbers drawn from the standard normal distribution."""
        key, stream = stream_of(self.seed)
        return ops.random_normal(key, known(shape), stream)


class Dropping(Noise, registered=False):
    """What layers share that drop values with probability `rate`."""

    def __init__(self, rate: float, seed: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.rate = arguments.number(type(self).__name__, "rate", rate, 0.0, 1.0)
        self.seed = arguments.seed(type(self).__name__, seed)

    @property
    def strength(self) -> float:
        return self.rate

    def kept(self, shape: Shape) -> Tensor:
        """True with probability 1 - rate."""
        result: Tensor = ops.greater_equal(self.uniform(shape), self.rate)
        return result

    def drop(self, x: Tensor, shape: Shape) -> Tensor:
        """x·[u ≥ rate] / (1 - rate), with one u for each place of `shape`."""
        scale = 1.0 / (1.0 - self.rate) if self.rate < 1.0 else 0.0
        result: Tensor = ops.where(self.kept(shape), x * scale, 0.0)
        return result


class Dropout(Dropping):
    """In training, drops each value with probability `rate` and scales the others up; otherwise x itself.

    Formula: y = x·[u ≥ rate] / (1 - rate), u ~ U[0, 1). Where `noise_shape` has size 1, one u serves the whole axis.
    Srivastava et al. 2014.

    >>> from pellucid.nn.layers import Input
    >>> Dropout(0.5)(Input((3,))).shape
    (None, 3)
    """

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **options: Any
    ) -> None:
        super().__init__(rate, seed, **options)
        self.noise_shape = _noise_shape(self, noise_shape)

    def check(self, x: Tensor) -> None:
        _noise_sizes(self, x)

    def disturb(self, x: Tensor) -> Tensor:
        return self.drop(x, _noise_sizes(self, x))


class AlphaDropout(Dropping):
    """In training, sets values to SELU's lower limit with probability `rate`, and keeps mean 0 and variance 1.

    Formula: y = a·(x if u ≥ rate else α′) + b, u ~ U[0, 1), α′ = -λ·α ≈ -1.758, a = 1/√((1 - rate)·(1 + rate·α′²)),
    b = -a·rate·α′; for use with SELU. `noise_shape` as in `Dropout`. Klambauer et al. 2017.

    >>> from pellucid.nn.layers import Input
    >>> AlphaDropout(0.1)(Input((3,))).shape
    (None, 3)
    """

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **options: Any
    ) -> None:
        super().__init__(rate, seed, **options)
        _need_below_one(self)
        self.noise_shape = _noise_shape(self, noise_shape)

    def check(self, x: Tensor) -> None:
        _noise_sizes(self, x)

    def disturb(self, x: Tensor) -> Tensor:
        limit = -SELU_SCALE * SELU_ALPHA
        slope = 1.0 / math.sqrt((1.0 - self.rate) * (1.0 + self.rate * limit**2))
        chosen: Tensor = ops.where(self.kept(_noise_sizes(self, x)), x, limit)
        return chosen * slope - slope * self.rate * limit


class SpatialDropout(Spatial, Dropping, registered=False):
    """What spatial dropouts share: a channel of an example is kept or dropped everywhere. Tompson et al. 2014."""

    def check(self, x: Tensor) -> None:
        self.channels(x.shape)

    def disturb(self, x: Tensor) -> Tensor:
        return self.drop(x, (x.shape[0], *[1] * self.rank, x.shape[-1]))


class SpatialDropout1D(SpatialDropout):
    """In training, drops whole channels of sequences [batch, steps, channels] with probability `rate`; else x itself.

    >>> from pellucid.nn.layers import Input
    >>> SpatialDropout1D(0.5)(Input(shape=(10, 4))).shape
    (None, 10, 4)
    """

    rank = 1


class SpatialDropout2D(SpatialDropout):
    """In training, drops whole channels of images [batch, height, width, channels] with probability `rate`.

    >>> from pellucid.nn.layers import Input
    >>> SpatialDropout2D(0.5)(Input(shape=(8, 8, 4))).shape
    (None, 8, 8, 4)
    """

    rank = 2

    def __init__(self, rate: float, data_format: str | None = None, seed: int | None = None, **options: Any) -> None:
        super().__init__(rate, seed, **options)
        self.data_format = self.channels_last(data_format)


class GaussianNoise(Noise):
    """In training, adds noise: y = x + stddev·z, z ~ N(0, 1); otherwise x itself.

    >>> from pellucid.nn.layers import Input
    >>> GaussianNoise(0.1)(Input((3,))).shape
    (None, 3)
    """

    def __init__(self, stddev: float, seed: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.stddev = arguments.number("GaussianNoise", "stddev", stddev, 0.0, 1.0)
        self.seed = arguments.seed("GaussianNoise", seed)

    @property
    def strength(self) -> float:
        return self.stddev

    def disturb(self, x: Tensor) -> Tensor:
        return as_float(x) + self.normal(x.shape) * self.stddev


class GaussianDropout(Dropping):
    """In training, multiplies by noise of mean 1: y = x·(1 + √(rate/(1 - rate))·z), z ~ N(0, 1); otherwise x itself.

    The noise has the variance that `Dropout` of the same rate has. Srivastava et al. 2014, section 10.

    >>> from pellucid.nn.layers import Input
    >>> GaussianDropout(0.5)(Input((3,))).shape
    (None, 3)
    """

    def __init__(self, rate: float, seed: int | None = None, **options: Any) -> None:
        super().__init__(rate, seed, **options)
        _need_below_one(self)

    def disturb(self, x: Tensor) -> Tensor:
        return as_float(x) * (1.0 + self.normal(x.shape) * math.sqrt(self.rate / (1.0 - self.rate)))


class ActivityRegularization(Layer):
    """x itself, with l1·Σ|x| + l2·Σx², averaged over the batch, added to the loss.

    >>> from pellucid.nn.layers import Input
    >>> ActivityRegularization(l2=0.01)(Input((3,))).shape
    (None, 3)
    """

    supports_masking = True

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.activity_regularizer = regularizers.L1L2(l1, l2)
        self.l1, self.l2 = self.activity_regularizer.l1, self.activity_regularizer.l2

    def call(self, x: Tensor) -> Tensor:
        return x


def _need_below_one(layer: Dropping) -> None:
    if layer.rate == 1.0:
        raise ArgumentError(f"{type(layer).__name__}: rate must be below 1, or nothing is left")


def _noise_shape(layer: Layer, given: Sequence[int | None] | None) -> Shape | None:
    return None if given is None else arguments.shape(type(layer).__name__, "noise_shape", given)


def _noise_sizes(layer: Dropout | AlphaDropout, x: Tensor) -> Shape:
    """The shape to draw for x: 1 where a draw serves a whole axis; raises `ShapeError` where it does not fit x."""
    kind = type(layer).__name__
    given = x.shape if layer.noise_shape is None else layer.noise_shape
    if len(given) != x.rank:
        raise ShapeError(
            f"{kind}: noise_shape {show_shape(given)} needs as many axes as its input {show_shape(x.shape)}"
        )
    shape = tuple(size if mine is None else mine for mine, size in zip(given, x.shape, strict=True))
    if any(mine != 1 and size is not None and mine != size for mine, size in zip(shape, x.shape, strict=True)):
        raise ShapeError(
            f"{kind}: noise_shape {show_shape(given)} must be 1 or the input's size: {show_shape(x.shape)}"
        )
    return shape
