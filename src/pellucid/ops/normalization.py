"""Normalisation: composites that shift and scale values to mean 0 and variance 1 before a learned scale and offset."""

from __future__ import annotations

from collections.abc import Sequence

from pellucid.core.graph import Tensor, composite, named
from pellucid.core.spec import Shape, known, normalize_axes
from pellucid.errors import ShapeError
from pellucid.ops.arithmetic import sqrt, square
from pellucid.ops.composites import mean
from pellucid.ops.reduce import Axes
from pellucid.ops.shape import reshape


@composite
def layer_norm(
    x: Tensor, gamma: Tensor | float = 1.0, beta: Tensor | float = 0.0, *, axis: Axes = -1, epsilon: float = 1e-3
) -> Tensor:
    """y = γ·(x - μ)/√(σ² + ε) + β, mean μ and variance σ² over `axis`, whose sizes γ and β have. Ba et al. 2016.

    >>> from pellucid.core.graph import tensor
    >>> layer_norm(tensor([[1.0, 3.0]]), epsilon=0.0).numpy()
    array([[-1.,  1.]])
    """
    axes = normalize_axes(axis, x.rank, "layer_norm")
    centred = x - named(mean(x, axis=axes, keepdims=True), "mean")
    variance = named(mean(square(centred), axis=axes, keepdims=True), "variance")
    normal = named(centred / sqrt(variance + epsilon), "normalized")
    return normal * _along(gamma, axes, x.shape) + _along(beta, axes, x.shape)


@composite
def rms_norm(x: Tensor, gamma: Tensor | float = 1.0, *, axis: Axes = -1, epsilon: float = 1e-6) -> Tensor:
    """y = γ·x/√(mean of x² + ε), the mean over `axis`, whose sizes γ has. Zhang & Sennrich 2019.

    >>> from pellucid.core.graph import tensor
    >>> rms_norm(tensor([[3.0, 4.0]])).numpy().round(3)
    array([[0.849, 1.131]])
    """
    axes = normalize_axes(axis, x.rank, "rms_norm")
    normal = x / sqrt(named(mean(square(x), axis=axes, keepdims=True), "mean_square") + epsilon)
    return named(normal, "normalized") * _along(gamma, axes, x.shape)


@composite
def batch_norm(
    x: Tensor, gamma: Tensor | float = 1.0, beta: Tensor | float = 0.0, *, axis: int = -1, epsilon: float = 1e-3
) -> tuple[Tensor, Tensor, Tensor]:
    """y = γ·(x - μ)/√(σ² + ε) + β, then μ and σ²: the mean and variance of each place along `axis` over all others.

    Ioffe & Szegedy 2015.

    >>> from pellucid.core.graph import tensor
    >>> y, mean, variance = batch_norm(tensor([[1.0], [3.0]]), epsilon=0.0)
    >>> y.numpy()[:, 0], mean.numpy(), variance.numpy()
    (array([-1.,  1.]), array([2.]), array([1.]))
    """
    (channels,) = normalize_axes(axis, x.rank, "batch_norm")
    others = [i for i in range(x.rank) if i != channels]
    average = named(mean(x, axis=others, keepdims=True), "mean")
    centred = x - average
    variance = named(mean(square(centred), axis=others, keepdims=True), "variance")
    normal = named(centred / sqrt(variance + epsilon), "normalized")
    scaled = normal * _along(gamma, [channels], x.shape)
    size = x.shape[channels]
    return scaled + _along(beta, [channels], x.shape), reshape(average, (size,)), reshape(variance, (size,))


@composite
def standardize(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | float = 1.0,
    beta: Tensor | float = 0.0,
    *,
    axis: int = -1,
    epsilon: float = 1e-3,
) -> Tensor:
    """y = γ·(x - μ)/√(σ² + ε) + β with given μ and σ² for each place along `axis`: one scale and one shift of x.

    >>> from pellucid.core.graph import tensor
    >>> standardize(tensor([[1.0], [3.0]]), tensor([1.0]), tensor([4.0]), epsilon=0.0).numpy()[:, 0]
    array([0., 1.])
    """
    axes = normalize_axes(axis, x.rank, "standardize")
    scale = gamma / sqrt(variance + epsilon)
    return x * _along(scale, axes, x.shape) + _along(beta - mean * scale, axes, x.shape)


@composite
def group_norm(
    x: Tensor,
    gamma: Tensor | float = 1.0,
    beta: Tensor | float = 0.0,
    *,
    groups: int = 32,
    axis: int = -1,
    epsilon: float = 1e-3,
) -> Tensor:
    """y = γ·(x - μ)/√(σ² + ε) + β, with mean and variance of each example over a group of the places along `axis` and
    over all other axes. γ and β have the size of the axis, which `groups` must divide. Wu & He 2018.

    >>> from pellucid.core.graph import tensor
    >>> group_norm(tensor([[1.0, 3.0, 10.0, 30.0]]), groups=2, epsilon=0.0).numpy()
    array([[-1.,  1., -1.,  1.]])
    """
    (channels,) = normalize_axes(axis, x.rank, "group_norm")
    (size,) = known(x.shape[channels : channels + 1])
    if channels == 0 or groups < 1 or size % groups:
        raise ShapeError(
            f"group_norm cannot part axis {channels} of {x.spec} into {groups} equal groups; "
            "choose a divisor of its size, and an axis that is not the batch"
        )
    shape = (*x.shape[:channels], groups, size // groups, *x.shape[channels + 1 :])
    others = [i for i in range(1, len(shape)) if i != channels]
    parts = reshape(x, shape)
    centred = parts - named(mean(parts, axis=others, keepdims=True), "mean")
    variance = named(mean(square(centred), axis=others, keepdims=True), "variance")
    normal = named(reshape(centred / sqrt(variance + epsilon), x.shape), "normalized")
    return normal * _along(gamma, [channels], x.shape) + _along(beta, [channels], x.shape)


def _along(values: Tensor | float, axes: Sequence[int], shape: Shape) -> Tensor | float:
    """Values with the sizes of some axes, in a shape that broadcasts along the others."""
    if isinstance(values, float) or values.rank == 0 or tuple(axes) == tuple(range(len(shape)))[-len(axes) :]:
        return values
    return reshape(values, tuple(size if i in axes else 1 for i, size in enumerate(shape)))
