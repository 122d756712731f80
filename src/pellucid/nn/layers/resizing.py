"""Layers that change how large a sequence or image is: zeros around it, borders cut off, elements repeated."""

from __future__ import annotations

from typing import Any

from pellucid import ops
from pellucid.core.graph import Tensor
from pellucid.core.spec import show_shape
from pellucid.errors import ArgumentError, ShapeError
from pellucid.nn import arguments
from pellucid.nn.layers.spatial import Spatial
from pellucid.ops.windows import Pairs


class Bordered(Spatial, registered=False):
    """What layers share that add to the borders of an image or take from them."""

    def borders(self, name: str, value: Any) -> Any:
        """(before, after), of images for each spatial axis, from one number, one for each axis, or two for each."""
        if self.rank == 1:
            return self._pair(name, value)
        several = value if isinstance(value, (list, tuple)) else (value, value)
        if len(several) != self.rank:
            raise ArgumentError(
                f"{type(self).__name__}: {name} must be a whole number, (height, width), or ((top, bottom), "
                f"(left, right)), got {value!r}"
            )
        return tuple(self._pair(name, item) for item in several)

    def _pair(self, name: str, value: Any) -> tuple[int, int]:
        kind = type(self).__name__
        several = value if isinstance(value, (list, tuple)) else (value, value)
        if len(several) != 2:
            raise ArgumentError(f"{kind}: {name} must be a whole number, or (before, after), got {value!r}")
        before, after = several
        return arguments.whole(kind, name, before, 0), arguments.whole(kind, name, after, 0)

    def by_axis(self, borders: Any) -> Pairs:
        return (borders,) if self.rank == 1 else borders


class ZeroPadding(Bordered, registered=False):
    """What `ZeroPadding1D` and `ZeroPadding2D` share."""

    def __init__(self, padding: Any = 1, data_format: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.padding = self.borders("padding", padding)
        self.data_format = self.channels_last(data_format)

    def call(self, x: Tensor) -> Tensor:
        self.channels(x.shape)
        return ops.pad(x, ((0, 0), *self.by_axis(self.padding), (0, 0)))


class ZeroPadding1D(ZeroPadding):
    """Zeros before and after a sequence. Shapes: [batch, steps, channels] → [batch, before + steps + after, channels].

    `padding`: a whole number, or (before, after).
    """

    rank = 1


class ZeroPadding2D(ZeroPadding):
    """Zeros around an image. `padding`: a whole number, (height, width), or ((top, bottom), (left, right)).

    >>> from pellucid.nn.layers import Input
    >>> ZeroPadding2D(((0, 1), (2, 2)))(Input(shape=(4, 4, 3))).shape
    (None, 5, 8, 3)
    """

    rank = 2


class Cropping(Bordered, registered=False):
    """What `Cropping1D` and `Cropping2D` share."""

    cropping: Any

    def call(self, x: Tensor) -> Tensor:
        self.channels(x.shape)
        for axis, (before, after) in enumerate(self.by_axis(self.cropping), start=1):
            size = x.shape[axis]
            if size is None or before + after >= size:
                raise ShapeError(
                    f"{type(self).__name__}: cropping {(before, after)} leaves nothing of an axis of "
                    f"{'unknown size' if size is None else size} in {show_shape(x.shape)}; crop less"
                )
            if before or after:
                x = ops.slice(x, before, size - after, axis=axis)
        return x


class Cropping1D(Cropping):
    """A sequence without its first and last steps. `cropping`: a whole number, or (before, after)."""

    rank = 1

    def __init__(self, cropping: Any = (1, 1), **options: Any) -> None:
        super().__init__(**options)
        self.cropping = self.borders("cropping", cropping)


class Cropping2D(Cropping):
    """An image without its borders. `cropping`: a whole number, (height, width), or ((top, bottom), (left, right)).

    Raises `ShapeError` where nothing would be left.

    >>> from pellucid.nn.layers import Input
    >>> Cropping2D((1, 2))(Input(shape=(28, 28, 3))).shape
    (None, 26, 24, 3)
    """

    rank = 2

    def __init__(self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.cropping = self.borders("cropping", cropping)
        self.data_format = self.channels_last(data_format)


class UpSampling1D(Spatial):
    """Every step `size` times. Shapes: [batch, steps, channels] → [batch, size·steps, channels]."""

    rank = 1

    def __init__(self, size: int = 2, **options: Any) -> None:
        super().__init__(**options)
        self.size = arguments.whole("UpSampling1D", "size", size)

    def call(self, x: Tensor) -> Tensor:
        self.channels(x.shape)
        return ops.repeat(x, (self.size,), axes=(1,))
