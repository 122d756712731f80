"""The programs of a model or a trainer on one executor, each made when first needed and kept, and running them."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy

from pellucid.core.graph import Program, Tensor
from pellucid.core.random import make_key
from pellucid.core.spec import known
from pellucid.execute.program import Executor, Loop, LoopSpec, Runner
from pellucid.train import inputs
from pellucid.train.history import Logs
from pellucid.train.inputs import Examples
from pellucid.train.nonfinite import bad_id
from pellucid.train.objective import Objective
from pellucid.train.step import Signature, Step, objective_step, prediction_step

if TYPE_CHECKING:
    from pellucid.train.model import Model

SLICE = 0.1  # seconds between two looks of Python at a running loop: progress, Ctrl-C
APART = 1 << 62  # steps that draw without training are counted from here, so that their keys are not those of training
LIMIT = 64  # programs to keep: sizes of batches hardly vary, but rows of predictions may vary without end


class Seeded(Protocol):
    """What programs belong to: its seed says what they draw."""

    seed: int


class Programs:
    """Steps by what they depend on, and what runs them."""

    def __init__(self, owner: Seeded, executor: Executor, precision: str = "float32") -> None:
        self.owner, self.executor, self.precision = owner, executor, precision
        self._steps: dict[Hashable, Step] = {}
        self._runners: dict[Step, Runner] = {}

    def get(self, key: Hashable, make: Callable[[], Step]) -> Step:
        """The step that was made for this key, or is made now."""
        if key not in self._steps:
            if len(self._steps) >= LIMIT:
                self._runners.pop(self._steps.pop(next(iter(self._steps))), None)
            self._steps[key] = make()
        return self._steps[key]

    def totals(self, step: Step, data: Examples, number: int) -> numpy.ndarray:
        """Run a step on all rows of some examples, as the one of that number; returns its totals."""
        arrays = data.as_fed(step.program.inputs)
        if step.keyed:
            arrays.append(make_key(self.owner.seed, number))
        outputs = self.run(step, arrays)
        return numpy.concatenate([numpy.ravel(value).astype(numpy.float64) for value in outputs])

    def run(self, step: Step, arrays: Sequence[numpy.ndarray]) -> list[numpy.ndarray]:
        """The outputs of a step; raises `DataError` for a bad id."""
        try:
            return self.runner(step)(*arrays)
        except ValueError as error:  # the engine does not know which id it was, nor in which layer
            raise bad_id(step.program, dict(zip(step.program.inputs, arrays, strict=True)), "features") from error

    def runner(self, step: Step) -> Runner:
        """A step, compiled."""
        if step not in self._runners:
            self._runners[step] = self.executor.compile(step.program, self.precision)
        return self._runners[step]

    def planned_bytes(self, step: Step) -> int | None:
        """The memory that a step's values take at their peak, if the executor plans it."""
        return self.runner(step).planned_bytes

    def loop(self, spec: LoopSpec) -> Loop:
        """Steps over the rows of a dataset."""
        return self.executor.loop(spec, self.precision)


