"""From cells to what the native engine takes: numbered buffers and a list of instructions (docs/design/engine.md)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy

from pellucid.core.graph import Node, Program, Tensor, Variable
from pellucid.core.sources import Read
from pellucid.core.spec import known
from pellucid.errors import ExecutorError
from pellucid.execute.cell import Cell
from pellucid.execute.fusion import WHOLE, Fusion, takes_whole
from pellucid.execute.placement import HALF, NO_HALF, adam_operand, stored_in_half, stored_in_place
from pellucid.ops.activations import StraightThroughStep
from pellucid.ops.conversions import Cast

Buffer = tuple[Any, ...]  # (kind, dtype, shape), of a view (…, buffer)
Instruction = tuple[str, dict[str, Any], list[int], list[int]]

# The kernels that do without outputs that nothing reads.
SPARING = ("gru", "gru_gradient", "lstm", "lstm_gradient", "simple_rnn", "simple_rnn_gradient")
ORDERED = ("maximum", "minimum", "less", "less_equal", "greater", "greater_equal")  # of int32: uint32 has other ones


@dataclass
class Lowered:
    """A program for the engine; `inputs` and `outputs` are buffer ids in the program's order."""

    buffers: list[Buffer] = field(default_factory=list)
    arrays: dict[int, numpy.ndarray] = field(default_factory=dict)
    instructions: list[Instruction] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def show(self) -> str:
        """The instructions as text, one a line."""
        lines = []
        for kernel, attributes, inputs, outputs in self.instructions:
            names = [", ".join("-" if i < 0 else f"%{i}{self.buffers[i][2]}" for i in ids) for ids in (inputs, outputs)]
            lines.append(f"{kernel}({names[0]}) -> {names[1]} {attributes or ''}".rstrip())
        return "\n".join(lines)


def lower(program: Program, kernels: Collection[str], precision: str = "float32") -> Lowered:
    """Lower a program; raises `ExecutorError` naming the op for which the engine has no kernel."""
    return _Lowering(program, kernels, precision).result


