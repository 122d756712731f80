"""`Cell`: some nodes that one kernel computes together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pellucid.core.graph import Node, Tensor


@dataclass(eq=False)
class Cell:
    """Nodes, their kernel, and the serial of the node at whose place it runs. Absent operands are `None`."""

    kernel: str
    nodes: list[Node]
    inputs: list[Tensor | None]
    outputs: list[Tensor]
    attributes: dict[str, Any] = field(default_factory=dict)
    place: int = field(init=False)

    def __post_init__(self) -> None:
        self.place = max(node.serial for node in self.nodes)

    def take(self, nodes: Iterable[Node]) -> None:
        """Compute more nodes, no earlier than at the last of them."""
        self.nodes = [*self.nodes, *nodes]
        self.place = max(self.place, *(node.serial for node in self.nodes))
