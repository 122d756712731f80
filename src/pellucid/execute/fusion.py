"""From nodes to cells: which nodes one native kernel computes together.

Groups that have a kernel of their own become one cell (`groups`); then, node by node, products take up their bias,
activation, mask and column sums, and elementwise nodes of one shape run as one pass over memory.

A cell stands at the place of its last node, so that all it reads is there. It may take nodes that move its place back
only while every node outside that reads it stands later still. So whatever reads a cell stands behind it, and the cells
in the order of their places are a valid order of execution. At the end, an elementwise cell whose operands are there
early enough runs together with the one that makes them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy

from pellucid.core.graph import Node, Program, Tensor
from pellucid.execute.cell import Cell
from pellucid.execute.groups import group_cells
from pellucid.execute.values import Values
from pellucid.ops.comparisons import Where
from pellucid.ops.conversions import Cast
from pellucid.ops.elementwise import Elementwise
from pellucid.ops.linear import Matmul
from pellucid.ops.reduce import Sum
from pellucid.ops.shape import Concatenate, Slice, Transpose

CLUSTER = 48  # nodes of one elementwise kernel, whose registers are to stay in the first-level cache
PRODUCTS = ("matmul", "convolution", "convolution_input_gradient")  # operands: x, w, bias, mask; of matmul also addend
ACTIVATIONS = ("relu", "tanh", "sigmoid")  # those that a product applies itself
WHOLE = ("int32", "uint32")


class Fusion:
    """The cells of a program, in order of execution. `kernels` are the names that the engine has."""

    def __init__(self, program: Program, kernels: Collection[str]) -> None:
        self.values = Values(program)
        self._cell_of: dict[Node, Cell] = {}
        self._scalars: Cell | None = None  # the last elementwise cell of scalars
        groups = list(group_cells(self.values, kernels))
        for cell in groups:
            self._claim(cell)
        for node in self.values.computed:
            if node not in self._cell_of:
                self._place(node)
        for cell in groups:
            if cell.kernel in ("gelu", "gelu_gradient"):
                self._group_into_product(cell)
        self._join_earlier()
        self.cells = self._live()

    def _claim(self, cell: Cell) -> None:
        for node in cell.nodes:
            self._cell_of[node] = cell

    def _place(self, node: Node) -> None:
        if node.op.name in PRODUCTS:
            self._claim(_product(node, self.values))
        elif isinstance(node.op, Sum) and self._into_product_of_operand(node):
            return
        elif isinstance(node.op, Elementwise):
            if not self._into_product(node) and not self._into_normalization(node):
                self._claim(self._cluster(node))
        else:
            self._claim(Cell(node.op.name, [node], list(node.inputs), list(node.outputs), _attributes(node)))

    # Products

    def _into_product(self, node: Node) -> bool:
        """Bias, addend, activation or mask: part of the kernel that makes the node's operand for nobody else."""
        for value, others in ((x, [y for y in node.inputs if y is not x]) for x in node.inputs):
            cell = self._cell_of.get(self.values.root(value).node)
            if (
                cell is not None
                and cell.kernel in (*PRODUCTS, "max_pool_gradient")
                and len(cell.outputs) == 1
                and cell.outputs[0].shape == value.shape == node.output.shape
                and not cell.attributes.keys() & {"activation", "mask"}
                and self._only_reader(value, node)
                and self._absorb(cell, node, others)
            ):
                cell.take([node])
                cell.outputs = [node.output]
                self._cell_of[node] = cell
                return True
        return False

    def _into_normalization(self, node: Node) -> bool:
        """relu: part of the normalisation of channels that makes its operand for nobody else.

        The cell stays in its place, where relu has all it needs: what reads the mean and the variance may stand before.
        """
        value = self.values.root(node.inputs[0])
        cell = self._cell_of.get(value.node)
        if (
            node.op.name != "relu"
            or cell is None
            or cell.kernel not in ("batch_norm", "group_norm")
            or cell.outputs[0] is not value
            or value.shape != node.output.shape
            or not self._only_reader(value, node)
        ):
            return False
        cell.nodes.append(node)
        cell.outputs[0] = node.output
        cell.attributes["activation"] = "relu"
        self._cell_of[node] = cell
        return True

    def _absorb(self, cell: Cell, node: Node, others: list[Tensor]) -> bool:
        """Make a kernel do what a node does with its result, where it can."""
        match node.op.name, others:
            case "multiply", [mask] if mask.node.op.name == "step" and mask.shape == node.output.shape:
                return self._absorb_mask(cell, mask.node.inputs[0])
            case _ if cell.kernel not in PRODUCTS:
                return False
            case "add", [bias] if cell.inputs[2] is None and bias.shape == node.output.shape[-1:]:
                cell.inputs[2] = bias
            case "add", [addend] if cell.kernel == "matmul" and addend.shape == node.output.shape:
                if cell.inputs[4] is not None:
                    return False
                cell.inputs[4] = addend
            case name, [] if name in ACTIVATIONS:
                cell.attributes["activation"] = name
            case _:
                return False
        return True

    def _absorb_mask(self, cell: Cell, mask: Tensor) -> bool:
        """The backward of relu, whose result is the mask."""
        if cell.kernel == "max_pool_gradient":  # knows the image that was pooled, and no other mask
            if cell.inputs[0] is None or self.values.root(mask) is not self.values.root(cell.inputs[0]):
                return False
        elif cell.inputs[2] is None:
            cell.inputs[3] = mask
        else:
            return False
        cell.attributes["mask"] = "relu"
        return True

    def _group_into_product(self, cell: Cell) -> None:
        """gelu and the multiplication by its derivative, where a product makes the operand for nobody else."""
        value, *factors = (self.values.root(value) for value in cell.inputs if value is not None)
        product = self._cell_of.get(value.node)
        if (
            product is None
            or product.kernel != "matmul"
            or product.outputs != [value]
            or product.attributes.keys() & {"activation", "mask"}
            or any(other.shape != value.shape for other in (*factors, *cell.outputs))
            or value in self.values.targets
            or not set(cell.nodes).issuperset(self.values.readers[value])
        ):
            return
        if factors:
            product.attributes["mask"] = "multiply"
            (product.inputs[3],) = factors
        else:
            product.attributes |= {"activation": "gelu", **({"derivative": 1} if len(cell.outputs) > 1 else {})}
        product.outputs = cell.outputs
        product.take(cell.nodes)
        self._claim(product)

    def _only_reader(self, value: Tensor, node: Node) -> bool:
        root = self.values.root(value)
        return root not in self.values.targets and self.values.readers[root] == [node]

    def _into_product_of_operand(self, node: Node) -> bool:
        """Σ of a gradient over all but its last axis, taken while the product for a weight's gradient reads it."""
        (g,) = node.inputs
        if not isinstance(node.op, Sum) or node.op.axes != (*range(g.rank - 1),) or node.output.rank != 1:
            return False
        for reader in self.values.readers[self.values.root(g)]:
            product = self._cell_of.get(reader) or _product(reader, self.values)
            place = max(node.serial, product.place)
            later = [other for x in (node.output, *product.outputs) for other in self.values.readers[x]]
            if self._sums_operand(product, g) and all(other.serial > place for other in later):
                product.attributes["column_sums" if product.kernel == "matmul" else "bias_sums"] = 1
                product.outputs.append(node.output)
                product.take([node])
                self._claim(product)
                return True
        return False

    def _sums_operand(self, product: Cell, g: Tensor) -> bool:
        """Whether a cell can sum g over all but its last axis beside what it computes."""
        operand = product.inputs[1] if product.kernel in ("matmul", "convolution_kernel_gradient") else None
        return (
            operand is not None
            and self.values.root(operand) is self.values.root(g)
            and operand.shape[-1] == g.shape[-1]
            and len(product.outputs) == 1
            and all(value is None for value in product.inputs[2:])
            and not product.attributes.keys() & {"transpose_w", "activation"}
            and (product.kernel != "matmul" or product.outputs[0].rank == 2)
        )

    # Elementwise clusters

    def _cluster(self, node: Node) -> Cell:
        """The node with as many of the cells it reads as may run in the same pass."""
        nodes = [node]
        for candidate in self._candidates(node):
            if len(candidate.nodes) + len(nodes) <= CLUSTER and self._may_join(candidate.nodes, nodes, node.serial):
                nodes += candidate.nodes
        cell = Cell("elementwise", nodes, [], [])
        if node.output.shape == ():
            self._scalars = cell
        return cell

    def _candidates(self, *nodes: Node) -> list[Cell]:
        """Elementwise cells of the same shape that the nodes read; scalars, which cost calls alone, go together."""
        shape = nodes[0].output.shape
        read = [self._cell_of.get(self.values.operand(value).node) for node in nodes for value in node.inputs]
        found = [*read, self._scalars] if shape == () else read
        fitting = [
            cell for cell in dict.fromkeys(found)
            if cell is not None and cell.kernel == "elementwise" and cell.nodes[0].output.shape == shape
        ]  # fmt: skip
        return sorted(fitting, key=lambda cell: cell.place, reverse=True)  # a reader before what it reads

    def _may_join(self, members: list[Node], others: list[Node], place: int) -> bool:
        """Whether the nodes of an earlier cell may move to a later place, and their values stay in registers there."""
        inside = {*members, *others}
        for member in members:
            for reader in self.values.readers[member.output]:
                if not (_same_register(member, reader) if reader in inside else reader.serial > place):
                    return False
        return self._in_shape(others, members)

    def _in_shape(self, readers: list[Node], makers: list[Node]) -> bool:
        """Whether nodes read what others make in the shape in which it is made."""
        made = {maker.output for maker in makers}
        read = (self.values.operand(value) for reader in readers for value in reader.inputs)
        return all(value in made or self.values.root(value) not in made for value in read)

    def _join_earlier(self) -> None:
        """Let elementwise cells run in the pass that makes their operands, where all of these are there by then.

        After all clusters are made: what waits for a derivative from later on is not torn apart.
        """
        self._scalars = None
        for cell in self._ordered():
            if cell.kernel == "elementwise":
                target = next((early for early in self._sources(cell) if self._may_join_earlier(cell, early)), None)
                if target is not None:
                    target.nodes += cell.nodes
                    self._claim(target)
                elif cell.nodes[0].output.shape == ():
                    self._scalars = cell

    def _sources(self, cell: Cell) -> list[Cell]:
        return [early for early in self._candidates(*cell.nodes) if early is not cell]

    def _may_join_earlier(self, cell: Cell, early: Cell) -> bool:
        if len(cell.nodes) + len(early.nodes) > CLUSTER or not self._in_shape(cell.nodes, early.nodes):
            return False
        for node in cell.nodes:
            for value in map(self.values.operand, node.inputs):
                source = self._cell_of.get(self.values.root(value).node)
                if source is early:
                    if not _same_register(value.node, node):
                        return False
                elif source is not None and source is not cell and source.place >= early.place:
                    return False
        return True

    # What is left

    def _ordered(self) -> list[Cell]:
        return sorted(dict.fromkeys(self._cell_of.values()), key=lambda cell: cell.place)

    def _live(self) -> list[Cell]:
        """The cells that the targets need, in order; elementwise cells learn their inputs and outputs."""
        needed, live = set(self.values.targets), []
        for cell in reversed(self._ordered()):
            if cell.kernel == "elementwise":
                self._settle(cell, needed)
            if not needed.isdisjoint(cell.outputs):
                needed.update(self.values.root(value) for value in cell.inputs if value is not None)
                live.append(cell)
        return live[::-1]

    def _settle(self, cell: Cell, needed: set[Tensor]) -> None:
        """Drop the nodes that nothing needs, and find what the others read and give."""
        cell.nodes.sort(key=lambda node: node.serial)
        cell.outputs = [node.output for node in cell.nodes if node.output in needed]
        wanted = set(cell.outputs)
        for node in reversed(cell.nodes):
            if node.output in wanted:
                wanted.update(map(self.values.operand, node.inputs))
        cell.nodes = [node for node in cell.nodes if node.output in wanted] or cell.nodes
        inside = {node.output for node in cell.nodes}
        read = [self.values.operand(value) for node in cell.nodes for value in node.inputs]
        cell.inputs = [x for x in dict.fromkeys(read) if x not in inside and self.values.number(x) is None]


