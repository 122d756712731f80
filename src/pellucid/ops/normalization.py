"""Normalisation: composites that shift and scale values to mean 0 and variance 1 before a learned scale and offset."""

from __future__ import annotations

from collections.abc import Sequence

from pellucid.core.graph import Tensor, composite
from pellucid.core.spec import Shape, normalize_axes
from pellucid.ops.arithmetic import sqrt, square
from pellucid.ops.composites import mean
from pellucid.ops.reduce import Axes
from pellucid.ops.shape import reshape


@composite
def layer_norm(
    x: Tensor, gamma: Tensor | float = 1.0, beta: Tensor | float = 0.0, *, axis: Axes = -1, epsilon: float = 1e-3
) -> Tensor:
    """y = γ·(x - μ)/√(σ² + ε) + β, mean μ and variance σ² over `axis`, whose sizes γ and β have. Ba et al. 2016."""
    axes = normalize_axes(axis, x.rank, "layer_norm")
    centred = x - mean(x, axis=axes, keepdims=True)
    normal = centred / sqrt(mean(square(centred), axis=axes, keepdims=True) + epsilon)
    return normal * _along(gamma, axes, x.shape) + _along(beta, axes, x.shape)


@composite
def rms_norm(x: Tensor, gamma: Tensor | float = 1.0, *, axis: Axes = -1, epsilon: float = 1e-6) -> Tensor:
    """y = γ·x/√(mean of x² + ε), the mean over `axis`, whose sizes γ has. Zhang & Sennrich 2019."""
    axes = normalize_axes(axis, x.rank, "rms_norm")
    return x / sqrt(mean(square(x), axis=axes, keepdims=True) + epsilon) * _along(gamma, axes, x.shape)


def _along(values: Tensor | float, axes: Sequence[int], shape: Shape) -> Tensor | float:
    """Values with the sizes of some axes, in a shape that broadcasts along the others."""
    if isinstance(values, float) or values.rank == 0 or tuple(axes) == tuple(range(len(shape)))[-len(axes) :]:
        return values
    return reshape(values, tuple(size if i in axes else 1 for i, size in enumerate(shape)))
