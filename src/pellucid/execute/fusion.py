"""From nodes to cells: which nodes one native kernel computes together.

Four rewritings, each a pass over the nodes in order: values known beforehand are folded; what only renames elements
becomes an alias; groups that have a kernel of their own become one cell; then products take up their bias, activation,
mask and column sums, and elementwise nodes of one shape run as one pass over memory.

A cell stands at the place of its last node. It may grow only while everything that reads it from outside stands later,
so the cells in order of their places are a valid order of execution.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy

from pellucid.core.evaluate import evaluate
from pellucid.core.graph import Group, Node, Program, Tensor
from pellucid.core.sources import Constant, Source
from pellucid.core.spec import Spec, known
from pellucid.ops.conversions import Cast, StopGradient
from pellucid.ops.elementwise import Elementwise
from pellucid.ops.linear import Matmul
from pellucid.ops.reduce import BroadcastTo, Sum
from pellucid.ops.shape import Concatenate, Reshape, Transpose

FOLDED = 1 << 16  # elements: larger constants are computed at run time rather than stored
CLUSTER = 48  # steps of one elementwise kernel


@dataclass(eq=False)
class Cell:
    """Some nodes, one kernel."""

    kernel: str
    nodes: list[Node]
    inputs: list[Tensor | None]
    outputs: list[Tensor]
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> int:
        return max(node.serial for node in self.nodes)


class Fusion:
    """The cells of a program, in order of execution. `kernels` are the names that the engine has."""

    def __init__(self, program: Program, kernels: Collection[str]) -> None:
        self.program, self.kernels = program, kernels
        self.nodes = program.nodes()
        self.constants: dict[Tensor, numpy.ndarray] = {}
        self.alias: dict[Tensor, Tensor] = {}
        self.readers: dict[Tensor, list[Node]] = defaultdict(list)
        self.targets: set[Tensor] = set()
        self.cell_of: dict[Node, Cell] = {}
        self._fold()
        self._find_readers()
        self._fuse_groups()
        for node in self.nodes:
            if not self._is_given(node) and node not in self.cell_of:
                self._place(node)
        self.cells = self._live(sorted(set(self.cell_of.values()), key=lambda cell: cell.place))

    # What other passes ask

    def root(self, value: Tensor) -> Tensor:
        """The tensor whose elements this one shows, maybe in another shape."""
        while value in self.alias:
            value = self.alias[value]
        return value

    def scalar(self, value: Tensor) -> float | None:
        """The number of a constant whose elements are all the same."""
        array = self.constants.get(value)
        if array is None or not array.size or (array != array.flat[0]).any():
            return None
        return float(array.flat[0])

    def operand(self, value: Tensor) -> Tensor:
        """What an elementwise kernel reads for a value: it broadcasts by itself, and skips what changes nothing."""
        while value not in self.constants:
            if self.alias.get(value, value).shape == value.shape and value in self.alias:
                value = self.alias[value]
            elif isinstance(value.node.op, BroadcastTo) and value not in self.alias:
                value = value.node.inputs[0]
            else:
                break
        return value

    def _is_given(self, node: Node) -> bool:
        return isinstance(node.op, Source) or all(
            value in self.constants or value in self.alias for value in node.outputs
        )

    def _producer(self, value: Tensor) -> Cell | None:
        return self.cell_of.get(self.root(value).node)

    # Passes

    def _fold(self) -> None:
        for node in self.nodes:
            if isinstance(node.op, Constant):
                self.constants[node.output] = node.op.value
            elif isinstance(node.op, Source):
                continue
            elif all(value in self.constants for value in node.inputs) and all(
                x.spec.size <= FOLDED for x in node.outputs
            ):
                for value, array in zip(node.outputs, evaluate(node.outputs), strict=True):
                    self.constants[value] = array
            elif len(node.outputs) == 1 and (same := self._renamed(node)) is not None:
                self.alias[node.output] = same

    def _renamed(self, node: Node) -> Tensor | None:
        """The input whose elements the output repeats in the same order, if there is one."""
        first, output = node.inputs[0], node.output
        same_size = first.spec.size == output.spec.size and first.dtype == output.dtype
        match node.op:
            case Reshape() | StopGradient():
                return first
            case Cast() | BroadcastTo() | Sum() if same_size:
                return first
            case Transpose(axes=axes) if [i for i in axes if first.shape[i] != 1] == sorted(
                i for i in axes if first.shape[i] != 1
            ):
                return first
        if node.op.name in ("multiply", "divide"):
            for value, other in (node.inputs, reversed(node.inputs))[: 2 if node.op.name == "multiply" else 1]:
                if self.scalar(other) == 1.0 and value.spec == output.spec:
                    return value
        return None

    def _find_readers(self) -> None:
        for node in self.nodes:
            if not self._is_given(node):
                for value in node.inputs:
                    self.readers[self.root(value)].append(node)
        self.targets = {self.root(value) for value in self.program.targets}

    def _fuse_groups(self) -> None:
        members: dict[Group, list[Node]] = defaultdict(list)
        for node in self.nodes:
            for group in node.groups:
                members[group].append(node)
        for group, nodes in members.items():
            if nodes[0] in self.cell_of or group.name not in self.kernels or group.gradient_of is not None:
                continue
            gradient = next((g for g in members if g.gradient_of is group), None)
            inside = [*nodes, *(members[gradient] if gradient else [])]
            if self._fits(group) and self._closed(inside, [*group.outputs, *(gradient.outputs if gradient else ())]):
                self._cover(group, nodes, gradient, members[gradient] if gradient else [])
        self._join_optimizers()

    def _fits(self, group: Group) -> bool:
        """Whether the kernel of this name does what the group does."""
        axis = group.attributes.get("axis", -1)
        return group.name not in ("softmax", "log_softmax") or axis in (-1, group.inputs[0].rank - 1)

    def _closed(self, nodes: list[Node], outputs: list[Tensor]) -> bool:
        """Whether nothing outside reads what the nodes compute, except the outputs."""
        inside, visible = set(nodes), {self.root(value) for value in outputs}
        return all(
            root in visible or (root not in self.targets and all(reader in inside for reader in self.readers[root]))
            for node in nodes
            for root in map(self.root, node.outputs)
        )

    def _cover(self, group: Group, nodes: list[Node], gradient: Group | None, backward: list[Node]) -> None:
        outputs = list(group.outputs)
        if group.name == "sparse_categorical_crossentropy" and gradient:
            outputs.append(Tensor(nodes[-1], len(nodes[-1].outputs), group.inputs[0].spec))  # probabilities
        self._claim(Cell(group.name, nodes, list(group.inputs[:2]), outputs, dict(group.attributes)), nodes)
        cell = self.cell_of[nodes[0]]
        if group.name in ("softmax", "log_softmax"):
            cell.inputs, cell.attributes = [group.inputs[0]], {}
        elif group.name == "adam":
            cell.inputs = list(group.inputs)
        if gradient:
            saved = [outputs[1], group.inputs[1]] if len(outputs) == 2 else [group.outputs[0]]
            inputs: list[Tensor | None] = [gradient.inputs[0], *saved]
            self._claim(Cell(gradient.name, backward, inputs, list(gradient.outputs)), backward)

    def _claim(self, cell: Cell, nodes: list[Node]) -> None:
        for node in nodes:
            self.cell_of[node] = cell

    def _join_optimizers(self) -> None:
        """One pass over all parameters that share rates and settings."""
        joined: dict[Any, Cell] = {}
        for cell in dict.fromkeys(self.cell_of.values()):
            if cell.kernel != "adam":
                continue
            parameter, g, m, v, rate, first, second = cell.inputs
            key = (rate, first, second, tuple(sorted(cell.attributes.items())))
            if key not in joined:
                joined[key] = Cell("adam", [], [rate, first, second], [], cell.attributes)
            whole = joined[key]
            whole.inputs += [parameter, g, m, v]
            whole.outputs += cell.outputs
            whole.nodes += cell.nodes
            self._claim(whole, cell.nodes)

    def _place(self, node: Node) -> None:
        if isinstance(node.op, Matmul):
            self._claim(self._product(node), [node])
        elif not (self._into_product(node) or self._into_cluster(node)):
            self._claim(Cell(node.op.name, [node], list(node.inputs), list(node.outputs), _attributes(node)), [node])

    # Products

    def _product(self, node: Node) -> Cell:
        x, w = node.inputs
        attributes: dict[str, Any] = {}
        inputs: list[Tensor | None] = []
        for value, name in ((x, "transpose_x"), (w, "transpose_w")):
            op = value.node.op
            swapped = isinstance(op, Transpose) and op.axes == (*range(value.rank - 2), value.rank - 1, value.rank - 2)
            if swapped and value not in self.alias and value not in self.constants:
                attributes[name] = 1
                inputs.append(value.node.inputs[0])
            else:
                inputs.append(value)
        return Cell("matmul", [node], [*inputs, None, None], [node.output], attributes)

    def _into_product(self, node: Node) -> bool:
        """Bias, activation, mask and column sums become part of the product that makes or shares their operand."""
        if isinstance(node.op, Sum):
            return self._as_column_sums(node)
        for value in node.inputs:
            cell = self._producer(value)
            if (
                cell is None
                or cell.kernel != "matmul"
                or not self._only_reader(value, node)
                or node.output.shape != value.shape
            ):
                continue
            others = [other for other in node.inputs if other is not value]
            plain = (
                not {"activation", "mask"} & set(cell.attributes)
                and len(cell.outputs) == 1
                and cell.outputs[0].shape == value.shape
            )
            if not plain:
                continue
            if node.op.name == "add" and cell.inputs[2] is None and self._is_bias(others, value):
                cell.inputs[2] = others[0]
                return self._grow(cell, node)
            if node.op.name in ("relu", "tanh", "sigmoid"):
                cell.attributes["activation"] = node.op.name
                return self._grow(cell, node)
            if node.op.name == "multiply" and cell.inputs[2] is None and len(others) == 1:
                mask = others[0]
                if mask.node.op.name == "step" and mask.shape == value.shape and mask not in self.constants:
                    cell.attributes["mask"] = "relu"
                    cell.inputs[3] = mask.node.inputs[0]
                    return self._grow(cell, node)
        return False

    def _is_bias(self, others: list[Tensor], value: Tensor) -> bool:
        return len(others) == 1 and others[0].shape == value.shape[-1:] and self.root(others[0]) not in self.constants

    def _grow(self, cell: Cell, node: Node) -> bool:
        cell.nodes.append(node)
        cell.outputs = [node.output]
        self.cell_of[node] = cell
        return True

    def _only_reader(self, value: Tensor, node: Node) -> bool:
        root = self.root(value)
        return root not in self.targets and self.readers[root] == [node]

    def _as_column_sums(self, node: Node) -> bool:
        """Σ over the batch of a gradient, taken while xᵀ·gradient reads it."""
        (g,) = node.inputs
        if not isinstance(node.op, Sum) or node.op.axes != (0,) or g.rank != 2:
            return False
        for reader in self.readers[self.root(g)]:
            cell = self.cell_of.get(reader)
            product = cell or (self._product(reader) if isinstance(reader.op, Matmul) else None)
            if product is None or product.kernel != "matmul" or len(product.outputs) != 1 or product.inputs[1] is not g:
                continue
            if (
                "transpose_w" in product.attributes
                or product.outputs[0].rank != 2
                or product.attributes.keys() & {"activation", "mask"}
            ):
                continue
            place = max(node.serial, reader.serial)
            if all(
                other.serial > place for value in (node.output, product.outputs[0]) for other in self.readers[value]
            ):
                product.attributes["column_sums"] = 1
                product.outputs.append(node.output)
                product.nodes.append(node)
                self._claim(product, [node, reader])
                return True
        return False

    # Elementwise clusters

    def _into_cluster(self, node: Node) -> bool:
        if not isinstance(node.op, Elementwise):
            return False
        cluster = Cell("elementwise", [node], [], [])
        for candidate in self._candidates(node):
            if len(candidate.nodes) + len(cluster.nodes) <= CLUSTER and self._may_join(
                candidate, cluster.nodes, node.serial
            ):
                cluster.nodes = [*candidate.nodes, *cluster.nodes]
        cluster.nodes.sort(key=lambda member: member.serial)
        self._claim(cluster, cluster.nodes)
        return True

    def _candidates(self, node: Node) -> list[Cell]:
        """Clusters of the same shape that the node reads; scalars all go together."""
        shape = node.output.shape
        found = [
            self.cell_of.get(self.operand(value).node) for value in node.inputs if self.operand(value) not in self.alias
        ]
        if shape == ():
            found += [cell for cell in list(self.cell_of.values())[-8:] if cell.kernel == "elementwise"]
        return [
            cell for cell in dict.fromkeys(found)
            if cell is not None and cell.kernel == "elementwise" and cell.nodes[0].output.shape == shape
        ]  # fmt: skip

    def _may_join(self, cell: Cell, others: list[Node], place: int) -> bool:
        """Whether a cluster may move to a later place: everything outside that reads it stands later still."""
        inside = {*cell.nodes, *others}
        for member in cell.nodes:
            output = member.output
            if any(reader not in inside and reader.serial < place for reader in self.readers[output]):
                return False
            converted = isinstance(member.op, Cast) and not member.output.spec.is_float
            if converted and any(reader in inside for reader in self.readers[output]):
                return False  # the conversion happens when the value is stored
        made = {member.output for member in inside}
        read = (self.operand(value) for member in inside for value in member.inputs)
        return all(value in made or self.root(value) not in made for value in read)  # no other shape of its own values

    # What is left

    def _live(self, cells: list[Cell]) -> list[Cell]:
        """Only the cells that the targets need; elementwise cells learn their inputs and outputs."""
        needed, live = set(self.targets), []
        for cell in reversed(cells):
            if cell.kernel == "elementwise":
                self._settle(cell, needed)
            if any(self.root(value) in needed for value in cell.outputs):
                needed.update(self.root(value) for value in cell.inputs if value is not None)
                live.append(cell)
        return live[::-1]

    def _settle(self, cell: Cell, needed: set[Tensor]) -> None:
        inside = {member.output for member in cell.nodes}
        wanted = {value for value in inside if value in needed}
        for member in reversed(cell.nodes):  # drop members that nothing needs
            if member.output in wanted:
                wanted.update(self.operand(value) for value in member.inputs)
        cell.nodes = [member for member in cell.nodes if member.output in wanted] or cell.nodes
        cell.outputs = [member.output for member in cell.nodes if member.output in needed]
        read = [self.operand(value) for member in cell.nodes for value in member.inputs]
        cell.inputs = [value for value in dict.fromkeys(read) if value not in inside and self.scalar(value) is None]


def _attributes(node: Node) -> dict[str, Any]:
    """An op's attributes as the engine takes them; what the output's buffer tells is left out."""
    told = {"shape", "rows"}
    attributes = {k: list(v) if isinstance(v, tuple) else v for k, v in node.op.attributes.items() if k not in told}
    if isinstance(node.op, Concatenate):
        attributes["axis"] = node.op.axis % node.output.rank
    return attributes


def spec_of(value: Tensor) -> tuple[str, list[int]]:
    """The dtype and shape of a buffer for a tensor."""
    spec: Spec = value.spec
    return spec.dtype, list(known(spec.shape))
