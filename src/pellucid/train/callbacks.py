"""Callbacks by name: stopping, saving, logging, learning rates, own functions.

Names, arguments and defaults are Keras 3's; unlike there, a watched figure that training does not report is refused.
"""

from __future__ import annotations

import csv
import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy

from pellucid.errors import ArgumentError, nearest
from pellucid.nn.metrics import METRICS
from pellucid.train.callback import Callback
from pellucid.train.history import History, Logs
from pellucid.train.watching import Doctor

__all__ = [
    "CSVLogger",
    "Callback",
    "Doctor",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "StopAt",
]


class LambdaCallback(Callback):
    """Own functions as callbacks, each called as the method of its name: `on_epoch_end=lambda epoch, logs: …`.

    >>> import numpy
    >>> from pellucid import Sequential, layers
    >>> x = numpy.linspace(-1, 1, 20)[:, None]
    >>> model = Sequential([layers.Dense(1, input_shape=(1,))], seed=0)
    >>> model.compile("sgd", "mse")
    >>> tell = LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, sorted(logs)))
    >>> history = model.fit(x, 2 * x, epochs=2, verbose=0, callbacks=[tell])
    0 ['loss']
    1 ['loss']
    """

    def __init__(self, **functions: Callable[..., object] | None) -> None:
        events = [name for name in vars(Callback) if name.startswith("on_")]
        given = {name: function for name, function in functions.items() if function is not None}
        for name, function in given.items():
            if name not in events:
                raise ArgumentError(f"LambdaCallback: unknown event {name!r}{nearest(name, events)}")
            if not callable(function):
                raise ArgumentError(f"LambdaCallback: {name} must be a function, got {function!r}")
            setattr(self, name, function)
        self._batches = any("_train_batch_" in name for name in given)

    @property
    def watches_batches(self) -> bool:
        return self._batches


# Names of metrics, as the last part of a figure's name, that are better when larger.
GROWING = (
    "accuracy", "acc", "auc", "precision", "recall", "f1", "f1_score", "r2", "r2_score", "cosine_similarity",
)  # fmt: skip
FALLING = ("loss", "error", "rate", *(name for name in METRICS if not name.endswith(GROWING)))


class Monitor(Callback):
    """What the callbacks share that watch one figure: its direction, and whether it has improved."""

    def __init__(self, monitor: str, mode: str = "auto", min_delta: float = 0.0) -> None:
        kind = type(self).__name__
        if mode not in ("auto", "min", "max"):
            raise ArgumentError(f"{kind}: mode must be 'auto', 'min' or 'max', got {mode!r}")
        if mode == "auto":
            if not monitor.endswith((*GROWING, *FALLING)):
                raise ArgumentError(f"{kind}: is {monitor!r} better when smaller or larger? Give mode='min' or 'max'")
            mode = "max" if monitor.endswith(GROWING) else "min"
        self.monitor, self.mode, self.min_delta = monitor, mode, abs(min_delta)
        self._sign = 1.0 if mode == "max" else -1.0

    def value(self, logs: Logs | None) -> float | None:
        """The watched figure, or `None` after an epoch without validation.

        Raises `ArgumentError` with the nearest name where training does not report it.
        """
        logs = logs or {}
        if self.monitor not in logs:
            validated = self.monitor.startswith("val_")
            if validated and self.params.get("validation") and not any(name.startswith("val_") for name in logs):
                return None
            hint = "; give fit validation_data or validation_split" if validated else ""
            raise ArgumentError(
                f"{type(self).__name__} watches {self.monitor!r}, which training does not report{hint}"
                f"{nearest(self.monitor, logs)}"
            )
        if numpy.ndim(logs[self.monitor]) > 0:
            raise ArgumentError(f"{type(self).__name__} watches {self.monitor!r}, which is not a single number")
        return float(logs[self.monitor])

    def better(self, value: float, best: float) -> bool:
        """Whether a value beats the best so far by more than `min_delta`."""
        return self._sign * (value - best) > self.min_delta

    @property
    def worst(self) -> float:
        return -self._sign * math.inf


class EarlyStopping(Monitor):
    """Stop when a figure no longer improves: the articles' "no longer improving".

    After `patience` epochs without a gain above `min_delta`, or, with `baseline`, without reaching it.

    >>> import numpy
    >>> from pellucid import Sequential, layers
    >>> x = numpy.linspace(-1, 1, 20)[:, None]
    >>> model = Sequential([layers.Dense(1, input_shape=(1,))], seed=0)
    >>> model.compile("sgd", "mse")
    >>> stop = EarlyStopping("loss", patience=3, min_delta=0.01)
    >>> history = model.fit(x, 2 * x, epochs=500, verbose=0, callbacks=[stop])
    >>> len(history.epoch) < 500
    True
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
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.best, self.best_epoch, self.wait, self.stopped_epoch = self.worst, 0, 0, 0
        self._weights: list[numpy.ndarray] | None = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value = self.value(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self._weights is None:  # the first are the best, even if the figure is NaN
            self._weights, self.best_epoch = self.model.get_weights(), epoch
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
            if self.model.history is not None:
                self.model.history.params["restored_epoch"] = self.best_epoch
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
        if value is not None and (value == self.threshold or self.better(value, self.threshold)):
            self.model.stop_training = True


class LearningRateScheduler(Callback):
    """Set the learning rate before each epoch: `schedule(epoch, rate)`, or `schedule(epoch)`, gives the new one.

    >>> import numpy
    >>> from pellucid import Sequential, layers
    >>> x = numpy.linspace(-1, 1, 20)[:, None]
    >>> model = Sequential([layers.Dense(1, input_shape=(1,))], seed=0)
    >>> model.compile("sgd", "mse")
    >>> halve = LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate)
    >>> history = model.fit(x, 2 * x, epochs=3, verbose=0, callbacks=[halve])
    >>> round(float(model.optimizer.learning_rate), 4)
    0.0025
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        if not callable(schedule):
            raise ArgumentError(f"LearningRateScheduler: schedule must be a function of the epoch, got {schedule!r}")
        self.schedule, self.verbose = schedule, verbose
        self._takes_rate = _takes(schedule, 2)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        optimizer = self.model.optimizer
        given = self.schedule(epoch, optimizer.learning_rate) if self._takes_rate else self.schedule(epoch)
        if not isinstance(given, (int, float, numpy.number)) or not (math.isfinite(given) and given >= 0):
            raise ArgumentError(
                f"LearningRateScheduler: the schedule gave {given!r} for epoch {epoch}; give a finite number ≥ 0"
            )
        rate = optimizer.learning_rate = float(given)
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate {rate:.4g}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.learning_rate