class _Lowering:
    def __init__(self, program: Program, kernels: Collection[str], precision: str) -> None:
        fusion = Fusion(program, kernels)
        self.values, self.kernels = fusion.values, kernels
        self.half = precision == "bfloat16"
        self.result = Lowered()
        self.buffer_of: dict[Tensor, int] = {}
        self.views: dict[tuple[int, tuple[int, ...]], int] = {}
        self.halves: dict[Tensor, int] = {}  # bfloat16 copies for products
        self.outputs = {self.values.root(value) for value in program.outputs}
        read = (value for cell in fusion.cells for value in cell.inputs if value is not None)
        self.read = {*map(self.values.root, read), *self.values.targets}
        self.in_half = stored_in_half(program, fusion) if self.half else set()
        self.in_place = stored_in_place(program, fusion)
        for value in program.inputs:
            self.buffer_of[value] = self._new("input", value)
        for cell in fusion.cells:
            self._emit(cell)
        self._write_back(program)
        self.result.inputs = [self.buffer_of[value] for value in program.inputs]
        self.result.outputs = [self._readable(value) for value in program.outputs]

    # Buffers

    def _new(self, kind: str, value: Tensor, array: numpy.ndarray | None = None) -> int:
        """A new buffer for a value."""
        return self._buffer(kind, "bfloat16" if value in self.in_half else value.dtype, known(value.shape), array)

    def _buffer(self, kind: str, dtype: str, shape: tuple[int, ...], array: numpy.ndarray | None = None) -> int:
        if dtype == "float64":
            raise ExecutorError("the native engine computes in float32 and bfloat16; use executor='numpy' for float64")
        self.result.buffers.append((kind, dtype, list(shape)))
        if array is not None:
            self.result.arrays[len(self.result.buffers) - 1] = array
        return len(self.result.buffers) - 1

    def _at(self, value: Tensor) -> int:
        """The buffer that holds a value, as a view where its shape is not the buffer's."""
        root = self.values.root(value)
        if root not in self.buffer_of:
            self.buffer_of[root] = self._given(root)
        return self._in_shape(self.buffer_of[root], known(value.shape))

    def _in_shape(self, buffer: int, shape: tuple[int, ...]) -> int:
        dtype, own = self.result.buffers[buffer][1:3]
        if own == list(shape):
            return buffer
        if (buffer, shape) not in self.views:
            self.result.buffers.append(("view", dtype, list(shape), buffer))
            self.views[buffer, shape] = len(self.result.buffers) - 1
        return self.views[buffer, shape]

    def _given(self, value: Tensor) -> int:
        if value in self.values.constants:
            return self._new("constant", value, numpy.array(self.values.constants[value], order="C"))
        assert isinstance(value.node.op, Read), f"{value!r} is read before it is made"
        return self._variable(value.node.op.variable)

    def _variable(self, variable: Variable) -> int:
        if variable.tensor not in self.buffer_of:
            self.buffer_of[variable.tensor] = self._new("variable", variable.tensor, variable.value)
        return self.buffer_of[variable.tensor]

    def _out(self, value: Tensor) -> int:
        """The buffer that a cell writes a value to."""
        if value in self.in_place:
            buffer = self._variable(self.in_place[value])
        else:
            buffer = self._new("output" if value in self.outputs else "temporary", value)
        self.buffer_of[value] = buffer
        return buffer

    # Instructions

    def _add(self, kernel: str, attributes: dict[str, Any], inputs: list[int], outputs: list[int]) -> None:
        self.result.instructions.append((kernel, attributes, inputs, outputs))

    def _copy(self, source: int, target: int) -> None:
        opcode = "int32_copy" if self.result.buffers[source][1] in WHOLE else "copy"
        self._add("elementwise", {"steps": [f"{opcode} 1 0"], "immediates": [], "outputs": [1]}, [source], [target])

    def _emit(self, cell: Cell) -> None:
        if cell.kernel not in self.kernels:
            raise ExecutorError(f"the native engine has no kernel for {cell.kernel!r}; use executor='numpy'")
        if cell.kernel == "elementwise":
            self._emit_elementwise(cell)
        elif cell.kernel == "matmul":
            self._emit_product(cell)
        elif cell.kernel == "adam":
            self._emit_adam(cell)
        else:
            outputs = [-1 if self._spared(cell, value) else self._out(value) for value in cell.outputs]
            self._add(cell.kernel, cell.attributes, self._read(cell), outputs)

    def _spared(self, cell: Cell, value: Tensor) -> bool:
        """Whether a kernel need not write an output, because nothing reads it."""
        return cell.kernel in SPARING and value not in self.read

    def _emit_product(self, cell: Cell) -> None:
        inputs = self._read(cell)
        inputs[:2] = self._same_leading(inputs[:2])
        self._add(cell.kernel, cell.attributes, inputs, [self._out(value) for value in cell.outputs])

    def _read(self, cell: Cell) -> list[int]:
        """The buffers of a cell's operands; those that it multiplies are in bfloat16 where that is the precision."""
        multiplied = HALF.get(cell.kernel, NO_HALF).multiplied if self.half else ()
        return [
            -1 if value is None else self._half(value) if place in multiplied else self._at(value)
            for place, value in enumerate(cell.inputs)
        ]

    def _same_leading(self, operands: list[int]) -> list[int]:
        """A product's operands with equal leading axes, repeated where they broadcast."""
        shapes = [self.result.buffers[buffer][2] for buffer in operands]
        leads = [shape[:-2] for shape in shapes]
        if leads[1] == []:
            return operands
        lead = numpy.broadcast_shapes(*map(tuple, leads))
        return [self._repeated(buffer, (*lead, *shape[-2:])) for buffer, shape in zip(operands, shapes, strict=True)]

    def _repeated(self, buffer: int, shape: tuple[int, ...]) -> int:
        _, dtype, own = self.result.buffers[buffer][:3]
        if own == list(shape):
            return buffer
        target = self._buffer("temporary", dtype, shape)
        self._add("broadcast_to", {}, [buffer], [target])
        return target

    def _half(self, value: Tensor) -> int:
        """A product's operand in bfloat16, converted once however many products read it."""
        root = self.values.root(value)
        if root in self.in_half:
            return self._at(value)
        if root not in self.halves:
            source = self._at(root)
            self.halves[root] = self._buffer("temporary", "bfloat16", known(root.shape))
            self._copy(source, self.halves[root])
        return self._in_shape(self.halves[root], known(value.shape))

    def _emit_adam(self, cell: Cell) -> None:
        """The kernel works in place: on the variables where they may change now, else on copies."""
        ids = [-1 if value is None else self._at(value) for value in cell.inputs]
        outputs = []
        for place, value in enumerate(cell.outputs):
            at = adam_operand(place)
            target = self._out(value)
            if ids[at] != target:
                self._copy(ids[at], target)
            ids[at] = target
            outputs.append(target)
        self._add(cell.kernel, cell.attributes, ids, outputs)

    def _emit_elementwise(self, cell: Cell) -> None:
        reads = [
            (self.values.operand(value), takes_whole(node, position))
            for node in cell.nodes
            for position, value in enumerate(node.inputs)
        ]
        given = dict.fromkeys(read for read in reads if read[0] in set(cell.inputs))
        registers = {read: str(place) for place, read in enumerate(given)}
        immediates: dict[tuple[str, bool], float] = {}
        sources = iter(reads)
        steps = []
        for node in cell.nodes:
            words = [_opcode(node), str(len(registers))]
            for _ in node.inputs:
                read = next(sources)
                number = self.values.number(read[0])
                if number is None:
                    words.append(registers[read])
                else:
                    key = (number.hex(), read[1])  # by its bits: -0.0 is not 0.0
                    immediates.setdefault(key, number)
                    words.append(f"i{list(immediates).index(key)}")
            registers[node.output, node.output.dtype in WHOLE] = words[1]
            steps.append(" ".join(words))
        outputs = [int(registers[value, value.dtype in WHOLE]) for value in cell.outputs]
        attributes = {"steps": steps, "immediates": list(immediates.values()), "outputs": outputs}
        inputs = [self._at(value) for value, _ in given]
        self._add("elementwise", attributes, inputs, [self._out(value) for value in cell.outputs])

    # Updates and outputs

    def _write_back(self, program: Program) -> None:
        """Copy the updates that were not written in place, from temporaries where one variable becomes another."""
        copies = []
        for variable, value in program.updates:
            if self.in_place.get(value) is not variable:
                source = self._at(value)
                if self._kind(source) == "variable":
                    kept = self._buffer("temporary", value.dtype, known(value.shape))
                    self._copy(source, kept)
                    source = kept
                copies.append((source, self._variable(variable)))
        for source, target in copies:
            self._copy(source, target)

    def _kind(self, buffer: int) -> str:
        kind, _, _, *of = self.result.buffers[buffer]
        return str(self.result.buffers[of[0]][0] if of else kind)

    def _readable(self, value: Tensor) -> int:
        """A buffer of kind output for a result: copied, before anything changes, where it is given and not computed."""
        buffer = self._at(value)
        if self._kind(buffer) == "output":
            return buffer
        target = self._new("output", value)
        self._copy(buffer, target)
        self.result.instructions.insert(0, self.result.instructions.pop())
        return target


def _opcode(node: Node) -> str:
    """The engine's word for an elementwise op; conversions happen at loads and stores."""
    op = node.op
    name = "copy" if isinstance(op, Cast) else "step" if isinstance(op, StraightThroughStep) else op.name
    places = range(len(node.inputs))
    if not any(takes_whole(node, place) for place in places):
        return name
    if name in ORDERED and any(value.dtype == "uint32" for value in node.inputs):
        raise ExecutorError(f"the native engine has no kernel for {name!r} of uint32; use executor='numpy'")
    return f"int32_{name}"
