"""Checks of labels against loss and last activation, D2: what can be trained at all, and what the loss means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy

from pellucid.explain.doctor.data import Array
from pellucid.explain.doctor.faults import Family, Fault
from pellucid.explain.doctor.findings import Finding, share
from pellucid.explain.numbers import number


@dataclass(frozen=True, eq=False)
class LabelView:
    """One output's labels, loss and last activation; `refusal` is why they cannot be trained together, if so."""

    output: str
    loss: str
    activation: str
    labels: Array | None
    refusal: str = ""


LABELS: Family[LabelView] = Family()

_RANGES = {"relu": (0.0, numpy.inf), "softplus": (0.0, numpy.inf), "sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}
_RANGES["softmax"] = (0.0, 1.0)
_OUTSIDE = 0.01  # share of labels out of reach; a few can be slips in the data
_SLACK = 1e-3
_AMOUNTS = (
    "mean_squared_error", "mean_absolute_error", "huber", "log_cosh", "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
)  # fmt: skip
_CLASSES = 20  # whole numbers from 0 that are more than this are counts
_ROWS_EACH = 10


@LABELS.check(
    Fault(
        code="D201",
        title="labels, loss and network do not fit together",
        why="The loss would compare things that do not mean the same, so training is refused before it starts.",
        repair="Choose loss, last activation and labels that belong together: see pellucid help D201.",
        meaning="The labels have a shape, kind or range that the loss cannot compare with the network's outputs.",
        causes="Class numbers with a loss for one-hot rows, or the other way round; a last layer with as many units as "
        "features in place of classes; logits given to a loss that expects probabilities.",
        signs="The message names shapes and values.",
        repairs=(
            "A number: Dense(1), no activation, loss 'mse'.",
            "One of two classes: Dense(1, activation='sigmoid'), loss 'binary_crossentropy', labels 0 and 1.",
            "One of k classes, labels 0 … k-1: Dense(k, activation='softmax'), loss 'sparse_categorical_crossentropy'; "
            "one-hot labels: 'categorical_crossentropy'.",
            "Several classes at once: Dense(k, activation='sigmoid'), loss 'binary_crossentropy', labels [rows, k].",
        ),
        source="Goodfellow, Bengio & Courville, Deep Learning (2016), section 6.2.2",
    )
)
def refused(fault: Fault, view: LabelView) -> Iterator[Finding]:
    if view.refusal:
        what, _, repair = view.refusal.partition("; ")
        repair = repair[:1].upper() + repair[1:] + ("" if repair.endswith((".", ")")) else ".") if repair else ""
        yield fault.found(f"output {view.output}", what, repair, loss=view.loss, activation=view.activation)


@LABELS.check(
    Fault(
        code="D202",
        title="labels that the last activation cannot give",
        why="However long it is trained, the network cannot come near these labels; where it is stuck at its limit the "
        "slope is 0 as well.",
        repair="Leave out the last layer's activation for plain numbers, or scale the labels into its range.",
        meaning="At least 1 % of the labels lie outside of what the last activation can give: relu gives nothing below "
        "0, sigmoid 0 to 1, tanh -1 to 1, and softmax's outputs add up to 1.",
        causes="A last layer copied from a network for another task; targets that were standardised (and so became "
        "negative) in front of relu; several classes at once in front of softmax.",
        signs="y.min(), y.max() against model.predict(x).min(), .max().",
        repairs=(
            "Plain numbers: Dense(1) without activation.",
            "Several classes at once: sigmoid in place of softmax.",
            "Scale labels into the range: (y - y.min()) / (y.max() - y.min()).",
        ),
        source="Goodfellow, Bengio & Courville, Deep Learning (2016), section 6.2.2",
    )
)
def out_of_reach(fault: Fault, view: LabelView) -> Iterator[Finding]:
    labels = view.labels
    if labels is None or view.refusal or view.activation not in _RANGES or view.loss.startswith("sparse"):
        return
    low, high = _RANGES[view.activation]
    outside = float(((labels < low - _SLACK) | (labels > high + _SLACK)).mean())
    least, largest = float(labels.min()), float(labels.max())
    if outside >= _OUTSIDE:
        limits = f"at least {low:g}" if numpy.isinf(high) else f"{low:g} to {high:g}"
        what = (
            f"labels from {number(least)} to {number(largest)}, {share(outside)} of them "
            f"outside of what {view.activation} gives: {limits}"
        )
        yield fault.found(f"output {view.output}", what, least=least, largest=largest, outside=outside)
    elif view.activation == "softmax" and labels.ndim > 1 and labels.shape[-1] > 1:
        totals = labels.sum(axis=-1)
        apart = float((numpy.abs(totals - 1.0) > 0.01).mean())
        if apart >= _OUTSIDE:
            what = (
                f"the labels of {share(apart)} of the rows add up to something else than 1 (up to "
                f"{number(float(totals.max()))}); softmax's outputs always add up to 1"
            )
            repair = "Use activation='sigmoid' with binary_crossentropy: each class is then a question of its own."
            yield fault.found(f"output {view.output}", what, repair, outside=apart, largest_total=float(totals.max()))


@LABELS.check(
    Fault(
        code="D203",
        title="classes that are learned as amounts",
        why="A loss for amounts takes class 2 for twice class 1, and the average of classes 0 and 2 for class 1.",
        repair="Use one output unit per class with softmax and sparse_categorical_crossentropy; for two, sigmoid and "
        "binary_crossentropy.",
        meaning="The labels are a few whole numbers from 0, such as the numbers of classes have, and the loss is one "
        "for amounts (mse, mae, …) on an output without activation.",
        causes="mse left over from a network for numbers; text labels numbered one after the other.",
        signs="numpy.unique(y) gives 0, 1, 2, …; predictions fall between the classes.",
        repairs=(
            "Classes: softmax with sparse_categorical_crossentropy, or sigmoid with binary_crossentropy for two.",
            "If they are counts after all: loss 'poisson' with activation='softplus' fits counts better than mse.",
        ),
        source="Bishop, Pattern Recognition and Machine Learning (2006), section 4.1.3",
    )
)
def classes_as_amounts(fault: Fault, view: LabelView) -> Iterator[Finding]:
    labels = view.labels
    if labels is None or view.refusal or view.loss not in _AMOUNTS or view.activation in ("sigmoid", "softmax"):
        return
    if labels.size != len(labels) or len(labels) < 2 * _ROWS_EACH or not (labels == numpy.floor(labels)).all():
        return
    found, counts = numpy.unique(labels, return_counts=True)
    whole = labels.dtype.kind in "iub" or len(found) == 2
    if whole and 2 <= len(found) <= _CLASSES and counts.min() >= _ROWS_EACH and list(found) == list(range(len(found))):
        what = f"the labels are the whole numbers 0 to {len(found) - 1}, and the loss is {view.loss}"
        yield fault.found(f"output {view.output}", what, classes=len(found), loss=view.loss)
