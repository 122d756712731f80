"""Composites: functions over primitives that stay in the graph as named groups a reader can open.

Their shapes, derivatives and explanations come from their expansion; a fused kernel may stand in for them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pellucid.core.graph import Tensor, composite
from pellucid.core.spec import known, normalize_axes
from pellucid.ops.activations import relu, sigmoid, softplus, tanh
from pellucid.ops.arithmetic import absolute, erf, exp, expm1, log, maximum, minimum, sqrt, square
from pellucid.ops.comparisons import isfinite, logical_not, logical_or, where
from pellucid.ops.conversions import cast, stop_gradient
from pellucid.ops.reduce import Axes, broadcast_to, max, sum
from pellucid.ops.shape import concatenate, expand_dims, reshape

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


@composite
def mean(x: Tensor, *, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """y = 1/n · Σᵢ xᵢ over some axes, or all. Where a size is not known yet, n is counted.

    >>> from pellucid.core.graph import tensor
    >>> mean(tensor([[1.0, 2.0], [3.0, 6.0]]), axis=0).numpy()
    array([2., 4.])
    """
    axes = normalize_axes(axis, x.rank, "mean")
    total = sum(x, axis=axes, keepdims=keepdims)
    sizes = tuple(x.shape[i] for i in axes)
    if None in sizes:
        finite = isfinite(x)
        return total / sum(cast(logical_or(finite, logical_not(finite)), x.dtype), axis=axes, keepdims=keepdims)
    count = math.prod(known(sizes))
    return total * (1.0 / count if count else math.nan)


@composite
def clip(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """y = min(max(x, low), high).

    >>> clip([-1.0, 0.5, 2.0], 0.0, 1.0).numpy()
    array([0. , 0.5, 1. ])
    """
    return minimum(maximum(x, low), high)


@composite
def logsumexp(x: Tensor, *, axis: int = -1, keepdims: bool = False) -> Tensor:
    """y = ln Σᵢ e^xᵢ, safe at any x: the largest x is taken out first, where it is finite.

    >>> from pellucid.core.graph import tensor
    >>> float(logsumexp(tensor([0.0, 0.0])))
    0.6931471805599453
    """
    largest = stop_gradient(max(x, axis=axis, keepdims=True))
    top = where(isfinite(largest), largest, 0.0)
    total = sum(exp(x - top), axis=axis, keepdims=True)
    result = log(total) + top
    return result if keepdims else sum(result, axis=axis)


@composite
def softmax(x: Tensor, *, axis: int = -1) -> Tensor:
    """yᵢ = e^xᵢ / Σⱼ e^xⱼ, safe at any x: the largest x is taken out first.

    >>> from pellucid.core.graph import tensor
    >>> softmax(tensor([34.0, 32.0, 25.0])).numpy().round(3)
    array([0.881, 0.119, 0.   ])
    """
    powers = exp(x - stop_gradient(max(x, axis=axis, keepdims=True)))
    return powers / sum(powers, axis=axis, keepdims=True)


@composite
def log_softmax(x: Tensor, *, axis: int = -1) -> Tensor:
    """yᵢ = xᵢ - ln Σⱼ e^xⱼ, safe at any x.

    >>> from pellucid.core.graph import tensor
    >>> log_softmax(tensor([1.0, 1.0])).numpy().round(3)
    array([-0.693, -0.693])
    """
    shifted = x - stop_gradient(max(x, axis=axis, keepdims=True))
    return shifted - log(sum(exp(shifted), axis=axis, keepdims=True))


@composite
def leaky_relu(x: Tensor, slope: Tensor) -> Tensor:
    """y = x if x > 0 else slope·x; with a learned slope the parametric rectifier. Derivative at 0: the slope.

    >>> leaky_relu([-1.0, 2.0], 0.1).numpy().round(3)
    array([-0.1,  2. ])
    """
    return where(x > 0.0, x, slope * x)


@composite
def elu(x: Tensor, alpha: Tensor) -> Tensor:
    """y = x if x > 0 else α·(eˣ - 1). Clevert, Unterthiner, Hochreiter 2016.

    >>> elu([-1.0, 2.0], 1.0).numpy().round(3)
    array([-0.632,  2.   ])
    """
    positive = x > 0.0
    return where(positive, x, alpha * expm1(where(positive, 0.0, x)))  # e^x only where it cannot overflow


@composite
def selu(x: Tensor) -> Tensor:
    """y = λ·(x if x > 0 else α·(eˣ - 1)), λ ≈ 1.0507, α ≈ 1.6733. Klambauer et al. 2017.

    >>> selu([-1.0, 0.0, 2.0]).numpy().round(3)
    array([-1.111,  0.   ,  2.101])
    """
    return SELU_SCALE * elu(x, SELU_ALPHA)


@composite
def gelu(x: Tensor, *, approximate: bool = False) -> Tensor:
    """y = x·Φ(x) = x/2·(1 + erf(x/√2)), or its tanh approximation. Hendrycks & Gimpel 2016.

    >>> gelu([-1.0, 0.0, 2.0]).numpy().round(3)
    array([-0.159,  0.   ,  1.954])
    """
    if approximate:
        bounded = clip(x, -10.0, 10.0)  # beyond, tanh is 1 to the last digit and x³ may overflow
        inner = bounded + 0.044715 * (square(bounded) * bounded)
        return 0.5 * x * (1.0 + tanh(math.sqrt(2.0 / math.pi) * inner))
    return 0.5 * x * (1.0 + erf(x * math.sqrt(0.5)))


@composite
def silu(x: Tensor) -> Tensor:
    """y = x·σ(x), also called swish. Ramachandran, Zoph, Le 2017.

    >>> silu([-1.0, 0.0, 2.0]).numpy().round(3)
    array([-0.269,  0.   ,  1.762])
    """
    return x * sigmoid(x)


@composite
def mish(x: Tensor) -> Tensor:
    """y = x·tanh(ln(1 + eˣ)). Misra 2019.

    >>> mish([-1.0, 0.0, 2.0]).numpy().round(3)
    array([-0.303,  0.   ,  1.944])
    """
    return x * tanh(softplus(x))


@composite
def softsign(x: Tensor) -> Tensor:
    """y = x / (1 + |x|).

    >>> softsign([-1.0, 0.0, 2.0]).numpy().round(3)
    array([-0.5  ,  0.   ,  0.667])
    """
    return x / (1.0 + absolute(x))


@composite
def hard_sigmoid(x: Tensor) -> Tensor:
    """y = min(max(x/6 + 1/2, 0), 1).

    >>> hard_sigmoid([-4.0, 0.0, 1.5]).numpy().round(3)
    array([0.  , 0.5 , 0.75])
    """
    return minimum(relu(x / 6.0 + 0.5), 1.0)


@composite
def l2_normalize(x: Tensor, *, axis: Axes = -1, epsilon: float = 1e-12) -> Tensor:
    """y = x / √max(Σᵢ xᵢ², ε).

    >>> from pellucid.core.graph import tensor
    >>> l2_normalize(tensor([3.0, 4.0])).numpy()
    array([0.6, 0.8])
    """
    return x / sqrt(maximum(sum(square(x), axis=axis, keepdims=True), epsilon))


def stack(values: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Values side by side along a new axis.

    >>> from pellucid.core.graph import tensor
    >>> stack([tensor([1.0, 2.0]), tensor([3.0, 4.0])], axis=1).numpy()
    array([[1., 3.],
           [2., 4.]])
    """
    return concatenate([expand_dims(value, axis) for value in values], axis=axis)


def repeat(x: Tensor, repeats: Sequence[int], axes: Sequence[int]) -> Tensor:
    """Every element several times in a row along each of some ascending axes.

    >>> from pellucid.core.sources import feed
    >>> repeat(feed((None, 4, 3)), repeats=(2,), axes=(1,)).shape
    (None, 8, 3)
    """
    times = dict(zip(axes, repeats, strict=True))
    apart = [part for i, size in enumerate(x.shape) for part in ((size, 1) if i in times else (size,))]
    full = [part for i, size in enumerate(x.shape) for part in ((size, times[i]) if i in times else (size,))]
    merged = [None if size is None else size * times.get(i, 1) for i, size in enumerate(x.shape)]
    return reshape(broadcast_to(reshape(x, apart), full), merged)
