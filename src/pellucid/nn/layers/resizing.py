"""Layers that change how large a sequence or image is: by zeros around it, borders cut off, other resolutions."""

from __future__ import annotations

from typing import Any

from pellucid import ops
from pellucid.core.graph import Tensor
from pellucid.core.spec import show_shape
from pellucid.errors import ArgumentError, ShapeError
from pellucid.nn import arguments
from pellucid.nn.layers.core import as_float
from pellucid.nn.layers.spatial import Spatial
from pellucid.nn.registry import look_up
from pellucid.ops.images import INTERPOLATIONS
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

    >>> from pellucid.nn.layers import Input
    >>> ZeroPadding1D((1, 2))(Input((10, 4))).shape
    (None, 13, 4)
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
        kept = [slice(None)]
        for axis, (before, after) in enumerate(self.by_axis(self.cropping), start=1):
            size = x.shape[axis]
            if size is None or before + after >= size:
                raise ShapeError(
                    f"{type(self).__name__}: cropping {(before, after)} leaves nothing of an axis of "
                    f"{'unknown size' if size is None else size} in {show_shape(x.shape)}; crop less"
                )
            kept.append(slice(before, size - after))
        return x[tuple(kept)]


class Cropping1D(Cropping):
    """A sequence without its first and last steps. `cropping`: a whole number, or (before, after).

    >>> from pellucid.nn.layers import Input
    >>> Cropping1D((1, 2))(Input((10, 4))).shape
    (None, 7, 4)
    """

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
    """Every step `size` times. Shapes: [batch, steps, channels] → [batch, size·steps, channels].

    >>> from pellucid.nn.layers import Input
    >>> UpSampling1D(3)(Input((10, 4))).shape
    (None, 30, 4)
    """

    rank = 1

    def __init__(self, size: int = 2, **options: Any) -> None:
        super().__init__(**options)
        self.size = arguments.whole("UpSampling1D", "size", size)

    def call(self, x: Tensor) -> Tensor:
        self.channels(x.shape)
        return ops.repeat(x, (self.size,), axes=(1,))


class Resampling(Spatial, registered=False):
    """What layers share that show an image in another resolution, or its middle."""

    rank = 2

    def interpolation_name(self, name: str) -> str:
        return look_up(f"interpolation of {type(self).__name__}", {known: known for known in INTERPOLATIONS}, name)

    def sizes(self, x: Tensor) -> tuple[int, int]:
        """The height and width of an image; raises `ShapeError` where there is no pixel, or it is not known."""
        self.channels(x.shape)
        height, width = x.shape[1:3]
        if not height or not width:
            raise ShapeError(f"{type(self).__name__} needs a known height and width from 1, got {show_shape(x.shape)}")
        return height, width

    def middle(self, x: Tensor, height: int, width: int) -> Tensor:
        """The middle of an image that is at least so large."""
        before = [(size - kept) // 2 for size, kept in zip(self.sizes(x), (height, width), strict=True)]
        return x[:, before[0] : before[0] + height, before[1] : before[1] + width]

    def in_ratio(self, x: Tensor, height: int, width: int) -> Tensor:
        """The largest middle part of an image that has the aspect ratio of a height and width."""
        rows, columns = self.sizes(x)
        return self.middle(
            x, max(min(rows, columns * height // width), 1), max(min(columns, rows * width // height), 1)
        )


class UpSampling2D(Resampling):
    """An image made larger by whole factors. Shapes: [batch, height, width, channels] → [batch, size₀·height, …].

    `interpolation`: `nearest` repeats every pixel, `bilinear` takes the mean of the four pixels around.

    >>> from pellucid.nn.layers import Input
    >>> UpSampling2D((2, 3))(Input(shape=(7, 7, 8))).shape
    (None, 14, 21, 8)
    """

    def __init__(
        self, size: Any = 2, data_format: str | None = None, interpolation: str = "nearest", **options: Any
    ) -> None:
        super().__init__(**options)
        self.size = self.per_axis("size", size)
        self.data_format = self.channels_last(data_format)
        self.interpolation = self.interpolation_name(interpolation)

    def call(self, x: Tensor) -> Tensor:
        height, width = self.sizes(x)
        if self.interpolation == "nearest":
            return ops.repeat(x, self.size, axes=(1, 2))
        return ops.resize(as_float(x), (self.size[0] * height, self.size[1] * width))


class Resizing(Resampling):
    """An image at another height and width. Shapes: [batch, h, w, channels] → [batch, height, width, channels].

    `interpolation`: the `nearest` pixel or the `bilinear` mean of the four around the place in the original. With
    `crop_to_aspect_ratio` the borders are cut first, so that nothing is stretched.

    >>> from pellucid.nn.layers import Input
    >>> Resizing(32, 32, crop_to_aspect_ratio=True)(Input(shape=(60, 80, 3))).shape
    (None, 32, 32, 3)
    """

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        data_format: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.height = arguments.whole("Resizing", "height", height)
        self.width = arguments.whole("Resizing", "width", width)
        self.interpolation = self.interpolation_name(interpolation)
        self.crop_to_aspect_ratio = arguments.flag("Resizing", "crop_to_aspect_ratio", crop_to_aspect_ratio)
        self.data_format = self.channels_last(data_format)

    def call(self, x: Tensor) -> Tensor:
        self.sizes(x)
        if self.crop_to_aspect_ratio:
            x = self.in_ratio(x, self.height, self.width)
        return ops.resize(as_float(x), (self.height, self.width), self.interpolation)


class CenterCrop(Resampling):
    """The middle of an image; one that is smaller is cut to the aspect ratio and resized. Shapes as in `Resizing`.

    >>> from pellucid.nn.layers import Input
    >>> CenterCrop(20, 24)(Input((28, 28, 1))).shape
    (None, 20, 24, 1)
    """

    def __init__(self, height: int, width: int, data_format: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.height = arguments.whole("CenterCrop", "height", height)
        self.width = arguments.whole("CenterCrop", "width", width)
        self.data_format = self.channels_last(data_format)

    def call(self, x: Tensor) -> Tensor:
        height, width = self.sizes(x)
        if height >= self.height and width >= self.width:
            return as_float(self.middle(x, self.height, self.width))
        return ops.resize(as_float(self.in_ratio(x, self.height, self.width)), (self.height, self.width))
