"""Layers that make one value of several: `Add()([a, b])`. Values broadcast; the batch must be the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, ClassVar

from pellucid import ops
from pellucid.core.graph import Tensor, tensor
from pellucid.core.spec import Shape, known, show_shape
from pellucid.errors import ArgumentError, ShapeError
from pellucid.nn import arguments
from pellucid.nn.construction import unknown
from pellucid.nn.layer import Inputs, Layer


class Merge(Layer, registered=False):
    """What merge layers share: they take one list of tensors."""

    def __call__(self, *inputs: Inputs, **options: Any) -> Any:
        if len(inputs) != 1 or not isinstance(inputs[0], (list, tuple)):
            kind = type(self).__name__
            raise ArgumentError(f"layer {self.name} ({kind}) takes one list of tensors: {kind}()([a, b])")
        return super().__call__(*inputs, **options)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Steps that count in any of the values; none where a value has no mask."""
        if mask is None or any(own is None for own in mask):
            return None
        return reduce(ops.logical_or, mask)

    def need_one_batch(self, values: tuple[Tensor, ...]) -> None:
        if len({value.shape[0] for value in values if value.rank} - {None}) > 1 or any(
            not value.rank for value in values
        ):
            shapes = ", ".join(show_shape(value.shape) for value in values)
            raise ShapeError(f"{type(self).__name__} needs values of the same batch, got {shapes}")


class Elementwise(Merge, registered=False):
    """What merge layers share that work place by place. A value of fewer axes gets axes of size 1 after the batch."""

    combine: ClassVar[Callable[[Tensor, Tensor], Tensor]]

    def call(self, first: Tensor, *others: Tensor) -> Tensor:
        values = (first, *others)
        self.need_one_batch(values)
        rank = max(value.rank for value in values)
        return self.merge([reduce(lambda x, _: ops.expand_dims(x, 1), range(rank - x.rank), x) for x in values])

    def merge(self, values: list[Tensor]) -> Tensor:
        return reduce(type(self).combine, values)


class Add(Elementwise):
    """y = a + b + …

    >>> from pellucid.nn.layers import Input
    >>> Add()([Input(shape=(3,)), Input(shape=(3,))]).shape
    (None, 3)
    """

    combine = ops.add


class Subtract(Elementwise):
    """y = a - b, of exactly two values.

    >>> from pellucid.nn.layers import Input
    >>> Subtract()([Input((3,)), Input((3,))]).shape
    (None, 3)
    """

    combine = ops.subtract

    def call(self, first: Tensor, second: Tensor) -> Tensor:  # type: ignore[override]
        return super().call(first, second)


class Multiply(Elementwise):
    """y = a·b·…

    >>> from pellucid.nn.layers import Input
    >>> Multiply()([Input((3,)), Input((3,))]).shape
    (None, 3)
    """

    combine = ops.multiply


class Average(Elementwise):
    """y = (a + b + …) / n.

    >>> from pellucid.nn.layers import Input
    >>> Average()([Input((3,)), Input((3,))]).shape
    (None, 3)
    """

    combine = ops.add

    def merge(self, values: list[Tensor]) -> Tensor:
        return super().merge(values) / float(len(values))


class Maximum(Elementwise):
    """y = max(a, b, …).

    >>> from pellucid.nn.layers import Input
    >>> Maximum()([Input((3,)), Input((3,))]).shape
    (None, 3)
    """

    combine = ops.maximum


class Minimum(Elementwise):
    """y = min(a, b, …).

    >>> from pellucid.nn.layers import Input
    >>> Minimum()([Input((3,)), Input((3,))]).shape
    (None, 3)
    """

    combine = ops.minimum


