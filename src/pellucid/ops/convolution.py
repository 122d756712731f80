"""Convolution over one or two spatial axes, and the two ops that its derivatives are made of.

Images are channels-last, x [b, *sizes, c]; kernels are Keras's, w [*kernel, c/groups, m]; y is [b, *windows, m]. As
everywhere in deep learning the kernel is not mirrored (a cross-correlation). All three ops sum the same products over
other indices, so that the derivatives of each are the other two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy

from pellucid.core.graph import Array, Node, Tensor
from pellucid.core.op import Op, Sample
from pellucid.core.spec import Shape, Spec, known, show_shape
from pellucid.core.terms import Operand, Sum, Term
from pellucid.errors import DtypeError, ShapeError
from pellucid.ops.windows import Pairs, count, explicit_padding, span

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
LAYOUTS = {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC")}  # by spatial axes, in XLA's letters


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
        if rank not in LAYOUTS or not all(len(given) == rank for given in (sizes, self.strides, self.padding)):
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
        if any(None not in pair and pair[0] != pair[1] for pair in zip(windows, given, strict=True)):
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

    # Derivatives: in y = convolution(x, w), of the sum of g·y

    def by_windows(self, x: Tensor, w: Tensor) -> Tensor:
        """By g."""
        return Convolution(self.strides, self.padding, self.dilation, self.groups)(x, w)

    def by_image(self, g: Tensor, w: Tensor, x: Tensor) -> Tensor:
        """By x."""
        sizes = known(x.shape[1:-1])
        return ConvolutionInputGradient(self.strides, self.padding, self.dilation, self.groups, sizes)(g, w)

    def by_kernel(self, x: Tensor, g: Tensor, w: Tensor) -> Tensor:
        """By w."""
        sizes = known(w.shape[:-2])
        return ConvolutionKernelGradient(self.strides, self.padding, self.dilation, self.groups, sizes)(x, g)

    # Terms and samples

    def meetings(self, sizes: Sequence[int], kernel: Sequence[int]) -> Iterator[tuple[Place, Place, Place]]:
        """Which element of the image each window has under each place of the kernel, but for padding: all three."""
        for window in numpy.ndindex(*self.counts(sizes, kernel)):
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


class Convolution(Sliding):
    """The sum of each window of the image times the kernel. Shapes: [b, *n, c], [*k, c/groups, m] → [b, *windows, m].

    Along each spatial axis there are ⌊(n + padding - dilation·(k - 1) - 1) / stride⌋ + 1 windows.
    """

    name, inputs = "convolution", ("x", "w")
    formula = "y[b,i,m] = Σₖ꜀ x[b, s·i + d·k - p, c]·w[k,c,m], for images i and k are pairs"
    latex = r"y_{bim} = \sum_{k,c} x_{b,\,si+dk-p,\,c}\, w_{kcm}"

    def infer(self, x: Spec, w: Spec) -> Spec:
        dtype, kernel = self.need_float(x, w), known(w.shape[:-2])
        windows = self.windows([x, w], x.shape[1:-1], kernel)
        c, share, m = known((x.shape[-1], *w.shape[-2:]))
        self.check_groups([x, w], c, m)
        if c != share * self.groups:
            each = f" in each of {self.groups} groups" if self.groups > 1 else ""
            raise self.wrong_shape([x, w], f"the image has {c} channels, its last axis, but the kernel {share}{each}")
        return Spec((x.shape[0], *windows, m), dtype)

    def forward(self, np: Any, x: Array, w: Array) -> Array:
        kernel = w.shape[:-2]
        windows = self.counts(x.shape[1:-1], kernel)
        return self.join(np.matmul(self.columns(x, kernel, windows), self.split(w)), (len(x), *windows))

    def xla(self, jnp: Any, lax: Any, x: Array, w: Array) -> Array:
        return lax.conv_general_dilated(
            x, w, self.strides, self.padding, rhs_dilation=self.dilation, feature_group_count=self.groups,
            dimension_numbers=LAYOUTS[len(self.strides)],
        )  # fmt: skip

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        (g,), (x, w) = gradients, node.inputs
        return self.by_image(g, w, x), self.by_kernel(x, g, w)

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        (x, w), (b, *window, m) = operands, index
        *kernel, share, filters = w.shape
        first = m // (filters // self.groups) * share
        parts = [
            ((b, *place, first + c), (*tap, c, m))
            for at, tap, place in self.meetings(x.shape[1:-1], kernel)
            if at == tuple(window)
            for c in range(share)
        ]
        return Sum(x[one] * w[other] for one, other in parts)

    @classmethod
    def samples(cls) -> list[Sample]:
        one, none = ((1, 1), ((0, 0), (0, 0)), (1, 1), 1), numpy.zeros
        return [
            *(Sample(cls(*given), (x, w)) for given, x, w, _ in cls.drawn()),
            Sample(cls(*one), (none((1, 2, 2, 1)), none((3, 3, 1, 1))), error=ShapeError),
            Sample(cls(*one), (none((1, 4, 4, 3)), none((3, 3, 1, 1))), error=ShapeError),
            Sample(cls(*one), (none((1, 4, 4)), none((3, 3, 1, 1))), error=ShapeError),
            Sample(
                cls((1, 1), ((0, 0), (0, 0)), (1, 1), 2), (none((1, 3, 3, 3)), none((1, 1, 1, 2))), error=ShapeError
            ),
            Sample(
                cls((0, 1), ((0, 0), (0, 0)), (1, 1), 1), (none((1, 3, 3, 1)), none((1, 1, 1, 1))), error=ShapeError
            ),
            Sample(cls((1,), ((-1, 0),), (1,), 1), (none((1, 3, 1)), none((1, 1, 1))), error=ShapeError),
            Sample(
                cls((1,), ((0, 0),), (1,), 1), (none((1, 3, 1), "int32"), none((1, 1, 1), "int32")), error=DtypeError
            ),
        ]


@dataclass(frozen=True)
class ConvolutionInputGradient(Sliding):
    """The adjoint of `convolution` in its image of `sizes`: a transposed convolution.

    Each element of g spreads, times the kernel, over its window. Shapes: [b, *windows, m], [*k, c/groups, m] →
    [b, *sizes, c]. Zeiler et al. 2010, Deconvolutional Networks.
    """

    sizes: tuple[int, ...]
    name, inputs = "convolution_input_gradient", ("g", "w")
    formula = "y[b,n,c] = Σ g[b,i,m]·w[k,c,m] over all i, k, m with s·i + d·k - p = n, for images i, k and n are pairs"
    latex = r"y_{bnc} = \sum_{i,k,m:\ si+dk-p=n} g_{bim}\, w_{kcm}"

    def infer(self, g: Spec, w: Spec) -> Spec:
        dtype, kernel = self.need_float(g, w), known(w.shape[:-2])
        self.check_windows([g, w], self.windows([g, w], self.sizes, kernel), g.shape[1:-1])
        share, m = known(w.shape[-2:])
        self.check_groups([g, w], share * self.groups, m)
        if g.shape[-1] != m:
            raise self.wrong_shape([g, w], f"g has {g.shape[-1]} filters, its last axis, but the kernel {m}")
        return Spec((g.shape[0], *self.sizes, share * self.groups), dtype)

    def forward(self, np: Any, g: Array, w: Array) -> Array:
        columns = np.matmul(self.split(g), self.split(w).transpose(0, 2, 1))
        return self.image(columns, self.sizes, w.shape[:-2], g.shape[1:-1])

    def xla(self, jnp: Any, lax: Any, g: Array, w: Array) -> Array:
        """A convolution of g, with stride - 1 zeros between its elements, with the kernel mirrored."""
        *kernel, share, m = w.shape
        mirrored = jnp.flip(w, tuple(range(len(kernel)))).reshape(*kernel, share, self.groups, m // self.groups)
        swapped = jnp.moveaxis(mirrored, -1, -3).swapaxes(-1, -2).reshape(*kernel, m // self.groups, -1)
        padding = []
        for n, k, s, (before, _), d, i in zip(
            self.sizes, kernel, self.strides, self.padding, self.dilation, g.shape[1:-1], strict=True
        ):
            low = span(k, d) - 1 - before
            padding.append((low, n + span(k, d) - 1 - span(i, s) - low))
        return lax.conv_general_dilated(
            g, swapped, (1,) * len(kernel), padding, lhs_dilation=self.strides, rhs_dilation=self.dilation,
            feature_group_count=self.groups, dimension_numbers=LAYOUTS[len(kernel)],
        )  # fmt: skip

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        (u,), (g, w) = gradients, node.inputs
        return self.by_windows(u, w), self.by_kernel(u, g, w)

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        (g, w), (b, *at, c) = operands, index
        *kernel, share, filters = w.shape
        each = filters // self.groups
        group, own = divmod(c, share)
        parts = [
            ((b, *window, m), (*tap, own, m))
            for window, tap, place in self.meetings(self.sizes, kernel)
            if place == tuple(at)
            for m in range(group * each, (group + 1) * each)
        ]
        return Sum(g[one] * w[other] for one, other in parts)

    @classmethod
    def samples(cls) -> list[Sample]:
        plain, none = ((1,), ((0, 0),), (1,), 1), numpy.zeros
        return [
            *(Sample(cls(*given, x.shape[1:-1]), (g, w)) for given, x, w, g in cls.drawn()),
            Sample(cls(*plain, (5,)), (none((1, 4, 1)), none((3, 1, 1))), error=ShapeError),
            Sample(cls(*plain, (5,)), (none((1, 3, 2)), none((3, 1, 1))), error=ShapeError),
            Sample(cls(*plain, (2,)), (none((1, 0, 1)), none((3, 1, 1))), error=ShapeError),
            Sample(cls(*plain, (5,)), (none((1, 3, 1), "int32"), none((3, 1, 1), "int32")), error=DtypeError),
        ]


@dataclass(frozen=True)
class ConvolutionKernelGradient(Sliding):
    """The derivative of `convolution` by its kernel of `sizes`: how each place of it meets the image, weighted by g.

    Shapes: [b, *n, c], [b, *windows, m] → [*sizes, c/groups, m].
    """

    sizes: tuple[int, ...]
    name, inputs = "convolution_kernel_gradient", ("x", "g")
    formula = "y[k,c,m] = Σ_b,i x[b, s·i + d·k - p, c]·g[b,i,m], for images i and k are pairs"
    latex = r"y_{kcm} = \sum_{b,i} x_{b,\,si+dk-p,\,c}\, g_{bim}"

    def infer(self, x: Spec, g: Spec) -> Spec:
        dtype = self.need_float(x, g)
        windows = self.windows([x, g], x.shape[1:-1], self.sizes)
        if g.rank != x.rank or (None not in (x.shape[0], g.shape[0]) and x.shape[0] != g.shape[0]):
            raise self.wrong_shape([x, g], "both need the same batch and number of axes")
        self.check_windows([x, g], windows, g.shape[1:-1])
        c, m = known((x.shape[-1], g.shape[-1]))
        self.check_groups([x, g], c, m)
        return Spec((*self.sizes, c // self.groups, m), dtype)

    def forward(self, np: Any, x: Array, g: Array) -> Array:
        columns = self.columns(x, self.sizes, g.shape[1:-1])
        return self.join(
            np.matmul(columns.transpose(0, 2, 1), self.split(g)), (*self.sizes, x.shape[-1] // self.groups)
        )

    def xla(self, jnp: Any, lax: Any, x: Array, g: Array) -> Array:
        """A convolution of x with g as its kernel: strides and dilation, channels and batch change places."""
        settings = zip(x.shape[1:-1], self.sizes, self.strides, self.padding, self.dilation, g.shape[1:-1], strict=True)
        padding = [(before, span(k, d) - 1 + span(i, s) - n - before) for n, k, s, (before, _), d, i in settings]
        image, kernel, result = (("CWN", "IWO", "WNC"), ("CHWN", "IHWO", "HWNC"))[len(self.sizes) - 1]
        return lax.conv_general_dilated(
            x, g, self.dilation, padding, rhs_dilation=self.strides, batch_group_count=self.groups,
            dimension_numbers=(image, kernel, result),
        )  # fmt: skip

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        (u,), (x, g) = gradients, node.inputs
        return self.by_image(g, u, x), self.by_windows(x, u)

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        (x, g), (*at, c, m) = operands, index
        channels, filters = x.shape[-1], g.shape[-1]
        channel = m // (filters // self.groups) * (channels // self.groups) + c
        parts = [
            ((b, *place, channel), (b, *window, m))
            for b in range(x.shape[0])
            for window, tap, place in self.meetings(x.shape[1:-1], self.sizes)
            if tap == tuple(at)
        ]
        return Sum(x[one] * g[other] for one, other in parts)

    @classmethod
    def samples(cls) -> list[Sample]:
        plain, none = ((1,), ((0, 0),), (1,), 1), numpy.zeros
        return [
            *(Sample(cls(*given, w.shape[:-2]), (x, g)) for given, x, w, g in cls.drawn()),
            Sample(cls(*plain, (3,)), (none((1, 5, 1)), none((1, 4, 1))), error=ShapeError),
            Sample(cls(*plain, (3,)), (none((1, 5, 1)), none((2, 3, 1))), error=ShapeError),
            Sample(cls(*plain, (6,)), (none((1, 5, 1)), none((1, 0, 1))), error=ShapeError),
            Sample(cls(*plain, (3,)), (none((1, 5, 1), "int32"), none((1, 3, 1), "int32")), error=DtypeError),
        ]


Spatial = int | Sequence[int]
Padding = str | Pairs


def convolution(
    x: Tensor,
    w: Tensor,
    strides: Spatial = 1,
    padding: Padding = "valid",
    dilation: Spatial = 1,
    groups: int = 1,
) -> Tensor:
    """Each window of the image times the kernel, summed.

    `padding` is `valid`, `same`, `causal`, or (before, after) for each spatial axis.

    >>> from pellucid.core.sources import feed
    >>> convolution(feed((None, 28, 28, 1)), feed((3, 3, 1, 8)), strides=2, padding="same").shape
    (None, 14, 14, 8)
    """
    return Convolution(*_settings(x.shape[1:-1], w.shape[:-2], strides, padding, dilation), groups)(x, w)


def convolution_input_gradient(
    g: Tensor,
    w: Tensor,
    sizes: Sequence[int],
    strides: Spatial = 1,
    padding: Padding = "valid",
    dilation: Spatial = 1,
    groups: int = 1,
) -> Tensor:
    """The adjoint of `convolution` in its image, whose spatial sizes are given: a transposed convolution.

    >>> from pellucid.core.sources import feed
    >>> convolution_input_gradient(feed((None, 7, 7, 8)), feed((3, 3, 1, 8)), (14, 14), 2, "same").shape
    (None, 14, 14, 1)
    """
    steps, pairs, apart = _settings(tuple(sizes), w.shape[:-2], strides, padding, dilation)
    return ConvolutionInputGradient(steps, pairs, apart, groups, tuple(sizes))(g, w)


def convolution_kernel_gradient(
    x: Tensor,
    g: Tensor,
    sizes: Sequence[int],
    strides: Spatial = 1,
    padding: Padding = "valid",
    dilation: Spatial = 1,
    groups: int = 1,
) -> Tensor:
    """The derivative of `convolution` by its kernel, whose spatial sizes are given."""
    steps, pairs, apart = _settings(x.shape[1:-1], tuple(sizes), strides, padding, dilation)
    return ConvolutionKernelGradient(steps, pairs, apart, groups, tuple(sizes))(x, g)


def _settings(
    sizes: Shape, kernel: Shape, strides: Spatial, padding: Padding, dilation: Spatial
) -> tuple[Place, Pairs, Place]:
    """Strides, padding and dilation for each spatial axis."""
    rank = len(sizes)
    if len(kernel) != rank:
        raise ShapeError(
            f"convolution over an image of spatial sizes {show_shape(sizes)} cannot take a kernel of "
            f"{show_shape(kernel)}; give the image [batch, *spatial, channels] as many axes as the kernel has"
        )
    steps = (strides,) * rank if isinstance(strides, int) else tuple(strides)
    apart = (dilation,) * rank if isinstance(dilation, int) else tuple(dilation)
    pairs = explicit_padding(padding, sizes, known(kernel), steps, apart) if isinstance(padding, str) else padding
    return steps, pairs, apart
