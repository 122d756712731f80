"""Losses by name: what training makes small. Names, arguments and defaults are Keras 3's.

Every loss is safe at any size of prediction, and `Loss.check` refuses labels, shapes and activations that do not fit.
"""

from __future__ import annotations

from typing import Any

from pellucid.errors import ArgumentError
from pellucid.nn import functions
from pellucid.nn.losses.base import EPSILON, Loss, OwnLoss, as_tensor, matched, spread
from pellucid.nn.losses.boxes import GIoULoss, giou_loss
from pellucid.nn.losses.focal import (
    BinaryFocalCrossentropy,
    CategoricalFocalCrossentropy,
    binary_focal_crossentropy,
    categorical_focal_crossentropy,
)
from pellucid.nn.losses.hinge import (
    CategoricalHinge,
    Hinge,
    SquaredHinge,
    categorical_hinge,
    hinge,
    squared_hinge,
)
from pellucid.nn.losses.probability import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    KLDivergence,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    categorical_crossentropy,
    kl_divergence,
    sparse_categorical_crossentropy,
)
from pellucid.nn.losses.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    cosine_similarity,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
)
from pellucid.nn.registry import from_config, look_up

LOSSES: dict[str, type[Loss]] = {
    "bce": BinaryCrossentropy,
    "binary_crossentropy": BinaryCrossentropy,
    "binary_focal_crossentropy": BinaryFocalCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "categorical_focal_crossentropy": CategoricalFocalCrossentropy,
    "categorical_hinge": CategoricalHinge,
    "cosine_similarity": CosineSimilarity,
    "giou_loss": GIoULoss,
    "hinge": Hinge,
    "huber": Huber,
    "kl_divergence": KLDivergence,
    "kld": KLDivergence,
    "log_cosh": LogCosh,
    "logcosh": LogCosh,
    "mae": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "mean_absolute_error": MeanAbsoluteError,
    "mean_absolute_percentage_error": MeanAbsolutePercentageError,
    "mean_squared_error": MeanSquaredError,
    "mean_squared_logarithmic_error": MeanSquaredLogarithmicError,
    "mse": MeanSquaredError,
    "msle": MeanSquaredLogarithmicError,
    "poisson": Poisson,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "squared_hinge": SquaredHinge,
}
CLASSES: dict[str, type[Loss]] = {kind.__name__: kind for kind in LOSSES.values()}
_SHOUTED = {name.upper(): kind for name, kind in LOSSES.items() if len(name) <= 4 and name != "hinge"}


def get(identifier: Any) -> Loss:
    """A loss from its name, its configuration, itself, or a function of labels and predictions.

    >>> get("mse").name
    'mean_squared_error'
    """
    if isinstance(identifier, Loss):
        return identifier
    if isinstance(identifier, str):
        function = functions.named(identifier)
        if function is not None:
            return OwnLoss(function)
        known = {**LOSSES, **CLASSES}
        return look_up("loss", known, identifier if identifier not in _SHOUTED else identifier.lower())()
    if isinstance(identifier, dict):
        return from_config("loss", {**CLASSES, "OwnLoss": OwnLoss}, identifier)
    if isinstance(identifier, type) and issubclass(identifier, Loss):
        return identifier()
    if callable(identifier):
        name = getattr(identifier, "__name__", "")
        return LOSSES[name]() if globals().get(name) is identifier else OwnLoss(identifier)
    raise ArgumentError(f"a loss is a name, a Loss object or a function of labels and predictions, got {identifier!r}")


__all__ = [
    "EPSILON",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "GIoULoss",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "OwnLoss",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "as_tensor",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
    "cosine_similarity",
    "get",
    "giou_loss",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "matched",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "sparse_categorical_crossentropy",
    "spread",
    "squared_hinge",
]
