"""The reference executor: NumPy alone, one node at a time. Obvious and slow; the oracle for every other executor."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from pellucid.core import random
from pellucid.core.evaluate import evaluate_nodes
from pellucid.core.graph import Program
from pellucid.core.verify import verify
from pellucid.errors import ArgumentError, DataError
from pellucid.execute.program import LoopSpec, Status


class ReferenceRunner:
    """A program as it stands: evaluate, then write the updates."""

    def __init__(self, program: Program) -> None:
        verify(program)
        self.program, self.nodes = program, program.nodes()

    def __call__(self, *arrays: numpy.ndarray) -> list[numpy.ndarray]:
        if len(arrays) != len(self.program.inputs):
            raise ArgumentError(f"the program has {len(self.program.inputs)} inputs, got {len(arrays)} arrays")
        values = evaluate_nodes(self.nodes, dict(zip(self.program.inputs, arrays, strict=True)))
        results = [numpy.array(values[output]) for output in self.program.outputs]
        written = [(variable, numpy.array(values[value])) for variable, value in self.program.updates]
        for variable, value in written:
            variable.assign(value)
        return results


SNAPSHOT_SECONDS = 1.0


@dataclass(frozen=True)
class Snapshot:
    """A loop's state between two steps."""

    step: int
    epoch: int
    position: int
    running: numpy.ndarray | None
    values: list[numpy.ndarray]


class ReferenceLoop:
    """Steps over shuffled rows in plain Python; `rewind` goes back to a snapshot and replays from there."""

    def __init__(self, spec: LoopSpec) -> None:
        self.spec = spec
        self.runners = [ReferenceRunner(program) for program in spec.programs]
        self.epoch, self.step, self.position = spec.first_epoch, spec.first_step, 0
        self._ended: list[numpy.ndarray] = []
        self._running: numpy.ndarray | None = None
        self._shuffled = (-1, numpy.zeros(0, numpy.int64))  # the last epoch asked for, and its order
        self._snapshots: list[Snapshot] = []  # the last two
        self._taken = 0.0

    def advance(self, seconds: float, epochs: int) -> Status:
        last = self.spec.first_epoch + self.spec.epochs
        deadline, last_epoch = time.monotonic() + seconds, min(self.epoch + epochs, last)
        while self.epoch < last_epoch:
            if not self._snapshots or time.monotonic() - self._taken >= SNAPSHOT_SECONDS:
                self._take_snapshot()
            try:
                finite = self._one_step()
            except DataError:
                return "id"
            if not finite:
                return "nonfinite"
            if time.monotonic() >= deadline and self.epoch < last_epoch:
                return "time"
        return "done" if self.epoch == last else "epoch"

    def _one_step(self) -> bool:
        spec, rows = self.spec, self.rows(self.step)
        runner = self.runners[0 if len(rows) == spec.batch or len(self.runners) == 1 else 1]
        arrays = [
            source[rows].astype(feed.dtype) for source, feed in zip(spec.sources, runner.program.inputs, strict=False)
        ]
        if spec.keyed:
            arrays.append(random.make_key(spec.seed, self.step))
        outputs = runner(*arrays)
        added, collected = outputs[: spec.totals], outputs[spec.totals :]
        self._add(added)
        for target, value in zip(spec.collects, collected, strict=True):
            target[rows] = value
        self.step += 1
        self.position += len(rows)
        if self.position == spec.rows:
            self._ended.append(self.partial_totals())
            self._running, self.position, self.epoch = None, 0, self.epoch + 1
        return spec.loss is None or bool(numpy.isfinite(outputs[spec.loss]))

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
            self._one_step()
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


class Reference:
    """The executor `numpy`; it computes in the graph's own dtypes, whatever the precision asked for."""

    name = "numpy"

    def compile(self, program: Program, precision: str = "float32") -> ReferenceRunner:
        return ReferenceRunner(program)

    def loop(self, spec: LoopSpec, precision: str = "float32") -> ReferenceLoop:
        return ReferenceLoop(spec)