def takes_whole(node: Node, position: int) -> bool:
    """Whether an elementwise kernel computes with an operand as a whole number, exactly, and not as float32."""
    dtype = node.inputs[position].dtype
    if isinstance(node.op, Cast) and node.output.dtype not in WHOLE:
        return False  # a conversion is part of reading
    return dtype in WHOLE and not (isinstance(node.op, Where) and position == 0)


def _same_register(maker: Node, reader: Node) -> bool:
    """Whether a value can stay in a register from one node to the other: conversions happen at loads and stores."""
    value = maker.output
    if isinstance(maker.op, Cast) and not value.spec.is_float and not takes_whole(maker, 0):
        return False
    whole = value.dtype in WHOLE
    return all(takes_whole(reader, i) == whole for i, read in enumerate(reader.inputs) if read.dtype == value.dtype)


def _product(node: Node, values: Values) -> Cell:
    """A node's cell, with room for what a product does besides; a matrix product takes its operands as stored."""
    inputs: list[Tensor | None] = [*node.inputs]
    attributes = _attributes(node)
    if isinstance(node.op, Matmul):
        for place, name in enumerate(("transpose_x", "transpose_w")):
            value = node.inputs[place]
            op, rank = value.node.op, value.rank
            swapped = isinstance(op, Transpose) and op.axes == (*range(rank - 2), rank - 1, rank - 2)
            if swapped and values.is_made(value):
                attributes[name] = 1
                inputs[place] = value.node.inputs[0]
    room = {"matmul": 3}.get(node.op.name, 2 if node.op.name in PRODUCTS else 0)
    return Cell(node.op.name, [node], [*inputs, *[None] * room], list(node.outputs), attributes)


def _attributes(node: Node) -> dict[str, Any]:
    """An op's attributes as the engine takes them; what the output's buffer tells is left out."""
    told = {"shape", "rows", "sizes"}
    given = {name: value for name, value in node.op.attributes.items() if name not in told}
    if isinstance(node.op, Concatenate):
        given["axis"] = node.op.axis % node.output.rank
    if isinstance(node.op, Slice):
        ends = zip(node.op.stop, node.inputs[0].shape, strict=True)
        given["stop"] = tuple(size if stop is None else stop for stop, size in ends)
    return {
        name: [*map(int, numpy.ravel(value))] if isinstance(value, tuple) else value for name, value in given.items()
    }
