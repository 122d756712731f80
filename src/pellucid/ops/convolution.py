"""Convolution over one or two spatial axes, and the two ops that its derivatives are made of.

Images are channels-last, x [b, *sizes, c]; kernels are Keras's, w [*kernel, c/groups, m]; y is [b, *windows, m]. As
everywhere in deep learning the kernel is not mirrored (a cross-correlation). All three ops sum the same products over
other indices, so that the derivatives of each are the other two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from pellucid.core.graph import Array, Node, Tensor
from pellucid.core.op import Sample
from pellucid.core.spec import Shape, Spec, known, show_shape
from pellucid.core.terms import Operand, Sum, Term
from pellucid.errors import DtypeError, ShapeError
from pellucid.ops.sliding import Place, Sliding
from pellucid.ops.windows import Pairs, explicit_padding, span

LAYOUTS = {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC")}  # by spatial axes, in XLA's letters


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
            for _, tap, place in self.meetings([tuple(window)], kernel, x.shape[1:-1])
            for c in range(share)
        ]
        return Sum(x[one] * w[other] for one, other in parts)

    @classmethod
    def samples(cls) -> list[Sample]:
        none, flat = numpy.zeros, ((0, 0), (0, 0))
        plain, grouped = cls((1, 1), flat, (1, 1), 1), cls((1, 1), flat, (1, 1), 2)
        unmoved, cut = cls((0, 1), flat, (1, 1), 1), cls((1,), ((-1, 0),), (1,), 1)
        sequence = cls((1,), ((0, 0),), (1,), 1)
        return [
            *(Sample(cls(*given), (x, w)) for given, x, w, _ in cls.drawn()),
            Sample(plain, (none((1, 2, 2, 1)), none((3, 3, 1, 1))), error=ShapeError),
            Sample(plain, (none((1, 4, 4, 3)), none((3, 3, 1, 1))), error=ShapeError),
            Sample(plain, (none((1, 4, 4)), none((3, 3, 1, 1))), error=ShapeError),
            Sample(grouped, (none((1, 3, 3, 3)), none((1, 1, 1, 2))), error=ShapeError),
            Sample(unmoved, (none((1, 3, 3, 1)), none((1, 1, 1, 1))), error=ShapeError),
            Sample(cut, (none((1, 3, 1)), none((1, 1, 1))), error=ShapeError),
            Sample(sequence, (none((1, 3, 1), "int32"), none((1, 1, 1), "int32")), error=DtypeError),
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
        windows = self.windows([g, w], self.sizes, kernel)
        self.check_windows([g, w], windows, g.shape[1:-1])
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
            for window, tap, place in self.meetings(numpy.ndindex(g.shape[1:-1]), kernel, self.sizes)
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
        self.check_windows([x, g], windows, g.shape[1:-1])
        if None not in (x.shape[0], g.shape[0]) and x.shape[0] != g.shape[0]:
            raise self.wrong_shape([x, g], "both need the same batch")
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
            for window, tap, place in self.meetings(numpy.ndindex(g.shape[1:-1]), self.sizes, x.shape[1:-1])
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
