"""The native executor: programs lowered for the compiled engine, its plans, and its loop."""

from __future__ import annotations

import os
from typing import Any
from weakref import WeakKeyDictionary

import numpy

from pellucid import _native
from pellucid.core.graph import Program
from pellucid.core.verify import verify
from pellucid.execute.lowering import Lowered, lower
from pellucid.execute.program import LoopSpec

KERNELS = frozenset(_native.kernels())
THREADS = (
    int(os.environ.get("PELLUCID_THREADS", 0)) or len(os.sched_getaffinity(0))
    if hasattr(os, "sched_getaffinity")
    else os.cpu_count() or 1
)


class Compiled:
    """A program as a plan of the engine."""

    def __init__(self, program: Program, precision: str) -> None:
        verify(program)
        self.lowered: Lowered = lower(program, KERNELS, precision)
        parts = self.lowered
        self.plan = _native.Plan(parts.buffers, parts.arrays, parts.instructions, threads=THREADS)
        self.inputs, self.outputs = parts.inputs, parts.outputs

    def __call__(self, *arrays: numpy.ndarray) -> list[numpy.ndarray]:
        results: list[numpy.ndarray] = self.plan.call(
            [numpy.asarray(array, order="C") for array in arrays], self.inputs, self.outputs
        )
        return results


class Native:
    """The executor `native`: float32, or products in bfloat16 with float32 sums and weights."""

    name = "native"

    def __init__(self) -> None:
        self._plans: WeakKeyDictionary[Program, dict[str, Compiled]] = WeakKeyDictionary()

    def compile(self, program: Program, precision: str = "float32") -> Compiled:
        made = self._plans.setdefault(program, {})
        if precision not in made:
            made[precision] = Compiled(program, precision)
        return made[precision]

    def loop(self, spec: LoopSpec, precision: str = "float32") -> Any:
        compiled = [self.compile(program, precision) for program in spec.programs]
        count = len(spec.sources)
        return _native.Loop(
            [item.plan for item in compiled],
            spec.batch,
            list(spec.sources),
            [item.inputs[:count] for item in compiled],
            [item.outputs[: spec.totals] for item in compiled],
            [([item.outputs[spec.totals + i] for item in compiled], target) for i, target in enumerate(spec.collects)],
            [item.inputs[count] if spec.keyed else -1 for item in compiled],
            [-1 if spec.loss is None else item.outputs[spec.loss] for item in compiled],
            spec.seed,
            spec.epochs,
            spec.shuffle,
            spec.first_epoch,
            spec.first_step,
            [variable.value for variable in spec.watch],
        )
