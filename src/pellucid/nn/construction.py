"""What layers share while a network is being built: training or not, the random key, penalties and updates; and whether
weights are drawn, or start at zero because values from a file follow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pellucid.core.graph import Tensor, Variable
from pellucid.core.sources import feed
from pellucid.core.spec import Shape
from pellucid.errors import ModelFileError
from pellucid.nn.stepping import Stepping

if TYPE_CHECKING:
    from pellucid.nn.calling import Call


@dataclass
class Construction:
    """One building of a graph. `penalties` are scalars added to the loss; `updates` are written after each step.

    With `evaluating`, penalties count as in training, and nothing else does. `key` is made when a layer first draws.
    With `recomputing`, layers that ask for it are computed again in the backward pass.
    With `stepping`, the network is built for one step of a sequence at a time; `unrolled`, recurrent layers are built
    step by step, so that each step can be seen. `calls` are the uses of layers so far,
    those inside of others before these.
    """

    training: bool = False
    key: Tensor | None = None
    penalties: list[Tensor] = field(default_factory=list)
    penalised: set[Variable] = field(default_factory=set)
    shown: dict[str, list[Tensor]] = field(default_factory=dict)  # penalties that the history shows, by name
    updates: list[tuple[Variable, Tensor]] = field(default_factory=list)
    streams: int = 0
    evaluating: bool = False
    stepping: Stepping | None = None
    unrolled: bool = False
    recomputing: bool = False
    calls: list[Call] = field(default_factory=list)

    def stream(self) -> tuple[Tensor, int]:
        """The random key of the step, and a stream number that sets one draw apart from the others."""
        if self.key is None:
            self.key = feed((4,), "uint32", "key")
        self.streams += 1
        return self.key, self.streams

    def latest(self, variable: Variable) -> Tensor:
        """What the updates so far leave in a variable."""
        return next((value for other, value in self.updates if other is variable), variable.tensor)

    def update(self, variable: Variable, value: Tensor) -> None:
        """Write a value into a variable after the step, instead of what an earlier update would have written."""
        self.updates = [update for update in self.updates if update[0] is not variable]
        self.updates.append((variable, value))

    @property
    def keys(self) -> tuple[Tensor, ...]:
        """The random key as the last of a program's inputs, where a layer draws."""
        return () if self.key is None else (self.key,)


_current: ContextVar[Construction | None] = ContextVar("construction", default=None)


def current() -> Construction:
    """The construction under way; outside of any, one for prediction."""
    return _current.get() or Construction()


def is_recording() -> bool:
    """Whether layers are called outside of any construction, to be recorded: nothing ever runs these nodes."""
    return _current.get() is None


@contextmanager
def constructing(construction: Construction) -> Iterator[Construction]:
    """Build the graph inside this block under the given construction."""
    token = _current.set(construction)
    try:
        yield construction
    finally:
        _current.reset(token)


def unknown(shape: Shape, dtype: str, what: str) -> Tensor:
    """What a value will be once all sizes are known: a stand-in for a network that is only recorded, and never run."""
    return feed(shape, dtype, f"{what}, whose size is not known yet")


MAX_WEIGHT = 2**30  # numbers in one weight: 4 GiB in float32


@dataclass
class Restoring:
    """The numbers that a model file still has for weights that are not made yet."""

    left: int

    def take(self, count: int, what: str) -> None:
        """Count the numbers of one weight; raises `ModelFileError` before any memory is spent on too many."""
        if count > self.left:
            raise ModelFileError(
                f"{what} would have {count:,} numbers, but the file has only {self.left:,} left for it"
            )
        self.left -= count


_restoring: ContextVar[Restoring | None] = ContextVar("restoring", default=None)


def restored() -> Restoring | None:
    """The restoring under way, or none."""
    return _restoring.get()


@contextmanager
def restoring(numbers: int) -> Iterator[None]:
    """Weights made inside this block start at zero, undrawn, and have at most `numbers` numbers together.

    For building a network whose values follow from a file: a description cannot make it need more memory than the file.
    """
    token = _restoring.set(Restoring(numbers))
    try:
        yield
    finally:
        _restoring.reset(token)


_replaying: ContextVar[bool] = ContextVar("replaying", default=False)


def is_replaying() -> bool:
    """Whether a recorded network is being built again, rather than layers being called by hand."""
    return _replaying.get()


@contextmanager
def replaying() -> Iterator[None]:
    """Build a recorded network inside this block."""
    token = _replaying.set(True)
    try:
        yield
    finally:
        _replaying.reset(token)
