"""Training and evaluation on batches as they come: one step for each item `(x, y)` or `(x, y, sample_weight)`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy

from pellucid.errors import ArgumentError, DataError
from pellucid.train.callbacks import Callback
from pellucid.train.history import History


def fit_stream(
    model: Any,
    x: Iterable[Any],
    epochs: int,
    steps_per_epoch: int | None,
    callbacks: Sequence[Callback],
    history: History,
    validate: Callable[[], dict[str, Any]] | None,
) -> History:
    """Train on an iterable; an iterator that cannot start again needs `steps_per_epoch` for more than one epoch."""
    once = iter(x) is x
    if once and epochs > 1 and steps_per_epoch is None:
        raise ArgumentError(
            "this iterator can be read only once: give steps_per_epoch, epochs=1, or an iterable such as a list"
        )

    def tell(event: str, *arguments: Any) -> None:
        for callback in callbacks:
            getattr(callback, event)(*arguments)

    began = time.monotonic()
    tell("on_train_begin")
    for epoch in range(epochs):
        tell("on_epoch_begin", epoch)
        logs = run_stream(model, islice(x, steps_per_epoch), training=True, tell=tell)
        if validate:
            logs.update({f"val_{name}": value for name, value in validate().items()})
        history.append(epoch, logs)
        model.epochs_trained += 1
        tell("on_epoch_end", epoch, logs)
        if model.stop_training:
            break
    history.params["seconds"] = time.monotonic() - began
    tell("on_train_end")
    return history


def run_stream(
    model: Any, items: Iterator[Any], training: bool, tell: Callable[..., None] | None = None
) -> dict[str, Any]:
    """One pass over some batches; returns the figures over all of them."""
    totals: numpy.ndarray | float = 0.0
    rows, step = 0, None
    for count, (x, y, weight) in enumerate(map(_parts, items)):
        if tell:
            tell("on_train_batch_begin", count)
        data = model.examples(x, y, weight)
        step, flat = model.run_batch(data, training)
        totals, rows = totals + flat, rows + data.rows
        if tell:
            tell("on_train_batch_end", count, step.logs(totals, rows))
    if step is None:
        raise DataError("the iterable gave no batches; each epoch needs at least one (x, y)")
    logs: dict[str, Any] = step.logs(totals, rows)
    return logs


def _parts(item: Any) -> tuple[Any, Any, Any]:
    if not isinstance(item, (tuple, list)) or len(item) not in (2, 3):
        raise DataError(f"a batch must be (x, y) or (x, y, sample_weight), got {type(item).__name__}")
    return item[0], item[1], item[2] if len(item) == 3 else None
