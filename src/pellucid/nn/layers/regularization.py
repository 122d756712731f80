"""Layers that act in training alone, against fitting too closely."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from pellucid import ops
from pellucid.core.graph import Tensor, tensor
from pellucid.core.spec import known, show_shape
from pellucid.errors import ShapeError
from pellucid.nn import arguments
from pellucid.nn.construction import current
from pellucid.nn.layer import Layer


def stream_of(seed: int | None) -> tuple[Tensor, int]:
    """The key and a stream for one random op: of the run's seed and step, or of a layer's own seed and the step."""
    key, stream = current().stream()
    if seed is None:
        return key, stream
    words = numpy.array([seed & 0xFFFFFFFF, seed >> 32], numpy.uint32)
    return ops.concatenate([tensor(words), ops.slice(key, 2, 4)]), stream


class Dropout(Layer):
    """In training, drops each value with probability `rate` and scales the others up; otherwise x itself.

    Formula: y = x·[u ≥ rate] / (1 - rate), u ~ U[0, 1). Where `noise_shape` has size 1, one u serves the whole axis.
    u is a function of the run's seed and step, or of `seed` and step where that is given. Srivastava et al. 2014.
    """

    supports_masking = True

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.rate = arguments.number("Dropout", "rate", rate, 0.0, 1.0)
        self.noise_shape = None if noise_shape is None else arguments.shape("Dropout", "noise_shape", noise_shape)
        self.seed = arguments.seed("Dropout", seed)

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        noise = self._noise_shape(x)
        if not training or self.rate == 0.0:
            return x
        key, stream = stream_of(self.seed)
        kept = ops.greater_equal(ops.random_uniform(key, known(noise), stream), self.rate)
        scale = 1.0 / (1.0 - self.rate) if self.rate < 1.0 else 0.0
        result: Tensor = ops.where(kept, x * scale, 0.0)
        return result

    def _noise_shape(self, x: Tensor) -> tuple[int | None, ...]:
        given = x.shape if self.noise_shape is None else self.noise_shape
        if len(given) != x.rank:
            raise ShapeError(
                f"Dropout: noise_shape {show_shape(given)} needs as many axes as its input {show_shape(x.shape)}"
            )
        shape = tuple(size if mine is None else mine for mine, size in zip(given, x.shape, strict=True))
        if any(mine != 1 and size is not None and mine != size for mine, size in zip(shape, x.shape, strict=True)):
            raise ShapeError(
                f"Dropout: noise_shape {show_shape(given)} must be 1 or the input's size: {show_shape(x.shape)}"
            )
        return shape
