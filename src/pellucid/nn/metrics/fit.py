"""Does a metric fit the loss it is shown beside, and the last activation? Refusals name the repair."""

from __future__ import annotations

from pellucid.core.graph import Tensor
from pellucid.errors import ArgumentError
from pellucid.nn.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    Hinge,
    KLDivergence,
    Loss,
    OwnLoss,
    SparseCategoricalCrossentropy,
)
from pellucid.nn.losses.checks import PROBABILITIES
from pellucid.nn.losses.origin import activation_of

CLASSIFICATION = (
    BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy, KLDivergence, Hinge, CategoricalHinge,
)  # fmt: skip
ONE_HOT = (CategoricalCrossentropy, KLDivergence, CategoricalHinge)
NAMES = {
    "binary": "binary_accuracy", "categorical": "categorical_accuracy", "sparse": "sparse_categorical_accuracy",
}  # fmt: skip


def kind_of_labels(loss: Loss, output: Tensor) -> str:
    """`sparse`, `categorical` or `binary`; `any` where the loss does not tell."""
    if loss.label_dtype == "int32":
        return "sparse"
    if isinstance(loss, ONE_HOT) or (output.shape[-1] != 1 and activation_of(output) == "softmax"):
        return "categorical"
    return "any" if isinstance(loss, OwnLoss) else "binary"


def is_multiclass(loss: Loss, output: Tensor) -> bool:
    """Whether each example belongs to one of several classes."""
    return output.shape[-1] != 1 and kind_of_labels(loss, output) in ("sparse", "categorical")


def needs_classes(loss: Loss, output: Tensor, where: str) -> None:
    """Refuse a metric of right and wrong answers for a network that predicts numbers."""
    if isinstance(loss, (*CLASSIFICATION, OwnLoss)) or activation_of(output) in PROBABILITIES:
        return
    raise ArgumentError(
        f"{where}: {loss.name} with a last activation of {activation_of(output)} predicts numbers, which are "
        "hardly ever equal to the label; use 'mae', 'rmse' or 'r2_score', or for classes a cross-entropy loss"
    )


def needs_labels(kind: str, loss: Loss, output: Tensor, where: str) -> None:
    """Refuse a metric for labels of another kind than the loss takes."""
    given = kind_of_labels(loss, output)
    if given in (kind, "any") or (kind == "categorical" and given == "binary" and output.shape[-1] != 1):
        return
    raise ArgumentError(
        f"{where}: it takes {kind} labels, but {loss.name} has {given} ones; use {NAMES[given]!r} or 'accuracy'"
    )


def needs_numbers(loss: Loss, where: str) -> None:
    """Refuse a metric of distances where labels are class numbers."""
    if loss.label_dtype == "int32":
        raise ArgumentError(
            f"{where}: labels of {loss.name} are class numbers, from which no distance can be taken; "
            "use 'accuracy', 'f1_score' or 'sparse_categorical_crossentropy'"
        )


def check_logits(from_logits: bool, threshold_is_probability: bool, loss: Loss, output: Tensor, where: str) -> None:
    """Refuse probability thresholds on logits, and the reverse: the network would seem far worse than it is."""
    last = activation_of(output)
    if from_logits and last in PROBABILITIES:
        raise ArgumentError(
            f"{where}: from_logits=True, but the last activation is {last}, no logits; leave out from_logits"
        )
    if not from_logits and threshold_is_probability and getattr(loss, "from_logits", False):
        raise ArgumentError(
            f"{where}: outputs are logits ({loss.name} has from_logits=True), but its threshold is for probabilities; "
            "give the metric from_logits=True, or name it as a string, which does so"
        )
