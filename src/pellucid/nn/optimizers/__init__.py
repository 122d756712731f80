"""Optimizers by name: how gradients change weights. Names, arguments, defaults and formulas are Keras 3's."""

from __future__ import annotations

from typing import Any

from pellucid.errors import ArgumentError
from pellucid.nn.optimizers.adaptive import Adadelta, Adagrad, RMSprop
from pellucid.nn.optimizers.base import Optimizer
from pellucid.nn.optimizers.descent import SGD
from pellucid.nn.optimizers.moments import Adam, Adamax, AdamW, Lion, Nadam
from pellucid.nn.registry import from_config, look_up

CLASSES: dict[str, type[Optimizer]] = {
    kind.__name__: kind for kind in (SGD, RMSprop, Adagrad, Adadelta, Adam, AdamW, Nadam, Adamax, Lion)
}
OPTIMIZERS: dict[str, type[Optimizer]] = {name.lower(): kind for name, kind in CLASSES.items()}


def get(identifier: Any) -> Optimizer:
    """An optimizer from its name (in any case), its configuration or itself.

    >>> get("sgd").learning_rate
    0.01
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, str):
        return look_up("optimizer", OPTIMIZERS, identifier.lower())()
    if isinstance(identifier, dict):
        return from_config("optimizer", CLASSES, identifier)
    if isinstance(identifier, type) and issubclass(identifier, Optimizer):
        return identifier()
    raise ArgumentError(f"an optimizer is a name or an Optimizer object, got {identifier!r}")


__all__ = [
    "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Lion", "Nadam", "Optimizer", "RMSprop", "get",
]  # fmt: skip
