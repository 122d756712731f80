"""Layers that look at windows of a sequence or image, or at all of it, and keep the largest or the average value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from pellucid import ops
from pellucid.core.graph import Tensor
from pellucid.core.spec import show_shape
from pellucid.errors import ShapeError
from pellucid.nn import arguments
from pellucid.nn.layers.core import as_float
from pellucid.nn.layers.spatial import Spatial


class Pooling(Spatial, registered=False):
    """What layers share that pool windows: their size, how far apart they start, and what happens at the borders."""

    pool: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.pool_size = self.per_axis("pool_size", pool_size)
        self.strides = self.pool_size if strides is None else self.per_axis("strides", strides)
        self.padding = self.padding_name(padding, "valid", "same")
        self.data_format = self.channels_last(data_format)

    def call(self, x: Tensor) -> Tensor:
        self.channels(x.shape)
        return type(self).pool(as_float(x), self.pool_size, self.strides, self.padding)


class MaxPooling1D(Pooling):
    """The largest value of each window of a sequence.

    Formula: y[b,i,c] = maxₖ x[b, stride·i + k, c]. Shapes: [batch, steps, channels] → [batch, windows, channels].
    `padding`: `valid` has only windows that lie inside, `same` ⌈steps / stride⌉ of them, which may reach over the ends.
    Raises `ShapeError` for a window larger than the sequence.

    >>> from pellucid.nn.layers import Input
    >>> MaxPooling1D(2)(Input(shape=(9, 4))).shape
    (None, 4, 4)
    """

    rank, pool = 1, ops.max_pool


class MaxPooling2D(Pooling):
    """The largest value of each window of an image, channel by channel.

    Formula: y[b,i,j,c] = maxₖₗ x[b, stride·i + k, stride·j + l, c]. Shapes: [batch, height, width, channels] → [batch,
    rows of windows, columns, channels]. `padding`: `valid` has only windows that lie inside, `same` ⌈size / stride⌉
    along each axis, which may reach over the border. The derivative goes to the first largest value of a window, in
    row-major order. Raises `ShapeError` for a window larger than the image.

    >>> from pellucid.nn.layers import Input
    >>> MaxPooling2D()(Input(shape=(28, 28, 8))).shape
    (None, 14, 14, 8)
    """

    rank, pool = 2, ops.max_pool


class AveragePooling1D(Pooling):
    """The average of each window of a sequence, of what lies inside it; arguments as in `MaxPooling1D`.

    >>> from pellucid.nn.layers import Input
    >>> AveragePooling1D(2)(Input((10, 4))).shape
    (None, 5, 4)
    """

    rank, pool = 1, ops.average_pool


class AveragePooling2D(Pooling):
    """The average of each window of an image, of what lies inside it; arguments as in `MaxPooling2D`.

    >>> from pellucid.nn.layers import Input
    >>> AveragePooling2D(3, strides=2, padding="same")(Input(shape=(7, 7, 8))).shape
    (None, 4, 4, 8)
    """

    rank, pool = 2, ops.average_pool


class GlobalPooling(Spatial, registered=False):
    """What layers share that reduce all of a sequence or image; with `keepdims` its axes stay, at size 1."""

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.data_format = self.channels_last(data_format)
        self.keepdims = arguments.flag(type(self).__name__, "keepdims", keepdims)

    def image(self, x: Tensor) -> Tensor:
        """The input in floats, where it has the axes that it needs."""
        self.channels(x.shape)
        if 0 in x.shape[1:-1]:
            raise ShapeError(f"{type(self).__name__} needs at least one element on every axis: {show_shape(x.shape)}")
        return as_float(x)

    @property
    def axes(self) -> tuple[int, ...]:
        return tuple(range(1, self.rank + 1))


class GlobalMax(GlobalPooling, registered=False):
    """What `GlobalMaxPooling1D` and `GlobalMaxPooling2D` share."""

    def call(self, x: Tensor) -> Tensor:
        return ops.max(self.image(x), axis=self.axes, keepdims=self.keepdims)


class GlobalMaxPooling1D(GlobalMax):
    """The largest value of each channel over all steps. Shapes: [batch, steps, channels] → [batch, channels].

    >>> from pellucid.nn.layers import Input
    >>> GlobalMaxPooling1D(keepdims=True)(Input(shape=(9, 4))).shape
    (None, 1, 4)
    """

    rank = 1


class GlobalMaxPooling2D(GlobalMax):
    """The largest value of each channel over an image. Shapes: [batch, height, width, channels] → [batch, channels].

    >>> from pellucid.nn.layers import Input
    >>> GlobalMaxPooling2D()(Input((9, 9, 4))).shape
    (None, 4)
    """

    rank = 2


class GlobalAveragePooling1D(GlobalPooling):
    """The average of each channel over the steps that the mask keeps.

    Shapes: [batch, steps, channels] → [batch, channels]; mask bool [batch, steps].

    Formula: y = Σₜ m[t]·x[t] / Σₜ m[t], where m is 1 for the steps that count; 0 where none does.

    >>> from pellucid.nn.layers import Input
    >>> GlobalAveragePooling1D()(Input((10, 4))).shape
    (None, 4)
    """

    rank = 1

    def call(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = self.image(x)
        if mask is None:
            return ops.mean(x, axis=self.axes, keepdims=self.keepdims)
        kept = ops.expand_dims(mask, -1)
        total = ops.sum(ops.where(kept, x, 0.0), axis=self.axes, keepdims=self.keepdims)
        count = ops.sum(ops.cast(kept, x.dtype), axis=self.axes, keepdims=self.keepdims)
        return total / ops.maximum(count, 1.0)


class GlobalAveragePooling2D(GlobalPooling):
    """The average of each channel over an image. Shapes: [batch, height, width, channels] → [batch, channels].

    Lin, Chen, Yan 2014.

    >>> from pellucid.nn.layers import Input
    >>> GlobalAveragePooling2D()(Input(shape=(7, 7, 8))).shape
    (None, 8)
    """

    rank = 2

    def call(self, x: Tensor) -> Tensor:
        return ops.mean(self.image(x), axis=self.axes, keepdims=self.keepdims)


MaxPool1D, MaxPool2D = MaxPooling1D, MaxPooling2D  # Keras's second names
AvgPool1D, AvgPool2D = AveragePooling1D, AveragePooling2D
GlobalMaxPool1D, GlobalMaxPool2D = GlobalMaxPooling1D, GlobalMaxPooling2D
GlobalAvgPool1D, GlobalAvgPool2D = GlobalAveragePooling1D, GlobalAveragePooling2D
