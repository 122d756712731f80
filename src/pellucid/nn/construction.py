"""What layers share while a network's graph is being built: training or not, the random key, penalties and updates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from pellucid.core.graph import Tensor, Variable
from pellucid.errors import StateError


@dataclass
class Construction:
    """One building of a graph. `penalties` are scalars added to the loss; `updates` are written after each step."""

    training: bool = False
    key: Tensor | None = None
    penalties: list[Tensor] = field(default_factory=list)
    penalised: set[Variable] = field(default_factory=set)
    updates: list[tuple[Variable, Tensor]] = field(default_factory=list)
    streams: int = 0

    def stream(self) -> tuple[Tensor, int]:
        """The random key of the step, and a stream number that sets one draw apart from the others."""
        if self.key is None:
            raise StateError("random layers need a random key; build the network with training=True and a key")
        self.streams += 1
        return self.key, self.streams


_current: ContextVar[Construction | None] = ContextVar("construction", default=None)


def current() -> Construction:
    """The construction under way; outside of any, one for prediction."""
    return _current.get() or Construction()


@contextmanager
def constructing(construction: Construction) -> Iterator[Construction]:
    """Build the graph inside this block under the given construction."""
    token = _current.set(construction)
    try:
        yield construction
    finally:
        _current.reset(token)
