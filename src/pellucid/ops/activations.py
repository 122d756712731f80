"""Activations that are primitives: smooth, bent, or jumping. Those made of other ops are in `composites`."""

from __future__ import annotations

from typing import Any

from pellucid.core.graph import Array, Node, Tensor
from pellucid.ops.arithmetic import absolute, square
from pellucid.ops.comparisons import less_equal
from pellucid.ops.conversions import cast
from pellucid.ops.elementwise import Gradients, Unary


class Sigmoid(Unary):
    """The logistic function, safe at any x.

    >>> sigmoid([-1.0, 0.0, 2.0]).numpy().round(3)
    array([0.269, 0.5  , 0.881])
    """

    name, formula, latex = "sigmoid", "y = 1 / (1 + e⁻ˣ)", r"y = \frac{1}{1 + e^{-x}}"

    def forward(self, np: Any, x: Array) -> Array:
        small = np.exp(-np.absolute(x))
        return np.where(x >= 0, 1 / (1 + small), small / (1 + small)).astype(x.dtype)

    def xla(self, jnp: Any, lax: Any, x: Array) -> Array:
        return lax.logistic(x)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g * (node.output * (1.0 - node.output)),)


class Tanh(Unary):
    """The hyperbolic tangent.

    >>> tanh([-1.0, 0.0, 2.0]).numpy().round(3)
    array([-0.762,  0.   ,  0.964])
    """

    name, formula, latex = "tanh", "y = (eˣ - e⁻ˣ) / (eˣ + e⁻ˣ)", r"y = \frac{e^{x} - e^{-x}}{e^{x} + e^{-x}}"

    def forward(self, np: Any, x: Array) -> Array:
        return np.tanh(x)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g * (1.0 - square(node.output)),)


class Relu(Unary):
    """The rectified linear unit; derivative 0 at 0.

    >>> relu([-1.0, 0.0, 2.0]).numpy()
    array([0., 0., 2.])
    """

    name, formula, latex, kinks = "relu", "y = max(0, x)", r"y = \max(0, x)", (0.0,)

    def forward(self, np: Any, x: Array) -> Array:
        return np.maximum(x, np.zeros((), x.dtype))

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g * step(node.output),)


class Softplus(Unary):
    """The smooth rectifier, safe at any x.

    >>> softplus([-1.0, 0.0, 2.0]).numpy().round(3)
    array([0.313, 0.693, 2.127])
    """

    name, formula, latex = "softplus", "y = ln(1 + eˣ)", r"y = \ln(1 + e^{x})"

    def forward(self, np: Any, x: Array) -> Array:
        return np.maximum(x, np.zeros((), x.dtype)) + np.log1p(np.exp(-np.absolute(x)))

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g * sigmoid(node.inputs[0]),)


class Step(Unary):
    """The binary step, 1 where x > 0, NaN of NaN. Derivative 0, at 0 by choice: it learns nothing.

    >>> step([-1.0, 0.0, 2.0]).numpy()
    array([0., 0., 1.])
    """

    name, formula, latex, kinks = "step", "y = 1 if x > 0 else 0", r"y = [x > 0]", (0.0,)
    differentiable = False

    def forward(self, np: Any, x: Array) -> Array:
        return np.where(np.isnan(x), x, x > 0).astype(x.dtype)


class StraightThroughStep(Unary):
    """The binary step whose derivative is chosen to be 1 where |x| ≤ 1, else 0. Bengio, Léonard, Courville 2013.

    >>> straight_through_step([-1.0, 0.0, 2.0]).numpy()
    array([0., 0., 1.])
    """

    name, formula, latex = "straight_through_step", "y = 1 if x > 0 else 0, dy/dx := 1 if |x| ≤ 1", r"y = [x > 0]"
    kinks = (0.0,)
    chosen_derivative = True

    def forward(self, np: Any, x: Array) -> Array:
        return np.where(np.isnan(x), x, x > 0).astype(x.dtype)

    def derivatives(self, node: Node, g: Tensor) -> Gradients:
        return (g * cast(less_equal(absolute(node.inputs[0]), 1.0), g.dtype),)


sigmoid, tanh, relu, softplus = Sigmoid(), Tanh(), Relu(), Softplus()
step, straight_through_step = Step(), StraightThroughStep()
