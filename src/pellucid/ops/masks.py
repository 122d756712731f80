"""Truth values about the steps of a sequence: which of them count, and which a step may see."""

from __future__ import annotations

import numpy

from pellucid.core.graph import Tensor, composite, tensor
from pellucid.core.sources import feed
from pellucid.core.spec import Shape
from pellucid.ops.conversions import cast
from pellucid.ops.reduce import Axes, max


@composite
def any(x: Tensor, *, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """y = x₁ or x₂ or …: whether any truth value along some axes, or all axes, is true.

    >>> any(tensor(numpy.array([[True, False], [False, False]])), axis=1).numpy()
    array([ True, False])
    """
    return max(cast(x, "float32"), axis=axis, keepdims=keepdims) > 0.0


def causal_mask(shape: Shape) -> Tensor:
    """True where query i may see key j ≤ i. Shape: [queries, keys].

    >>> causal_mask((2, 3)).numpy()
    array([[ True, False, False],
           [ True,  True, False]])
    """
    queries, keys = shape
    if queries is None or keys is None:  # only in a network that is still to be built for known sizes
        return feed(shape, "bool", "causal mask of a sequence of unknown length")
    return tensor(numpy.tri(queries, keys, dtype=bool))
