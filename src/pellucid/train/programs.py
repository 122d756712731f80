"""The programs of one network on one executor, each made when first needed and kept, and running them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy

from pellucid.core.graph import Program, Tensor
from pellucid.core.spec import known
from pellucid.execute.program import Executor, LoopSpec, Runner
from pellucid.nn.network import Network
from pellucid.train import inputs
from pellucid.train.history import Logs
from pellucid.train.inputs import Examples
from pellucid.train.nonfinite import bad_id
from pellucid.train.objective import Objective
from pellucid.train.step import Signature, Step, objective_step, prediction_step

SLICE = 0.1  # seconds between two looks of Python at a running loop: progress, Ctrl-C
LIMIT = 64  # programs to keep: sizes of batches hardly vary, but rows of predictions may vary without end


class Programs:
    """Steps by what they depend on: sizes, being trained or not, and which weights are trained."""

    def __init__(self, network: Network, executor: Executor, precision: str = "float32") -> None:
        self.network, self.executor, self.precision = network, executor, precision
        self._steps: dict[Hashable, Step] = {}
        self._runners: dict[Step, Runner] = {}
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
        """The outputs of a step; raises `DataError` for an id outside its table."""
        try:
            return self._runner(step)(*arrays)
        except ValueError as error:  # the engine does not know which id it was, nor in which layer
            raise bad_id(step.program, dict(zip(step.program.inputs, arrays, strict=True)), "features") from error

    def _runner(self, step: Step) -> Runner:
        if step not in self._runners:
            self._runners[step] = self.executor.compile(step.program, self.precision)
        return self._runners[step]

    def evaluate(self, objective: Objective, data: Examples, batch: int) -> Logs:
        """The figures of a dataset."""
        steps = [self.objective(objective, data.signature(rows, False)) for rows in inputs.sizes(data.rows, batch)]
        programs = [step.program for step in steps]
        totals = self._run_loop(LoopSpec(programs, batch, data.arrays, totals=steps[0].totals))
        return steps[0].logs(totals, data.rows)

    def predict(self, arrays: list[numpy.ndarray], rows: int, batch: int) -> list[numpy.ndarray]:
        """The outputs for a dataset."""
        programs = [self.prediction(arrays, count).program for count in inputs.sizes(rows, batch)]
        results = [numpy.empty((rows, *known(value.shape)[1:]), value.dtype) for value in programs[0].outputs]
        self._run_loop(LoopSpec(programs, batch, arrays, collects=results))
        return results

    def _run_loop(self, spec: LoopSpec) -> numpy.ndarray:
        """Run through a dataset once, without training; returns the totals."""
        loop = self.executor.loop(spec, self.precision)
        while (status := loop.advance(SLICE, 1)) == "time":
            pass
        if status == "id":
            rows = loop.rows(loop.step)
            program = next(program for program in spec.programs if program.inputs[0].shape[0] == len(rows))
            raise bad_id(program, gathered(spec, program, rows), f"rows {rows[0]} to {rows[-1]} (counted from 0)")
        totals: numpy.ndarray = loop.take_totals()[0] if spec.totals else numpy.zeros(0)
        return totals

    def keep_quick(self, x: numpy.ndarray, step: Step) -> None:
        """Let arrays of this shape and dtype be answered at once from now on."""
        if len(self.quick) >= LIMIT:
            self.quick.clear()
        self.quick[x.shape, x.dtype] = self._runner(step)


def gathered(spec: LoopSpec, program: Program, rows: numpy.ndarray) -> dict[Tensor, numpy.ndarray]:
    """What a loop feeds into a program for some rows of its sources, but for the random key."""
    pairs = zip(program.inputs, spec.sources, strict=False)
    return {feed: source[rows].astype(feed.dtype) for feed, source in pairs}
