"""Building a network for one step of a sequence at a time, so that a step costs what is new, not the whole sequence.

Inputs then have one step. A layer that needs earlier steps keeps what it needs of them in state variables: attention
the keys and values, a recurrent layer its state. What is the same at every step is computed once, at the start, and
kept in variables too. The weights are the network's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy

from pellucid import ops
from pellucid.core.graph import Tensor, Variable, order, tensor
from pellucid.core.sources import Feed, Read
from pellucid.core.spec import known
from pellucid.errors import StateError


@dataclass
class Stepping:
    """What layers share while a network is built for single steps: `position` counts the steps before this one."""

    length: int  # of the longest sequence
    position: Tensor  # int32, a scalar
    states: list[Variable] = field(default_factory=list)  # what layers keep from step to step
    updates: list[tuple[Variable, Tensor]] = field(default_factory=list)  # what the states are after this step
    begins: list[tuple[Variable, Tensor]] = field(default_factory=list)  # what variables are before the first step

    def state(self, shape: Sequence[int | None], name: str, first: Tensor | None = None) -> Variable:
        """A new state, before the first step zeros or what `first` says; `update` says what it is after this one.

        Raises `StateError` for a first value that is not known before the first step.
        """
        state = Variable(numpy.zeros(known(tuple(shape)), "float32"), name, trainable=False)
        self.states.append(state)
        if first is not None:
            if not self.is_fixed(first):
                raise StateError(f"{name} begins with what the steps make, and so cannot run step by step")
            self.begins.append((state, first))
        return state

    def is_fixed(self, x: Tensor) -> bool:
        """Whether a value is the same at every step: made of weights and of what is given before the first step."""
        sources = [node.op for node in order([x])]
        return not any(isinstance(op, Feed) or (isinstance(op, Read) and op.variable in self.states) for op in sources)

    def once(self, x: Tensor, name: str) -> Tensor:
        """A value that is the same at every step, computed before the first one."""
        kept = Variable(numpy.zeros(known(x.shape), x.dtype), name, trainable=False)
        self.begins.append((kept, x))
        return kept.tensor

    def update(self, state: Variable, value: Tensor) -> None:
        """The value that a state has from the next step on."""
        self.updates.append((state, value))

    def remember(self, x: Tensor, name: str) -> Tensor:
        """This step after all earlier ones: [batch, 1, …] → [batch, length, …], zeros where no step was yet."""
        past = self.state((x.shape[0], self.length, *x.shape[2:]), name)
        here = ops.equal(self._positions(x.rank), self.position)
        now: Tensor = ops.where(here, x, past.tensor)
        self.update(past, now)
        return now

    def seen(self, rank: int, axis: int) -> Tensor:
        """True at the steps up to this one, which stand along one axis of `rank`."""
        shape = tuple(self.length if i == axis else 1 for i in range(rank))
        result: Tensor = ops.less_equal(ops.reshape(self._positions(1), shape), self.position)
        return result

    def _positions(self, rank: int) -> Tensor:
        """0, 1, 2 … along axis 1 (of one axis, along that)."""
        shape = (self.length,) if rank == 1 else (1, self.length, *(1,) * (rank - 2))
        return tensor(numpy.arange(self.length, dtype=numpy.int32).reshape(shape))
