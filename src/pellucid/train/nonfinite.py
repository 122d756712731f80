"""When numbers break: find where NaN or infinity first arose, and go back to the last good weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy

from pellucid.core.evaluate import evaluate_nodes
from pellucid.core.graph import Node, Program, Tensor, Variable
from pellucid.core.sources import Constant, Feed, Read
from pellucid.errors import DataError, NonFiniteError

Feeds = Mapping[Tensor, numpy.ndarray]


class Replay(Protocol):
    """Training that can be put back to how it was before one of its latest steps."""

    @property
    def variables(self) -> list[Variable]:
        """The network's weights."""

    @property
    def first(self) -> int:
        """The earliest step that `rewind` reaches."""

    def rewind(self, step: int) -> None:
        """Put weights and optimizer back to what they were just before a step."""

    def fed(self, step: int) -> tuple[Program, Feeds]:
        """What a step computes, and on what."""

    def place(self, step: int) -> str:
        """Where a step stands, for people: its epoch and batch."""


def all_finite(variables: Iterable[Variable]) -> bool:
    """Whether all weights are finite."""
    return all(bool(numpy.isfinite(variable.value).all()) for variable in variables)


def not_finite(replay: Replay, step: int) -> NonFiniteError:
    """The error for a step whose loss, or whose weights before it, are not finite; and the last good weights put back.

    Good are the weights with which a loss was finite last. Where the weights themselves are broken already, the step
    before broke them.
    """
    replay.rewind(step)
    by_update = not all_finite(replay.variables) and step > replay.first
    broken = step - 1 if by_update else step
    if by_update:
        replay.rewind(broken)
    where = _first_broken(*replay.fed(broken))
    kept = broken if by_update else max(step - 1, replay.first)
    replay.rewind(kept)
    what = "the update made weights non-finite" if by_update else "the loss became non-finite"
    return NonFiniteError(
        f"{what} at step {broken + 1} ({replay.place(broken)}): {where}. "
        f"The weights from before step {kept + 1} are kept. "
        "Likely repairs: a smaller learning rate, clipnorm=1.0 in the optimizer, or scaled inputs and targets"
    )


def bad_id(program: Program, feeds: Feeds, place: str) -> DataError:
    """The error for an id outside the table that it chooses a row from."""
    try:
        evaluate_nodes(program.nodes(), feeds)
    except DataError as error:
        reason = str(error)
    else:
        reason = "an id is outside the table that it chooses a row from"
    return DataError(f"{place}: {reason}; correct the data, or give the Embedding a larger input_dim")


def _first_broken(program: Program, feeds: Feeds) -> str:
    nodes = program.nodes()
    values = evaluate_nodes(nodes, feeds)
    for node in nodes:
        for output in node.outputs:
            value = values[output]
            if value.dtype.kind == "f" and not numpy.isfinite(value).all():
                return _describe(node, value, [values[x] for x in node.inputs])
    return "the reference executor finds every value of that step finite, so the compute precision is likely too low"


def _describe(node: Node, value: numpy.ndarray, inputs: list[numpy.ndarray]) -> str:
    bad = "NaN" if numpy.isnan(value).any() else "infinity"
    op: Any = node.op
    if isinstance(op, Read):
        return f"the weight {op.variable.name} {list(op.variable.shape)} was {bad} already"
    if isinstance(op, (Feed, Constant)):
        return f"{getattr(op, 'label', 'a constant')} holds {bad}"
    layer = "/".join(node.scope) or "the network"
    ranges = ", ".join(f"{numpy.min(x):.4g} to {numpy.max(x):.4g}" for x in inputs if x.size)
    direction = "the gradient of " if node.differentiates else ""
    return f"{bad} first arose in {direction}layer {layer}, operation {op.name} on values {ranges}"
