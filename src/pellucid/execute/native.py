"""The native executor: programs lowered for the compiled engine, its plans, and its loop."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy

from pellucid import _native
from pellucid.core.evaluate import fed
from pellucid.core.graph import Program
from pellucid.core.sources import Feed
from pellucid.core.verify import verify
from pellucid.errors import ArgumentError, DataError, ExecutorError
from pellucid.execute.lowering import Lowered, lower
from pellucid.execute.program import LoopSpec

KERNELS = frozenset(_native.kernels())


def _threads() -> int:
    """What the environment asks for, else the processors that this process may use."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(os.environ.get("PELLUCID_THREADS", 0)) or available


class Compiled:
    """A program as a plan of the engine."""

    def __init__(self, program: Program, precision: str) -> None:
        verify(program)
        self.lowered: Lowered = lower(program, KERNELS, precision)
        parts = self.lowered
        try:
            self.plan = _native.Plan(parts.buffers, parts.arrays, parts.instructions, threads=_threads())
        except ValueError as error:
            raise ExecutorError(f"the native engine refuses {error}; use executor='numpy'") from error
        except MemoryError as error:
            raise ExecutorError(
                f"the values of one batch do not fit into memory ({error}); take a smaller batch_size, or "
                "a smaller network"
            ) from error
        self.inputs, self.outputs = parts.inputs, parts.outputs
        feeds = [value.node.op for value in program.inputs]
        self._feeds = [op for op in feeds if isinstance(op, Feed)]  # not the program, which would keep itself alive
        self.planned_bytes: int = self.plan.arena_bytes

    def __call__(self, *arrays: numpy.ndarray) -> list[numpy.ndarray]:
        try:
            results: list[numpy.ndarray] = self.plan.call(
                [numpy.asarray(array, order="C") for array in arrays], self.inputs, self.outputs
            )
        except IndexError as error:
            raise DataError("an id or label is outside the rows of its table") from error
        except ValueError as error:
            return self(*self._converted(arrays, error))
        return results

    def _converted(self, arrays: Sequence[Any], refusal: ValueError) -> list[numpy.ndarray]:
        """Arrays that the engine refused in the dtypes it wants; raises the typed error where they cannot be that."""
        if len(arrays) != len(self._feeds):
            raise ArgumentError(f"the program has {len(self._feeds)} inputs, got {len(arrays)} arrays") from refusal
        converted = [fed(op, array) for op, array in zip(self._feeds, arrays, strict=True)]
        if all(new is old for new, old in zip(converted, arrays, strict=True)):
            raise ExecutorError(f"the native engine refuses the arrays: {refusal}") from refusal
        return converted


class Native:
    """The executor `native`: float32, or products in bfloat16 with float32 sums and weights."""

    name = "native"

    def __init__(self) -> None:
        self._plans: WeakKeyDictionary[Program, dict[str, Compiled]] = WeakKeyDictionary()

    def compile(self, program: Program, precision: str = "float32") -> Compiled:
        """The program's plan, made once."""
        made = self._plans.setdefault(program, {})
        if precision not in made:
            made[precision] = Compiled(program, precision)
        return made[precision]

    def loop(self, spec: LoopSpec, precision: str = "float32") -> Any:
        """The engine's loop, which runs whole epochs in compiled code."""
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
