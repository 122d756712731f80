"""Reductions over axes, and `broadcast_to`, which repeats along them: each is in the other's derivative."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy

from pellucid.core.graph import Array, Node, Tensor, build
from pellucid.core.op import Op, Sample
from pellucid.core.spec import Shape, Spec, broadcast_shapes, known, normalize_axes, show_shape
from pellucid.core.terms import Apply, Largest, Operand, Smallest, Term
from pellucid.core.terms import Sum as SumOf
from pellucid.errors import DtypeError, GraphError, ShapeError
from pellucid.ops.shape import reshape


@dataclass(frozen=True)
class Reduction(Op):
    """What reductions share: the axes that vanish (or stay with size 1), terms and samples."""

    axes: tuple[int, ...]
    keepdims: bool = False
    inputs = ("x",)
    combine: ClassVar[Any]
    chooses: ClassVar[bool] = True  # the output is one of the elements, so there must be one

    def output_dtype(self, x: Spec) -> str:
        return x.dtype

    def infer(self, x: Spec) -> Spec:
        axes = normalize_axes(self.axes, x.rank, self.name)
        if axes != self.axes:
            raise self.wrong_shape([x], f"its axes {self.axes} must be ascending and counted from 0: {axes}")
        sizes = [x.shape[axis] for axis in axes]
        if 0 in sizes and self.chooses:
            raise self.wrong_shape([x], "it has no elements to choose from along these axes")
        kept = [1 if i in axes else size for i, size in enumerate(x.shape) if self.keepdims or i not in axes]
        return Spec(tuple(kept), self.output_dtype(x))

    def kept(self, node: Node, y: Tensor) -> Tensor:
        """An output with its reduced axes back, at size 1."""
        (x,) = node.inputs
        return reshape(y, tuple(1 if i in self.axes else size for i, size in enumerate(x.shape)))

    def sources(self, index: tuple[int, ...], x: Operand) -> list[tuple[int, ...]]:
        """The input indices behind one output element, in row-major order."""
        rest = iter(i for at, i in enumerate(index) if not (self.keepdims and at in self.axes))
        ranges = [range(size) if i in self.axes else (next(rest),) for i, size in enumerate(x.shape)]
        return list(itertools.product(*ranges))

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        (x,) = operands
        result: Term = self.combine([x[at] for at in self.sources(index, x)])
        return result

    @classmethod
    def samples(cls) -> list[Sample]:
        draw = numpy.random.default_rng(5).normal
        return [
            Sample(cls((0,)), (draw(size=(4,)),)),
            Sample(cls((0,)), (draw(size=(4, 3)),)),
            Sample(cls((1,), True), (draw(size=(4, 3)),)),
            Sample(cls((0, 1)), (draw(size=(4, 3)),)),
            Sample(cls((0, 2)), (draw(size=(2, 3, 4)),)),
            Sample(cls((1,)), (draw(size=(2, 3, 4)),)),
            Sample(cls(()), (draw(size=(2,)),)),
            Sample(cls((0,)), (draw(size=(1,)),)),
            Sample(cls((1,)), (draw(size=(0, 3)),)),
            Sample(cls((0,)), (draw(size=(70, 33)).T,)),
            Sample(cls((1,)), (draw(size=(33, 1000)),)),
            Sample(cls((2,)), (draw(size=(2, 3)),), error=ShapeError),
        ]


class Sum(Reduction):
    """The sum over some axes."""

    name, formula, latex, combine = "sum", "y = Σᵢ xᵢ", r"y = \sum_i x_i", SumOf
    chooses = False
    tolerance: ClassVar = {
        "float32": 1e-5,
        "bfloat16": 3e-2,
        "float64": 1e-12,
    }  # grows with √n of the summed rounding errors

    def output_dtype(self, x: Spec) -> str:
        return self.need_numbers(x)

    def forward(self, np: Any, x: Array) -> Array:
        return np.sum(x, axis=self.axes, keepdims=self.keepdims, dtype=x.dtype)

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        return (broadcast_to(self.kept(node, gradients[0]), node.inputs[0].shape),)

    @classmethod
    def samples(cls) -> list[Sample]:
        return [
            *super().samples(),
            Sample(cls((0,)), (numpy.zeros((0, 3)),)),
            Sample(cls((0,)), (numpy.zeros(0),)),
            Sample(cls((1,)), (numpy.array([[1, 2], [-3, 4]], numpy.int32),)),
            Sample(cls((0,)), (numpy.array([True, True]),), error=DtypeError),
        ]


class Extremum(Reduction):
    """The largest or smallest element; where several are equal they share the derivative evenly."""

    @classmethod
    def samples(cls) -> list[Sample]:
        ties = numpy.array([[1.0, 3.0, 3.0], [-2.0, -2.0, -2.0]])
        return [
            *super().samples(),
            Sample(cls((1,)), (ties,), differentiable=False),
            Sample(cls((0,)), (numpy.array([-numpy.inf, 1e38, numpy.inf]),), differentiable=False),
            Sample(cls((0,)), (numpy.zeros((0, 3)),), error=ShapeError),
            Sample(cls((0,)), (numpy.array([1, 2], numpy.int32),), error=DtypeError),
        ]

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        (x,) = node.inputs
        chosen = build("equal", x, self.kept(node, node.output))  # by name: the elementwise family stands above
        share = build("cast", chosen, dtype=x.dtype)
        count = sum(share, axis=self.axes, keepdims=True)
        return (self.kept(node, gradients[0]) * share / count,)

    def output_dtype(self, x: Spec) -> str:
        return self.need_float(x)


class Max(Extremum):
    """The largest element over some axes."""

    name, formula, latex, combine = "max", "y = maxᵢ xᵢ", r"y = \max_i x_i", Largest

    def forward(self, np: Any, x: Array) -> Array:
        return np.max(x, axis=self.axes, keepdims=self.keepdims)


class Min(Extremum):
    """The smallest element over some axes."""

    name, formula, latex, combine = "min", "y = minᵢ xᵢ", r"y = \min_i x_i", Smallest

    def forward(self, np: Any, x: Array) -> Array:
        return np.min(x, axis=self.axes, keepdims=self.keepdims)


class Argmax(Reduction):
    """The place of the largest element along one axis, the first where several are equal: int32, no derivative."""

    name, formula, latex = "argmax", "y = the i of the largest xᵢ", r"y = \arg\max_i x_i"
    differentiable = False

    def output_dtype(self, x: Spec) -> str:
        return "int32"

    def infer(self, x: Spec) -> Spec:
        if len(self.axes) != 1:
            raise self.wrong_shape([x], f"give one axis, not {self.axes}")
        return super().infer(x)

    def forward(self, np: Any, x: Array) -> Array:
        return np.argmax(x, axis=self.axes[0], keepdims=self.keepdims).astype("int32")

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        (x,) = operands
        return Apply("argmax", lambda *values: int(numpy.argmax(values)), *(x[at] for at in self.sources(index, x)))

    @classmethod
    def samples(cls) -> list[Sample]:
        cases = [case for case in super().samples() if isinstance(case.op, Reduction) and len(case.op.axes) == 1]
        return [*cases, Sample(cls((0, 1)), (numpy.ones((2, 2)),), error=ShapeError)]


@dataclass(frozen=True)
class BroadcastTo(Op):
    """The value repeated to a larger shape. Where a size in `shape` is `None`, the axis stays as it is."""

    shape: tuple[int | None, ...]
    name, inputs = "broadcast_to", ("x",)
    formula, latex = "y[i, j] = x[j]", r"y_{ij} = x_j"

    def infer(self, x: Spec) -> Spec:
        try:
            shape = self._filled(x.shape)
            fits = broadcast_shapes(x.shape, shape) == shape
        except ShapeError:
            fits = False
        if not fits:
            raise self.wrong_shape([x], f"it does not broadcast to {show_shape(self.shape)}")
        return Spec(shape, x.dtype)

    def _filled(self, shape: Shape) -> Shape:
        """The target with the operand's own sizes where it leaves them open."""
        own = (1,) * (len(self.shape) - len(shape)) + shape
        return tuple(mine if size is None else size for mine, size in zip(own, self.shape, strict=True))

    def forward(self, np: Any, x: Array) -> Array:
        return np.broadcast_to(x, self._filled(x.shape))

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        return (sum_to(gradients[0], node.inputs[0].spec),)

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        return operands[0].broadcast(index)

    @classmethod
    def samples(cls) -> list[Sample]:
        draw = numpy.random.default_rng(6).normal
        return [
            Sample(cls((4, 3)), (draw(size=(3,)),)),
            Sample(cls((4, 3)), (draw(size=(4, 1)),)),
            Sample(cls((None, 3)), (draw(size=(4, 1)),)),
            Sample(cls((2, 3)), (numpy.asarray(draw()),)),
            Sample(cls((2, 4, 3)), (draw(size=(4, 1)),)),
            Sample(cls((0, 3)), (draw(size=(3,)),)),
            Sample(cls((64, 129)), (draw(size=(129,)),)),
            Sample(cls((4, 2)), (draw(size=(3,)),), error=ShapeError),
        ]


