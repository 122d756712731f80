"""Where values may lie: in the variables that they update, and in bfloat16."""

from __future__ import annotations

from collections import defaultdict

from pellucid.core.graph import Program, Tensor, Variable
from pellucid.core.sources import Read
from pellucid.execute.cell import Cell
from pellucid.execute.fusion import Fusion


def adam_operand(output: int) -> int:
    """The input of an `adam` cell that its output replaces: of every parameter, p, m and v of p, gradient, m, v."""
    parameter, which = divmod(output, 3)
    return 3 + 4 * parameter + (0, 2, 3)[which]


def stored_in_place(program: Program, fusion: Fusion) -> dict[Tensor, Variable]:
    """The values written straight into the variables they update: nobody reads what is overwritten afterwards."""
    root = fusion.values.root
    last_read: dict[Tensor, int] = {}
    makers: dict[Tensor, int] = {}
    for place, cell in enumerate(fusion.cells):
        last_read.update((root(value), place) for value in cell.inputs if value is not None)
        makers.update((value, place) for value in cell.outputs)
    read_at_end = {root(value) for value in program.outputs}
    read_at_end.update(root(value) for _, value in program.updates if isinstance(root(value).node.op, Read))
    chosen: dict[Tensor, Variable] = {}
    for variable, value in program.updates:
        old = variable.tensor
        if value in makers and old not in read_at_end and value not in read_at_end:
            maker, last = makers[value], last_read.get(old, -1)
            if last < maker or (last == maker and _overwrites(fusion.cells[maker], value, old, fusion)):
                chosen[value] = variable
    return chosen


def _overwrites(cell: Cell, value: Tensor, old: Tensor, fusion: Fusion) -> bool:
    """Whether a cell may write an output over an operand of its size: it reads each element before it writes it."""
    if cell.kernel == "adam":
        reads = [i for i, read in enumerate(cell.inputs) if read is not None and fusion.values.root(read) is old]
        return reads == [adam_operand(cell.outputs.index(value))]
    return cell.kernel == "elementwise"


def stored_in_half(program: Program, fusion: Fusion) -> set[Tensor]:
    """Values kept in bfloat16 alone: read by products, and by nothing that does not take them.

    What a cell computes may also be read by elementwise kernels; what the user feeds is rounded for products only. A
    weight's gradient, which products make and Adam reads once, is kept so too: half the memory to go through.
    """
    readers: dict[Tensor, list[tuple[str, int]]] = defaultdict(list)
    for cell in fusion.cells:
        for place, value in enumerate(cell.inputs):
            if value is not None:
                readers[fusion.values.root(value)].append((cell.kernel, place))
    operand = {("matmul", 0), ("matmul", 1)}
    candidates = [(value, operand) for value in program.inputs]
    for cell in fusion.cells:
        if cell.kernel == "matmul":
            candidates.append((cell.outputs[0], operand | {("matmul", 3)}))
        elif cell.kernel == "elementwise":
            candidates += [(value, operand | {("matmul", 3)}) for value in cell.outputs]
    gradients = {
        cell.outputs[0]
        for cell in fusion.cells
        if cell.kernel == "matmul"
        and [kernel for kernel, place in readers[cell.outputs[0]] if place >= 3 and place % 4 == 0] == ["adam"]
    }
    return gradients - fusion.values.targets | {
        value
        for value, taken in candidates
        if value.dtype == "float32"
        and value not in fusion.values.targets
        and not operand.isdisjoint(readers[value])
        and all(use in taken or (use[0] == "elementwise" and taken is not operand) for use in readers[value])
    }
