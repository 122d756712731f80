"""The programs of one network on one executor, each made when first needed and kept, and running them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy

from pellucid.core.graph import Program, Tensor
from pellucid.core.random import make_key
from pellucid.core.spec import known
from pellucid.execute.program import Executor, LoopSpec, Runner
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


class Programs:
    """Steps by what they depend on: sizes, being trained or not, and which weights are trained."""

    def __init__(self, network: Model, executor: Executor, precision: str = "float32") -> None:
        self.network, self.executor, self.precision = network, executor, precision
        self._steps: dict[Hashable, Step] = {}
        self._runners: dict[Step, Runner] = {}
        self._drawn = 0  # steps that drew without training
        self.quick: dict[tuple[tuple[int, ...], numpy.dtype], Runner] = {}  # predictions, by what was asked last

    def objective(self, objective: Objective, signature: Signature) -> Step:
        """A step that trains, or evaluates."""
        trained: tuple[int, ...] = ()
        if signature.training:
            parameters = self.network.trainable_variables
            objective.optimizer.build(parameters)
            trained = tuple(map(id, parameters))
        return self._get((signature, trained), lambda: objective_step(self.network, objective, signature))

    def prediction(self, arrays: Sequence[numpy.ndarray], rows: int) -> Step:
        """A step that predicts for inputs like these."""
        signature = Signature(rows, tuple(array.shape[1:] for array in arrays))
        return self._get(("prediction", signature), lambda: prediction_step(self.network, signature))

    def _get(self, key: Hashable, make: Callable[[], Step]) -> Step:
        if key not in self._steps:
            if len(self._steps) >= LIMIT:
                self._runners.pop(self._steps.pop(next(iter(self._steps))), None)
            self._steps[key] = make()
        return self._steps[key]

    # Run

    def run(self, step: Step, arrays: Sequence[numpy.ndarray]) -> list[numpy.ndarray]:
        """The outputs of a step, which draws anew if no key is among the arrays; raises `DataError` for a bad id."""
        if len(arrays) < len(step.program.inputs):
            arrays = [*arrays, make_key(self.network.seed, self._draw(1))]
        try:
            return self._runner(step)(*arrays)
        except ValueError as error:  # the engine does not know which id it was, nor in which layer
            raise bad_id(step.program, dict(zip(step.program.inputs, arrays, strict=True)), "features") from error

    def _runner(self, step: Step) -> Runner:
        if step not in self._runners:
            self._runners[step] = self.executor.compile(step.program, self.precision)
        return self._runners[step]

    def planned_bytes(self, step: Step) -> int | None:
        """The memory that a step's values take at their peak, if the executor plans it."""
        return self._runner(step).planned_bytes

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
        spec = LoopSpec(programs, batch, sources, keyed, seed=self.network.seed, first_step=first, **outputs)
        loop = self.executor.loop(spec, self.precision)
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

    def keep_quick(self, x: numpy.ndarray, step: Step) -> None:
        """Let arrays of this shape and dtype be answered at once from now on, where nothing is drawn."""
        if step.keyed:
            return
        if len(self.quick) >= LIMIT:
            self.quick.clear()
        self.quick[x.shape, x.dtype] = self._runner(step)


def gathered(spec: LoopSpec, program: Program, rows: numpy.ndarray, step: int) -> dict[Tensor, numpy.ndarray]:
    """What a loop feeds into a program in one step, with those rows of its sources."""
    pairs = zip(program.inputs, spec.sources, strict=False)
    feeds = {feed: source[rows].astype(feed.dtype) for feed, source in pairs}
    if spec.keyed:
        feeds[program.inputs[-1]] = make_key(spec.seed, step)
    return feeds
