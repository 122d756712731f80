"""Composites that have a kernel of their own: their groups, forward and backward, as cells.

A group becomes one cell where its kernel does what the group does, and nothing outside looks inside. Everything else
stays with the primitives that the group consists of.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

from pellucid.core.graph import Group, Node, Tensor
from pellucid.execute.cell import Cell
from pellucid.execute.values import Values

Members = dict[Group, list[Node]]


def group_cells(values: Values, kernels: Collection[str]) -> Iterator[Cell]:
    """The cells of all groups that can be fused, outer groups before the ones inside them."""
    members: Members = defaultdict(list)
    gradients: dict[Group, list[Group]] = defaultdict(list)
    for node in values.computed:
        for group in node.groups:
            if group not in members and group.gradient_of is not None:
                gradients[group.gradient_of].append(group)
            members[group].append(node)
    taken: set[Node] = set()
    adams: list[Cell] = []
    for group, nodes in members.items():
        if group.gradient_of is None and group.name in kernels and nodes[0] not in taken:
            cells = _cells(group, members, gradients[group])
            if cells and _closed(cells, values):
                taken.update(node for cell in cells for node in cell.nodes)
                if group.name == "adam":
                    _join(adams, cells[0], values)
                else:
                    yield from cells
    yield from adams


def _cells(group: Group, members: Members, gradients: list[Group]) -> list[Cell]:
    """The cells of one group and of its derivative; none where no kernel does what the group does."""
    nodes = members[group]
    match group.name:
        case "softmax" | "log_softmax" if group.attributes.get("axis", -1) in (-1, group.inputs[0].rank - 1):
            x, y = group.inputs[0], group.outputs[0]
            cells = [Cell(group.name, nodes, [x], [y])]
            saved = [y]
        case "sparse_categorical_crossentropy":
            logits, labels = group.inputs
            probabilities = Tensor(nodes[-1], len(nodes[-1].outputs), logits.spec)  # made by the kernel alone
            outputs = [*group.outputs, *([probabilities] if gradients else [])]
            cells = [Cell(group.name, nodes, [logits, labels], outputs)]
            saved = [probabilities, labels]
        case "adam":
            return [Cell(group.name, nodes, list(group.inputs), list(group.outputs), dict(group.attributes))]
        case _:
            return []
    for gradient in gradients:
        inputs: list[Tensor | None] = [gradient.inputs[0], *saved]
        cells.append(Cell(gradient.name, members[gradient], inputs, list(gradient.outputs)))
    return cells


def _closed(cells: list[Cell], values: Values) -> bool:
    """Whether the outputs are values of their own, and nothing outside reads what else the nodes compute."""
    inside = {node for cell in cells for node in cell.nodes}
    visible = {value for cell in cells for value in cell.outputs}
    return all(map(values.is_made, visible)) and all(
        value in visible
        or not values.is_made(value)
        or (value not in values.targets and inside.issuperset(values.readers[value]))
        for node in inside
        for value in node.outputs
    )


def _join(adams: list[Cell], cell: Cell, values: Values) -> None:
    """Update all parameters that share rates and settings in one pass."""
    rates = cell.inputs[4:]
    parameter = cell.inputs[:4]
    for whole in adams:
        if whole.inputs[:3] == rates and whole.attributes == cell.attributes:
            readers = {reader for value in whole.outputs for reader in values.readers[value]}.difference(whole.nodes)
            if all(reader.serial > cell.place for reader in readers):
                whole.inputs += parameter
                whole.outputs += cell.outputs
                whole.take(cell.nodes)
                return
    adams.append(Cell("adam", cell.nodes, [*rates, *parameter], cell.outputs, cell.attributes))
