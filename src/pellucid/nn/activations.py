"""Activation functions by name. Each is an op or a composite of ops: a function from a tensor to a tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid import ops
from pellucid.core.graph import Tensor
from pellucid.errors import ArgumentError
from pellucid.nn.registry import look_up

Activation = Callable[[Tensor], Tensor]


def linear(x: Tensor) -> Tensor:
    """y = x."""
    return x


ACTIVATIONS: dict[str, Activation] = {
    "linear": linear,
    "relu": ops.relu,
    "sigmoid": ops.sigmoid,
    "softmax": ops.softmax,
    "tanh": ops.tanh,
}


def get(identifier: Any) -> Activation:
    """An activation from its name or itself; `None` is linear."""
    if identifier is None:
        return linear
    if isinstance(identifier, str):
        return look_up("activation", ACTIVATIONS, identifier)
    if callable(identifier):
        return identifier  # type: ignore[no-any-return]
    raise ArgumentError(f"an activation is a name or a function of a tensor, got {identifier!r}")


def name_of(activation: Activation) -> str:
    """The name under which an activation is saved; raises `ArgumentError` for one that has none."""
    for name, known in ACTIVATIONS.items():
        if known is activation:
            return name
    raise ArgumentError(f"the activation {activation!r} has no registered name, so a model with it cannot be saved")
