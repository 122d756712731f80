"""Segments of the graph whose values are not kept for the backward pass, but computed again there.

The backward pass reads copies of a segment's nodes, made just before it needs them from what went into the segment: the
same ops on the same values, with the same random streams. What the forward pass computed is then free as soon as the
forward pass has used it, and liveness makes memory small. It costs one more forward pass of the segment.

Source: Chen et al. 2016, *Training Deep Nets with Sublinear Memory Cost*.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pellucid.core.graph import Node, Tensor, build
from pellucid.core.place import Group, Segment, place, placed
from pellucid.core.sources import Constant, Read


@contextmanager
def recomputed() -> Iterator[None]:
    """Build the nodes inside this block as one segment; one inside of another is part of that."""
    with placed(segment=place().segment or Segment()):
        yield


class Copy:
    """A segment computed again, once `adjoint` is known, with which its backward pass begins.

    `entries` are the segment's inputs as the copies read them; a value that is no part of the segment stays itself.
    """

    def __init__(self, nodes: Sequence[Node], adjoint: Tensor) -> None:
        self.nodes: dict[Node, Node] = {}
        self.entries: list[Node] = []
        self._now: dict[Tensor, Tensor] = {}
        self._groups: dict[Group, Group] = {}
        for node in nodes:
            if node.inputs:  # what has none takes no computation
                self._copy(node, adjoint)
        for group, copy in self._groups.items():
            copy.outputs = tuple(map(self.of, group.outputs))
            copy.derivatives = {self.of(x): self.of(y) for x, y in group.derivatives.items()}

    def of(self, value: Tensor) -> Tensor:
        """The value as it is computed again."""
        return self._now.get(value, value)

    def _copy(self, node: Node, adjoint: Tensor) -> None:
        with placed(scope=node.scope, groups=(), differentiates=node.differentiates, segment=None):
            for value in node.inputs:
                if value not in self._now and not isinstance(value.node.op, (Constant, Read)):
                    self._now[value] = entry = build("after", value, adjoint)
                    self.entries.append(entry.node)
            with placed(groups=tuple(map(self._group, node.groups))):
                copy = Node(node.op, tuple(map(self.of, node.inputs)), tuple(value.spec for value in node.outputs))
        self.nodes[node] = copy
        self._now.update(zip(node.outputs, copy.outputs, strict=True))

    def _group(self, group: Group) -> Group:
        if group not in self._groups:
            of = None if group.gradient_of is None else self._groups.get(group.gradient_of, group.gradient_of)
            self._groups[group] = Group(group.name, group.attributes, tuple(map(self.of, group.inputs)), (), of)
        return self._groups[group]
