"""Elementwise ops: one output element from the elements at the same place of the operands, which broadcast."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy

from pellucid.core.graph import Array, Node, Tensor
from pellucid.core.op import Op, Sample
from pellucid.core.spec import DTYPES, Spec, broadcast_shapes
from pellucid.core.terms import Apply, Operand, Term
from pellucid.errors import DtypeError, ShapeError
from pellucid.ops.reduce import sum_to

Gradients = Sequence[Tensor | None]


class Elementwise(Op):
    """What all elementwise ops share: broadcasting, terms and samples."""

    domain: ClassVar[tuple[float, float]] = (-3.0, 3.0)  # where samples are drawn
    kinks: ClassVar[tuple[float, ...]] = ()  # where the derivative jumps
    edges: ClassVar[tuple[float, ...]] = (0.0, -0.0, 1e-30, 88.0, -88.0, 1e4, -1e4, math.inf, -math.inf, math.nan)

    def output_dtype(self, *specs: Spec) -> str:
        return self.need_float(*specs)

    def infer(self, *specs: Spec) -> Spec:
        dtype = self.output_dtype(*specs)
        try:
            return Spec(broadcast_shapes(*(spec.shape for spec in specs)), dtype)
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
        return Apply(self.name, lambda *values: self.forward(numpy, *map(numpy.asarray, values)), *(x.broadcast(index) for x in operands))

    @classmethod
    def samples(cls) -> list[Sample]:
        op, count = cls(), len(cls.inputs)
        draw = _drawer(cls.domain, 11)
        kinks = numpy.array(cls.kinks or (0.5,))
        cases = [
            Sample(op, tuple(draw(2, 3) for _ in range(count))),
            Sample(op, tuple(draw() for _ in range(count))),
            Sample(op, tuple(draw(1) for _ in range(count))),
            Sample(op, tuple(draw(0, 4) for _ in range(count))),
            Sample(op, tuple(draw(5, 4).T[::2] for _ in range(count))),
            Sample(op, tuple(draw(67, 129) for _ in range(count))),
            Sample(op, tuple(kinks for _ in range(count)), differentiable=False),
            Sample(op, tuple(numpy.array(cls.edges) for _ in range(count)), differentiable=False),
        ]
        if count > 1:
            cases += [
                Sample(op, (draw(4, 3), draw(3), *(draw(4, 1) for _ in range(count - 2)))),
                Sample(op, (draw(4, 1), draw(1, 3), *(draw() for _ in range(count - 2)))),
                Sample(op, (draw(), draw(2, 1, 3), *(draw() for _ in range(count - 2)))),
                Sample(op, (draw(2, 3), draw(2, 4), *(draw(1) for _ in range(count - 2))), error=ShapeError),
            ]
        return cases


def _drawer(domain: tuple[float, float], seed: int) -> Any:
    random = numpy.random.default_rng(seed)
    return lambda *shape: random.uniform(*domain, shape)


class Unary(Elementwise):
    inputs = ("x",)


class Binary(Elementwise):
    inputs = ("x", "y")


class Comparison(Binary):
    """Ops that answer yes or no; no derivative."""

    differentiable = False

    def output_dtype(self, *specs: Spec) -> str:
        self.same_dtype(*specs)
        return "bool"


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
    def samples(cls) -> list[Sample]:
        return [
            Sample(case.op, tuple(numpy.asarray(x > 0.5) for x in case.arrays), case.error) for case in super().samples()
        ]


# Arithmetic


@dataclass(frozen=True)
class Add(Binary):
    """Sum of two values."""

    name, formula, latex = "add", "z = x + y", r"z = x + y"

    def output_dtype(self, *specs: Spec) -> str:
        return self.same_dtype(*specs)

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.add(x, y)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return g, g


@dataclass(frozen=True)
class Subtract(Binary):
    """Difference of two values."""

    name, formula, latex = "subtract", "z = x - y", r"z = x - y"

    def output_dtype(self, *specs: Spec) -> str:
        return self.same_dtype(*specs)

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.subtract(x, y)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return g, -g


@dataclass(frozen=True)
class Multiply(Binary):
    """Product of two values."""

    name, formula, latex = "multiply", "z = x·y", r"z = x\,y"

    def output_dtype(self, *specs: Spec) -> str:
        return self.same_dtype(*specs)

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.multiply(x, y)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        x, y = node.inputs
        return g * y, g * x


@dataclass(frozen=True)
class Divide(Binary):
    """Quotient of two values."""

    name, formula, latex = "divide", "z = x / y", r"z = \frac{x}{y}"
    domain = (0.5, 3.0)

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.divide(x, y)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        _, y = node.inputs
        return g / y, -(g * node.output / y)


@dataclass(frozen=True)
class Power(Binary):
    """x to the power y. The derivative in y is taken as 0 where x ≤ 0, where it is not defined."""

    name, formula, latex = "power", "z = xʸ", r"z = x^{y}"
    domain = (0.3, 2.0)
    edges = (0.0, 1.0, 2.0, 10.0, math.inf)
    tolerance = {"float32": 1e-5, "bfloat16": 4e-2, "float64": 1e-12}  # exp(y·log x) loses |y·log x| rounding steps

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.power(x, y)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        x, y = node.inputs
        positive = greater(x, 0.0)
        return g * y * power(x, y - 1.0), where(positive, g * node.output * log(where(positive, x, 1.0)), 0.0)


@dataclass(frozen=True)
class Maximum(Binary):
    """The larger of two values; where they are equal each gets half of the derivative."""

    name, formula, latex = "maximum", "z = max(x, y)", r"z = \max(x, y)"

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.maximum(x, y)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        x, y = node.inputs
        share = cast(greater(x, y), g.dtype) + 0.5 * cast(equal(x, y), g.dtype)
        return g * share, g * (1.0 - share)


@dataclass(frozen=True)
class Minimum(Binary):
    """The smaller of two values; where they are equal each gets half of the derivative."""

    name, formula, latex = "minimum", "z = min(x, y)", r"z = \min(x, y)"

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.minimum(x, y)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        x, y = node.inputs
        share = cast(less(x, y), g.dtype) + 0.5 * cast(equal(x, y), g.dtype)
        return g * share, g * (1.0 - share)


@dataclass(frozen=True)
class Negative(Unary):
    """The value with its sign turned."""

    name, formula, latex = "negative", "y = -x", r"y = -x"

    def forward(self, np: Any, x: Array) -> Array:
        return np.negative(x)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (-g,)


@dataclass(frozen=True)
class Reciprocal(Unary):
    """One over the value."""

    name, formula, latex = "reciprocal", "y = 1 / x", r"y = \frac{1}{x}"
    domain = (0.4, 3.0)

    def forward(self, np: Any, x: Array) -> Array:
        return 1.0 / x

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (-(g * square(node.output)),)


@dataclass(frozen=True)
class Square(Unary):
    """The value times itself."""

    name, formula, latex = "square", "y = x²", r"y = x^2"

    def forward(self, np: Any, x: Array) -> Array:
        return np.square(x)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g * (2.0 * node.inputs[0]),)


@dataclass(frozen=True)
class Sqrt(Unary):
    """The square root."""

    name, formula, latex = "sqrt", "y = √x", r"y = \sqrt{x}"
    domain = (0.2, 4.0)

    def forward(self, np: Any, x: Array) -> Array:
        return np.sqrt(x)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g * 0.5 / node.output,)


@dataclass(frozen=True)
class Absolute(Unary):
    """The distance from zero; derivative 0 at 0."""

    name, formula, latex, kinks = "absolute", "y = |x|", r"y = |x|", (0.0,)

    def forward(self, np: Any, x: Array) -> Array:
        return np.absolute(x)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g * sign(node.inputs[0]),)


# Exponentials and logarithms


@dataclass(frozen=True)
class Exp(Unary):
    """e to the power x."""

    name, formula, latex = "exp", "y = eˣ", r"y = e^{x}"

    def forward(self, np: Any, x: Array) -> Array:
        return np.exp(x)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g * node.output,)


@dataclass(frozen=True)
class Expm1(Unary):
    """e to the power x, less 1: exact near 0."""

    name, formula, latex = "expm1", "y = eˣ - 1", r"y = e^{x} - 1"

    def forward(self, np: Any, x: Array) -> Array:
        return np.expm1(x)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g * (node.output + 1.0),)


@dataclass(frozen=True)
class Log(Unary):
    """The natural logarithm."""

    name, formula, latex = "log", "y = ln x", r"y = \ln x"
    domain = (0.1, 5.0)

    def forward(self, np: Any, x: Array) -> Array:
        return np.log(x)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g / node.inputs[0],)


@dataclass(frozen=True)
class Log1p(Unary):
    """The natural logarithm of 1 + x: exact near 0."""

    name, formula, latex = "log1p", "y = ln(1 + x)", r"y = \ln(1 + x)"
    domain = (-0.8, 4.0)

    def forward(self, np: Any, x: Array) -> Array:
        return np.log1p(x)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g / (1.0 + node.inputs[0]),)


@dataclass(frozen=True)
class Erf(Unary):
    """The error function. Float64 by the standard library; Abramowitz & Stegun, ch. 7."""

    name, formula, latex = "erf", "y = 2/√π·∫₀ˣ exp(-t²) dt", r"y = \frac{2}{\sqrt\pi}\int_0^x e^{-t^2}\,dt"

    def forward(self, np: Any, x: Array) -> Array:
        values = [math.erf(value) for value in np.ravel(x).tolist()]
        return np.asarray(values, x.dtype).reshape(x.shape)

    def xla(self, jnp: Any, lax: Any, x: Array) -> Array:
        return lax.erf(x)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g * (2.0 / math.sqrt(math.pi)) * exp(-square(node.inputs[0])),)


# Activations


@dataclass(frozen=True)
class Sigmoid(Unary):
    """The logistic function, safe at any x."""

    name, formula, latex = "sigmoid", "y = 1 / (1 + e⁻ˣ)", r"y = \frac{1}{1 + e^{-x}}"

    def forward(self, np: Any, x: Array) -> Array:
        small = np.exp(-np.absolute(x))
        return np.where(x >= 0, 1 / (1 + small), small / (1 + small)).astype(x.dtype)

    def xla(self, jnp: Any, lax: Any, x: Array) -> Array:
        return lax.logistic(x)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g * (node.output * (1.0 - node.output)),)


@dataclass(frozen=True)
class Tanh(Unary):
    """The hyperbolic tangent."""

    name, formula, latex = "tanh", "y = (eˣ - e⁻ˣ) / (eˣ + e⁻ˣ)", r"y = \frac{e^{x} - e^{-x}}{e^{x} + e^{-x}}"

    def forward(self, np: Any, x: Array) -> Array:
        return np.tanh(x)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g * (1.0 - square(node.output)),)


@dataclass(frozen=True)
class Relu(Unary):
    """The rectified linear unit; derivative 0 at 0."""

    name, formula, latex, kinks = "relu", "y = max(0, x)", r"y = \max(0, x)", (0.0,)

    def forward(self, np: Any, x: Array) -> Array:
        return np.maximum(x, np.zeros((), x.dtype))

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g * step(node.output),)


@dataclass(frozen=True)
class Softplus(Unary):
    """The smooth rectifier, safe at any x."""

    name, formula, latex = "softplus", "y = ln(1 + eˣ)", r"y = \ln(1 + e^{x})"

    def forward(self, np: Any, x: Array) -> Array:
        return np.maximum(x, np.zeros((), x.dtype)) + np.log1p(np.exp(-np.absolute(x)))

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g * sigmoid(node.inputs[0]),)


# Ops that jump: their derivative is zero, by choice


@dataclass(frozen=True)
class Step(Unary):
    """The binary step, 1 where x > 0. Derivative 0 everywhere (undefined at 0): what feeds only a step does not learn."""

    name, formula, latex, kinks = "step", "y = 1 if x > 0 else 0", r"y = [x > 0]", (0.0,)
    differentiable = False

    def forward(self, np: Any, x: Array) -> Array:
        return np.where(np.isnan(x), x, x > 0).astype(x.dtype)


@dataclass(frozen=True)
class StraightThroughStep(Unary):
    """The binary step whose derivative is chosen to be 1 where |x| ≤ 1, else 0. Bengio, Léonard, Courville 2013."""

    name, formula, latex = "straight_through_step", "y = 1 if x > 0 else 0, dy/dx := 1 if |x| ≤ 1", r"y = [x > 0]"
    kinks = (0.0,)
    chosen_derivative: ClassVar[bool] = True  # differences cannot confirm it

    def forward(self, np: Any, x: Array) -> Array:
        return np.where(np.isnan(x), x, x > 0).astype(x.dtype)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g * cast(less_equal(absolute(node.inputs[0]), 1.0), g.dtype),)


@dataclass(frozen=True)
class Sign(Unary):
    """-1, 0 or 1; derivative 0."""

    name, formula, latex, kinks = "sign", "y = x / |x|, 0 at 0", r"y = \operatorname{sgn} x", (0.0,)
    differentiable = False

    def forward(self, np: Any, x: Array) -> Array:
        return np.sign(x)


@dataclass(frozen=True)
class Floor(Unary):
    """The largest whole number not above x; derivative 0."""

    name, formula, latex = "floor", "y = ⌊x⌋", r"y = \lfloor x \rfloor"
    differentiable = False

    def forward(self, np: Any, x: Array) -> Array:
        return np.floor(x)


@dataclass(frozen=True)
class StopGradient(Unary):
    """The value itself, through which no derivative flows."""

    name, formula, latex = "stop_gradient", "y = x, dy/dx := 0", r"y = x"
    differentiable = False

    def forward(self, np: Any, x: Array) -> Array:
        return np.asarray(x)


# Questions


@dataclass(frozen=True)
class Equal(Comparison):
    """Whether two values are the same."""

    name, formula, latex = "equal", "z = (x = y)", r"z = [x = y]"

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.equal(x, y)


@dataclass(frozen=True)
class NotEqual(Comparison):
    """Whether two values differ."""

    name, formula, latex = "not_equal", "z = (x ≠ y)", r"z = [x \ne y]"

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.not_equal(x, y)


@dataclass(frozen=True)
class Less(Comparison):
    """Whether x is below y."""

    name, formula, latex = "less", "z = (x < y)", r"z = [x < y]"

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.less(x, y)


@dataclass(frozen=True)
class LessEqual(Comparison):
    """Whether x is at most y."""

    name, formula, latex = "less_equal", "z = (x ≤ y)", r"z = [x \le y]"

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.less_equal(x, y)


@dataclass(frozen=True)
class Greater(Comparison):
    """Whether x is above y."""

    name, formula, latex = "greater", "z = (x > y)", r"z = [x > y]"

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.greater(x, y)


@dataclass(frozen=True)
class GreaterEqual(Comparison):
    """Whether x is at least y."""

    name, formula, latex = "greater_equal", "z = (x ≥ y)", r"z = [x \ge y]"

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.greater_equal(x, y)


@dataclass(frozen=True)
class Isfinite(Unary):
    """Whether the value is neither infinite nor NaN."""

    name, formula, latex, differentiable = "isfinite", "y = |x| < ∞", r"y = [|x| < \infty]", False

    def output_dtype(self, *specs: Spec) -> str:
        self.need_float(*specs)
        return "bool"

    def forward(self, np: Any, x: Array) -> Array:
        return np.isfinite(x)


@dataclass(frozen=True)
class LogicalAnd(Logical):
    """Whether both hold."""

    name, inputs, formula, latex = "logical_and", ("x", "y"), "z = x and y", r"z = x \land y"

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.logical_and(x, y)


@dataclass(frozen=True)
class LogicalOr(Logical):
    """Whether either holds."""

    name, inputs, formula, latex = "logical_or", ("x", "y"), "z = x or y", r"z = x \lor y"

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.logical_or(x, y)


@dataclass(frozen=True)
class LogicalNot(Logical):
    """Whether it does not hold."""

    name, inputs, formula, latex = "logical_not", ("x",), "y = not x", r"y = \lnot x"

    def forward(self, np: Any, x: Array) -> Array:
        return np.logical_not(x)


# Choices and conversions


@dataclass(frozen=True)
class Where(Elementwise):
    """x where the condition holds, else y."""

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
    def samples(cls) -> list[Sample]:
        return [
            Sample(case.op, (numpy.asarray(case.arrays[0] > 0), *case.arrays[1:]), case.error, case.differentiable)
            for case in super().samples()
        ]


@dataclass(frozen=True)
class Cast(Unary):
    """The value as another kind of number: truncated to int32, 0 or 1 from bool, not 0 to bool."""

    dtype: str
    name, formula, latex = "cast", "y = x in another dtype", r"y = x"

    def infer(self, x: Spec) -> Spec:  # type: ignore[override]
        if self.dtype not in DTYPES:
            raise DtypeError(f"cast cannot make {self.dtype!r}; choose one of {', '.join(DTYPES)}")
        return Spec(x.shape, self.dtype)

    def forward(self, np: Any, x: Array) -> Array:
        return x.astype("float32" if self.dtype == "bfloat16" and np is numpy else self.dtype)

    def grad(self, node: Node, *gradients: Tensor) -> Gradients:
        (x,) = node.inputs
        return (cast(gradients[0], x.dtype),) if x.spec.is_float and node.output.spec.is_float else (None,)

    @classmethod
    def samples(cls) -> list[Sample]:
        values = numpy.array([[-2.0, -1.5, 0.0], [0.5, 1.0, 300.0]])
        flags = numpy.array([True, False])
        return [
            Sample(cls("float32"), (values,)),
            Sample(cls("float32"), (flags,)),
            Sample(cls("float32"), (numpy.array([3, -4], numpy.int32),)),
            Sample(cls("int32"), (values,), differentiable=False),
            Sample(cls("int32"), (flags,), differentiable=False),
            Sample(cls("bool"), (values,), differentiable=False),
            Sample(cls("float32"), (numpy.zeros((0, 2)),)),
            Sample(cls("float16"), (values,), error=DtypeError),
        ]


add, subtract, multiply, divide, power = Add(), Subtract(), Multiply(), Divide(), Power()
maximum, minimum, negative, reciprocal, square, sqrt, absolute = (
    Maximum(), Minimum(), Negative(), Reciprocal(), Square(), Sqrt(), Absolute(),
)  # fmt: skip
exp, expm1, log, log1p, erf = Exp(), Expm1(), Log(), Log1p(), Erf()
sigmoid, tanh, relu, softplus = Sigmoid(), Tanh(), Relu(), Softplus()
step, straight_through_step, sign, floor, stop_gradient = Step(), StraightThroughStep(), Sign(), Floor(), StopGradient()
equal, not_equal, less, less_equal, greater, greater_equal = (
    Equal(), NotEqual(), Less(), LessEqual(), Greater(), GreaterEqual(),
)  # fmt: skip
isfinite, logical_and, logical_or, logical_not, where = Isfinite(), LogicalAnd(), LogicalOr(), LogicalNot(), Where()


def cast(x: Tensor, dtype: str) -> Tensor:
    """The value as another kind of number; itself where it already is."""
    if isinstance(x, Tensor) and x.dtype == dtype:
        return x
    result = Cast(dtype)(x)
    assert isinstance(result, Tensor)
    return result
