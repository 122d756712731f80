"""Activation functions by name. Each is an op or a composite of ops: a function from a tensor to a tensor.

Two are binary steps. The derivative of a step is zero wherever it exists, so units before `step` do not learn by
descent. `straight_through_step` has the same values, and by choice the derivative 1 where |x| ≤ 1, so they do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid import ops
from pellucid.core.graph import Tensor
from pellucid.errors import ArgumentError
from pellucid.nn import functions
from pellucid.nn.registry import look_up

Activation = Callable[..., Tensor]


def linear(x: Tensor) -> Tensor:
    """y = x.

    >>> from pellucid.core.graph import tensor
    >>> linear(tensor([-2.0, 3.0])).numpy()
    array([-2.,  3.])
    """
    return x


def relu(x: Tensor, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Tensor:
    """y = max(0, x); in general min(x, max_value) where x > threshold, else negative_slope·(x - threshold).

    >>> from pellucid.core.graph import tensor
    >>> import numpy
    >>> relu(tensor(numpy.float32([-2, 3, 9])), negative_slope=0.5, max_value=6.0).numpy()
    array([-1.,  3.,  6.], dtype=float32)
    """
    if negative_slope and max_value is None and not threshold:
        return leaky_relu(x, negative_slope)
    above = ops.where(ops.greater(x, threshold), x, 0.0) if threshold else ops.relu(x)
    if max_value is not None:
        above = ops.minimum(above, max_value)
    return above - negative_slope * ops.relu(threshold - x if threshold else -x) if negative_slope else above


def relu6(x: Tensor) -> Tensor:
    """y = min(max(0, x), 6). Krizhevsky 2010.

    >>> from pellucid.core.graph import tensor
    >>> relu6(tensor([-2.0, 3.0, 9.0])).numpy()
    array([0., 3., 6.])
    """
    return relu(x, max_value=6.0)


def leaky_relu(x: Tensor, negative_slope: float = 0.2) -> Tensor:
    """y = x if x > 0 else negative_slope·x. Maas, Hannun, Ng 2013.

    >>> from pellucid.core.graph import tensor
    >>> leaky_relu(tensor([-2.0, 3.0]), negative_slope=0.5).numpy()
    array([-1.,  3.])
    """
    return ops.leaky_relu(x, negative_slope)


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """y = x if x > 0 else α·(eˣ - 1). Clevert, Unterthiner, Hochreiter 2016.

    >>> from pellucid.core.graph import tensor
    >>> elu(tensor([-20.0, 3.0])).numpy().round(3)
    array([-1.,  3.])
    """
    return ops.elu(x, alpha)


ACTIVATIONS: dict[str, Activation] = {
    "elu": elu,
    "exponential": ops.exp,
    "gelu": ops.gelu,
    "hard_sigmoid": ops.hard_sigmoid,
    "leaky_relu": leaky_relu,
    "linear": linear,
    "log_softmax": ops.log_softmax,
    "mish": ops.mish,
    "relu": relu,
    "relu6": relu6,
    "selu": ops.selu,
    "sigmoid": ops.sigmoid,
    "silu": ops.silu,
    "softmax": ops.softmax,
    "softplus": ops.softplus,
    "softsign": ops.softsign,
    "step": ops.step,
    "straight_through_step": ops.straight_through_step,
    "swish": ops.silu,
    "tanh": ops.tanh,
}


def get(identifier: Any) -> Activation:
    """An activation from its name or itself; `None` is linear.

    >>> get("rleu")
    Traceback (most recent call last):
    ...
    pellucid.errors.UnknownNameError: unknown activation 'rleu'; did you mean 'relu'? Known: elu, exponential, gelu, ...
    """
    if identifier is None:
        return linear
    if identifier is ops.relu:
        return relu
    if isinstance(identifier, str):
        return functions.named(identifier) or look_up("activation", ACTIVATIONS, identifier)
    if hasattr(identifier, "get_config"):
        raise ArgumentError(f"{identifier!r} is a layer, not a function; put it after this layer instead")
    if callable(identifier) and not isinstance(identifier, type):
        function: Activation = identifier
        return function
    raise ArgumentError(f"an activation is a name or a function of a tensor, got {identifier!r}")


def name_of(activation: Activation) -> str:
    """The name under which an activation is saved; raises `ArgumentError` for one that has none.

    >>> name_of(relu)
    'relu'
    """
    for name, known in ACTIVATIONS.items():
        if known is activation:
            return name
    return functions.name_of(activation, f"the activation {getattr(activation, '__name__', activation)}")
