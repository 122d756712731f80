"""Training on arrays in memory, in the executor's loop; Python looks at it a few times a second."""

from __future__ import annotations

from typing import Any

import numpy

from pellucid.core.graph import Program, Variable
from pellucid.execute.program import ENDLESS, Loop, LoopSpec, Status
from pellucid.train.callback import Callbacks
from pellucid.train.history import Logs
from pellucid.train.inputs import Examples, sizes
from pellucid.train.interrupts import whole_steps
from pellucid.train.nonfinite import Feeds, all_finite, bad_id, not_finite
from pellucid.train.programs import SLICE, gathered
from pellucid.train.step import Step, changed_by


class ArrayCourse:
    """The steps of `fit` on arrays: one for whole batches, and one where the last of an epoch is shorter."""

    def __init__(self, model: Any, data: Examples, batch: int, epochs: int, shuffle: bool) -> None:
        self.model = model
        self.batch: int | None = batch
        self.data: Examples | None = data
        self.steps: list[Step] = [model.step(data, size, training=True) for size in sizes(data.rows, batch)]
        self.spec = LoopSpec(
            programs=[step.program for step in self.steps],
            batch=batch,
            sources=data.arrays,
            keyed=self.steps[0].keyed,
            totals=self.steps[0].totals,
            loss=0,
            seed=model.seed,
            epochs=epochs,
            shuffle=shuffle,
            first_epoch=model.epochs_trained,
            first_step=model.steps_trained,
            watch=changed_by(self.steps, model),
        )
        self.steps_per_epoch: int | None = self.spec.steps_per_epoch
        self.loop: Loop = model.programs.loop(self.spec)
        self._versions = self._count_writes()

    @property
    def first(self) -> int:
        return self.spec.first_step

    @property
    def variables(self) -> list[Variable]:
        found: list[Variable] = self.model.variables
        return found

    def epoch(self, callbacks: Callbacks) -> Logs:
        status: Status = "time"
        while status == "time":
            batch = -(-self.loop.position // self.spec.batch)
            if callbacks.watch_batches:
                callbacks.tell("on_train_batch_begin", batch, {})
            most = callbacks.steps_left(self.loop.step)
            status = self._advance(0.0 if callbacks.watch_batches else SLICE, 1, most)
            if status == "time":
                logs = self.steps[0].logs(self.loop.partial_totals(), self.loop.position)
                callbacks.tell("on_progress", -(-self.loop.position // self.spec.batch), logs)
            else:
                logs = self.finished()[-1]
            callbacks.halt(self.loop.step, logs)
            if callbacks.watch_batches:
                callbacks.tell("on_train_batch_end", batch, logs)
            if self.model.stop_training:
                break
        self._need_finite_weights()
        return logs

    def epochs(self, most: int) -> None:
        if self._advance(SLICE, most) != "time":
            self._need_finite_weights()

    def finished(self) -> list[Logs]:
        return [self.steps[0].logs(totals, self.spec.rows) for totals in self.loop.take_totals()]

    def _advance(self, seconds: float, epochs: int, most: int = ENDLESS) -> Status:
        """Let the loop go on; model and loop agree about what is done, whatever happens."""
        if self._count_writes() != self._versions:  # a callback has changed weights or the learning rate
            self.loop.snapshot()
        with whole_steps():
            status = self.loop.advance(seconds, epochs, most)
            self._count_steps()
            if status == "nonfinite":
                raise not_finite(self, self.loop.step - 1)
        if status == "id":
            step = self.loop.step
            raise bad_id(*self.fed(step), f"step {step + 1} ({self.place(step)})")
        self._versions = self._count_writes()
        return status

    def _count_steps(self) -> None:
        self.model.steps_trained = self.loop.step
        self.model.epochs_trained = self.loop.epoch + (self.loop.position > 0)  # one begun is not begun again

    def _count_writes(self) -> int:
        return sum(variable.version for variable in self.spec.watch)

    def _need_finite_weights(self) -> None:
        """The last update may have broken weights that no loss has been computed with yet."""
        if not all_finite(self.variables):
            raise not_finite(self, self.loop.step)

    # Going back, when numbers break

    def rewind(self, step: int) -> None:
        self.loop.rewind(step)
        self._count_steps()

    def fed(self, step: int) -> tuple[Program, Feeds]:
        rows = self.loop.rows(step)
        program = next(one.program for one in self.steps if one.program.inputs[0].shape[0] == len(rows))
        return program, gathered(self.spec, program, rows, step)

    def rows(self, step: int) -> numpy.ndarray:
        return self.loop.rows(step)

    @property
    def rows_of(self) -> str:
        return "data"

    @property
    def precision(self) -> str:
        found: str = self.model.precision
        return found

    def place(self, step: int) -> str:
        epoch, batch = divmod(step - self.spec.first_step, self.spec.steps_per_epoch)
        return f"epoch {epoch + 1} of this fit, batch {batch + 1} of {self.spec.steps_per_epoch}"
