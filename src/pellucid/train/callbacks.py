"""Callbacks: what happens between epochs, and between batches for those that ask.

A subclass overrides the events it cares for. `on_progress` comes a few times a second during an epoch and costs
nothing; overriding `on_train_batch_begin` or `on_train_batch_end` makes training halt after every batch, which small
networks feel.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy

from pellucid.errors import ArgumentError, nearest

Logs = dict[str, Any]


class Callback:
    """Base of all callbacks. `model` is being trained; `model.stop_training = True` ends it after this epoch."""

    model: Any = None
    params: Logs

    def set_model(self, model: Any) -> None:
        self.model = model

    def set_params(self, params: Logs) -> None:
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before an epoch, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After an epoch and its validation; `logs` has the figures."""

    def on_progress(self, batch: int, logs: Logs | None = None) -> None:
        """A few times a second during an epoch, with the figures so far."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch, with the epoch's figures so far."""

    @property
    def watches_batches(self) -> bool:
        kind = type(self)
        return (
            kind.on_train_batch_begin is not Callback.on_train_batch_begin
            or kind.on_train_batch_end is not Callback.on_train_batch_end
        )


class LambdaCallback(Callback):
    """Own functions as callbacks: `LambdaCallback(on_epoch_end=lambda epoch, logs: …)`."""

    def __init__(self, **functions: Callable[..., None]) -> None:
        events = [name for name in vars(Callback) if name.startswith("on_")]
        for name, function in functions.items():
            if name not in events:
                raise ArgumentError(f"LambdaCallback: unknown event {name!r}{nearest(name, events)}")
            setattr(self, name, function)
        self._batches = any("_batch_" in name for name in functions)

    @property
    def watches_batches(self) -> bool:
        return self._batches


class Monitor(Callback):
    """What the callbacks share that watch one figure: its direction, and whether it has improved."""

    def __init__(self, monitor: str, mode: str = "auto", min_delta: float = 0.0) -> None:
        if mode not in ("auto", "min", "max"):
            raise ArgumentError(f"mode must be 'auto', 'min' or 'max', got {mode!r}")
        self.monitor, self.mode, self.min_delta = monitor, mode, abs(min_delta)
        growing = mode == "max" or (mode == "auto" and any(word in monitor for word in _GROWING))
        self._sign = 1.0 if growing else -1.0

    def value(self, logs: Logs | None) -> float:
        """The watched figure; raises `ArgumentError` naming the nearest where it is absent."""
        logs = logs or {}
        if self.monitor not in logs:
            hint = "; give fit validation_data or validation_split" if self.monitor.startswith("val_") else ""
            raise ArgumentError(
                f"{type(self).__name__} watches {self.monitor!r}, which training does not report{hint}"
                f"{nearest(self.monitor, logs)}"
            )
        return float(logs[self.monitor])

    def better(self, value: float, best: float) -> bool:
        """Whether a value beats the best so far by more than `min_delta`."""
        return self._sign * (value - best) > self.min_delta

    @property
    def worst(self) -> float:
        return -self._sign * math.inf


_GROWING = ("acc", "auc", "precision", "recall", "f1", "r2")


