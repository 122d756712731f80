"""The reference executor: NumPy alone, one node at a time. Obvious and slow; the oracle for every other executor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy

from pellucid.core import random
from pellucid.core.evaluate import evaluate_nodes
from pellucid.core.graph import Program
from pellucid.core.verify import verify
from pellucid.errors import ArgumentError
from pellucid.execute.loop import Outputs, PythonLoop
from pellucid.execute.program import LoopSpec


class ReferenceRunner:
    """A program as it stands: evaluate, then write the updates."""

    planned_bytes = None

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


class ReferenceLoop(PythonLoop):
    """Steps in plain Python, one at a time."""

    def __init__(self, spec: LoopSpec) -> None:
        super().__init__(spec)
        self.runners = [ReferenceRunner(program) for program in spec.programs]

    def _run(self, steps: Sequence[numpy.ndarray]) -> tuple[int, Outputs]:
        rows, runner = steps[0], self.runners[self._program_of(steps[0])]
        arrays = [
            source[rows].astype(feed.dtype)
            for source, feed in zip(self.spec.sources, runner.program.inputs, strict=False)
        ]
        if self.spec.keyed:
            arrays.append(random.make_key(self.spec.seed, self.step))
        return 1, [value[None] for value in runner(*arrays)]


class Reference:
    """The executor `numpy`; it computes in the graph's own dtypes, whatever the precision asked for."""

    name = "numpy"

    def compile(self, program: Program, precision: str = "float32") -> ReferenceRunner:
        return ReferenceRunner(program)

    def loop(self, spec: LoopSpec, precision: str = "float32") -> ReferenceLoop:
        return ReferenceLoop(spec)
