"""What every executor offers: run a program once, or loop a few programs over the rows of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy

from pellucid.core.graph import Program, Variable

Status = Literal["time", "epoch", "done", "nonfinite", "id"]
ENDLESS = 1 << 62  # steps: no limit


@dataclass(frozen=True)
class LoopSpec:
    """Epochs over a dataset.

    `programs` holds one program, or two when the last batch of an epoch is shorter; all have the same inputs, in the
    order of `sources` (arrays with one row per example) and then, with `keyed`, the random key. Of the outputs the
    first `totals` are added up over an epoch; the others are written to `collects`, row by row. `loss` is the place
    of the scalar output that must stay finite.
    """

    programs: Sequence[Program]
    batch: int
    sources: Sequence[numpy.ndarray]
    keyed: bool = False
    totals: int = 0
    collects: Sequence[numpy.ndarray] = ()
    loss: int | None = None
    seed: int = 0
    epochs: int = 1
    shuffle: bool = False
    first_epoch: int = 0
    first_step: int = 0
    watch: Sequence[Variable] = ()

    @property
    def rows(self) -> int:
        return len(self.sources[0])

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.rows // self.batch)


class Loop(Protocol):
    """A training, evaluation or prediction run that can be halted and resumed at any step."""

    @property
    def epoch(self) -> int:
        """The running epoch, counted from `first_epoch`."""

    @property
    def position(self) -> int:
        """Rows of the running epoch that are done."""

    @property
    def step(self) -> int:
        """The step to come, counted from `first_step`."""

    def advance(self, seconds: float, epochs: int, most: int = ENDLESS) -> Status:
        """Go on until the time is over, that many more epochs ended, all is done, or something broke.

        At most so many steps are made; halting before the epochs ended is "time" too.
        """

    def take_totals(self) -> numpy.ndarray:
        """The totals of the epochs ended since the last call: float64 [epochs, sum of sizes]."""

    def partial_totals(self) -> numpy.ndarray:
        """The totals of the running epoch so far."""

    def snapshot(self) -> None:
        """Note that watched variables were changed from outside: replays of later steps begin with their new values."""

    def rewind(self, step: int) -> None:
        """Put the watched variables back to what they were just before that step."""

    def rows(self, step: int) -> numpy.ndarray:
        """The dataset rows of a step's batch."""


class Runner(Protocol):
    """A compiled program."""

    @property
    def planned_bytes(self) -> int | None:
        """Memory of all values but inputs, outputs, constants and variables, if the executor planned where they lie."""

    def __call__(self, *arrays: numpy.ndarray) -> list[numpy.ndarray]:
        """Compute the outputs, then apply the updates."""


class Executor(Protocol):
    """Compiles programs. `precision` is `float32`, or `bfloat16`: products in bfloat16, sums and weights in float32."""

    name: str

    def compile(self, program: Program, precision: str = "float32") -> Runner:
        """A program ready to run."""

    def loop(self, spec: LoopSpec, precision: str = "float32") -> Loop:
        """A loop ready to advance."""
