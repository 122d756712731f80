"""Elementwise arithmetic, powers, exponentials and logarithms."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from pellucid.core.graph import Array, Node, Tensor
from pellucid.ops.comparisons import equal, greater, less, where
from pellucid.ops.conversions import cast
from pellucid.ops.elementwise import Binary, Gradients, Unary


class Add(Binary):
    """Sum of two values.

    >>> add([1.0, 2.0], 10.0).numpy()
    array([11., 12.])
    """

    name, formula, latex = "add", "z = x + y", r"z = x + y"
    whole = True

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.add(x, y)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return g, g


class Subtract(Binary):
    """Difference of two values.

    >>> subtract([1.0, 2.0], 10.0).numpy()
    array([-9., -8.])
    """

    name, formula, latex = "subtract", "z = x - y", r"z = x - y"
    whole = True

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.subtract(x, y)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return g, -g


class Multiply(Binary):
    """Product of two values.

    >>> multiply([1.0, 2.0], 10.0).numpy()
    array([10., 20.])
    """

    name, formula, latex = "multiply", "z = x·y", r"z = x\,y"
    whole = True

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.multiply(x, y)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        x, y = node.inputs
        return g * y, g * x


class Divide(Binary):
    """Quotient of two values.

    >>> divide([1.0, 2.0], 4.0).numpy()
    array([0.25, 0.5 ])
    """

    name, formula, latex = "divide", "z = x / y", r"z = \frac{x}{y}"
    domain = (0.5, 3.0)

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.divide(x, y)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        _, y = node.inputs
        return g / y, -(g * node.output / y)


class Power(Binary):
    """x to the power y. The derivative in y is taken as 0 where x ≤ 0, where it is not defined.

    >>> power([2.0, 3.0], 2.0).numpy()
    array([4., 9.])
    """

    name, formula, latex = "power", "z = xʸ", r"z = x^{y}"
    domain = (0.3, 2.0)
    edges = (0.0, 1.0, 2.0, 10.0, math.inf)
    tolerance: ClassVar = {
        "float32": 1e-5,
        "bfloat16": 4e-2,
        "float64": 1e-12,
    }  # exp(y·log x) loses |y·log x| rounding steps

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.power(x, y)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        x, y = node.inputs
        positive = greater(x, 0.0)
        less_one = where(equal(y, 0.0), 1.0, y) - 1.0  # 0·x⁰, not 0·x⁻¹, which at x = 0 has no value
        return g * y * power(x, less_one), where(positive, g * node.output * log(where(positive, x, 1.0)), 0.0)


class Maximum(Binary):
    """The larger of two values; where they are equal each gets half of the derivative.

    >>> maximum([1.0, 5.0], 3.0).numpy()
    array([3., 5.])
    """

    name, formula, latex = "maximum", "z = max(x, y)", r"z = \max(x, y)"
    whole = True

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.maximum(x, y)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        x, y = node.inputs
        share = cast(greater(x, y), g.dtype) + 0.5 * cast(equal(x, y), g.dtype)
        return g * share, g * (1.0 - share)


class Minimum(Binary):
    """The smaller of two values; where they are equal each gets half of the derivative.

    >>> minimum([1.0, 5.0], 3.0).numpy()
    array([1., 3.])
    """

    name, formula, latex = "minimum", "z = min(x, y)", r"z = \min(x, y)"
    whole = True

    def forward(self, np: Any, x: Array, y: Array) -> Array:
        return np.minimum(x, y)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        x, y = node.inputs
        share = cast(less(x, y), g.dtype) + 0.5 * cast(equal(x, y), g.dtype)
        return g * share, g * (1.0 - share)


class Negative(Unary):
    """The value with its sign turned.

    >>> negative([1.0, -2.0]).numpy()
    array([-1.,  2.])
    """

    name, formula, latex = "negative", "y = -x", r"y = -x"
    whole = True

    def forward(self, np: Any, x: Array) -> Array:
        return np.negative(x)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (-g,)


class Reciprocal(Unary):
    """One over the value.

    >>> reciprocal([2.0, -4.0]).numpy()
    array([ 0.5 , -0.25])
    """

    name, formula, latex = "reciprocal", "y = 1 / x", r"y = \frac{1}{x}"
    domain = (0.4, 3.0)

    def forward(self, np: Any, x: Array) -> Array:
        return np.reciprocal(x)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (-(g * square(node.output)),)


class Square(Unary):
    """The value times itself.

    >>> square([-3.0, 0.5]).numpy()
    array([9.  , 0.25])
    """

    name, formula, latex = "square", "y = x²", r"y = x^2"

    def forward(self, np: Any, x: Array) -> Array:
        return np.square(x)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g * (2.0 * node.inputs[0]),)


class Sqrt(Unary):
    """The square root.

    >>> sqrt([4.0, 2.0]).numpy().round(3)
    array([2.   , 1.414])
    """

    name, formula, latex = "sqrt", "y = √x", r"y = \sqrt{x}"
    domain = (0.2, 4.0)

    def forward(self, np: Any, x: Array) -> Array:
        return np.sqrt(x)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g * 0.5 / node.output,)


class Absolute(Unary):
    """The distance from zero; derivative 0 at 0.

    >>> absolute([-2.0, 3.0]).numpy()
    array([2., 3.])
    """

    name, formula, latex, kinks = "absolute", "y = |x|", r"y = |x|", (0.0,)

    def forward(self, np: Any, x: Array) -> Array:
        return np.absolute(x)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g * sign(node.inputs[0]),)


class Sign(Unary):
    """-1, 0 or 1; derivative 0.

    >>> sign([-3.0, 0.0, 5.0]).numpy()
    array([-1.,  0.,  1.])
    """

    name, formula, latex, kinks = "sign", "y = x / |x|, 0 at 0", r"y = \operatorname{sgn} x", (0.0,)
    differentiable = False

    def forward(self, np: Any, x: Array) -> Array:
        return np.sign(x)


class Floor(Unary):
    """The largest whole number not above x; derivative 0.

    >>> floor([-1.5, 2.7]).numpy()
    array([-2.,  2.])
    """

    name, formula, latex = "floor", "y = ⌊x⌋", r"y = \lfloor x \rfloor"
    differentiable = False

    def forward(self, np: Any, x: Array) -> Array:
        return np.floor(x)


class Exp(Unary):
    """e to the power x.

    >>> exp([-1.0, 0.0, 2.0]).numpy().round(3)
    array([0.368, 1.   , 7.389])
    """

    name, formula, latex = "exp", "y = eˣ", r"y = e^{x}"

    def forward(self, np: Any, x: Array) -> Array:
        return np.exp(x)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g * node.output,)


class Expm1(Unary):
    """e to the power x, less 1: exact near 0.

    >>> expm1([-1.0, 0.0, 2.0]).numpy().round(3)
    array([-0.632,  0.   ,  6.389])
    """

    name, formula, latex = "expm1", "y = eˣ - 1", r"y = e^{x} - 1"

    def forward(self, np: Any, x: Array) -> Array:
        return np.expm1(x)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g * (node.output + 1.0),)


class Log(Unary):
    """The natural logarithm.

    >>> log([1.0, 2.718281828]).numpy().round(3)
    array([0., 1.])
    """

    name, formula, latex = "log", "y = ln x", r"y = \ln x"
    domain = (0.1, 5.0)

    def forward(self, np: Any, x: Array) -> Array:
        return np.log(x)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g / node.inputs[0],)


class Log1p(Unary):
    """The natural logarithm of 1 + x: exact near 0.

    >>> log1p([0.0, 1.0]).numpy().round(3)
    array([0.   , 0.693])
    """

    name, formula, latex = "log1p", "y = ln(1 + x)", r"y = \ln(1 + x)"
    domain = (-0.8, 4.0)

    def forward(self, np: Any, x: Array) -> Array:
        return np.log1p(x)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g / (1.0 + node.inputs[0]),)


class Erf(Unary):
    """The error function. Float64 by the standard library; Abramowitz & Stegun, ch. 7.

    >>> erf([-1.0, 0.0, 2.0]).numpy().round(3)
    array([-0.843,  0.   ,  0.995])
    """

    name, formula, latex = "erf", "y = 2/√π·∫₀ˣ exp(-t²) dt", r"y = \frac{2}{\sqrt\pi}\int_0^x e^{-t^2}\,dt"

    def forward(self, np: Any, x: Array) -> Array:
        values = [math.erf(value) for value in np.ravel(x).tolist()]
        return np.asarray(values, x.dtype).reshape(x.shape)

    def xla(self, jnp: Any, lax: Any, x: Array) -> Array:
        return lax.erf(x)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g * (2.0 / math.sqrt(math.pi)) * exp(-square(node.inputs[0])),)


add, subtract, multiply, divide, power = Add(), Subtract(), Multiply(), Divide(), Power()
maximum, minimum, negative, reciprocal = Maximum(), Minimum(), Negative(), Reciprocal()
square, sqrt, absolute, sign, floor = Square(), Sqrt(), Absolute(), Sign(), Floor()
exp, expm1, log, log1p, erf = Exp(), Expm1(), Log(), Log1p(), Erf()
