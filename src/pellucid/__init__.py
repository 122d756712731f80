"""Pellucid: neural networks that can be seen through.

The public names are Keras's; each is loaded when it is first used, so that importing costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pellucid._version import __version__

_NAMES = {
    "Input": "pellucid.nn.layers",
    "Layer": "pellucid.nn.layer",
    "Model": "pellucid.train.model",
    "Sequential": "pellucid.train.sequential",
    "TableModel": "pellucid.train.tabular",
    "Trainer": "pellucid.train.trainer",
    "Update": "pellucid.train.trainer",
    "Variable": "pellucid.core.graph",
    "register": "pellucid.nn.functions",
}
_MODULES = {
    "activations", "callbacks", "datasets", "errors", "initializers", "layers", "losses", "metrics", "models", "ops",
    "optimizers", "plot", "random", "regularizers", "utils",
}  # fmt: skip

__all__ = [
    "Input",
    "Layer",
    "Model",
    "Sequential",
    "TableModel",
    "Trainer",
    "Update",
    "Variable",
    "__version__",
    "activations",
    "callbacks",
    "datasets",
    "errors",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "plot",
    "random",
    "register",
    "regularizers",
    "utils",
]

if TYPE_CHECKING:
    from pellucid import (
        activations,
        callbacks,
        datasets,
        errors,
        initializers,
        layers,
        losses,
        metrics,
        models,
        ops,
        optimizers,
        plot,
        random,
        regularizers,
        utils,
    )
    from pellucid.core.graph import Variable
    from pellucid.nn.functions import register
    from pellucid.nn.layer import Layer
    from pellucid.nn.layers import Input
    from pellucid.train.model import Model
    from pellucid.train.sequential import Sequential
    from pellucid.train.tabular import TableModel
    from pellucid.train.trainer import Trainer, Update


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"pellucid.{name}")
    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'pellucid' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
