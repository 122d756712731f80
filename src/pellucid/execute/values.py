"""What is known of a program's values before it runs: which are constant, which show the elements of another, who reads
them. Fusion and lowering ask here, so that they agree.
"""

from __future__ import annotations

from collections import defaultdict

import numpy

from pellucid.core.evaluate import forward
from pellucid.core.graph import Node, Program, Tensor
from pellucid.core.sources import Constant, Source
from pellucid.ops.conversions import After, Cast, StopGradient
from pellucid.ops.reduce import BroadcastTo, Sum
from pellucid.ops.shape import Reshape, Transpose

FOLDED = 1 << 16  # elements: larger constants are computed at run time rather than stored


class Values:
    """The values of a program.

    `computed` are the nodes that are left to compute, in order; `constants` the values known now; `readers` the nodes
    left that read a value, in whatever shape; `targets` what the program must make.
    """

    def __init__(self, program: Program) -> None:
        self.computed: list[Node] = []
        self.constants: dict[Tensor, numpy.ndarray] = {}
        self.readers: defaultdict[Tensor, list[Node]] = defaultdict(list)
        self._roots: dict[Tensor, Tensor] = {}
        self._numbers: dict[Tensor, float | None] = {}
        with numpy.errstate(all="ignore"):
            for node in program.nodes():
                self._learn(node)
        self.targets = {self.root(value) for value in program.targets}

    def root(self, value: Tensor) -> Tensor:
        """The tensor whose elements this one shows, maybe in another shape."""
        return self._roots.get(value, value)

    def is_made(self, value: Tensor) -> bool:
        """Whether the value takes a computation of its own."""
        return value not in self._roots and value not in self.constants

    def number(self, value: Tensor) -> float | None:
        """The number of a constant whose elements are all the same."""
        value = self.root(value)
        if value not in self.constants:
            return None
        if value not in self._numbers:
            array = self.constants[value]
            same = array.size > 0 and bool((array == array.flat[0]).all())
            self._numbers[value] = float(array.flat[0]) if same else None
        return self._numbers[value]

    def operand(self, value: Tensor) -> Tensor:
        """What an elementwise kernel reads for a value: it broadcasts by itself, and skips what changes nothing."""
        while value not in self.constants:
            root = self.root(value)
            if root.shape != value.shape:
                return value
            if not isinstance(root.node.op, BroadcastTo):
                return root
            value = root.node.inputs[0]
        return value

    def _learn(self, node: Node) -> None:
        if isinstance(node.op, Constant):
            self.constants[node.output] = node.op.value
        elif isinstance(node.op, Source):
            pass
        elif self._foldable(node):
            arrays = forward(node, [self.constants[value] for value in node.inputs])
            self.constants.update(zip(node.outputs, arrays, strict=True))
        elif (same := self._renamed(node)) is not None:
            self._roots[node.output] = self.root(same)
        else:
            self.computed.append(node)
            for value in node.inputs:
                self.readers[self.root(value)].append(node)

    def _foldable(self, node: Node) -> bool:
        small = (value.spec.size <= FOLDED for value in node.outputs)
        return all(value in self.constants for value in node.inputs) and all(small)

    def _renamed(self, node: Node) -> Tensor | None:
        """The input whose elements the only output repeats in the same order, if there is one."""
        if len(node.outputs) != 1 or not node.inputs:
            return None
        first, output = node.inputs[0], node.outputs[0]
        if first.dtype != output.dtype:
            return None
        match node.op:
            case Reshape() | StopGradient() | After():
                return first
            case Cast() | BroadcastTo() | Sum() if first.spec.size == output.spec.size:
                return first
            case Transpose(axes=axes) if _keeps_order([axis for axis in axes if first.shape[axis] != 1]):
                return first
        if node.op.name in ("multiply", "divide") and first.spec == output.spec and self.number(node.inputs[1]) == 1.0:
            return first
        if node.op.name == "multiply" and node.inputs[1].spec == output.spec and self.number(first) == 1.0:
            return node.inputs[1]
        return None


def _keeps_order(axes: list[int]) -> bool:
    return axes == sorted(axes)
