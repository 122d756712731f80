"""Ops that keep the value: what changes is its dtype, whether derivatives flow through it, or when it is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy

from pellucid.core.graph import Array, Node, Tensor
from pellucid.core.op import Op, Sample
from pellucid.core.spec import DTYPES, Spec
from pellucid.core.terms import Operand, Term
from pellucid.errors import DtypeError
from pellucid.ops.elementwise import Gradients, Unary


@dataclass(frozen=True)
class Cast(Unary):
    """The value as another kind of number: truncated to int32, 0 or 1 from bool, not 0 to bool."""

    dtype: str
    name, formula, latex = "cast", "y = x in another dtype", r"y = x"

    def infer(self, x: Spec) -> Spec:
        if self.dtype not in DTYPES:
            raise DtypeError(f"cast cannot make {self.dtype!r}; choose one of {', '.join(DTYPES)}")
        return Spec(x.shape, self.dtype)

    def forward(self, np: Any, x: Array) -> Array:
        return x.astype(self.dtype)

    def grad(self, node: Node, *gradients: Tensor) -> Gradients:
        (x,) = node.inputs
        return (cast(gradients[0], x.dtype),) if x.spec.is_float and node.output.spec.is_float else (None,)

    @classmethod
    def samples(cls) -> list[Sample]:
        values = numpy.array([[-2.0, -1.5, 0.0], [0.5, 1.0, 300.0]])
        flags = numpy.array([True, False])
        return [
            Sample(cls("float64"), (values,)),
            Sample(cls("float32"), (values,), differentiable=False),  # differences see float32's rounding
            Sample(cls("float32"), (flags,)),
            Sample(cls("float32"), (numpy.array([3, -4], numpy.int32),)),
            Sample(cls("int32"), (values,), differentiable=False),
            Sample(cls("int32"), (flags,), differentiable=False),
            Sample(cls("bool"), (values,), differentiable=False),
            Sample(cls("float32"), (numpy.zeros((0, 2)),)),
            Sample(cls("float16"), (values,), error=DtypeError),
        ]


class StopGradient(Unary):
    """The value itself, through which no derivative flows.

    >>> stop_gradient([1.0, 2.0]).numpy()
    array([1., 2.])
    """

    name, formula, latex = "stop_gradient", "y = x, dy/dx := 0", r"y = x"
    differentiable = False

    def forward(self, np: Any, x: Array) -> Array:
        return np.asarray(x)


stop_gradient = StopGradient()


class After(Op):
    """The value of x, not to be had before another value, a derivative, is known.

    What is computed from it is computed late: where an executor is free to choose, it can neither do so early nor see
    that the same was computed before. So recomputation saves memory.

    >>> after([1.0, 2.0], 3.0).numpy()
    array([1., 2.])
    """

    name, inputs = "after", ("x", "other")
    formula, latex = "y = x", r"y = x"

    def infer(self, x: Spec, other: Spec) -> Spec:
        self.need_float(other)
        return x

    def forward(self, np: Any, x: Array, other: Array) -> Array:
        return np.asarray(x)

    def xla(self, jnp: Any, lax: Any, x: Array, other: Array) -> Array:
        return lax.optimization_barrier((x, other))[0]

    def grad(self, node: Node, *gradients: Tensor) -> Gradients:
        return gradients[0], None

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        return operands[0][index]

    @classmethod
    def samples(cls) -> list[Sample]:
        other = numpy.ones((2,))
        return [
            Sample(cls(), (numpy.array([[1.0, -2.0], [0.5, 3.0]]), other)),
            Sample(cls(), (numpy.array(2.5), other)),
            Sample(cls(), (numpy.array([3, -4], numpy.int32), other)),
            Sample(cls(), (numpy.array([True, False]), other)),
            Sample(cls(), (numpy.zeros((0, 2)), other)),
            Sample(cls(), (other, numpy.array([True])), error=DtypeError),
        ]


after = After()


def cast(x: Tensor, dtype: str) -> Tensor:
    """The value as another kind of number; itself where it already is. Raises `DtypeError` for an unknown dtype.

    >>> from pellucid.core.sources import feed
    >>> cast(feed((None,), "int32"), "float32").spec
    Spec(shape=(None,), dtype='float32')
    """
    return x if isinstance(x, Tensor) and x.dtype == dtype else Cast(dtype)(x)
