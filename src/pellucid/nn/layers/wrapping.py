"""Layers that apply another layer to parts of their input."""

from __future__ import annotations

from typing import Any

from pellucid import ops
from pellucid.core.graph import Tensor
from pellucid.core.spec import Shape, show_shape
from pellucid.errors import ShapeError
from pellucid.nn.layer import Layer, as_layer


class TimeDistributed(Layer):
    """One layer applied to every step of a sequence. Shapes: [batch, steps, …] → [batch, steps, …].

    All steps go through the layer together, as so many more examples.

    >>> from pellucid.nn.layers import Dense, Input
    >>> TimeDistributed(Dense(2))(Input(shape=(5, 3))).shape
    (None, 5, 2)
    """

    supports_masking = True

    def __init__(self, layer: Any, **options: Any) -> None:
        super().__init__(**options)
        self.layer = as_layer("TimeDistributed", layer)

    def build(self, shape: Shape) -> None:
        if len(shape) < 3 or None in shape[1:]:
            raise ShapeError(
                f"TimeDistributed needs [batch, steps, …] of known sizes but the batch, got {show_shape(shape)}"
            )

    def call(self, x: Tensor, *, training: bool = False) -> Tensor:
        batch, steps, *rest = x.shape
        together = None if batch is None or steps is None else batch * steps
        options = {"training": training} if self.layer.parameters.training else {}
        y = self.layer(ops.reshape(x, (together, *rest)), **options)
        return ops.reshape(y, (batch, steps, *y.shape[1:]))
