"""How good classes are predicted: the confusion matrix, and the curves that show every threshold at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy

from pellucid.errors import ArgumentError, LabelError, ShapeError
from pellucid.plot.figure import COLOURS, GREY, INK, PALE, SEQUENCE, Axes, axes, colours, dress, short, styled
from pellucid.plot.inputs import Array, class_names, labels, numbers, same_rows

_COUNTED, _SHARED = 30, 12  # classes up to which a cell shows its count, and its share as well
_CURVES = 6  # of more classes those are drawn that are told apart worst


class Curve(NamedTuple):
    """A curve over all thresholds, the area under it, and the class's share of all rows."""

    x: Array
    y: Array
    area: float
    share: float


@styled
def confusion_matrix(y_true: Any, y_pred: Any, classes: Sequence[Any] | None = None, ax: Axes | None = None) -> Axes:
    """Draw how many rows of each true class were taken for which class, and their share of the true class (colour).

    `y_true`: a class per row. `y_pred`: a class per row, or a probability (or logit) per class, [rows, classes], whose
    largest counts. `classes`: their names in order; without it, those that occur.
    Raises `LabelError` for a class that is not among `classes`.

    >>> confusion_matrix(["yes", "no", "no"], ["yes", "no", "yes"]).get_title("left")
    'Confusion matrix: 2 of 3 rows right (66.7%)'
    """
    truth, predicted = labels(y_true, "y_true"), numpy.asarray(y_pred)
    if predicted.ndim == 2 and predicted.shape[1] > 1:
        scores = numbers(predicted, "y_pred")
        names = class_names(classes, (), scores.shape[1])
        if len(names) != scores.shape[1]:
            raise ShapeError(f"y_pred has {scores.shape[1]} columns for {len(names)} classes")
        taken = scores.argmax(1)
    else:
        taken = labels(predicted, "y_pred")
        if classes is None and taken.dtype.kind == "f" and (taken != taken.round()).any():
            raise LabelError("y_pred must be classes, but has fractions; for probabilities: (probabilities > 0.5)")
        names = class_names(classes, sorted({*truth.tolist(), *taken.tolist()}))
        taken = places(taken, names, "y_pred")
    actual = places(truth, names, "y_true")
    same_rows(y_true=actual, y_pred=taken)
    counts = numpy.zeros((len(names), len(names)), int)
    numpy.add.at(counts, (actual, taken), 1)
    shares = counts / numpy.maximum(counts.sum(1, keepdims=True), 1)
    size = min(max(0.62 * len(names), 3.7), 7.5)
    ax = axes(ax, (size + 1.3, size + 0.6))
    ax.imshow(shares, cmap=colours(SEQUENCE), vmin=0, vmax=1)
    _write(ax, counts, shares)
    long = max(len(str(name)) for name in names) > 4 and len(names) > 3
    ax.set_xticks(range(len(names)), names, rotation=35 if long else 0, ha="right" if long else "center")
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(length=0, labelcolor=INK)
    right = int(numpy.trace(counts))
    title = f"Confusion matrix: {right:,} of {len(actual):,} rows right ({right / len(actual):.1%})"
    dress(ax, title, "predicted class", "true class", lines="")
    ax.spines[:].set_visible(False)
    return ax


def places(values: Array, names: Sequence[Any], what: str) -> Array:
    """The place of each class among the names; whole numbers may be places themselves."""
    known = {name: place for place, name in enumerate(names)}
    listed = values.tolist()
    if not all(value in known for value in listed) and values.dtype.kind in "biuf" and len(names):
        known = {place: place for place in range(len(names))}
    try:
        return numpy.array([known[value] for value in listed], int)
    except KeyError as error:
        raise LabelError(
            f"{what} has the class {error.args[0]!r}, which is not among the classes {', '.join(map(str, names))}"
        ) from None


def _write(ax: Axes, counts: Array, shares: Array) -> None:
    """Counts, and shares where there is room; white on dark."""
    if len(counts) > _COUNTED:
        return
    for i, j in numpy.ndindex(*counts.shape):
        if not counts[i, j] and len(counts) > 2:
            continue
        text = f"{counts[i, j]:,}" + (f"\n{shares[i, j]:.1%}" if len(counts) <= _SHARED else "")
        small = 8.5 if len(counts) <= 6 else 6.8
        ax.text(j, i, text, ha="center", va="center", fontsize=small, color="white" if shares[i, j] > 0.55 else INK)


@styled
def roc(y_true: Any, scores: Any, classes: Sequence[Any] | None = None, ax: Axes | None = None) -> Axes:
    """Draw the share of true positives over that of false ones, at every threshold, with the area under it.

    The area is the chance that a row of the class gets a higher score than a row of another; 0.5 is guessing.
    `scores`: the probability of the second of two classes, [rows]; or one per class, [rows, classes], which is drawn
    for each class against all others. Of more than six classes, those with the smallest area are drawn; a class without
    rows has no curve.
    Source: Fawcett, "An introduction to ROC analysis", 2006.

    >>> roc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).get_title("left")
    'ROC curve: area 0.750'
    """
    found, absent = _one_versus_rest(y_true, scores, classes, _roc)
    ax = axes(ax, (4.9, 4.4))
    ax.plot([0, 1], [0, 1], color=PALE, linestyle=(0, (4, 3)), linewidth=1.2, zorder=1)
    ax.text(0.62, 0.57, "guessing", rotation=45, rotation_mode="anchor", color=GREY, fontsize=8)
    ax.set_aspect("equal")
    _draw(
        ax, found, absent, "ROC curve", "area", "false positives, share of all negatives", "true positives, share found"
    )
    return ax


