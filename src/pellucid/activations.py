"""`pellucid.activations`: the public door to `pellucid.nn.activations`, with those that are ops of their own."""

from pellucid.nn.activations import elu, get, leaky_relu, linear, relu, relu6
from pellucid.ops import exp as exponential
from pellucid.ops import (
    gelu,
    hard_sigmoid,
    log_softmax,
    mish,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
    softsign,
    step,
    straight_through_step,
    tanh,
)  # fmt: skip

swish = silu

__all__ = [
    "elu", "exponential", "gelu", "get", "hard_sigmoid", "leaky_relu", "linear", "log_softmax", "mish", "relu", "relu6",
    "selu", "sigmoid", "silu", "softmax", "softplus", "softsign", "step", "straight_through_step", "swish", "tanh",
]  # fmt: skip
