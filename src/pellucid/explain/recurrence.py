"""What happens inside of recurrent layers step by step, which their one op in the graph does not show by itself.

Forward: the weighted sums of the gates, and the gates by name. Backward: the derivative of the loss with respect to
these sums, and with respect to h and c as each step leaves them, through all the steps that come after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy

from pellucid.core.graph import Node, Tensor
from pellucid.explain.opened import OpenLayer
from pellucid.ops.recurrent import Recurrent, RecurrentGradient

Values = Mapping[Tensor, numpy.ndarray]
Arrays = dict[str, numpy.ndarray]


@dataclass(frozen=True, eq=False)
class Recurrence:
    """One recurrent op of a layer, and the op of its derivative where the loss depends on it. `labels` are what the
    layer calls its outputs; `suffix` sets its parts apart from those of the layer's other ops: "@2"."""

    node: Node
    gradient: Node | None
    labels: dict[Tensor, str]
    suffix: str

    @property
    def op(self) -> Recurrent:
        """How it computes."""
        assert isinstance(self.node.op, Recurrent)
        return self.node.op

    @property
    def needed(self) -> list[Tensor]:
        """The values that the rest is computed from."""
        forward = [*self.node.inputs, *self.labels]
        return forward if self.gradient is None else [*forward, *self.gradient.inputs, self.gradient.outputs[0]]

    def parts(self, values: Values) -> Arrays:
        """What each gate's activation is taken of, [batch, steps, gates·units]."""
        outputs = [values[value] for value in self.labels]
        return {f"pre_activation{self.suffix}": self.op.sums(outputs, *(values[value] for value in self.node.inputs))}

    def gates(self, values: Values) -> Arrays:
        """The gates by name, [batch, steps, units]."""
        gates = next((values[value] for value, label in self.labels.items() if label.startswith("gates")), None)
        if gates is None:
            return {}
        units = self.node.outputs[0].shape[-1] or 0
        names = self.op.gate_names
        return {f"{name}{self.suffix}": gates[..., i * units : (i + 1) * units] for i, name in enumerate(names)}

    def gradients(self, values: Values) -> Arrays:
        """The derivatives of the loss with respect to h and c as each step leaves them, and to the weighted sums."""
        if self.gradient is None:
            return {}
        assert isinstance(self.gradient.op, RecurrentGradient)
        states = self.gradient.op.of_states(*(values[value] for value in self.gradient.inputs))
        found = dict(zip(self.labels.values(), states, strict=False))
        return {**found, f"pre_activation{self.suffix}": values[self.gradient.outputs[0]]}


def recurrences(layer: OpenLayer, derivatives: Iterable[Node]) -> list[Recurrence]:
    """The recurrent ops of a layer, in order; `derivatives` are the nodes of the loss's derivatives."""
    gradients = {node.differentiates: node for node in derivatives if isinstance(node.op, RecurrentGradient)}
    nodes = dict.fromkeys(part.node for part in layer.parts.values() if isinstance(part.node.op, Recurrent))
    found = []
    for place, node in enumerate(nodes, 1):
        named = {value: label for label, value in layer.parts.items() if value.node is node}
        labels = {value: named[value] for value in node.outputs if value in named}
        found.append(Recurrence(node, gradients.get(node), labels, f"@{place}" if place > 1 else ""))
    return found
