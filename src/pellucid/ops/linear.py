"""Linear ops: the matrix product."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy

from pellucid.core.graph import Array, Node, Tensor
from pellucid.core.op import Op, Sample
from pellucid.core.spec import Spec, broadcast_shapes, known
from pellucid.core.terms import Operand, Sum, Term
from pellucid.errors import DtypeError, ShapeError
from pellucid.ops.reduce import sum_to
from pellucid.ops.shape import reshape, transpose


class Matmul(Op):
    """Matrix product over the last two axes; leading axes broadcast. Shapes: [..., n, k], [..., k, m] → [..., n, m].

    >>> matmul([[1.0, 2.0]], [[3.0], [4.0]]).numpy()
    array([[11.]])
    """

    name, inputs = "matmul", ("x", "w")
    formula, latex = "y[i,j] = Σₖ x[i,k]·w[k,j]", r"y_{ij} = \sum_k x_{ik}\, w_{kj}"
    # Sums of k products: errors grow with √k. Factors in bfloat16 are off by 2⁻⁹ at most, products of size 1 by 0.0016
    # on average, sums of k = 100 by 0.016, and the worst of thousands of sums by four times that.
    tolerance: ClassVar = {"float32": 1e-5, "bfloat16": 8e-2, "float64": 1e-12}

    def infer(self, x: Spec, w: Spec) -> Spec:
        dtype = self.need_float(x, w)
        if x.rank < 2 or w.rank < 2:
            raise self.wrong_shape([x, w], "both need at least two axes; reshape a vector to [1, k] or [k, 1]")
        if x.shape[-1] != w.shape[-2]:
            raise self.wrong_shape([x, w], f"the inner sizes {x.shape[-1]} and {w.shape[-2]} differ")
        try:
            leading = broadcast_shapes(x.shape[:-2], w.shape[:-2])
        except ShapeError as error:
            raise self.wrong_shape([x, w], "the leading axes do not broadcast") from error
        return Spec((*leading, x.shape[-2], w.shape[-1]), dtype)

    def forward(self, np: Any, x: Array, w: Array) -> Array:
        return np.matmul(x, w)

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        (g,), (x, w) = gradients, node.inputs
        if w.rank == 2 and x.rank > 2:  # one w for all leading axes: one large product, no sum of small ones
            return g @ swap(w), swap(flat(x)) @ flat(g)
        return sum_to(g @ swap(w), x.spec), sum_to(swap(x) @ g, w.spec)

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        x, w = operands
        *leading, i, j = index

        def at(operand: Operand, *last: int) -> Any:
            own = operand.shape[:-2]
            tail = leading[len(leading) - len(own) :]
            place = (*(0 if size == 1 else n for n, size in zip(tail, own, strict=True)), *last)
            return operand[place]

        return Sum(at(x, i, k) * at(w, k, j) for k in range(x.shape[-1]))

    @classmethod
    def samples(cls) -> list[Sample]:
        draw = numpy.random.default_rng(7).normal
        cases = [
            ((2, 3), (3, 4)), ((1, 1), (1, 1)), ((1, 5), (5, 1)), ((0, 3), (3, 2)), ((2, 0), (0, 3)),
            ((32, 1), (1, 10)), ((32, 10), (10, 5)), ((17, 31), (31, 13)), ((64, 100), (100, 65)),
            ((2, 3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (5, 4, 2)), ((2, 3, 0), (0, 5)),
        ]  # fmt: skip
        return [
            *(Sample(cls(), (draw(size=x), draw(size=w))) for x, w in cases),
            Sample(cls(), (draw(size=(9, 6)).T, draw(size=(5, 9)).T)),
            Sample(cls(), (draw(size=(2, 3)), draw(size=(4, 2))), error=ShapeError),
            Sample(cls(), (draw(size=(3,)), draw(size=(3, 2))), error=ShapeError),
            Sample(cls(), (draw(size=(2, 1, 3)), draw(size=(3, 3, 2))), error=ShapeError),
            Sample(cls(), (numpy.ones((1, 1), numpy.int32), numpy.ones((1, 1), numpy.int32)), error=DtypeError),
        ]


def flat(x: Tensor) -> Tensor:
    """All leading axes as one: [..., m] → [n, m]."""
    leading = x.shape[:-1]
    return reshape(x, (None if None in leading else math.prod(known(leading)), x.shape[-1]))


def swap(x: Tensor) -> Tensor:
    """The last two axes exchanged."""
    return transpose(x, (*range(x.rank - 2), x.rank - 1, x.rank - 2))


matmul = Matmul()