@styled
def precision_recall(y_true: Any, scores: Any, classes: Sequence[Any] | None = None, ax: Axes | None = None) -> Axes:
    """Draw precision (of the rows taken for a class, the share that is) over recall (the share of its rows found).

    The area is the average precision Σ (Rₖ - Rₖ₋₁)·Pₖ over thresholds. Scores as for `roc`. The dashed line is the
    precision of guessing: the share of the class in all rows.
    Source: Davis and Goadrich, "The relationship between precision-recall and ROC curves", 2006.

    >>> precision_recall([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).get_title("left")
    'Precision and recall: average precision 0.833'
    """
    found, absent = _one_versus_rest(y_true, scores, classes, _precision_recall)
    ax = axes(ax, (4.9, 4.4))
    if len(found) == 1:
        share = next(iter(found.values())).share
        ax.axhline(share, color=PALE, linestyle=(0, (4, 3)), linewidth=1.2, zorder=1)
        ax.text(0.99, share + 0.012, f"guessing, {short(share)}", color=GREY, fontsize=8, ha="right")
    _draw(ax, found, absent, "Precision and recall", "average precision", "recall", "precision")
    return ax


def _one_versus_rest(
    y_true: Any, scores: Any, classes: Sequence[Any] | None, curve: Callable[[Array, Array], Curve]
) -> tuple[dict[str, Curve], list[str]]:
    """A curve by the class's name, of two classes that of the second alone; and the classes that have no rows."""
    truth, chances = labels(y_true, "y_true"), numbers(scores, "scores")
    if chances.ndim == 2 and chances.shape[1] == 1:
        chances = chances[:, 0]
    if chances.ndim not in (1, 2):
        raise ShapeError(f"scores must be one per row, or one per row and class, got rank {chances.ndim}")
    same_rows(y_true=truth, scores=chances)
    names = class_names(classes, sorted(set(truth.tolist())), chances.shape[1] if chances.ndim == 2 else None)
    if chances.ndim == 1 and len(names) != 2:
        raise ArgumentError(
            f"one score per row tells two classes apart, but there are {len(names)} ({', '.join(map(str, names))}); "
            "give a score for each class, [rows, classes]"
        )
    if chances.ndim == 2 and chances.shape[1] != len(names):
        raise ShapeError(f"scores have {chances.shape[1]} columns for {len(names)} classes")
    actual = places(truth, names, "y_true")
    wanted = [1] if len(names) == 2 else range(len(names))
    found, absent = {}, []
    for place in wanted:
        positive = actual == place
        if positive.all() or (len(names) == 2 and not positive.any()):
            raise LabelError(f"y_true has {'only' if positive.all() else 'no'} rows of class {names[place]!r}; "
                             "the curve needs rows of it and of others")  # fmt: skip
        if positive.any():
            found[str(names[place])] = curve(positive, chances if chances.ndim == 1 else chances[:, place])
        else:
            absent.append(str(names[place]))
    return found, absent


def _steps(positive: Array, score: Array) -> tuple[Array, Array]:
    """True and false positives at each distinct threshold, from the highest score to the lowest."""
    order = numpy.argsort(-score, kind="stable")
    last = numpy.append(numpy.flatnonzero(numpy.diff(score[order])), len(score) - 1)
    true = numpy.cumsum(positive[order])[last]
    return true, last + 1 - true


def _roc(positive: Array, score: Array) -> Curve:
    true, false = _steps(positive, score)
    y, x = numpy.insert(true / true[-1], 0, 0.0), numpy.insert(false / false[-1], 0, 0.0)
    area = float(((x[1:] - x[:-1]) * (y[1:] + y[:-1]) / 2).sum())
    return Curve(x, y, area, float(positive.mean()))


def _precision_recall(positive: Array, score: Array) -> Curve:
    true, false = _steps(positive, score)
    recall, precision = true / true[-1], true / (true + false)
    area = float((numpy.diff(recall, prepend=0.0) * precision).sum())
    x, y = numpy.insert(recall, 0, 0.0), numpy.insert(precision, 0, precision[0])
    return Curve(x, y, area, float(positive.mean()))


def _draw(
    ax: Axes, found: dict[str, Curve], absent: list[str], title: str, area: str, x_label: str, y_label: str
) -> None:
    areas = {name: curve.area for name, curve in found.items()}
    shown = sorted(areas, key=lambda name: areas[name])[:_CURVES] if len(found) > _CURVES else list(found)
    one = len(found) == 1 and not absent
    for i, name in enumerate(shown):
        label = None if one else f"{name}: {areas[name]:.3f}"
        style = "default" if area == "area" else "steps-pre"  # between two thresholds, precision is not a line
        ax.plot(found[name].x, found[name].y, color=COLOURS[i], label=label, linewidth=2.0, drawstyle=style)
    for name in absent:
        ax.plot([], [], " ", label=f"{name}: no rows")
    if one:
        title += f": {area} {areas[shown[0]]:.3f}"
    else:
        title += f", class against rest: mean {area} {numpy.mean(list(areas.values())):.3f}"
        heading = f"class: {area}" + (f" (lowest {_CURVES} of {len(found)})" if len(found) > len(shown) else "")
        place = "lower right" if area == "area" else "lower left"
        ax.legend(title=heading, loc=place, fontsize=8, title_fontsize=8, alignment="left")
    ax.set(xlim=(-0.015, 1.015), ylim=(-0.015, 1.015))
    dress(ax, title, x_label, y_label, "both")