class EarlyStopping(Monitor):
    """Stop when a figure no longer improves: the articles' "no longer improving".

    After `patience` epochs without a gain above `min_delta`, or, with `baseline`, without reaching it.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.best, self.best_epoch, self.wait, self.stopped_epoch = self.worst, 0, 0, 0
        self._weights: list[numpy.ndarray] | None = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value = self.value(logs)
        if epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self.better(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self._weights = self.model.get_weights()
            if self.baseline is None or self.better(value, self.baseline):
                self.wait = 0
        elif self.wait >= max(self.patience, 1) and epoch > 0:
            self.stopped_epoch, self.model.stop_training = epoch, True

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._weights is not None:
            self.model.set_weights(self._weights)
        if self.stopped_epoch and self.verbose:
            print(
                f"Epoch {self.stopped_epoch + 1}: early stopping; "
                f"best {self.monitor} {self.best:.4g} in epoch {self.best_epoch + 1}"
            )


class StopAt(Monitor):
    """Stop once a figure reaches a threshold: the articles' "error within a threshold".

    >>> StopAt("loss", 0.01).monitor
    'loss'
    """

    def __init__(self, monitor: str, threshold: float, mode: str = "auto") -> None:
        super().__init__(monitor, mode)
        self.threshold = float(threshold)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value = self.value(logs)
        if value == self.threshold or self.better(value, self.threshold):
            self.model.stop_training = True


class LearningRateScheduler(Callback):
    """Set the learning rate before each epoch: `schedule(epoch, rate)` gives the new one."""

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        rate = float(self.schedule(epoch, float(self.model.optimizer.learning_rate)))
        if not (math.isfinite(rate) and rate >= 0):
            raise ArgumentError(
                f"LearningRateScheduler: the schedule gave {rate!r} for epoch {epoch}; give a finite number ≥ 0"
            )
        self.model.optimizer.learning_rate = rate
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate {rate:.4g}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


class ReduceLROnPlateau(Monitor):
    """Multiply the learning rate by `factor` when a figure has not improved for `patience` epochs."""

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if not 0.0 < factor < 1.0:
            raise ArgumentError(f"ReduceLROnPlateau: factor must be between 0 and 1, got {factor!r}")
        self.factor, self.patience, self.verbose, self.cooldown, self.min_lr = (
            factor,
            patience,
            verbose,
            cooldown,
            min_lr,
        )

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.best, self.wait, self.cooling = self.worst, 0, 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value, rate = self.value(logs), float(self.model.optimizer.learning_rate)
        if logs is not None:
            logs["learning_rate"] = rate
        if self.cooling > 0:
            self.cooling, self.wait = self.cooling - 1, 0
        if self.better(value, self.best):
            self.best, self.wait = value, 0
        elif self.cooling == 0:
            self.wait += 1
            if self.wait >= self.patience and rate > self.min_lr:
                self.model.optimizer.learning_rate = max(rate * self.factor, self.min_lr)
                self.cooling, self.wait = self.cooldown, 0
                if self.verbose:
                    print(
                        f"Epoch {epoch + 1}: learning rate reduced to {float(self.model.optimizer.learning_rate):.4g}"
                    )


class ModelCheckpoint(Monitor):
    """Save the model after each epoch, or only when a figure is the best so far; `{epoch}` and figures fill the path."""

    def __init__(
        self,
        filepath: str | Path,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        mode: str = "auto",
    ) -> None:
        super().__init__(monitor, mode)
        self.filepath, self.verbose, self.save_best_only = str(filepath), verbose, save_best_only
        self.best = self.worst

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_best_only:
            value = self.value(logs)
            if not self.better(value, self.best):
                return
            self.best = value
        path = self.filepath.format(epoch=epoch + 1, **(logs or {}))
        self.model.save(path)
        if self.verbose:
            print(f"Epoch {epoch + 1}: saved {path}")


class CSVLogger(Callback):
    """Write the figures of each epoch as a row of a CSV file."""

    def __init__(self, filename: str | Path, separator: str = ",", append: bool = False) -> None:
        self.filename, self.separator, self.append = Path(filename), separator, append
        self._file: TextIO | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._continued = self.append and self.filename.exists() and self.filename.stat().st_size > 0
        self._file = self.filename.open("a" if self.append else "w", newline="", encoding="utf-8")
        self._names: list[str] | None = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        assert self._file is not None
        figures = {name: value for name, value in (logs or {}).items() if numpy.ndim(value) == 0}
        writer = csv.writer(self._file, delimiter=self.separator)
        if self._names is None:
            self._names = list(figures)
            if not self._continued:
                writer.writerow(["epoch", *self._names])
        writer.writerow([epoch, *(figures.get(name, "") for name in self._names)])
        self._file.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
