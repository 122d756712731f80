"""The plots that suit a model of a table, by name: what `pellucid plot` and reports draw."""

from __future__ import annotations

from typing import Any

from pellucid.data.read import read
from pellucid.errors import ArgumentError
from pellucid.plot.classification import confusion_matrix, precision_recall, roc
from pellucid.plot.curves import learning_curves
from pellucid.plot.figure import Axes
from pellucid.plot.regression import predicted, residuals

KINDS = {
    "learning_curves": "the loss of training and validation, epoch by epoch",
    "confusion_matrix": "which classes are taken for which",
    "roc": "true over false positives at every threshold",
    "precision_recall": "precision over recall at every threshold",
    "predicted": "predicted over true numbers",
    "residuals": "what is left over, over the prediction",
}
_OF_CLASSES = ("confusion_matrix", "roc", "precision_recall")
_OF_NUMBERS = ("predicted", "residuals")


def table_kinds(model: Any) -> list[str]:
    """The plots that suit a table model: by what it predicts, and whether its training was recorded.

    >>> from pellucid.train.tabular import TableModel
    >>> table = {"x": list(range(60)), "y": ["low"] * 30 + ["high"] * 30}
    >>> table_kinds(TableModel.train(table, "y", hidden=(8,), epochs=2, seed=1, verbose=0))
    ['learning_curves', 'confusion_matrix', 'roc', 'precision_recall']
    """
    if not hasattr(model, "target"):
        raise ArgumentError(
            f"plots of tables need a TableModel, got {type(model).__name__}; pellucid.plot has the others"
        )
    recorded = ["learning_curves"] if model.history is not None and model.history.history else []
    return [*recorded, *(_OF_CLASSES if model.target.classes else _OF_NUMBERS)]


def table_plot(model: Any, data: Any, kind: str, notices: list[str] | None = None, ax: Axes | None = None) -> Axes:
    """Draw a plot of a `TableModel` and a table that has its target: see `KINDS`.

    `data`: a path, a frame, a dict of columns; `None` for learning curves. What the user should know of it is appended
    to `notices`. Raises `ArgumentError` for a kind that does not suit the model, with those that do.

    >>> from pellucid.train.tabular import TableModel
    >>> table = {"x": list(range(60)), "y": [3.0 * x + 1.0 for x in range(60)]}
    >>> model = TableModel.train(table, "y", hidden=(8,), epochs=2, seed=1, verbose=0)
    >>> table_plot(model, table, "predicted").get_xlabel()
    'true y'
    """
    suit = table_kinds(model)
    if kind not in suit:
        what = f"is no plot of a model that predicts {_what(model)}" if kind in KINDS else "is no kind of plot"
        raise ArgumentError(f"{kind!r} {what}. Those that suit '{model.target.name}': {', '.join(suit)}")
    if kind == "learning_curves":
        return learning_curves(model, "rmse" if "rmse" in model.history.history else "loss", ax=ax)
    if data is None:
        raise ArgumentError(f"{kind!r} needs data: a table that has the column '{model.target.name}'")
    notices = notices if notices is not None else []
    table = read(data)
    notices.extend(table.notices)
    table = model.target.labelled(table, notices)
    truth = model.encoder.labels(table)
    if kind in _OF_NUMBERS:
        draw = predicted if kind == "predicted" else residuals
        return draw(truth, model.predict(table, notices), model.target.name, ax=ax)
    chances = model.predict_proba(table, notices)
    curve = {"confusion_matrix": confusion_matrix, "roc": roc, "precision_recall": precision_recall}[kind]
    return curve(truth, chances, [str(name) for name in model.target.classes], ax=ax)


def _what(model: Any) -> str:
    return f"classes ({', '.join(map(str, model.target.classes[:6]))})" if model.target.classes else "numbers"
