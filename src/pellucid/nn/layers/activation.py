"""Activations as layers of their own, with their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pellucid import ops
from pellucid.core.graph import Tensor
from pellucid.core.spec import Shape, show_shape
from pellucid.errors import ShapeError
from pellucid.nn import activations, arguments, initializers, regularizers
from pellucid.nn.layer import Layer


class Activation(Layer):
    """An activation by name or function: y = activation(x).

    >>> from pellucid.nn.layers import Input
    >>> Activation("relu")(Input((3,))).shape
    (None, 3)
    """

    supports_masking = True

    def __init__(self, activation: Any, **options: Any) -> None:
        super().__init__(**options)
        self.activation = activations.get(activation)

    def call(self, x: Tensor) -> Tensor:
        return self.activation(x)


class ReLU(Layer):
    """y = min(x, max_value) where x > threshold, else negative_slope·(x - threshold).

    >>> from pellucid.nn.layers import Input
    >>> ReLU(max_value=6.0)(Input((3,))).shape
    (None, 3)
    """

    supports_masking = True

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **options: Any
    ) -> None:
        super().__init__(**options)
        self.max_value = None if max_value is None else arguments.number("ReLU", "max_value", max_value, 0.0)
        self.negative_slope = arguments.number("ReLU", "negative_slope", negative_slope, 0.0)
        self.threshold = arguments.number("ReLU", "threshold", threshold, 0.0)

    def call(self, x: Tensor) -> Tensor:
        return activations.relu(x, self.negative_slope, self.max_value, self.threshold)


class LeakyReLU(Layer):
    """y = x if x > 0 else negative_slope·x. Maas, Hannun, Ng 2013.

    >>> from pellucid.nn.layers import Input
    >>> LeakyReLU(0.1)(Input((3,))).shape
    (None, 3)
    """

    supports_masking = True

    def __init__(self, negative_slope: float = 0.3, **options: Any) -> None:
        super().__init__(**options)
        self.negative_slope = arguments.number("LeakyReLU", "negative_slope", negative_slope, 0.0)

    def call(self, x: Tensor) -> Tensor:
        return activations.leaky_relu(x, self.negative_slope)


class PReLU(Layer):
    """y = x if x > 0 else α·x, with a learned slope α for each feature. He et al. 2015.

    Shapes: α has the shape of one example, with size 1 on the `shared_axes` (counted with the batch as axis 0).

    >>> from pellucid.nn.layers import Input
    >>> layer = PReLU(shared_axes=[1, 2])
    >>> layer(Input(shape=(28, 28, 8))).shape, layer.alpha.shape
    ((None, 28, 28, 8), (1, 1, 8))
    """

    supports_masking = True

    def __init__(
        self,
        alpha_initializer: Any = "zeros",
        alpha_regularizer: Any = None,
        shared_axes: int | Sequence[int] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.shared_axes = None if shared_axes is None else arguments.axes("PReLU", "shared_axes", shared_axes)

    def build(self, shape: Shape) -> None:
        sizes = list(shape[1:])
        for axis in self.shared_axes or ():
            if not 1 <= axis <= len(sizes):
                raise ShapeError(f"PReLU: shared axis {axis} is outside {show_shape(shape)}; use 1 to {len(sizes)}")
            sizes[axis - 1] = 1
        self.alpha = self.add_weight(sizes, self.alpha_initializer, "alpha", regularizer=self.alpha_regularizer)

    def call(self, x: Tensor) -> Tensor:
        result: Tensor = ops.leaky_relu(x, self.alpha.tensor)
        return result


class ELU(Layer):
    """y = x if x > 0 else α·(eˣ - 1). Clevert, Unterthiner, Hochreiter 2016.

    >>> from pellucid.nn.layers import Input
    >>> ELU()(Input((3,))).shape
    (None, 3)
    """

    supports_masking = True

    def __init__(self, alpha: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.alpha = arguments.number("ELU", "alpha", alpha)

    def call(self, x: Tensor) -> Tensor:
        return activations.elu(x, self.alpha)


class Softmax(Layer):
    """yᵢ = e^xᵢ / Σⱼ e^xⱼ over an axis, or several.

    >>> from pellucid.nn.layers import Input
    >>> Softmax()(Input((3,))).shape
    (None, 3)
    """

    supports_masking = True

    def __init__(self, axis: int | Sequence[int] = -1, **options: Any) -> None:
        super().__init__(**options)
        axes = arguments.axes("Softmax", "axis", axis)
        self.axis = axes[0] if len(axes) == 1 else axes

    def call(self, x: Tensor) -> Tensor:
        result: Tensor = ops.softmax(x, axis=self.axis)
        return result
