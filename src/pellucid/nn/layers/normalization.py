"""Layers that normalise: values shifted and scaled to mean 0 and variance 1, then by learned weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pellucid import ops
from pellucid.core.graph import Tensor
from pellucid.core.spec import Shape, normalize_axes
from pellucid.nn import arguments, initializers, regularizers
from pellucid.nn.layer import Layer
from pellucid.nn.layers.core import as_float


class LayerNormalization(Layer):
    """Each example's values shifted and scaled to mean 0 and variance 1 over `axis`.

    Formula: y = γ·(x - μ)/√(σ² + ε) + β, with mean μ and variance σ² over the axes. Shapes: y as x; γ (`gamma`) and
    β (`beta`) have the sizes of the axes. Ba, Kiros, Hinton 2016.

    >>> from pellucid.nn.layers import Input
    >>> LayerNormalization()(Input(shape=(5, 8))).shape
    (None, 5, 8)
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.axis = arguments.axes("LayerNormalization", "axis", axis)
        self.epsilon = arguments.number("LayerNormalization", "epsilon", epsilon, 0.0)
        self.center = arguments.flag("LayerNormalization", "center", center)
        self.scale = arguments.flag("LayerNormalization", "scale", scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)

    def build(self, shape: Shape) -> None:
        sizes = [shape[axis] for axis in normalize_axes(self.axis, len(shape), "LayerNormalization")]
        if self.scale:
            self.gamma = self.add_weight(sizes, self.gamma_initializer, "gamma", regularizer=self.gamma_regularizer)
        if self.center:
            self.beta = self.add_weight(sizes, self.beta_initializer, "beta", regularizer=self.beta_regularizer)

    def call(self, x: Tensor) -> Tensor:
        gamma = self.gamma.tensor if self.scale else 1.0
        beta = self.beta.tensor if self.center else 0.0
        return ops.layer_norm(as_float(x), gamma, beta, axis=self.axis, epsilon=self.epsilon)
