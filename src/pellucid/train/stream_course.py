"""Training and evaluation on batches as they come: one step for each item of an iterable.

Batches are made on a thread of their own while steps run, at most two ahead.
"""

from __future__ import annotations

import math
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy

from pellucid.core.graph import Program, Variable
from pellucid.core.random import make_key
from pellucid.data.prefetch import prefetched
from pellucid.errors import ArgumentError, DataError
from pellucid.train.callback import Callbacks
from pellucid.train.history import Logs
from pellucid.train.inputs import Examples, length, need_count
from pellucid.train.interrupts import whole_steps
from pellucid.train.nonfinite import Feeds, all_finite, not_finite
from pellucid.train.step import Step, changed_by


@dataclass
class Before:
    """What there was before a step: its number, its batch, where that stood, and the values of all variables."""

    step: int
    data: Examples
    place: str
    variables: list[Variable]
    values: list[numpy.ndarray]


class BatchTraining:
    """Training steps on single batches. What was before the last two is kept, to go back to when numbers break."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._before: deque[Before] = deque(maxlen=2)

    @property
    def variables(self) -> list[Variable]:
        found: list[Variable] = self.model.variables
        return found

    def train(self, data: Examples, place: str = "a batch given by itself") -> tuple[Step, numpy.ndarray]:
        """One step; raises `NonFiniteError` where its loss is not finite, and restores the last good weights."""
        step: Step = self.model.step(data, data.rows, training=True)
        self._keep(step, data, place)
        with whole_steps():
            totals: numpy.ndarray = self.model.programs.totals(step, data, self.model.steps_trained)
            self.model.steps_trained += 1
            if not math.isfinite(totals[0]):
                raise not_finite(self, self.model.steps_trained - 1)
        return step, totals

    def need_finite_weights(self) -> None:
        """The last update may have broken weights that no loss has been computed with yet."""
        if not all_finite(self.variables):
            raise not_finite(self, self.model.steps_trained)

    def _keep(self, step: Step, data: Examples, place: str) -> None:
        variables = changed_by([step], self.model)
        if len(self._before) == 2 and self._before[0].variables == variables:
            values = self._before[0].values  # its memory serves again
            for array, variable in zip(values, variables, strict=True):
                numpy.copyto(array, variable.value)
        else:
            values = [variable.value.copy() for variable in variables]
        self._before.append(Before(self.model.steps_trained, data, place, variables, values))

    @property
    def first(self) -> int:
        return self._before[0].step

    def rewind(self, step: int) -> None:
        for before in self._before:
            if before.step == step:
                for variable, value in zip(before.variables, before.values, strict=True):
                    variable.assign(value)
        self.model.steps_trained = step

    def fed(self, step: int) -> tuple[Program, Feeds]:
        data = self._at(step).data
        program = self.model.step(data, data.rows, training=True).program
        key = make_key(self.model.seed, step)
        return program, dict(zip(program.inputs, [*data.as_fed(program.inputs), key], strict=False))

    def rows(self, step: int) -> numpy.ndarray:
        return numpy.arange(self._at(step).data.rows)

    @property
    def rows_of(self) -> str:
        return "batch"

    @property
    def precision(self) -> str:
        found: str = self.model.precision
        return found

    def place(self, step: int) -> str:
        return self._at(step).place

    def _at(self, step: int) -> Before:
        return next(before for before in self._before if before.step == step)


class StreamCourse(BatchTraining):
    """The steps of `fit` on an iterable of batches, which `examples` makes of its items.

    An epoch is one pass, or `steps_per_epoch` batches, going on where the epoch before ended and starting again where
    the iterable can. One that can be read only once ends training, with a warning, when it is exhausted.
    """

    def __init__(
        self,
        model: Any,
        source: Iterable[Any],
        examples: Callable[[Any], Examples],
        epochs: int,
        steps_per_epoch: int | None,
    ) -> None:
        super().__init__(model)
        if steps_per_epoch is not None:
            need_count("steps_per_epoch", steps_per_epoch, least=1)
        self.source, self.examples, self.asked = source, examples, steps_per_epoch
        self.batch: int | None = None
        self.data: Examples | None = None
        self.steps_per_epoch = steps_per_epoch or length(source)
        self._batches = iter(source)
        self._once = self._batches is source
        if self._once and epochs > 1 and steps_per_epoch is None:
            raise ArgumentError(
                "this iterator can be read only once: give steps_per_epoch, epochs=1, or an iterable that begins anew, "
                "such as a Stream"
            )
        self._epoch, self._finished = 0, list[Logs]()

    def epoch(self, callbacks: Callbacks) -> Logs:
        totals = numpy.zeros(1)  # which adds to totals of any number
        rows, logs = 0, Logs()
        self._epoch += 1
        self.model.epochs_trained += 1
        with closing(self._examples()) as examples:
            for number, data in enumerate(examples):
                callbacks.tell("on_train_batch_begin", number, {})
                step, flat = self.train(data, f"epoch {self._epoch} of this fit, batch {number + 1}")
                totals, rows = totals + flat, rows + data.rows
                if callbacks:
                    logs = step.logs(totals, rows)
                callbacks.tell("on_progress", number + 1, logs)
                callbacks.halt(self.model.steps_trained, logs)
                callbacks.tell("on_train_batch_end", number, logs)
                if self.model.stop_training:
                    break
        self.need_finite_weights()
        return step.logs(totals, rows)

    def epochs(self, most: int) -> None:
        self._finished.append(self.epoch(Callbacks()))

    def finished(self) -> list[Logs]:
        done, self._finished = self._finished, []
        return done

    def _examples(self) -> Generator[Examples, None, None]:
        """The batches of one epoch."""
        given = 0
        with prefetched(self._items()) as items:
            for item in items:
                yield self.examples(item)
                given += 1
        if given == 0:
            raise DataError(f"the iterable gave no batches for epoch {self._epoch}; each epoch needs at least one")
        if self.asked is not None and given < self.asked:
            self.model.stop_training = True
            warnings.warn(
                f"the iterable ended after {given} of {self.asked} batches of epoch {self._epoch}, so "
                "training ends; give more batches, or fewer steps_per_epoch",
                stacklevel=2,
            )

    def _items(self) -> Iterator[Any]:
        if self.asked is None:
            yield from self._batches if self._once else iter(self.source)
            return
        left = self.asked
        while left:
            taken = 0
            for item in islice(self._batches, left):
                yield item
                taken += 1
            left -= taken
            if left and (self._once or not taken):
                return
            if left:
                self._batches = iter(self.source)


def evaluate_stream(model: Any, source: Iterable[Any], steps: int | None = None) -> Logs:
    """One pass over some batches; returns the figures over all of them."""
    totals = numpy.zeros(1)  # which adds to totals of any number
    rows, step = 0, None
    with prefetched(islice(source, steps)) as items:
        for item in items:
            data = model.examples(*parts(item))
            step, flat = model.run_batch(data)
            totals, rows = totals + flat, rows + data.rows
    if step is None:
        raise DataError("the iterable gave no batches; evaluation needs at least one (x, y)")
    logs: Logs = step.logs(totals, rows)
    return logs


def predict_stream(model: Any, source: Iterable[Any], steps: int | None = None) -> Any:
    """The outputs for the features of some batches, in their order."""
    with prefetched(islice(source, steps)) as items:
        made = [model.predict(item[0] if isinstance(item, tuple) else item) for item in items]
    if not made:
        raise DataError("the iterable gave no batches; predict needs at least one")
    if len(model.outputs) == 1:
        return numpy.concatenate(made)
    return [numpy.concatenate(outputs) for outputs in zip(*made, strict=True)]


def parts(item: Any) -> tuple[Any, Any, Any]:
    """Features, labels and weights of a batch; raises `DataError` for what is not one."""
    if not isinstance(item, (tuple, list)) or len(item) not in (2, 3):
        raise DataError(f"a batch must be (x, y) or (x, y, sample_weight), got {type(item).__name__}")
    return item[0], item[1], item[2] if len(item) == 3 else None