class ModelPrograms(Programs):
    """A model's: they differ by sizes, by being for training or not, and by which weights are trained."""

    def __init__(self, model: Model, executor: Executor, precision: str = "float32") -> None:
        super().__init__(model, executor, precision)
        self.model = model
        self._drawn = 0  # steps that drew without training
        self._quick: dict[tuple[tuple[int, ...], numpy.dtype], Runner] = {}  # predictions, by what was asked last

    def objective(self, objective: Objective, signature: Signature) -> Step:
        """A step that trains, or evaluates."""
        trained: tuple[int, ...] = ()
        if signature.training:
            parameters = self.model.trainable_variables
            objective.optimizer.build(parameters)
            trained = tuple(map(id, parameters))
        return self.get((signature, trained), lambda: objective_step(self.model, objective, signature))

    def prediction(self, arrays: Sequence[numpy.ndarray], rows: int) -> Step:
        """A step that predicts for inputs like these."""
        signature = Signature(rows, tuple(array.shape[1:] for array in arrays))
        return self.get(("prediction", signature), lambda: prediction_step(self.model, signature))

    def answer(self, step: Step, arrays: Sequence[numpy.ndarray]) -> list[numpy.ndarray]:
        """The outputs of a prediction, which draws anew where it draws."""
        return self.run(step, [*arrays, make_key(self.model.seed, self._draw(1))] if step.keyed else arrays)

    def evaluate(self, objective: Objective, data: Examples, batch: int) -> Logs:
        """The figures of a dataset."""
        steps = [self.objective(objective, data.signature(rows, False)) for rows in inputs.sizes(data.rows, batch)]
        programs = [step.program for step in steps]
        totals = self._run_loop(programs, batch, data.arrays, keyed=steps[0].keyed, totals=steps[0].totals)
        return steps[0].logs(totals, data.rows)

    def predict(self, arrays: list[numpy.ndarray], rows: int, batch: int) -> list[numpy.ndarray]:
        """The outputs for a dataset."""
        steps = [self.prediction(arrays, count) for count in inputs.sizes(rows, batch)]
        programs = [step.program for step in steps]
        results = [numpy.empty((rows, *known(value.shape)[1:]), value.dtype) for value in programs[0].outputs]
        self._run_loop(programs, batch, arrays, keyed=steps[0].keyed, collects=results)
        return results

    def _draw(self, steps: int) -> int:
        """Numbers for steps that draw without training; the first of them."""
        self._drawn += steps
        return APART + self._drawn - steps

    def _run_loop(
        self, programs: Sequence[Program], batch: int, sources: Sequence[numpy.ndarray], keyed: bool, **outputs: Any
    ) -> numpy.ndarray:
        """Run through a dataset once, without training; returns the totals."""
        first = self._draw(-(-len(sources[0]) // batch)) if keyed else 0
        spec = LoopSpec(programs, batch, sources, keyed, seed=self.model.seed, first_step=first, **outputs)
        loop = self.loop(spec)
        while (status := loop.advance(SLICE, 1)) == "time":
            pass
        if status == "id":
            rows = loop.rows(loop.step)
            program = next(program for program in spec.programs if program.inputs[0].shape[0] == len(rows))
            raise bad_id(
                program, gathered(spec, program, rows, loop.step), f"rows {rows[0]} to {rows[-1]} (counted from 0)"
            )
        totals: numpy.ndarray = loop.take_totals()[0] if spec.totals else numpy.zeros(0)
        return totals

    def at_once(self, x: Any) -> list[numpy.ndarray] | None:
        """The outputs for an array like one asked before, in 2 µs; `None` for what only the longer way can judge."""
        runner = self._quick.get((x.shape, x.dtype)) if type(x) is numpy.ndarray else None
        if runner is None:
            return None
        try:
            outputs = runner(x)
        except ValueError:
            return None
        return outputs if math.isfinite(numpy.vdot(x, x)) else None  # finite only if every term is

    def keep_quick(self, x: numpy.ndarray, step: Step) -> None:
        """Let arrays of this shape and dtype be answered at once from now on, where nothing is drawn."""
        if step.keyed:
            return
        if len(self._quick) >= LIMIT:
            self._quick.clear()
        self._quick[x.shape, x.dtype] = self.runner(step)


def gathered(spec: LoopSpec, program: Program, rows: numpy.ndarray, step: int) -> dict[Tensor, numpy.ndarray]:
    """What a loop feeds into a program in one step, with those rows of its sources."""
    pairs = zip(program.inputs, spec.sources, strict=False)
    feeds = {feed: source[rows].astype(feed.dtype) for feed, source in pairs}
    if spec.keyed:
        feeds[program.inputs[-1]] = make_key(spec.seed, step)
    return feeds
