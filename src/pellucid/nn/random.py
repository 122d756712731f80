"""Random numbers inside a network or a loss: new ones at every step, the same for the same seed in every executor."""

from __future__ import annotations

from collections.abc import Sequence

from pellucid import ops
from pellucid.core.graph import Tensor
from pellucid.core.spec import known
from pellucid.nn.construction import current

__all__ = ["normal", "uniform"]


def normal(shape: Sequence[int | None], mean: float = 0.0, stddev: float = 1.0) -> Tensor:
    """Numbers from a normal distribution: float32 of a shape.

    Raises `GraphError` for an unknown size, and `StateError` outside of training, where there is no random key.

    >>> from pellucid.core.sources import feed
    >>> from pellucid.nn.construction import Construction, constructing
    >>> with constructing(Construction(training=True, key=feed((4,), "uint32", "key"))):
    ...     print(normal((32, 100)))
    Tensor(random_normal, float32[32, 100])
    """
    key, stream = current().stream()
    drawn = ops.random_normal(key, known(tuple(shape)), stream)
    drawn = drawn if stddev == 1.0 else drawn * stddev
    return drawn if mean == 0.0 else drawn + mean


def uniform(shape: Sequence[int | None], minval: float = 0.0, maxval: float = 1.0) -> Tensor:
    """Numbers drawn evenly from [minval, maxval): float32 of a shape. Raises as `normal` does."""
    key, stream = current().stream()
    drawn = ops.random_uniform(key, known(tuple(shape)), stream)
    return drawn if (minval, maxval) == (0.0, 1.0) else drawn * (maxval - minval) + minval
