"""Checks made before training: do labels, output units and the last activation fit the loss? Messages name a repair."""

from __future__ import annotations

import math
from typing import Any

import numpy

from pellucid.core.graph import Tensor
from pellucid.core.spec import Shape, show_shape
from pellucid.errors import ArgumentError, LabelError, ShapeError
from pellucid.nn.losses.origin import activation_of

# What the last activation can give: probabilities, or (of those that cannot) only positive numbers.
PROBABILITIES = ("softmax", "sigmoid", "hard_sigmoid", "step", "straight_through_step")
NO_PROBABILITIES = (
    "linear", "relu", "tanh", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softplus", "softsign",
    "log_softmax", "exp", "negative", "square", "absolute",
)  # fmt: skip
NEGATIVE = ("linear", "tanh", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softsign", "log_softmax")


def check_numbers(labels: numpy.ndarray, where: str) -> None:
    """Labels are finite numbers."""
    if labels.dtype.kind in "USO":
        first = labels.reshape(-1)[0] if labels.size else ""
        kind = "objects" if labels.dtype.kind == "O" else "text"
        raise LabelError(
            f"{where}: labels are {kind}, such as {str(first)!r}; "
            "encode them as numbers from 0, or train on a table with a target column, which does it for you"
        )
    if labels.dtype.kind == "f" and not (finite := numpy.isfinite(labels)).all():
        row, value = _first(~finite, labels)
        raise LabelError(f"{where}: the label of row {row} is {value}; fill in or drop rows without a label")


def check_units(output: Tensor, where: str) -> None:
    """Softmax over one unit is always 1."""
    if output.shape[-1:] == (1,) and activation_of(output) == "softmax":
        raise ArgumentError(
            f"{where}: softmax over 1 unit is always 1, so nothing can be learned; "
            "use sigmoid with binary_crossentropy, or 2 units with sparse_categorical_crossentropy"
        )


def check_shape(labels: numpy.ndarray, output: Tensor, where: str) -> None:
    """One label for every output value; [n] and [n, 1] are the same."""
    if _same(labels.shape[1:], output.shape[1:]):
        return
    units = output.shape[-1]
    hint = f"give the last layer {math.prod(labels.shape[1:])} units, or one label for each of its values"
    if labels[:1].size == 1 and units not in (None, 1) and labels.dtype.kind in "iub":
        hint = f"class numbers for {units} units need sparse_categorical_crossentropy; one number needs Dense(1)"
    elif output.rank > max(labels.ndim, 2):
        hint = (
            "the network still gives values for every step or place: put Flatten() or a global pooling before its last "
            "layer, or leave out return_sequences=True"
        )
    elif labels.ndim > max(output.rank, 2):
        hint = "give one label for each example, or keep the steps in the network (return_sequences=True, no Flatten())"
    raise ShapeError(
        f"{where}: labels have the shape {show_shape(labels.shape)}, but the network gives "
        f"{show_shape(output.shape)}; {hint}"
    )


def check_range(labels: numpy.ndarray, low: float, high: float, where: str, repair: str) -> None:
    """Every label within [low, high]."""
    outside = (labels < low) | (labels > high)
    if outside.any():
        row, value = _first(outside, labels)
        limits = f"at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
        raise LabelError(f"{where}: the label of row {row} is {value:g}, but labels must be {limits}; {repair}")


def check_signs(labels: numpy.ndarray, where: str) -> None:
    """Every label -1 or 1, or every label 0 or 1."""
    allowed = (0, 1) if (labels == 0).any() else (-1, 1)
    wrong = ~numpy.isin(labels, allowed)
    if wrong.any():
        row, value = _first(wrong, labels)
        raise LabelError(
            f"{where}: the label of row {row} is {value:g}, but hinge labels are -1 and 1 (or 0 and 1); "
            "use categorical_hinge or a cross-entropy for more classes"
        )


def check_one_hot(labels: numpy.ndarray, output: Tensor, where: str, sparse: str | None, axis: int = -1) -> None:
    """Labels are probabilities of the classes, one column per unit; `sparse` is the loss that takes class numbers."""
    units = output.shape[-1]
    if labels.ndim < output.rank or (labels.shape[-1] == 1 and units not in (None, 1)):
        instead = f"use {sparse}, or " if sparse else ""
        raise LabelError(
            f"{where}: labels of shape {show_shape(labels.shape)} are class numbers, but one-hot rows of {units} are "
            f"needed; {instead}one-hot encode them: numpy.eye({units})[labels]"
        )
    check_shape(labels, output, where)
    check_range(labels, 0.0, 1.0, where, "rows are probabilities of the classes")
    totals = labels.sum(axis=axis, dtype=numpy.float64)
    if (totals > 1.001).any():
        row, value = _first(totals > 1.001, totals)
        raise LabelError(
            f"{where}: the labels of row {row} add up to {value:g}, but one class is right at a time; "
            "for several at once use sigmoid and binary_crossentropy"
        )


def check_classes(labels: numpy.ndarray, output: Tensor, where: str) -> None:
    """Labels are class numbers from 0 to units - 1."""
    units, shape = output.shape[-1], show_shape(labels.shape)
    if labels.ndim == output.rank and labels.shape[-1] != 1:
        if labels.shape[-1] == units and numpy.isin(labels, (0, 1)).all():
            raise LabelError(
                f"{where}: labels of shape {shape} are one-hot, but class numbers are needed; "
                "use categorical_crossentropy, or numpy.argmax(labels, axis=-1)"
            )
        raise LabelError(
            f"{where}: labels have the shape {shape}; give one class number from 0 to {units} - 1 per example"
        )
    if not _same((*labels.shape[1:], 1), (*output.shape[1:-1], 1)):
        raise ShapeError(
            f"{where}: labels have the shape {shape}, but the network gives {show_shape(output.shape)}; "
            "give one class number for each row of class probabilities"
        )
    fractions = labels != numpy.floor(labels) if labels.dtype.kind == "f" else numpy.zeros(labels.shape, bool)
    if fractions.any():
        row, value = _first(fractions, labels)
        raise LabelError(
            f"{where}: the label of row {row} is {value:g}, but class numbers are whole; for numbers use mse"
        )
    if units is not None and (outside := (labels < 0) | (labels >= units)).any():
        row, value = _first(outside, labels)
        repair = f"number the classes from 0, or give the last layer {int(labels.max()) + 1} units"
        repair = "use binary_crossentropy with sigmoid" if units == 1 else repair
        raise LabelError(
            f"{where}: the label of row {row} is {value:g}, outside 0 to {units - 1} for {units} output units; {repair}"
        )


def check_probabilities(output: Tensor, where: str, from_logits: bool, wanted: str) -> None:
    """The last activation gives probabilities, or with `from_logits` it does not."""
    last = activation_of(output)
    if from_logits and last in PROBABILITIES:
        raise ArgumentError(
            f"{where}: from_logits=True, but the last activation is {last}, which gives probabilities, not logits; "
            f"leave out from_logits, or remove the activation"
        )
    if not from_logits and last in NO_PROBABILITIES:
        raise ArgumentError(
            f"{where}: the last activation is {last}, which does not give probabilities; "
            f"use activation='{wanted}' in the last layer, or from_logits=True in the loss"
        )


def check_positive(output: Tensor, where: str) -> None:
    """The last activation gives numbers of at least 0."""
    last = activation_of(output)
    if last in NEGATIVE:
        raise ArgumentError(
            f"{where}: the last activation is {last}, which can be negative, but the mean of a count cannot; "
            "use activation='softplus' or 'exponential' in the last layer"
        )


def _same(labels: tuple[int, ...], output: Shape) -> bool:
    """Equal sizes where known, but for sizes of 1 at the end."""
    longest = max(len(labels), len(output))
    pairs = zip((*labels, *(1,) * (longest - len(labels))), (*output, *(1,) * (longest - len(output))), strict=True)
    return abs(len(labels) - len(output)) <= 1 and all(b is None or a == b for a, b in pairs)


def _first(wrong: numpy.ndarray, labels: numpy.ndarray) -> tuple[int, Any]:
    """Row and value of the first label that is wrong."""
    place = tuple(int(i) for i in numpy.argwhere(wrong)[0])
    return place[0] if place else 0, labels[place]
