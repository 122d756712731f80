"""What executors in Python share: a loop over shuffled rows that can be halted, rewound and resumed at any step."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from pellucid.core import random
from pellucid.errors import ArgumentError, DataError
from pellucid.execute.program import ENDLESS, LoopSpec, Status

Outputs = Sequence[numpy.ndarray]  # of some steps: each output stacked along a first axis

SNAPSHOT_SECONDS = 1.0


@dataclass(frozen=True)
class Snapshot:
    """A loop's state between two steps."""

    step: int
    epoch: int
    position: int
    running: numpy.ndarray | None
    values: list[numpy.ndarray]


class PythonLoop:
    """Steps over shuffled rows; `rewind` goes back to a snapshot and replays from there.

    A subclass runs steps: `_run` is given the rows of those to come in the running epoch, makes at least the first one,
    and gives the number it made with their outputs stacked; it raises `DataError` for an id outside its table.
    """

    most = 1  # steps that `_run` can use at once

    def __init__(self, spec: LoopSpec) -> None:
        self.spec = spec
        self.epoch, self.step, self.position = spec.first_epoch, spec.first_step, 0
        self._ended: list[numpy.ndarray] = []
        self._running: numpy.ndarray | None = None
        self._shuffled = (-1, numpy.zeros(0, numpy.int64))  # the last epoch asked for, and its order
        self._snapshots: list[Snapshot] = []  # the last two
        self._taken = 0.0

    def advance(self, seconds: float, epochs: int, most: int = ENDLESS) -> Status:
        last = self.spec.first_epoch + self.spec.epochs
        deadline, last_epoch = time.monotonic() + seconds, min(self.epoch + epochs, last)
        until = self.step + most
        while self.epoch < last_epoch:
            if not self._snapshots or time.monotonic() - self._taken >= SNAPSHOT_SECONDS:
                self._take_snapshot()
            try:
                finite = self._go_on(min(self.most, until - self.step) if seconds > 0 else 1)
            except DataError:
                return "id"
            if not finite:
                return "nonfinite"
            if self.epoch < last_epoch and (time.monotonic() >= deadline or self.step >= until):
                return "time"
        return "done" if self.epoch == last else "epoch"

    def _run(self, steps: Sequence[numpy.ndarray]) -> tuple[int, Outputs]:
        raise NotImplementedError

    def _program_of(self, rows: numpy.ndarray) -> int:
        """Which of the programs takes that many rows."""
        return 0 if len(rows) == self.spec.batch or len(self.spec.programs) == 1 else 1

    def _go_on(self, most: int) -> bool:
        """Make up to `most` steps of the running epoch; whether the loss stayed finite."""
        spec = self.spec
        left = spec.steps_per_epoch - self.position // spec.batch
        steps = [self.rows(self.step + i) for i in range(min(most, left))]
        made, outputs = self._run(steps)
        for i in range(made):
            self._add([output[i] for output in outputs[: spec.totals]])
            for target, value in zip(spec.collects, outputs[spec.totals :], strict=True):
                target[steps[i]] = value[i]
            self.step += 1
            self.position += len(steps[i])
        if self.position == spec.rows:
            self._ended.append(self.partial_totals())
            self._running, self.position, self.epoch = None, 0, self.epoch + 1
        return spec.loss is None or bool(numpy.isfinite(outputs[spec.loss][made - 1]))

    def _add(self, outputs: Sequence[numpy.ndarray]) -> None:
        values = [numpy.ravel(output).astype(numpy.float64) for output in outputs]
        flat = numpy.concatenate(values) if values else numpy.zeros(0)
        self._running = flat if self._running is None else self._running + flat

    def take_totals(self) -> numpy.ndarray:
        ended, self._ended = self._ended, []
        return numpy.stack(ended) if ended else numpy.zeros((0, 0))

    def partial_totals(self) -> numpy.ndarray:
        return numpy.zeros(0) if self._running is None else self._running.copy()

    def snapshot(self) -> None:
        self._snapshots = [kept for kept in self._snapshots if kept.step < self.step]
        self._take_snapshot()

    def _take_snapshot(self) -> None:
        values = [variable.value.copy() for variable in self.spec.watch]
        self._snapshots = [
            *self._snapshots[-1:],
            Snapshot(self.step, self.epoch, self.position, self._running, values),
        ]
        self._taken = time.monotonic()

    def rewind(self, step: int) -> None:
        if not self._snapshots or not self._snapshots[0].step <= step <= self.step:
            raise ArgumentError(f"step {step} is not between the oldest snapshot and step {self.step}")
        while self._snapshots[-1].step > step:
            self._snapshots.pop()
        kept = self._snapshots[-1]
        for variable, value in zip(self.spec.watch, kept.values, strict=True):
            variable.assign(value)
        ended = len(self._ended) - (self.epoch - self._epoch_of(step))
        known = self._ended[: max(ended, 0)]
        self.step, self.epoch, self.position, self._running = kept.step, kept.epoch, kept.position, kept.running
        while self.step < step:
            self._go_on(min(self.most, step - self.step))
        self._ended = known

    def _epoch_of(self, step: int) -> int:
        return self.spec.first_epoch + (step - self.spec.first_step) // self.spec.steps_per_epoch

    def rows(self, step: int) -> numpy.ndarray:
        spec = self.spec
        epoch, within = divmod(step - spec.first_step, spec.steps_per_epoch)
        start, stop = within * spec.batch, min((within + 1) * spec.batch, spec.rows)
        if not spec.shuffle:
            return numpy.arange(start, stop)
        if self._shuffled[0] != epoch:
            self._shuffled = (epoch, random.shuffle(spec.seed, spec.first_epoch + epoch, spec.rows))
        return self._shuffled[1][start:stop]
