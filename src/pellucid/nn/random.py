"""Random numbers inside a network or a loss: new ones at every step, the same for the same seed in every executor."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pellucid import ops
from pellucid.core.graph import Tensor
from pellucid.core.sources import feed
from pellucid.core.spec import known
from pellucid.nn.construction import current, is_recording

__all__ = ["normal", "uniform"]


def normal(shape: Sequence[int | None], mean: float = 0.0, stddev: float = 1.0) -> Tensor:
    """Numbers from a normal distribution: float32 of a shape.

    They are drawn wherever this is called; what belongs to training alone stands in an `if training:`.

    >>> from pellucid.core.sources import feed
    >>> from pellucid.nn.construction import Construction, constructing
    >>> with constructing(Construction(training=True, key=feed((4,), "uint32", "key"))):
    ...     print(normal((32, 100)))
    Tensor(random_normal, float32[32, 100])
    """
    drawn = _draw(ops.random_normal, shape)
    drawn = drawn if stddev == 1.0 else drawn * stddev
    return drawn if mean == 0.0 else drawn + mean


def uniform(shape: Sequence[int | None], minval: float = 0.0, maxval: float = 1.0) -> Tensor:
    """Numbers drawn evenly from [minval, maxval): float32 of a shape.

    >>> uniform((2, 3)).shape
    (2, 3)
    """
    drawn = _draw(ops.random_uniform, shape)
    return drawn if (minval, maxval) == (0.0, 1.0) else drawn * (maxval - minval) + minval


def _draw(op: Callable[..., Tensor], shape: Sequence[int | None]) -> Tensor:
    if is_recording() and None in shape:  # the batch is not known yet: what stands for the numbers has their shape
        return feed(tuple(shape), "float32", "random numbers, which only a layer can draw")
    key, stream = current().stream()
    return op(key, known(tuple(shape)), stream)
