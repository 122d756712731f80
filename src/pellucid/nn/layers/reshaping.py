"""Layers that keep the values and change their shape. The batch, axis 0, always stays."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from pellucid import ops
from pellucid.core.graph import Tensor
from pellucid.core.spec import show_shape
from pellucid.errors import ArgumentError, ShapeError
from pellucid.nn import arguments
from pellucid.nn.layer import Layer
from pellucid.nn.registry import look_up


class Flatten(Layer):
    """All features of an example in one axis. Shapes: [batch, a, b, …] → [batch, a·b·…].

    With `data_format="channels_first"` the first feature axis is moved to the end before, as Keras does.
    """

    def __init__(self, data_format: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        known = dict.fromkeys(("channels_last", "channels_first"))
        if data_format is not None:
            look_up("data_format", known, data_format)
        self.data_format = data_format

    def call(self, x: Tensor) -> Tensor:
        if None in x.shape[1:]:
            raise ShapeError(f"Flatten needs known sizes on every axis but the batch, got {show_shape(x.shape)}")
        if self.data_format == "channels_first" and x.rank > 2:
            x = ops.transpose(x, (0, *range(2, x.rank), 1))
        return ops.reshape(x, (x.shape[0], prod(size for size in x.shape[1:] if size is not None)))


class Reshape(Layer):
    """The features of an example in another shape, in row-major order; one size may be -1, and is worked out.

    >>> from pellucid.nn.layers import Input
    >>> Reshape((-1, 2))(Input(shape=(6,))).shape
    (None, 3, 2)
    """

    def __init__(self, target_shape: Sequence[int], **options: Any) -> None:
        super().__init__(**options)
        if not isinstance(target_shape, (list, tuple)):
            raise ArgumentError(
                f"Reshape: target_shape must be a tuple of sizes without the batch, got {target_shape!r}"
            )
        for size in target_shape:
            if size != -1 or isinstance(size, float):
                arguments.whole("Reshape", "every size in target_shape but one -1", size)
        if list(target_shape).count(-1) > 1:
            raise ArgumentError(f"Reshape: only one size in target_shape can be -1, got {tuple(target_shape)}")
        self.target_shape = tuple(int(size) for size in target_shape)

    def call(self, x: Tensor) -> Tensor:
        if None in x.shape[1:]:
            raise ShapeError(f"Reshape needs known sizes on every axis but the batch, got {show_shape(x.shape)}")
        count = prod(size for size in x.shape[1:] if size is not None)
        fixed = prod(size for size in self.target_shape if size != -1)
        if count % fixed if -1 in self.target_shape else count != fixed:
            raise ShapeError(f"Reshape: the {count} features of {show_shape(x.shape)} do not fill {self.target_shape}")
        return ops.reshape(x, (x.shape[0], *(count // fixed if size == -1 else size for size in self.target_shape)))
