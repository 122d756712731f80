"""What layers over sequences and images share: arguments with one number for each spatial axis, and their inputs."""

from __future__ import annotations

from typing import Any, ClassVar

from pellucid.core.spec import Shape, show_shape
from pellucid.errors import ArgumentError, ShapeError
from pellucid.nn import arguments
from pellucid.nn.layer import Layer
from pellucid.nn.registry import look_up


class Spatial(Layer, registered=False):
    """A layer over sequences [batch, steps, channels] (`rank` 1) or images [batch, height, width, channels] (2)."""

    rank: ClassVar[int]

    def per_axis(self, name: str, value: Any, least: int = 1) -> tuple[int, ...]:
        """One whole number for all spatial axes, or one for each; raises `ArgumentError`."""
        kind = type(self).__name__
        several = tuple(value) if isinstance(value, (list, tuple)) else (value,) * self.rank
        if len(several) != self.rank:
            wanted = "a whole number" if self.rank == 1 else f"a whole number, or {self.rank} of them"
            raise ArgumentError(f"{kind}: {name} must be {wanted}, got {value!r}")
        return tuple(arguments.whole(kind, name, item, least) for item in several)

    def padding_name(self, value: Any, *known: str) -> str:
        """The name of a padding, in small letters; raises `ArgumentError` for one that is not known."""
        name = value.lower() if isinstance(value, str) else value
        return look_up(f"padding of {type(self).__name__}", {item: item for item in known}, name)

    def channels_last(self, value: Any) -> str:
        """The only data format; raises `ArgumentError` for another, with the way around it."""
        kind, axes = type(self).__name__, (2, 1) if self.rank == 1 else (2, 3, 1)
        if value == "channels_first":
            raise ArgumentError(
                f"{kind}: data_format='channels_first' is not supported: channels stand last here, as in "
                f"{self.layout}; leave data_format out, and move the axis with a layer Permute({axes}) before"
            )
        if value not in (None, "channels_last"):
            raise ArgumentError(f"{kind}: data_format must be 'channels_last', got {value!r}")
        return "channels_last"

    @property
    def layout(self) -> str:
        return "[batch, steps, channels]" if self.rank == 1 else "[batch, height, width, channels]"

    def channels(self, shape: Shape) -> int:
        """How many channels an input of this shape has; raises `ShapeError` where it is no image."""
        kind = type(self).__name__
        if len(shape) == self.rank + 1 and None not in shape[1:]:
            one = (*shape[1:], 1)
            raise ShapeError(
                f"{kind} needs {self.layout}, got {show_shape(shape)}: the axis of the channels is missing. Give it "
                f"x[..., None] and Input(shape={one}), or put Reshape({one}) before it"
            )
        if len(shape) != self.rank + 2:
            raise ShapeError(
                f"{kind} needs {self.layout}, got {show_shape(shape)}; bring it there with a Reshape before"
            )
        if shape[-1] is None:
            raise ShapeError(f"{kind} needs a known number of channels, the last axis, got {show_shape(shape)}")
        return shape[-1]
