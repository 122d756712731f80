"""From cells to what the native engine takes: numbered buffers and a list of instructions (docs/design/engine.md)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy

from pellucid.core.graph import Program, Tensor, Variable
from pellucid.core.sources import Read
from pellucid.errors import ExecutorError
from pellucid.execute.fusion import Cell, Fusion, spec_of
from pellucid.ops.activations import StraightThroughStep
from pellucid.ops.conversions import Cast

Buffer = tuple[Any, ...]  # (kind, dtype, shape), of a view (…, buffer)
Instruction = tuple[str, dict[str, Any], list[int], list[int]]

READS_BFLOAT16 = ("matmul", "elementwise")


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
        self.fusion = Fusion(program, kernels)
        self.half = precision == "bfloat16"
        self.result = Lowered()
        self.buffer_of: dict[Tensor, int] = {}
        self.halves: dict[Tensor, int] = {}  # bfloat16 copies for products
        self.variables: dict[Variable, int] = {}
        self.stored_half = self._stored_half(program.inputs) if self.half else set()
        self.outputs = {self.fusion.root(value) for value in program.outputs}
        self.in_place = self._in_place(program)
        for value in program.inputs:
            dtype, shape = spec_of(value)
            self.buffer_of[value] = self._new("input", "bfloat16" if value in self.stored_half else dtype, shape)
        for cell in self.fusion.cells:
            self._emit(cell, kernels)
        self._write_back(program)
        self.result.inputs = [self.buffer_of[value] for value in program.inputs]
        self.result.outputs = [self._readable(value) for value in program.outputs]

    # Buffers

    def _new(self, kind: str, dtype: str, shape: list[int], of: int | None = None) -> int:
        if dtype == "float64":
            raise ExecutorError("the native engine computes in float32 and bfloat16; use executor='numpy' for float64")
        self.result.buffers.append((kind, dtype, shape) if of is None else (kind, dtype, shape, of))
        return len(self.result.buffers) - 1

    def _at(self, value: Tensor) -> int:
        """The buffer that holds a tensor, as a view where its shape is not the buffer's."""
        root = self.fusion.root(value)
        if value in self.fusion.constants:
            root = value
        if root not in self.buffer_of:
            self.buffer_of[root] = self._given(root)
        base = self.buffer_of[root]
        _, dtype, shape = self.result.buffers[base][:3]
        wanted = spec_of(value)[1]
        return base if shape == wanted else self._new("view", dtype, wanted, self._base(base))

    def _base(self, buffer: int) -> int:
        entry = self.result.buffers[buffer]
        return entry[3] if entry[0] == "view" else buffer

    def _given(self, value: Tensor) -> int:
        if value in self.fusion.constants:
            buffer = self._new("constant", *spec_of(value))
            self.result.arrays[buffer] = numpy.array(self.fusion.constants[value], order="C")
            return buffer
        assert isinstance(value.node.op, Read), f"{value!r} is read before it is made"
        return self._variable(value.node.op.variable)

    def _variable(self, variable: Variable) -> int:
        if variable not in self.variables:
            buffer = self._new("variable", *spec_of(variable.tensor))
            self.variables[variable], self.result.arrays[buffer] = buffer, variable.value
            self.buffer_of[variable.tensor] = buffer
        return self.variables[variable]

    def _out(self, value: Tensor) -> int:
        """The buffer that a cell writes a tensor to."""
        if value in self.in_place:
            buffer = self._variable(self.in_place[value])
        else:
            dtype, shape = spec_of(value)
            kind = "output" if value in self.outputs else "temporary"
            buffer = self._new(kind, "bfloat16" if value in self.stored_half else dtype, shape)
        self.buffer_of[value] = buffer
        return buffer

    # Instructions

    def _add(self, kernel: str, attributes: dict[str, Any], inputs: list[int], outputs: list[int]) -> None:
        self.result.instructions.append((kernel, attributes, inputs, outputs))

    def _emit(self, cell: Cell, kernels: Collection[str]) -> None:
        if cell.kernel not in kernels:
            raise ExecutorError(f"the native engine has no kernel for {cell.kernel!r}; use executor='numpy'")
        if cell.kernel == "elementwise":
            self._emit_elementwise(cell)
            return
        read = self._half if cell.kernel == "matmul" and self.half else self._at
        inputs = [
            -1 if value is None else read(value) if place < 2 else self._at(value)
            for place, value in enumerate(cell.inputs)
        ]
        if cell.kernel == "matmul":
            inputs[:2] = self._same_leading(inputs[:2])
        self._add(cell.kernel, dict(cell.attributes), inputs, [self._out(value) for value in cell.outputs])

    def _same_leading(self, operands: list[int]) -> list[int]:
        """A product's operands with equal leading axes, repeated where they broadcast."""
        entries = [self.result.buffers[buffer] for buffer in operands]
        leads = [tuple(entry[2][:-2]) for entry in entries]
        if leads[0] == leads[1] or leads[1] == ():
            return operands
        lead = list(numpy.broadcast_shapes(*leads))
        for place, (entry, buffer) in enumerate(zip(entries, operands, strict=True)):
            if entry[2][:-2] != lead:
                operands[place] = self._new("temporary", entry[1], [*lead, *entry[2][-2:]])
                self._add("broadcast_to", {}, [buffer], [operands[place]])
        return operands

    def _emit_elementwise(self, cell: Cell) -> None:
        registers = {value: str(place) for place, value in enumerate(cell.inputs)}
        immediates: list[float] = []
        steps = []
        for node in cell.nodes:
            sources = []
            for value in map(self.fusion.operand, node.inputs):
                number = self.fusion.scalar(value)
                if number is None:
                    sources.append(registers[value])
                else:
                    if number not in immediates or number == 0.0:
                        immediates.append(number)
                    sources.append(f"i{len(immediates) - 1 if number == 0.0 else immediates.index(number)}")
            registers[node.output] = str(len(registers))
            steps.append(f"{_opcode(node.op)} {registers[node.output]} {' '.join(sources)}")
        attributes = {
            "steps": steps, "immediates": immediates, "outputs": [int(registers[value]) for value in cell.outputs],
        }  # fmt: skip
        inputs = [self._at(value) for value in cell.inputs if value is not None]
        self._add("elementwise", attributes, inputs, [self._out(value) for value in cell.outputs])

    def _copy(self, source: int, target: int) -> None:
        self._add("elementwise", {"steps": ["copy 1 0"], "immediates": [], "outputs": [1]}, [source], [target])

    # Updates and outputs

    def _in_place(self, program: Program) -> dict[Tensor, Variable]:
        """The tensors that may be written straight into the variables they update: nobody reads the old value later."""
        last_read: dict[Tensor, int] = {}
        makers: dict[Tensor, tuple[int, Cell]] = {}
        for place, cell in enumerate(self.fusion.cells):
            for value in cell.inputs:
                if value is not None:
                    last_read[self.fusion.root(value)] = place
            makers.update(dict.fromkeys(cell.outputs, (place, cell)))
        chosen: dict[Tensor, Variable] = {}
        kept = self.outputs | {self.fusion.root(value) for _, value in program.updates if isinstance(value.node.op, Read)}
        for variable, value in program.updates:
            if value not in makers or value in chosen or {value, variable.tensor} & kept:
                continue
            place, cell = makers[value]
            read_here = [v for v in cell.inputs if v is not None and self.fusion.root(v) is variable.tensor]
            itself = cell.kernel in ("elementwise", "adam") and all(v.shape == variable.shape for v in read_here)
            if last_read.get(variable.tensor, -1) < place + itself and value not in self.stored_half:
                chosen[value] = variable
        return chosen

    def _write_back(self, program: Program) -> None:
        """Copy the updates that were not written in place, from temporaries where one variable becomes another."""
        copies = []
        for variable, value in program.updates:
            if self.in_place.get(value) is not variable:
                source = self._at(value)
                if self.result.buffers[self._base(source)][0] == "variable":
                    kept = self._new("temporary", *spec_of(value))
                    self._copy(source, kept)
                    source = kept
                copies.append((source, self._variable(variable)))
        for source, target in copies:
            self._copy(source, target)

    def _readable(self, value: Tensor) -> int:
        """A buffer of kind output for a result, copied where the value lies elsewhere."""
        buffer = self._at(value)
        if self.result.buffers[self._base(buffer)][0] == "output":
            return buffer
        dtype, shape = spec_of(value)
        target = self._new("output", dtype, shape)
        self.result.instructions.insert(
            0, ("elementwise", {"steps": ["copy 1 0"], "immediates": [], "outputs": [1]}, [buffer], [target])
        )
        return target

    # bfloat16

    def _stored_half(self, inputs: Sequence[Tensor]) -> set[Tensor]:
        """Values kept in bfloat16 alone: made and read only where that is taken, and at least once by a product."""
        readers: dict[Tensor, list[tuple[Cell, int]]] = {}
        for cell in self.fusion.cells:
            for place, value in enumerate(cell.inputs):
                if value is not None:
                    readers.setdefault(self.fusion.root(value), []).append((cell, place))
        made = [cell.outputs[0] for cell in self.fusion.cells if cell.kernel in READS_BFLOAT16]
        chosen = set()
        for value in (*inputs, *made):
            uses = readers.get(value, [])
            operand = any(user.kernel == "matmul" and at < 2 for user, at in uses)
            fits = all(user.kernel == "elementwise" or (user.kernel == "matmul" and at != 2) for user, at in uses)
            if operand and fits and value not in self.fusion.targets and value.dtype == "float32":
                chosen.add(value)
        return chosen

    def _half(self, value: Tensor) -> int:
        """A product's operand in bfloat16, converted once however many products read it."""
        root = self.fusion.root(value) if value not in self.fusion.constants else value
        if root in self.stored_half:
            return self._at(value)
        if root not in self.halves:
            source = self._at(root)
            self.halves[root] = self._new("temporary", "bfloat16", self.result.buffers[source][2])
            self._copy(source, self.halves[root])
        base, wanted = self.halves[root], spec_of(value)[1]
        return base if self.result.buffers[base][2] == wanted else self._new("view", "bfloat16", wanted, base)


def _opcode(op: Any) -> str:
    """The engine's word for an elementwise op; conversions happen on load and store."""
    if isinstance(op, Cast):
        return "copy"
    return "step" if isinstance(op, StraightThroughStep) else str(op.name)