Axes = int | Iterable[int] | None


def sum(x: Tensor, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The sum over some axes, or all.

    >>> from pellucid.core.sources import feed
    >>> sum(feed((4, 3)), axis=0).shape
    (3,)
    """
    return _reduce(Sum, x, axis, keepdims)


def max(x: Tensor, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The largest element over some axes, or all.

    >>> from pellucid.core.graph import tensor
    >>> max(tensor([[1.0, 5.0], [3.0, 2.0]]), axis=1).numpy()
    array([5., 3.])
    """
    return _reduce(Max, x, axis, keepdims)


def min(x: Tensor, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The smallest element over some axes, or all.

    >>> from pellucid.core.graph import tensor
    >>> min(tensor([[1.0, 5.0], [3.0, 2.0]]), axis=1).numpy()
    array([1., 2.])
    """
    return _reduce(Min, x, axis, keepdims)


def argmax(x: Tensor, axis: int = -1, keepdims: bool = False) -> Tensor:
    """The place of the largest element along one axis: int32.

    >>> from pellucid.core.graph import tensor
    >>> argmax(tensor([[1.0, 5.0], [3.0, 2.0]])).numpy()
    array([1, 0], dtype=int32)
    """
    return _reduce(Argmax, x, axis, keepdims)


def _reduce(kind: type[Reduction], x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
    return kind(normalize_axes(axis, x.rank, kind.name), keepdims)(x)


def broadcast_to(x: Tensor, shape: Sequence[int | None]) -> Tensor:
    """The value repeated to a larger shape; itself where it has that shape already.

    Raises `GraphError` for an unknown size where the value has a known one, which may have to be repeated.

    >>> from pellucid.core.graph import tensor
    >>> broadcast_to(tensor([1.0, 2.0]), (2, 2)).numpy()
    array([[1., 2.],
           [1., 2.]])
    """
    if x.shape == tuple(shape):
        return x
    own = (1,) * (len(shape) - x.rank) + x.shape
    known(tuple(size for mine, size in zip(own, shape, strict=False) if mine is not None))
    return BroadcastTo(tuple(shape))(x)


def sum_to(x: Tensor, spec: Spec) -> Tensor:
    """The sum over the axes along which a value of `spec` was repeated to the shape of x: the adjoint of broadcasting.

    Raises `GraphError` where an unknown size met a known one, so that it is not known whether it was repeated.

    >>> from pellucid.core.graph import tensor
    >>> sum_to(tensor([[1.0, 2.0], [3.0, 4.0]]), Spec((2,), "float64")).numpy()
    array([4., 6.])
    """
    if x.shape == spec.shape:
        return x
    extra = x.rank - spec.rank
    if any(size is None and x.shape[i + extra] is not None for i, size in enumerate(spec.shape)):
        raise GraphError(
            f"{spec} was broadcast to {x.spec}: whether its unknown size was 1 is not known; "
            "build this graph for a known batch size"
        )
    axes = [i for i in range(x.rank) if i < extra or (spec.shape[i - extra] == 1 and x.shape[i] != 1)]
    return reshape(sum(x, axis=axes), spec.shape)
