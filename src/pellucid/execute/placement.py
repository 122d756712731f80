"""Where values may lie: in the variables that they update, and in bfloat16."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Half:
    """Where a kernel takes and gives bfloat16 in place of float32.

    multiplied: operands of its products, which are rounded to bfloat16; handed_on: operands that its result repeats or
    combines, worth keeping in bfloat16 when the result is; saved: operands as long as the sequence, worth keeping so
    wherever what makes them can; taken: others that it reads in either; given: the outputs that it can write in either.
    """

    multiplied: tuple[int, ...] = ()
    handed_on: tuple[int, ...] = ()
    saved: tuple[int, ...] = ()
    taken: tuple[int, ...] = ()
    given: tuple[int, ...] = (0,)

    def reads(self, place: int) -> bool:
        return any(place in places for places in (self.multiplied, self.handed_on, self.saved, self.taken))


# The kernels that know bfloat16; besides them `elementwise`, which takes and gives it anywhere, and `adam`'s gradients.
HALF = {
    "attention": Half(multiplied=(0, 1, 2)),
    "attention_gradient": Half(multiplied=(0, 1, 2, 3), taken=(4,), given=(0, 1, 2)),
    "average_pool": Half(handed_on=(0,)),
    "average_pool_gradient": Half(handed_on=(0,)),
    "batch_norm": Half(handed_on=(0,)),
    "batch_norm_gradient": Half(handed_on=(0,), taken=(1,)),
    "convolution": Half(multiplied=(0, 1), taken=(3,)),
    "convolution_input_gradient": Half(multiplied=(0, 1), taken=(3,)),
    "convolution_kernel_gradient": Half(multiplied=(0, 1)),
    "gelu": Half(handed_on=(0,), given=(0, 1)),
    "gelu_gradient": Half(handed_on=(0, 1)),
    "group_norm": Half(handed_on=(0,)),
    "group_norm_gradient": Half(handed_on=(0,), taken=(1,)),
    "gru": Half(multiplied=(1,), saved=(0,), given=(0, 1, 2)),
    "gru_gradient": Half(multiplied=(0,), saved=(2, 3), taken=tuple(range(4, 9)), given=(0, 1, 3)),
    "layer_norm": Half(taken=(0,)),
    "layer_norm_gradient": Half(taken=(0, 1)),
    "lstm": Half(multiplied=(1,), saved=(0,), given=(0, 2, 3)),
    "lstm_gradient": Half(multiplied=(0,), saved=(3, 5), taken=tuple(range(6, 13)), given=(0, 3)),
    "matmul": Half(multiplied=(0, 1), handed_on=(3,), taken=(4,), given=(0, 1)),
    "max_pool": Half(handed_on=(0,)),
    "max_pool_gradient": Half(handed_on=(1,), taken=(0,)),
    "rms_norm": Half(taken=(0,)),
    "rms_norm_gradient": Half(taken=(0, 1)),
    "simple_rnn": Half(multiplied=(1,), saved=(0,), given=(0, 1)),
    "simple_rnn_gradient": Half(multiplied=(0,), saved=(2,), taken=tuple(range(3, 7)), given=(0, 2)),
    "sparse_categorical_crossentropy_gradient": Half(),
    "sum": Half(taken=(0,), given=()),
}
NO_HALF = Half(given=())
WEIGHT_GRADIENTS = (
    "matmul",
    "convolution_kernel_gradient",
)  # the kernels whose result is kept in bfloat16 where Adam alone reads it


def stored_in_half(program: Program, fusion: Fusion) -> set[Tensor]:
    """Values kept in bfloat16 alone: read by products, and by nothing that does not take them.

    What a cell computes may also be read by elementwise kernels; what the user feeds is rounded for products only. A
    weight's gradient, which products make and Adam reads once, is kept so too: half the memory to go through.
    """
    readers: dict[Tensor, list[tuple[Cell, int]]] = defaultdict(list)
    for cell in fusion.cells:
        for place, value in enumerate(cell.inputs):
            if value is not None:
                readers[fusion.values.root(value)].append((cell, place))
    stored: set[Tensor] = set()

    def multiplies(cell: Cell, place: int) -> bool:
        return place in HALF.get(cell.kernel, NO_HALF).multiplied

    def wants(cell: Cell, place: int) -> bool:
        half = HALF.get(cell.kernel, NO_HALF)
        hands_on = place in half.handed_on and cell.outputs[0] in stored
        return multiplies(cell, place) or place in half.saved or hands_on

    def takes(cell: Cell, place: int) -> bool:
        return cell.kernel == "elementwise" or HALF.get(cell.kernel, NO_HALF).reads(place)

    def gives(cell: Cell, value: Tensor) -> bool:
        uses = readers[value]
        if cell.kernel in WEIGHT_GRADIENTS and [(reader.kernel, place % 4) for reader, place in uses] == [("adam", 0)]:
            return value is cell.outputs[0]
        able = cell.kernel == "elementwise" or cell.outputs.index(value) in HALF.get(cell.kernel, NO_HALF).given
        return able and any(wants(*use) for use in uses) and all(takes(*use) for use in uses)

    def may_be(value: Tensor) -> bool:
        return value.dtype == "float32" and value not in fusion.values.targets

    for cell in reversed(fusion.cells):  # readers before what they read
        stored.update(value for value in cell.outputs if may_be(value) and gives(cell, value))
    fed = (value for value in program.inputs if may_be(value) and readers[value])
    stored.update(value for value in fed if all(multiplies(*use) for use in readers[value]))
    return stored