class ReduceLROnPlateau(Monitor):
    """Multiply the learning rate by `factor` when a figure has not improved for `patience` epochs.

    >>> import numpy
    >>> from pellucid import Sequential, layers
    >>> x = numpy.linspace(-1, 1, 20)[:, None]
    >>> model = Sequential([layers.Dense(1, input_shape=(1,))], seed=0)
    >>> model.compile("sgd", "mse")
    >>> reduce = ReduceLROnPlateau("loss", factor=0.5, patience=2, min_delta=10.0)
    >>> history = model.fit(x, 2 * x, epochs=4, verbose=0, callbacks=[reduce])
    >>> round(float(model.optimizer.learning_rate), 4)
    0.005
    """

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
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.best, self.wait, self.cooling = self.worst, 0, 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value, rate = self.value(logs), self.model.optimizer.learning_rate
        if logs is not None:
            logs["learning_rate"] = rate
        if value is None:
            return
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
                    print(f"Epoch {epoch + 1}: learning rate reduced to {self.model.optimizer.learning_rate:.4g}")


class ModelCheckpoint(Monitor):
    """Save the model after each epoch, or only when a figure is the best so far.

    `{epoch}` (from 1) and the names of figures in the path are filled in: `"model-{epoch:02d}-{val_loss:.2f}"`. With
    `initial_value_threshold`, only what is better than that is ever the best.

    >>> import numpy
    >>> from pellucid import Sequential, layers
    >>> x = numpy.linspace(-1, 1, 20)[:, None]
    >>> model = Sequential([layers.Dense(1, input_shape=(1,))], seed=0)
    >>> model.compile("sgd", "mse")
    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kept = ModelCheckpoint(f"{folder}/best.safetensors", monitor="loss", save_best_only=True)
    ...     history = model.fit(x, 2 * x, epochs=2, verbose=0, callbacks=[kept])
    ...     print(os.listdir(folder))
    ['best.safetensors']
    """

    def __init__(
        self,
        filepath: str | Path,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        mode: str = "auto",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        self.filepath, self.verbose, self.save_best_only = str(filepath), verbose, save_best_only
        self.best = self.worst if initial_value_threshold is None else float(initial_value_threshold)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_best_only:
            value = self.value(logs)
            if value is None or not self.better(value, self.best):
                return
            self.best = value
        path = self._path(epoch, logs or {})
        self.model.save(path)
        if self.verbose:
            print(f"Epoch {epoch + 1}: saved {path}")

    def _path(self, epoch: int, logs: Logs) -> str:
        try:
            return self.filepath.format(epoch=epoch + 1, **logs)
        except KeyError as error:
            raise ArgumentError(
                f"ModelCheckpoint: {self.filepath!r} names {error}, which training does not report"
                f"{nearest(str(error.args[0]), ['epoch', *logs])}"
            ) from None
        except (ValueError, IndexError, TypeError) as error:
            raise ArgumentError(f"ModelCheckpoint: {self.filepath!r} cannot be filled in: {error}") from None


class CSVLogger(Callback):
    """Write the figures of each epoch as a row of a CSV file, `NA` where an epoch has none.

    >>> import numpy
    >>> from pellucid import Sequential, layers
    >>> x = numpy.linspace(-1, 1, 20)[:, None]
    >>> model = Sequential([layers.Dense(1, input_shape=(1,))], seed=0)
    >>> model.compile("sgd", "mse")
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     history = model.fit(x, 2 * x, epochs=2, verbose=0, callbacks=[CSVLogger(f"{folder}/log.csv")])
    ...     print(open(f"{folder}/log.csv").readline().strip())
    epoch,loss
    """

    def __init__(self, filename: str | Path, separator: str = ",", append: bool = False) -> None:
        self.filename, self.separator, self.append = Path(filename), separator, append
        self._file: TextIO | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._continued = self.append and self.filename.exists() and self.filename.stat().st_size > 0
        try:
            self._file = self.filename.open("a" if self.append else "w", newline="", encoding="utf-8")
        except OSError as error:
            raise ArgumentError(f"CSVLogger: {self.filename} cannot be written: {error.strerror}") from error
        self._names: list[str] | None = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        assert self._file is not None
        figures = {name: value for name, value in (logs or {}).items() if numpy.ndim(value) == 0}
        writer = csv.writer(self._file, delimiter=self.separator)
        if self._names is None:
            self._names = list(figures)
            if self.params.get("validation") and not any(name.startswith("val_") for name in figures):
                self._names += [f"val_{name}" for name in figures]  # validation comes in later epochs
            if not self._continued:
                writer.writerow(["epoch", *self._names])
        writer.writerow([epoch, *(figures.get(name, "NA") for name in self._names)])
        self._file.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _takes(function: Callable[..., Any], count: int) -> bool:
    """Whether a function can be called with that many values."""
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # a builtin that does not tell
        return True
    return True
