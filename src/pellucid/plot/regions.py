"""Decision regions: what a model answers everywhere in the plane of two features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from pellucid.errors import ArgumentError, ShapeError
from pellucid.plot.classification import places
from pellucid.plot.figure import COLOURS, DIVERGING, INK, LINES, Axes, axes, colours, dress, styled
from pellucid.plot.inputs import Array, class_names, labels, numbers, one_of, same_rows

KINDS = ("classes", "probability")
_MARGIN = 0.08
_POINTS = 160  # of the grid, along each side


@styled
def decision_regions(
    model: Any,
    x: Any,
    y: Any = None,
    kind: str = "classes",
    names: Sequence[str] | None = None,
    classes: Sequence[Any] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw which class a model with two features gives at every point, and the examples with their true classes.

    `model`: has `predict` (a `TableModel`, `predict_proba`), or is a function from [rows, 2] to the probability of the
    second of two classes, or one (or a logit) per class. `x`: [rows, 2], or a dict of two columns. `kind`: "classes",
    or "probability": of the second of two classes, or of several how sure the model is of its answer. Examples whose
    class the model gets wrong have a dark ring. Raises `ArgumentError` for another number of features.

    >>> x, y = [[0.0, 0.0], [1.0, 1.0]], [0, 1]
    >>> decision_regions(lambda x: x[:, 0], x, y).get_title("left")
    'Decision regions: 2 of 2 right (100.0%)'
    """
    one_of("kind of regions", kind, KINDS)
    given = list(x) if isinstance(x, Mapping) else None
    points = numbers(list(x.values()), "x", 2).T if isinstance(x, Mapping) else numbers(x, "x", 2)
    if points.shape[1] != 2:
        raise ArgumentError(
            f"decision regions are drawn over two features, x has {points.shape[1]}; train on two of them"
        )
    names = list(names if names is not None else given or ("first feature", "second feature"))
    if len(names) != 2:
        raise ArgumentError(f"names must be those of the two features, got {len(names)}: {', '.join(map(str, names))}")
    low, high = points.min(0), points.max(0)
    room = _MARGIN * numpy.where(high > low, high - low, 1.0)
    a, b = (numpy.linspace(low[i] - room[i], high[i] + room[i], _POINTS) for i in (0, 1))
    everywhere = numpy.column_stack([part.ravel() for part in numpy.meshgrid(a, b)])
    chances = _chances(model, everywhere, given)
    target = getattr(model, "target", None)
    known = class_names(classes or getattr(target, "classes", None), (), chances.shape[1])
    if len(known) != chances.shape[1]:
        raise ShapeError(f"the model gives {chances.shape[1]} classes, but {len(known)} are named")
    ax = axes(ax, (5.4, 4.4))
    _regions(ax, a, b, chances.reshape(_POINTS, _POINTS, -1), kind, known)
    title = "Decision regions"
    if y is not None:
        truth = labels(y, "y")
        same_rows(x=points, y=truth)
        right = _examples(ax, points, places(truth, known, "y"), _chances(model, points, given).argmax(1), known)
        title += f": {right:,} of {len(truth):,} right ({right / len(truth):.1%})"
    ax.set(xlim=(a[0], a[-1]), ylim=(b[0], b[-1]))
    dress(ax, title, str(names[0]), str(names[1]), lines="")
    return ax


def _chances(model: Any, points: Array, columns: list[str] | None) -> Array:
    """The probability of each class, [rows, classes]."""
    given: Any = points.astype(numpy.float32) if columns is None else dict(zip(columns, points.T, strict=True))
    predict = getattr(model, "predict_proba", getattr(model, "predict", model))
    if not callable(predict):
        raise ArgumentError(f"model must be a model or a function of [rows, 2], got {type(model).__name__}")
    scores = numbers(predict(given), "the model's answers")
    if scores.ndim == 1 or (scores.ndim == 2 and scores.shape[1] == 1):
        scores = scores.reshape(len(scores))
        if scores.min() < 0 or scores.max() > 1:  # a logit
            scores = 1 / (1 + numpy.exp(-scores))
        return numpy.column_stack([1 - scores, scores])
    if scores.ndim != 2 or len(scores) != len(points):
        raise ShapeError(f"the model must give one answer per row and class, got the shape {list(scores.shape)}")
    if scores.min() < 0 or not numpy.allclose(scores.sum(1), 1, atol=1e-3):  # logits
        scores = numpy.exp(scores - scores.max(1, keepdims=True))
    share: Array = scores / scores.sum(1, keepdims=True)
    return share


def _regions(ax: Axes, a: Array, b: Array, chances: Array, kind: str, known: Sequence[Any]) -> None:
    answer = chances.argmax(2)
    extent = (a[0], a[-1], b[0], b[-1])
    two = chances.shape[2] == 2
    if kind == "probability" and two:
        shades = colours((COLOURS[0], DIVERGING[1], COLOURS[1]))
        levels = numpy.linspace(0, 1, 11)
        filled = ax.contourf(a, b, chances[:, :, 1], levels=levels, cmap=shades, alpha=0.75)
        bar = ax.figure.colorbar(filled, ax=ax, pad=0.02, aspect=30, ticks=levels[::2])
        bar.set_label(f"probability of {known[1]}")
        bar.outline.set_visible(False)
    else:
        from matplotlib.colors import to_rgb

        tints = numpy.array([to_rgb(COLOURS[i % len(COLOURS)]) for i in range(len(known))])
        sure = (chances.max(2) - 1 / len(known)) / (1 - 1 / len(known)) if kind == "probability" else 0.5
        strength = 0.08 + 0.55 * numpy.broadcast_to(sure, answer.shape)[:, :, None]
        ax.imshow(1 - strength * (1 - tints[answer]), extent=extent, origin="lower", aspect="auto",
                  interpolation="bilinear")  # fmt: skip
    for place in range(1 if two else 0, len(known)):
        others = numpy.delete(chances, place, axis=2).max(2)
        ax.contour(a, b, chances[:, :, place] - others, levels=[0.0], colors="white", linewidths=1.6)


def _examples(ax: Axes, points: Array, truth: Array, answer: Array, known: Sequence[Any]) -> int:
    """The examples by their true class, those that are wrong with a ring; how many are right."""
    size, ring = (70, 2.0) if len(points) <= 50 else (26, 1.4) if len(points) <= 400 else (9, 0.7)
    wrong = answer != truth
    handles = []
    for place in range(len(known)):
        mine, colour = truth == place, COLOURS[place % len(COLOURS)]
        edges = [INK if bad else "white" for bad in wrong[mine]]
        widths = numpy.where(wrong[mine], ring, min(ring, 1.2) / 2)
        ax.scatter(*points[mine].T, s=size, color=colour, edgecolors=edges, linewidths=widths, zorder=3)
        handles.append(ax.scatter([], [], s=34, color=colour, edgecolors="white"))
    ax.legend(handles, list(map(str, known)), title="true class", frameon=True, facecolor="white", framealpha=0.9,
              edgecolor=LINES, fontsize=8, title_fontsize=8)  # fmt: skip
    return int((~wrong).sum())
