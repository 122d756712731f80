"""Training on arrays in memory, in the executor's loop; Python looks at it a few times a second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pellucid.core.graph import Program, Variable
from pellucid.execute.program import Loop, LoopSpec, Status
from pellucid.train.callback import Callbacks
from pellucid.train.history import Logs
from pellucid.train.interrupts import whole_steps
from pellucid.train.nonfinite import Feeds, all_finite, bad_id, not_finite
from pellucid.train.programs import SLICE, gathered
from pellucid.train.step import Step


class ArrayCourse:
    """The steps of `fit` on arrays. `steps` holds one step, or two when the last batch of an epoch is shorter."""

    def __init__(self, model: Any, steps: Sequence[Step], spec: LoopSpec, loop: Loop) -> None:
        self.model, self.steps, self.spec, self.loop = model, steps, spec, loop
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
            status = self._advance(0.0 if callbacks.watch_batches else SLICE, 1)
            if status == "time":
                logs = self.steps[0].logs(self.loop.partial_totals(), self.loop.position)
                callbacks.tell("on_progress", -(-self.loop.position // self.spec.batch), logs)
            else:
                logs = self.finished()[-1]
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

    def _advance(self, seconds: float, epochs: int) -> Status:
        """Let the loop go on; model and loop agree about what is done, whatever happens."""
        if self._count_writes() != self._versions:  # a callback has changed weights or the learning rate
            self.loop.snapshot()
        with whole_steps():
            status = self.loop.advance(seconds, epochs)
            self._count_steps()
            if status == "nonfinite":
                raise not_finite(self, self.loop.step - 1)
        if status == "id":
            step = self.loop.step
            raise bad_id(*self.batch(step), f"step {step + 1} ({self.place(step)})")
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

    def batch(self, step: int) -> tuple[Program, Feeds]:
        rows = self.loop.rows(step)
        program = next(one.program for one in self.steps if one.program.inputs[0].shape[0] == len(rows))
        return program, gathered(self.spec, program, rows, step)

    def place(self, step: int) -> str:
        epoch, batch = divmod(step - self.spec.first_step, self.spec.steps_per_epoch)
        return f"epoch {epoch + 1} of this fit, batch {batch + 1} of {self.spec.steps_per_epoch}"
