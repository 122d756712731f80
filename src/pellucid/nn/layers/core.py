"""The layers that every network has: its inputs, and units that see all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pellucid.core.graph import Tensor
from pellucid.core.sources import feed
from pellucid.core.spec import Shape
from pellucid.errors import ArgumentError, ShapeError
from pellucid.nn import activations, initializers, regularizers
from pellucid.nn.layer import Layer


class InputLayer(Layer):
    """The entry of a network: the shape and dtype of one example."""

    def __init__(self, shape: Sequence[int | None] = (), dtype: str = "float32", name: str | None = None) -> None:
        super().__init__(name=name or "input")
        self.shape: Shape = tuple(shape)
        self.dtype = dtype

    def call(self, *inputs: Tensor) -> Tensor:
        (x,) = inputs
        return x


def Input(  # noqa: N802 (Keras's name)
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: str | None = None,
    name: str | None = None,
) -> Tensor:
    """An input of a functional network: a tensor of unknown batch.

    >>> Input(shape=(3,))
    Tensor(feed, float32[?, 3])
    """
    if shape is None:
        raise ArgumentError("Input needs shape=(…): the sizes of one example, without the batch")
    return feed((batch_size, *shape), dtype or "float32", name or "input")


class Dense(Layer):
    """Units that see all features: activation(x·kernel + bias). Shapes: [batch, …, features] → [batch, …, units]."""

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if not isinstance(units, int) or units < 1:
            raise ArgumentError(f"Dense: units must be a whole number of at least 1, got {units!r}")
        self.units, self.use_bias = units, use_bias
        self.activation = activations.get(activation)
        self.kernel_initializer, self.bias_initializer = (
            initializers.get(kernel_initializer),
            initializers.get(bias_initializer),
        )
        self.kernel_regularizer, self.bias_regularizer = (
            regularizers.get(kernel_regularizer),
            regularizers.get(bias_regularizer),
        )
        self.activity_regularizer = regularizers.get(activity_regularizer)

    def build(self, *shapes: Shape) -> None:
        (shape,) = shapes
        if len(shape) < 2:
            raise ShapeError(f"layer {self.name}: Dense needs [batch, …, features], got {shape}")
        features = shape[-1]
        self.kernel = self.add_weight(
            (features, self.units), self.kernel_initializer, "kernel", regularizer=self.kernel_regularizer
        )
        if self.use_bias:
            self.bias = self.add_weight((self.units,), self.bias_initializer, "bias", regularizer=self.bias_regularizer)

    def call(self, *inputs: Tensor) -> Tensor:
        (x,) = inputs
        y = x @ self.kernel.tensor
        return self.activation(y + self.bias.tensor if self.use_bias else y)
