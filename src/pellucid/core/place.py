"""Where nodes are put while a graph is being built: under the names of layers, in groups that can be opened, as the
derivative of another node, in a segment that is computed again."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pellucid.core.graph import Node, Tensor


@dataclass(eq=False)
class Group:
    """One call of a composite: what went in, what came out, and (by `Node.groups`) the primitives between.

    The group `gradient_of` another has the derivatives with respect to the other's inputs as outputs; `derivatives`
    says which is which.
    """

    name: str
    attributes: dict[str, Any]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...] = ()
    gradient_of: Group | None = None
    derivatives: dict[Tensor, Tensor] = field(default_factory=dict)


class Segment:
    """Nodes whose values the backward pass computes again: see `core/recompute.py`."""


class Place(NamedTuple):
    """Where new nodes are put: the layers they belong to, the groups they expand, the node they differentiate, and the
    segment that is computed again."""

    scope: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    differentiates: Node | None = None
    segment: Segment | None = None


_TOP = Place()
_place: ContextVar[Place] = ContextVar("place", default=_TOP)


def place() -> Place:
    """Where nodes are put at the moment."""
    return _place.get()


class placed:  # noqa: N801  a block, written as contextmanager's functions are, at a third of their cost
    """Build the nodes inside this block at another place."""

    __slots__ = ("changes", "token")

    def __init__(self, **changes: Any) -> None:
        self.changes = changes

    def __enter__(self) -> None:
        self.token = _place.set(_place.get()._replace(**self.changes))

    def __exit__(self, *error: object) -> None:
        _place.reset(self.token)


def scope(name: str) -> placed:
    """Build the nodes inside this block under the name of a layer."""
    return placed(scope=(*_place.get().scope, name))


def grouped(group: Group) -> placed:
    """Build the nodes inside this block as the expansion of `group`."""
    return placed(groups=(*_place.get().groups, group))
