"""What the convolution ops share: windows over an image's spatial axes, the image as a matrix of them, samples."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy

from pellucid.core.graph import Array, Tensor, build
from pellucid.core.op import Op
from pellucid.core.spec import Shape, Spec, known, show_shape
from pellucid.ops.windows import Pairs, count, span

Place = tuple[int, ...]
Settings = tuple[Place, Pairs, Place, int]  # strides, padding, dilation, groups
# Samples: shape of the image, of the kernel, strides, padding, dilation, groups
CASES: list[tuple[Place, Place, Place, Pairs, Place, int]] = [
    ((2, 5, 1), (3, 1, 2), (1,), ((0, 0),), (1,), 1),
    ((1, 1, 3), (1, 3, 1), (1,), ((0, 0),), (1,), 1),
    ((2, 7, 2), (2, 2, 3), (3,), ((0, 1),), (1,), 1),  # strides larger than the kernel
    ((1, 6, 4), (3, 2, 2), (1,), ((4, 0),), (2,), 2),  # causal and dilated, in two groups
    ((1, 1, 1, 1), (1, 1, 1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    ((1, 1, 1, 2), (3, 3, 2, 2), (2, 2), ((1, 1), (1, 1)), (1, 1), 1),  # one pixel, seen through padding alone
    ((2, 4, 3, 1), (2, 3, 1, 2), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    ((1, 5, 4, 3), (3, 1, 1, 6), (2, 1), ((2, 0), (0, 1)), (1, 1), 3),  # depthwise, two filters for each channel
    ((1, 7, 6, 2), (2, 2, 2, 1), (3, 4), ((0, 0), (1, 2)), (2, 1), 1),
    ((0, 4, 4, 3), (3, 3, 3, 2), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    ((3, 9, 8, 17), (3, 3, 17, 19), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    ((2, 11, 10, 3), (5, 5, 3, 16), (2, 2), ((1, 2), (2, 2)), (1, 1), 1),
    ((2, 10, 9, 34), (3, 3, 17, 34), (2, 1), ((0, 1), (1, 1)), (1, 2), 2),
]


@dataclass(frozen=True)
class Sliding(Op):
    """What the three ops share: the windows, and the image as a matrix with a row for each of them.

    `padding` is (before, after) for each spatial axis. Channels and filters fall into `groups` that do not meet.
    """

    strides: tuple[int, ...]
    padding: Pairs
    dilation: tuple[int, ...]
    groups: int
    source = "LeCun et al. 1989, Backpropagation Applied to Handwritten Zip Code Recognition"
    # Sums of many products, as in `matmul`: a gradient of the kernel sums over the batch and all windows.
    tolerance: ClassVar = {"float32": 2e-5, "bfloat16": 1e-1, "float64": 1e-12}

    def counts(self, sizes: Sequence[int], kernel: Sequence[int]) -> Place:
        """How many windows there are along each spatial axis."""
        return tuple(map(count, sizes, kernel, self.strides, self.padding, self.dilation))

    def windows(self, specs: Sequence[Spec], sizes: Shape, kernel: Place) -> Shape:
        """The same where sizes may be unknown; raises `ShapeError` where the attributes do not fit, or no window."""
        rank = len(kernel)
        if rank not in (1, 2) or not all(len(given) == rank for given in (sizes, self.strides, self.padding)):
            raise self.wrong_shape(
                specs,
                "it needs an image [batch, width, channels] and a kernel [width, channels, filters], or height and "
                "width in both, and a stride, padding and dilation for each",
            )
        least = min(*self.strides, *self.dilation, self.groups, *kernel)
        if len(self.dilation) != rank or least < 1 or any(min(pair) < 0 for pair in self.padding):
            raise self.wrong_shape(specs, f"{self} needs strides, dilation and groups from 1, and padding from 0")
        counts = self.counts([0 if size is None else size for size in sizes], kernel)
        if any(size is not None and number < 1 for size, number in zip(sizes, counts, strict=True)):
            padded = tuple(None if n is None else n + sum(pair) for n, pair in zip(sizes, self.padding, strict=True))
            covered = tuple(map(span, kernel, self.dilation))
            raise self.wrong_shape(
                specs,
                f"the kernel covers {show_shape(covered)} but the padded image has only {show_shape(padded)}; take a "
                "smaller kernel or dilation, shrink the image less before, or give padding='same'",
            )
        return tuple(None if size is None else number for size, number in zip(sizes, counts, strict=True))

    def check_groups(self, specs: Sequence[Spec], c: int, m: int) -> None:
        if c % self.groups or m % self.groups:
            raise self.wrong_shape(
                specs,
                f"{self.groups} groups must divide both the {c} channels and the {m} filters without a rest; "
                "take a number of groups that does",
            )

    def check_windows(self, specs: Sequence[Spec], windows: Shape, given: Shape) -> None:
        pairs = zip(windows, given, strict=False)
        if len(windows) != len(given) or any(None not in pair and pair[0] != pair[1] for pair in pairs):
            raise self.wrong_shape(specs, f"g must be {show_shape(windows)} over the spatial axes: one for each window")

    # The image as a matrix, and back

    def taps(self, kernel: Sequence[int], windows: Place) -> Iterator[tuple[slice, ...]]:
        """For each place in the kernel, in row-major order, where all windows have it in the padded images."""
        for place in numpy.ndindex(*kernel):
            settings = zip(place, self.dilation, self.strides, windows, strict=True)
            yield (slice(None), *(slice(k * d, k * d + s * (n - 1) + 1, s) for k, d, s, n in settings))

    def columns(self, x: Array, kernel: Sequence[int], windows: Place) -> Array:
        """The elements under each window as one row, apart for each group: [groups, b·windows, kernel·c/groups]."""
        padded = numpy.pad(x, ((0, 0), *self.padding, (0, 0)))
        rows = numpy.stack([padded[places] for places in self.taps(kernel, windows)], axis=-2)
        number, taps, share = math.prod(rows.shape[:-2]), rows.shape[-2], x.shape[-1] // self.groups
        by_group = rows.reshape(number, taps, self.groups, share).transpose(2, 0, 1, 3)
        return by_group.reshape(self.groups, number, taps * share)

    def image(self, columns: Array, sizes: Sequence[int], kernel: Sequence[int], windows: Place) -> Array:
        """The adjoint of `columns`: an element of the image [b, *sizes, c] is the sum of all its places in the rows."""
        taps, batch = math.prod(kernel), columns.shape[1] // math.prod(windows)
        share = columns.shape[2] // taps
        parts = columns.reshape(self.groups, batch, *windows, taps, share)
        ends = [before + size + after for size, (before, after) in zip(sizes, self.padding, strict=True)]
        padded = numpy.zeros((batch, *ends, self.groups * share), columns.dtype)
        for tap, places in enumerate(self.taps(kernel, windows)):
            part = numpy.moveaxis(parts[..., tap, :], 0, -2)
            padded[places] += part.reshape(batch, *windows, self.groups * share)
        inside = (slice(before, before + size) for size, (before, _) in zip(sizes, self.padding, strict=True))
        kept = (slice(None), *inside)
        return padded[kept]

    def split(self, values: Array) -> Array:
        """The filters of each group apart: [..., m] → [groups, rows, m/groups]."""
        rows, m = math.prod(values.shape[:-1]), values.shape[-1]
        return values.reshape(rows, self.groups, m // self.groups).transpose(1, 0, 2)

    def join(self, values: Array, leading: Sequence[int]) -> Array:
        """The inverse of `split`: [groups, rows, m/groups] → [*leading, m]."""
        return values.transpose(1, 0, 2).reshape(*leading, values.shape[0] * values.shape[2])

    # Derivatives of Σ g·y, where y = convolution(x, w)

    @property
    def shared(self) -> dict[str, Any]:
        """The attributes that all three ops have."""
        return {item.name: getattr(self, item.name) for item in fields(Sliding)}

    def by_windows(self, x: Tensor, w: Tensor) -> Tensor:
        """By g."""
        return build("convolution", x, w, **self.shared)

    def by_image(self, g: Tensor, w: Tensor, x: Tensor) -> Tensor:
        """By x."""
        return build("convolution_input_gradient", g, w, **self.shared, sizes=known(x.shape[1:-1]))

    def by_kernel(self, x: Tensor, g: Tensor, w: Tensor) -> Tensor:
        """By w."""
        return build("convolution_kernel_gradient", x, g, **self.shared, sizes=known(w.shape[:-2]))

    # Terms and samples

    def meetings(
        self, windows: Iterable[Place], kernel: Sequence[int], sizes: Sequence[int]
    ) -> Iterator[tuple[Place, Place, Place]]:
        """Each window, each place of the kernel, and the element of the image under it, but for padding."""
        for window in windows:
            for tap in numpy.ndindex(*kernel):
                settings = zip(window, tap, self.strides, self.dilation, self.padding, strict=True)
                place = tuple(s * i + d * k - before for i, k, s, d, (before, _) in settings)
                if all(0 <= i < size for i, size in zip(place, sizes, strict=True)):
                    yield window, tap, place

    @classmethod
    def drawn(cls) -> Iterator[tuple[Settings, numpy.ndarray, numpy.ndarray, numpy.ndarray]]:
        """Of each case: the attributes that all share, an image, a kernel, and an array with an element per output."""
        draw = numpy.random.default_rng(11).normal
        for x, w, strides, padding, dilation, groups in CASES:
            windows = map(count, x[1:-1], w[:-2], strides, padding, dilation)
            yield (strides, padding, dilation, groups), draw(size=x), draw(size=w), draw(size=(x[0], *windows, w[-1]))
