"""Building a network for one step of a sequence at a time, so that a step costs what is new, not the whole sequence.

Inputs then have one step. A layer that needs earlier steps keeps what it needs of them in state variables: attention
the keys and values, a recurrent layer its state. The weights are the network's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy

from pellucid import ops
from pellucid.core.graph import Tensor, Variable, tensor
from pellucid.core.spec import known


@dataclass
class Stepping:
    """What layers share while a network is built for single steps: `position` counts the steps before this one."""

    length: int  # of the longest sequence
    position: Tensor  # int32, a scalar
    updates: list[tuple[Variable, Tensor]] = field(default_factory=list)

    @property
    def states(self) -> list[Variable]:
        """What layers keep from step to step."""
        return [variable for variable, _ in self.updates]

    def state(self, shape: Sequence[int | None], name: str, dtype: str = "float32") -> Variable:
        """A new state, zeros before the first step; `update` says what it is after this one."""
        return Variable(numpy.zeros(known(tuple(shape)), dtype), name, trainable=False)

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
