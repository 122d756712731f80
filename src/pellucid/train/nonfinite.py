"""When numbers break: find where NaN or infinity first arose, and go back to the last good weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy

from pellucid.core.evaluate import evaluate_nodes
from pellucid.core.graph import Program, Tensor, Variable
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

    def rows(self, step: int) -> numpy.ndarray:
        """The rows of a step's batch, counted in what `rows_of` names."""

    @property
    def rows_of(self) -> str:
        """What rows are counted in: "data", or "batch" where batches come one by one."""

    @property
    def precision(self) -> str:
        """In what products are computed."""

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
    from pellucid.explain.doctor.breaking import first_break

    found = first_break(*replay.fed(broken), replay.precision)
    batch = replay.rows(broken)
    rows = sorted(int(batch[row]) for row in found.rows)
    kept = broken if by_update else max(step - 1, replay.first)
    replay.rewind(kept)
    what = "the update made weights non-finite" if by_update else "the loss became non-finite"
    where = f", {_listed(rows)} of the {replay.rows_of} (counted from 0)" if rows else ""
    return NonFiniteError(
        f"{what} at step {broken + 1} ({replay.place(broken)}): {found.what}{where}. "
        f"Likely cause: {found.cause}. The weights from before step {kept + 1} are kept, the last that gave a finite "
        f"loss. Likely repairs: {found.repair} (pellucid help D501)",
        {"step": broken + 1, "layer": found.layer, "operation": found.operation, "rows": rows, "cause": found.cause,
         "repair": found.repair, "kept": kept + 1},
    )  # fmt: skip


def bad_id(program: Program, feeds: Feeds, place: str) -> DataError:
    """The error for an id outside the table that it chooses a row from."""
    try:
        evaluate_nodes(program.nodes(), feeds)
    except DataError as error:
        reason = str(error)
    else:
        reason = "an id is outside the table that it chooses a row from"
    return DataError(f"{place}: {reason}; correct the data, or give the Embedding a larger input_dim")


def _listed(rows: Sequence[int]) -> str:
    """Rows of the data for a message: the first few.

    >>> _listed([3]), _listed([3, 5, 9]), _listed(range(100))
    ('row 3', 'rows 3, 5, 9', 'rows 0, 1, 2, 3 and 96 more')
    """
    shown = ", ".join(f"{row:,}" for row in rows[:4])
    return f"row{'s' * (len(rows) != 1)} {shown}" + (f" and {len(rows) - 4:,} more" if len(rows) > 4 else "")