class Concatenate(Merge):
    """Values one after another along an axis, which is not the batch.

    >>> from pellucid.nn.layers import Input
    >>> Concatenate()([Input((3,)), Input((2,))]).shape
    (None, 5)
    """

    def __init__(self, axis: int = -1, **options: Any) -> None:
        super().__init__(**options)
        (self.axis,) = arguments.axes("Concatenate", "axis", (axis,))
        if self.axis == 0:
            raise ArgumentError("Concatenate: axis 0 is the batch; use axis=-1 for the features")

    def call(self, first: Tensor, *others: Tensor) -> Tensor:
        self.need_one_batch((first, *others))
        if self.axis % max(first.rank, 1) == 0 and -first.rank <= self.axis < first.rank:
            raise ShapeError(f"Concatenate: axis {self.axis} of {show_shape(first.shape)} is the batch")
        return ops.concatenate([first, *others], axis=self.axis)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The masks one after another, or along features their union; a value without a mask counts whole."""
        if mask is None:
            return None
        axes = min(own.rank for own in mask if own is not None)
        axis = self.axis % inputs[0].rank
        whole = [_all(value.shape[:axes]) if own is None else own for value, own in zip(inputs, mask, strict=True)]
        return ops.concatenate(whole, axis=axis) if axis < axes else reduce(ops.logical_or, whole)


class Dot(Merge):
    """The dot products of two values along one axis of each: y[i,j] = Σₖ a[i,k]·b[j,k], for each example by itself.

    `axes`: the axis summed over, one for both values or one for each; not the batch. With `normalize`, vectors along it
    are scaled to length 1 first, so that y is the cosine of their angle. Shapes: [batch, …, k], [batch, …, k]
    → [batch, other axes of a, other axes of b]; [batch, 1] where there are none.

    >>> from pellucid.nn.layers import Input
    >>> Dot(axes=1)([Input((3,)), Input((3,))]).shape
    (None, 1)
    >>> Dot(axes=2)([Input((5, 3)), Input((4, 3))]).shape
    (None, 5, 4)
    """

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **options: Any) -> None:
        super().__init__(**options)
        both = axes if isinstance(axes, (list, tuple)) else (axes, axes)
        self.axes = tuple(arguments.axes("Dot", "axes", axis)[0] for axis in both)
        if len(self.axes) != 2 or 0 in self.axes:
            raise ArgumentError(
                f"Dot: axes is one axis, or one for each of two values, and not the batch; got {axes!r}"
            )
        self.normalize = arguments.flag("Dot", "normalize", normalize)

    def call(self, first: Tensor, second: Tensor) -> Tensor:
        values = (first, second)
        self.need_one_batch(values)
        for x, axis in zip(values, self.axes, strict=True):
            if not (-x.rank < axis < x.rank and axis % x.rank):
                raise ShapeError(f"Dot: {show_shape(x.shape)} has no axis {axis} besides the batch")
        x, y = (_last(value, axis) for value, axis in zip(values, self.axes, strict=True))
        if x.shape[-1] != y.shape[-1]:
            shapes = " and ".join(show_shape(value.shape) for value in values)
            raise ShapeError(f"Dot: the sizes {x.shape[-1]} and {y.shape[-1]} of axes {self.axes} of {shapes} differ")
        if self.normalize:
            x, y = ops.l2_normalize(x), ops.l2_normalize(y)
        if x.rank == y.rank == 2:
            return ops.sum(x * y, axis=-1, keepdims=True)
        result = _rows(x) @ ops.transpose(_rows(y), (0, 2, 1))
        return result if x.rank == y.rank == 3 else ops.reshape(result, (x.shape[0], *x.shape[1:-1], *y.shape[1:-1]))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """None: what was summed over has no steps left."""
        return None


def _last(x: Tensor, axis: int) -> Tensor:
    """The value with one axis moved to the end."""
    order = [place for place in range(x.rank) if place != axis % x.rank]
    return ops.transpose(x, (*order, axis % x.rank))


def _rows(x: Tensor) -> Tensor:
    """All axes between the batch and the last as one."""
    return x if x.rank == 3 else ops.reshape(x, (x.shape[0], math.prod(known(x.shape[1:-1])), x.shape[-1]))


def _all(shape: Shape) -> Tensor:
    """A mask by which every step counts."""
    return unknown(shape, "bool", "a mask") if None in shape else ops.broadcast_to(tensor(True), shape)
