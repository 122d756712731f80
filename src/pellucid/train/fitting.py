"""The course of one `fit`, of a model or a trainer: epochs, and between them callbacks, validation and history."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import closing, nullcontext
from typing import Any, Protocol

from pellucid.train.callback import Callback, Callbacks
from pellucid.train.history import History, Logs
from pellucid.train.inputs import Examples
from pellucid.train.progress import progress

Validate = Callable[[], Logs]


class Course(Protocol):
    """Where the steps of training come from: arrays in memory, or batches as they come."""

    batch: int | None
    steps_per_epoch: int | None  # `None` where an iterable does not tell
    data: Examples | None  # all of them, where they are in memory

    def epoch(self, callbacks: Callbacks) -> Logs:
        """Make the steps of one epoch, telling callbacks of batches; returns its figures."""

    def epochs(self, most: int) -> None:
        """Make whole epochs for a moment, without telling anyone; `finished` has their figures."""

    def finished(self) -> list[Logs]:
        """The figures of the epochs that `epochs` completed since the last call."""


class Fitting:
    """One run of training, from its first epoch to its last or to a reason to stop.

    However it ends, also by an error or by Ctrl-C, callbacks get `on_train_end`, so that files are closed.
    """

    def __init__(
        self,
        model: Any,
        course: Course,
        epochs: int,
        verbose: Any,
        callbacks: Callback | Sequence[Callback] | None,
        initial_epoch: int = 0,
        validate: Validate | None = None,
        validation_freq: int | Collection[int] = 1,
    ) -> None:
        self.model, self.course, self.verbose = model, course, verbose
        self.epoch, self.last_epoch = initial_epoch, epochs
        self.validate, self.validation_freq = validate, validation_freq
        self.display = progress(verbose, epochs, course.steps_per_epoch)
        self.callbacks = Callbacks(callbacks, self.display)
        self.logs: Logs = {}

    def run(self) -> History:
        """Train; returns the history."""
        course, model = self.course, self.model
        model.stop_training = False
        model.history = history = History(
            {"epochs": self.last_epoch, "batch_size": course.batch, "steps": course.steps_per_epoch, "seed": model.seed}
        )
        with closing(self.display) if self.display else nullcontext():
            told = {"verbose": self.verbose, "validation": self.validate is not None, "examples": course.data}
            self.callbacks.attach(model, {**history.params, **told})
            self._train(history)
        return history

    def _train(self, history: History) -> None:
        self.callbacks.tell("on_train_begin", {})
        began = time.monotonic()
        try:
            while self.epoch < self.last_epoch and not self.model.stop_training:
                if self.callbacks or self.validate:
                    self._one_epoch(history)
                else:
                    self._many_epochs(history)
        finally:
            history.params["seconds"] = time.monotonic() - began
            self.callbacks.tell("on_train_end", self.logs)

    def _many_epochs(self, history: History) -> None:
        """Where nothing has to happen between epochs, a network of a hundred weights is not slowed down by Python."""
        try:
            self.course.epochs(self.last_epoch - self.epoch)
        finally:
            for logs in self.course.finished():
                history.append(self.epoch, logs)
                self.epoch += 1

    def _one_epoch(self, history: History) -> None:
        epoch, tell = self.epoch, self.callbacks.tell
        tell("on_epoch_begin", epoch, {})
        self.logs = logs = self.course.epoch(self.callbacks)
        if self.validate and self._is_due(epoch + 1):
            tell("on_test_begin", {})
            found = self.validate()
            tell("on_test_end", found)
            logs.update({f"val_{name}": value for name, value in found.items()})
        self.epoch += 1
        try:
            tell("on_epoch_end", epoch, logs)
        finally:
            history.append(epoch, logs)  # afterwards, with what callbacks have added

    def _is_due(self, epoch: int) -> bool:
        """Whether there is validation after an epoch, counted from 1."""
        if isinstance(self.validation_freq, Collection):
            return epoch in self.validation_freq
        return epoch % self.validation_freq == 0
