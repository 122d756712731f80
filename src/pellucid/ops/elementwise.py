"""What all elementwise ops share: one output element comes from the elements at the same place of the operands.

The family's members stand in `arithmetic`, `activations`, `comparisons` and `conversions`. Operands broadcast by
NumPy's rules, so that each derivative is added up over the axes along which its operand was repeated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy

from pellucid.core.graph import Node, Tensor
from pellucid.core.op import Op, Sample
from pellucid.core.spec import Spec, broadcast_shapes
from pellucid.core.terms import Apply, Operand, Term
from pellucid.errors import DtypeError, ShapeError
from pellucid.ops.reduce import sum_to

Gradients = Sequence[Tensor | None]
Arrays = tuple[numpy.ndarray, ...]


class Elementwise(Op):
    """Broadcasting, terms and samples."""

    whole: ClassVar[bool] = False  # whether it takes whole numbers too
    domain: ClassVar[tuple[float, float]] = (-3.0, 3.0)  # where samples are drawn
    kinks: ClassVar[tuple[float, ...]] = ()  # where the derivative jumps
    edges: ClassVar[tuple[float, ...]] = (0.0, -0.0, 1e-30, 88.0, -88.0, 1e4, -1e4, math.inf, -math.inf, math.nan)

    def output_dtype(self, *specs: Spec) -> str:
        return self.need_numbers(*specs) if self.whole else self.need_float(*specs)

    def infer(self, *specs: Any) -> Spec:
        dtype = self.output_dtype(*specs)
        try:
            shape = broadcast_shapes(*[spec.shape for spec in specs])
            first: Spec = specs[0]
            return first if first.shape == shape and first.dtype == dtype else Spec(shape, dtype)
        except ShapeError as error:
            raise self.wrong_shape(specs, "make the sizes equal, or 1 where one is to be repeated") from error

    def grad(self, node: Node, *gradients: Tensor) -> Gradients:
        if not self.differentiable:
            return [None] * len(node.inputs)
        local = self.derivatives(node, gradients[0])
        return [
            None if partial is None else sum_to(partial, x.spec) for partial, x in zip(local, node.inputs, strict=True)
        ]

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        """The adjoint times the local derivative for each operand, in the output's shape."""
        raise NotImplementedError

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        def scalar(*values: float) -> numpy.ndarray:
            result: numpy.ndarray = self.forward(numpy, *map(numpy.asarray, values))
            return result

        return Apply(self.name, scalar, *(x.broadcast(index) for x in operands))

    @classmethod
    def operands(cls, *drawn: numpy.ndarray) -> Arrays:
        """Drawn numbers as operands of the dtypes that the op takes."""
        return drawn

    @classmethod
    def refused(cls) -> Arrays:
        """Operands of dtypes that the op must refuse."""
        return (numpy.array([True, False]),) * len(cls.inputs)

    @classmethod
    def samples(cls) -> list[Sample]:
        op, count = cls(), len(cls.inputs)
        draw = _drawer(cls.domain, 11)

        def case(*drawn: numpy.ndarray, differentiable: bool = True) -> Sample:
            return Sample(op, cls.operands(*drawn), differentiable=differentiable)

        cases = [case(*(draw(*shape) for _ in range(count))) for shape in ((2, 3), (), (1,), (0, 4), (67, 129))]
        cases += [
            case(*(draw(5, 4).T[::2] for _ in range(count))),
            case(*[numpy.array(cls.kinks or (0.5,))] * count, differentiable=False),
            case(*[numpy.array(cls.edges)] * count, differentiable=False),
            Sample(op, cls.refused(), error=DtypeError),
        ]
        if cls.whole:
            wholes = (numpy.array([[3 - i, -7, 0]], numpy.int32) for i in range(count))
            cases.append(Sample(op, tuple(wholes), differentiable=False))
        if count > 1:
            rest = range(count - 2)
            cases += [
                case(draw(4, 3), draw(3), *(draw(4, 1) for _ in rest)),
                case(draw(4, 1), draw(1, 3), *(draw() for _ in rest)),
                case(draw(), draw(2, 1, 3), *(draw() for _ in rest)),
                Sample(op, cls.operands(draw(2, 3), draw(2, 4), *(draw(1) for _ in rest)), error=ShapeError),
            ]
        return cases


def _drawer(domain: tuple[float, float], seed: int) -> Callable[..., numpy.ndarray]:
    random = numpy.random.default_rng(seed)
    return lambda *shape: numpy.asarray(random.uniform(*domain, shape))


class Unary(Elementwise):
    """An elementwise op of one operand."""

    inputs = ("x",)


class Binary(Elementwise):
    """An elementwise op of two operands."""

    inputs = ("x", "y")
