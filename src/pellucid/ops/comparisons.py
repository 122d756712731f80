"""Elementwise ops that ask and choose: comparisons, logic on truth values, and `where`."""

from __future__ import annotations

from typing import Any

import numpy

from pellucid.core.graph import Array, Node, Tensor
from pellucid.core.op import Sample
from pellucid.core.spec import Spec
from pellucid.errors import DtypeError
from pellucid.ops.elementwise import Arrays, Binary, Elementwise, Gradients, Unary


class Comparison(Binary):
    """Ops that answer yes or no about two values of one dtype; no derivative."""

    differentiable = False

    def output_dtype(self, *specs: Spec) -> str:
        self.same_dtype(*specs)
        return "bool"

    @classmethod
    def refused(cls) -> Arrays:
        return numpy.array([1.0, 2.0]), numpy.array([1, 2], numpy.int32)

    @classmethod
    def samples(cls) -> list[Sample]:
        return [
            *super().samples(),
            Sample(cls(), (numpy.array([[1], [2]], numpy.int32), numpy.array([2, 1, 3], numpy.int32))),
            Sample(cls(), (numpy.array([True, True, False, False]), numpy.array([True, False, True, False]))),
        ]


class Logical(Elementwise):
    """Ops on truth values; no derivative."""

    differentiable = False
    domain = (0.0, 1.0)
    edges = (0.0, 1.0)

    def output_dtype(self, *specs: Spec) -> str:
        if self.same_dtype(*specs) != "bool":
            raise DtypeError(f"{self.name} needs truth values, got {specs[0]}; compare first, as in x > 0")
        return "bool"

    @classmethod
    def operands(cls, *drawn: numpy.ndarray) -> Arrays:
        return tuple(numpy.asarray(x > 0.5) for x in drawn)

    @classmethod
    def refused(cls) -> Arrays:
        return (numpy.array([1.0, 0.0]),) * len(cls.inputs)


class Equal(Comparison):
    """Whether two values are the same.

    >>> equal([1.0, 2.0], 2.0).numpy()
    array([False,  True])
    """

    name, formula, latex = "equal", "z = (x = y)", r"z = [x = y]"

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.equal(x, y)


class NotEqual(Comparison):
    """Whether two values differ.

    >>> not_equal([1.0, 2.0], 2.0).numpy()
    array([ True, False])
    """

    name, formula, latex = "not_equal", "z = (x ≠ y)", r"z = [x \ne y]"

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.not_equal(x, y)


class Less(Comparison):
    """Whether x is below y.

    >>> less([1.0, 2.0], 2.0).numpy()
    array([ True, False])
    """

    name, formula, latex = "less", "z = (x < y)", r"z = [x < y]"

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.less(x, y)


class LessEqual(Comparison):
    """Whether x is at most y.

    >>> less_equal([1.0, 2.0], 2.0).numpy()
    array([ True,  True])
    """

    name, formula, latex = "less_equal", "z = (x ≤ y)", r"z = [x \le y]"

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.less_equal(x, y)


class Greater(Comparison):
    """Whether x is above y.

    >>> greater([1.0, 2.0], 1.0).numpy()
    array([False,  True])
    """

    name, formula, latex = "greater", "z = (x > y)", r"z = [x > y]"

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.greater(x, y)


class GreaterEqual(Comparison):
    """Whether x is at least y.

    >>> greater_equal([1.0, 2.0], 2.0).numpy()
    array([False,  True])
    """

    name, formula, latex = "greater_equal", "z = (x ≥ y)", r"z = [x \ge y]"

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.greater_equal(x, y)


class Isfinite(Unary):
    """Whether the value is neither infinite nor NaN.

    >>> isfinite([1.0, float("inf")]).numpy()
    array([ True, False])
    """

    name, formula, latex, differentiable = "isfinite", "y = |x| < ∞", r"y = [|x| < \infty]", False

    def output_dtype(self, *specs: Spec) -> str:
        self.need_float(*specs)
        return "bool"

    def forward(self, np: Any, x: Array) -> Array:
        return np.isfinite(x)


class LogicalAnd(Logical):
    """Whether both hold.

    >>> logical_and([True, True], [True, False]).numpy()
    array([ True, False])
    """

    name, inputs, formula, latex = "logical_and", ("x", "y"), "z = x and y", r"z = x \land y"

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.logical_and(x, y)


class LogicalOr(Logical):
    """Whether either holds.

    >>> logical_or([True, False], [False, False]).numpy()
    array([ True, False])
    """

    name, inputs, formula, latex = "logical_or", ("x", "y"), "z = x or y", r"z = x \lor y"

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.logical_or(x, y)


class LogicalNot(Logical):
    """Whether it does not hold.

    >>> logical_not([True, False]).numpy()
    array([False,  True])
    """

    name, inputs, formula, latex = "logical_not", ("x",), "y = not x", r"y = \lnot x"

    def forward(self, np: Any, x: Array) -> Array:
        return np.logical_not(x)


class Where(Elementwise):
    """x where the condition holds, else y.

    >>> where([True, False], [1.0, 2.0], 0.0).numpy()
    array([1., 0.])
    """

    name, inputs = "where", ("condition", "x", "y")
    formula, latex = "z = x if condition else y", r"z = \begin{cases} x & c \\ y & \lnot c \end{cases}"

    def output_dtype(self, *specs: Spec) -> str:
        if specs[0].dtype != "bool":
            raise DtypeError(f"where needs truth values as its condition, got {specs[0]}; compare first, as in x > 0")
        return self.same_dtype(*specs[1:])

    def forward(self, np: Any, condition: Array, x: Array, y: Array) -> Array:
        return np.where(condition, x, y)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        condition, _, _ = node.inputs
        return None, where(condition, g, 0.0), where(condition, 0.0, g)

    @classmethod
    def operands(cls, *drawn: numpy.ndarray) -> Arrays:
        return numpy.asarray(drawn[0] > 0), *drawn[1:]

    @classmethod
    def refused(cls) -> Arrays:
        return (numpy.array([1.0, 0.0]),) * 3


equal, not_equal, less, less_equal = Equal(), NotEqual(), Less(), LessEqual()
greater, greater_equal, isfinite = Greater(), GreaterEqual(), Isfinite()
logical_and, logical_or, logical_not, where = LogicalAnd(), LogicalOr(), LogicalNot(), Where()
