"""Layers that keep the values and change their shape. The batch, axis 0, always stays."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy

from pellucid import ops
from pellucid.core.graph import Tensor, tensor
from pellucid.core.spec import show_shape
from pellucid.errors import ArgumentError, ShapeError
from pellucid.nn import arguments
from pellucid.nn.layer import Layer
from pellucid.nn.registry import look_up


class Flatten(Layer):
    """All features of an example in one axis. Shapes: [batch, a, b, …] → [batch, a·b·…].

    With `data_format="channels_first"` the first feature axis is moved to the end before, as Keras does.

    >>> from pellucid.nn.layers import Input
    >>> Flatten()(Input((4, 4, 2))).shape
    (None, 32)
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


class Permute(Layer):
    """The feature axes in another order, counted from 1: axis i of y is axis `dims[i - 1]` of x.

    >>> from pellucid.nn.layers import Input
    >>> Permute((2, 1))(Input(shape=(10, 64))).shape
    (None, 64, 10)
    """

    def __init__(self, dims: Sequence[int], **options: Any) -> None:
        super().__init__(**options)
        if not isinstance(dims, (list, tuple)) or sorted(dims) != list(range(1, len(dims) + 1)):
            raise ArgumentError(
                f"Permute: dims must name each feature axis once, counted from 1, such as (2, 1), got {dims!r}"
            )
        self.dims = tuple(int(axis) for axis in dims)

    def call(self, x: Tensor) -> Tensor:
        if x.rank != len(self.dims) + 1:
            raise ShapeError(f"Permute: {self.dims} names {len(self.dims)} feature axes of {show_shape(x.shape)}")
        return ops.transpose(x, (0, *self.dims))


class RepeatVector(Layer):
    """The features of an example n times, one after another. Shapes: [batch, features] → [batch, n, features].

    >>> from pellucid.nn.layers import Input
    >>> RepeatVector(3)(Input(shape=(32,))).shape
    (None, 3, 32)
    """

    def __init__(self, n: int, **options: Any) -> None:
        super().__init__(**options)
        self.n = arguments.whole("RepeatVector", "n", n)

    def call(self, x: Tensor) -> Tensor:
        if x.rank != 2:
            raise ShapeError(f"RepeatVector needs [batch, features], got {show_shape(x.shape)}")
        result: Tensor = ops.expand_dims(x, 1) * tensor(numpy.ones((1, self.n, 1), x.dtype))
        return result


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
