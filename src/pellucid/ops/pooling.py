"""Pooling: the largest or the average element of every window of an image, over one or two spatial axes.

Images are channels-last, [b, *spatial, c]. A window starts at stride·o - before on each spatial axis; what it covers of
the padding counts neither as a maximum nor in the average. Each op's adjoint stands beside it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy

from pellucid.core.graph import Array, Node, Tensor, tensor
from pellucid.core.op import Op, Sample
from pellucid.core.spec import Shape, Spec, known, show_shape
from pellucid.core.terms import Apply, Element, Largest, Number, Operand, Product, Sum, Term
from pellucid.errors import DtypeError, ShapeError
from pellucid.ops.comparisons import equal, logical_and, logical_not, where
from pellucid.ops.shape import Slice, pad
from pellucid.ops.windows import Pairs, count, explicit_padding

Place = tuple[int, ...]
Geometry = tuple[tuple[int, ...], tuple[int, ...], Pairs]  # window, strides, padding
Padding = str | Pairs


@dataclass(frozen=True)
class Pooling(Op):
    """What pooling ops share: windows, given for each spatial axis by size, stride and (before, after) of padding."""

    window: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Pairs

    def geometry(self) -> Iterator[tuple[int, int, tuple[int, int]]]:
        return zip(self.window, self.strides, self.padding, strict=True)

    def sizes_of(self, x: Spec, *others: Spec) -> tuple[int | None, ...]:
        """The spatial sizes that pooling gives an image; raises `ShapeError` where the windows do not fit it."""
        specs = (x, *others)
        rank = len(self.window)
        if rank not in (1, 2) or not len(self.strides) == len(self.padding) == rank:
            raise self.wrong_shape(specs, "give one window size, stride and padding for each of 1 or 2 spatial axes")
        if x.rank != rank + 2:
            raise self.wrong_shape(specs, f"x needs {rank + 2} axes: batch, {rank} spatial, channels")
        sizes: list[int | None] = []
        for size, (window, stride, (before, after)) in zip(x.shape[1:-1], self.geometry(), strict=True):
            if window < 1 or stride < 1:
                raise self.wrong_shape(specs, "window sizes and strides must be at least 1")
            if not (0 <= before < window and 0 <= after < window):
                raise self.wrong_shape(specs, f"padding {(before, after)} must be smaller than the window of {window}")
            number = None if size is None else count(size, window, stride, (before, after), dilation=1)
            if number is not None and number < 1:
                raise self.wrong_shape(
                    specs,
                    f"a window of {window} is larger than an axis of {size}; use a smaller pool_size or padding='same'",
                )
            sizes.append(number)
        return tuple(sizes)

    def padded(self, np: Any, x: Array, value: float) -> Array:
        return np.pad(x, ((0, 0), *self.padding, (0, 0)), constant_values=value)

    def offsets(self, outputs: Sequence[int]) -> Iterator[tuple[slice, ...]]:
        """For each place in a window, in row-major order, the elements of the padded image that lie there."""
        for offset in itertools.product(*map(range, self.window)):
            steps = zip(offset, self.strides, outputs, strict=True)
            yield (slice(None), *(slice(at, at + stride * (number - 1) + 1, stride) for at, stride, number in steps))

    def combined(self, padded: Array, outputs: Sequence[int], combine: Any) -> Array:
        """All elements of every window of a padded image, combined into one."""
        return reduce(combine, (padded[place] for place in self.offsets(outputs)))

    def counts(self, np: Any, sizes: Sequence[int], outputs: Sequence[int], dtype: Any) -> Array:
        """How many elements of an image each window covers: [1, *outputs, 1]."""
        return self.combined(self.padded(np, np.ones((1, *sizes, 1), dtype), 0.0), outputs, np.add)

    def covered(self, place: Place, sizes: Sequence[int]) -> list[Place]:
        """The elements of the image in the window at a place of the output, in row-major order."""
        ranges = [
            range(max(0, at * stride - before), min(size, at * stride - before + window))
            for at, size, (window, stride, (before, _)) in zip(place, sizes, self.geometry(), strict=True)
        ]
        return list(itertools.product(*ranges))

    def covering(self, place: Place, outputs: Sequence[int]) -> list[Place]:
        """The places of the output whose windows hold an element of the image."""
        ranges = [
            range(max(0, -(-(at + before - window + 1) // stride)), min(number, (at + before) // stride + 1))
            for at, number, (window, stride, (before, _)) in zip(place, outputs, self.geometry(), strict=True)
        ]
        return list(itertools.product(*ranges))

    @classmethod
    def cases(cls) -> list[tuple[Geometry, tuple[int, ...]]]:
        """(window, strides, padding) and the shape of an image, to make samples of."""
        none = ((0, 0), (0, 0))
        return [
            (((2, 2), (2, 2), none), (2, 4, 6, 3)),
            (((2, 2), (2, 2), none), (1, 5, 7, 17)),
            (((3, 3), (2, 2), ((0, 1), (1, 1))), (2, 4, 5, 2)),
            (((3, 2), (1, 1), ((1, 1), (0, 1))), (1, 3, 4, 2)),
            (((2, 1), (3, 2), none), (2, 6, 5, 1)),
            (((1, 1), (1, 1), none), (2, 1, 1, 3)),
            (((2, 2), (2, 2), none), (0, 4, 4, 3)),
            (((2,), (2,), ((0, 0),)), (3, 7, 2)),
            (((3,), (2,), ((1, 1),)), (2, 1, 4)),
            (((2, 2), (2, 2), none), (4, 24, 24, 6)),
            (((3, 3), (2, 2), ((0, 1), (0, 1))), (3, 16, 16, 33)),
        ]

    @classmethod
    def refusals(cls) -> list[tuple[Geometry, tuple[int, ...]]]:
        """The same of what must be refused."""
        none = ((0, 0), (0, 0))
        return [
            (((2, 2), (2, 2), none), (2, 1, 4, 3)),
            (((2, 2), (2, 2), none), (2, 4, 3)),
            (((2, 0), (2, 2), none), (2, 4, 4, 3)),
            (((2, 2), (2, 2), ((0, 2), (0, 0))), (2, 4, 4, 3)),
            (((2, 2), (2,), none), (2, 4, 4, 3)),
        ]


class Pool(Pooling):
    """What `max_pool` and `average_pool` share. Shapes: [b, *spatial, c] → [b, *outputs, c]."""

    inputs = ("x",)

    def infer(self, x: Spec) -> Spec:
        dtype = self.need_float(x)
        return Spec((x.shape[0], *self.sizes_of(x), x.shape[-1]), dtype)

    def outputs(self, x: Array) -> tuple[int, ...]:
        return known(self.sizes_of(Spec(x.shape)))

    def elements(self, index: Place, x: Operand) -> list[Element]:
        """The input elements behind one output element."""
        return [x[_at(index, at)] for at in self.covered(index[1:-1], x.shape[1:-1])]

    @classmethod
    def samples(cls) -> list[Sample]:
        draw = numpy.random.default_rng(21).normal
        return [
            *(Sample(cls(*geometry), (draw(size=shape),)) for geometry, shape in cls.cases()),
            Sample(cls((2, 2), (1, 2), ((0, 0), (0, 0))), (draw(size=(4, 5, 3, 2)).transpose(3, 1, 0, 2),)),
            *(Sample(cls(*geometry), (draw(size=shape),), error=ShapeError) for geometry, shape in cls.refusals()),
            Sample(cls((2,), (2,), ((0, 0),)), (numpy.ones((1, 4, 1), numpy.int32),), error=DtypeError),
        ]


class MaxPool(Pool):
    """The largest element of each window."""

    name, formula, latex = "max_pool", "y[o] = maxₖ x[stride·o + k]", r"y_o = \max_k x_{s o + k}"

    def forward(self, np: Any, x: Array) -> Array:
        return self.combined(self.padded(np, x, -numpy.inf), self.outputs(x), np.maximum)

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        return (MaxPoolGradient(**self.attributes)(*node.inputs, *gradients),)

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        return Largest(self.elements(index, operands[0]))

    @classmethod
    def samples(cls) -> list[Sample]:
        ties = numpy.array([1.0, 3.0, 3.0, -2.0, -2.0, -numpy.inf]).reshape(1, 6, 1)
        return [*super().samples(), Sample(cls((3,), (3,), ((0, 0),)), (ties,), differentiable=False)]


class AveragePool(Pool):
    """The average of each window, over those of its elements that lie in the image."""

    name, formula, latex = "average_pool", "y[o] = meanₖ x[stride·o + k]", r"y_o = \frac{1}{n} \sum_k x_{s o + k}"

    def forward(self, np: Any, x: Array) -> Array:
        outputs = self.outputs(x)
        total = self.combined(self.padded(np, x, 0.0), outputs, np.add)
        return total / self.counts(np, x.shape[1:-1], outputs, x.dtype)

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        sizes = known(node.inputs[0].shape[1:-1])
        return (AveragePoolGradient(**self.attributes, sizes=sizes)(gradients[0]),)

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        elements = self.elements(index, operands[0])
        return Product([Sum(elements), Number(1 / len(elements))])


class PoolGradient(Pooling):
    """What the adjoints share: each window's g goes back to elements of the image."""

    def spread(self, np: Any, parts: Iterable[Array], shape: Sequence[int], g: Array) -> Array:
        """The sum of the parts, one for each place in a window, put where they lie in the image."""
        sizes = [size + low + high for size, (low, high) in zip(shape[1:-1], self.padding, strict=True)]
        result = np.zeros((shape[0], *sizes, shape[-1]), g.dtype)
        for place, part in zip(self.offsets(g.shape[1:-1]), parts, strict=True):
            if np is numpy:
                result[place] += part
            else:
                result = result.at[place].add(part)  # JAX's arrays do not change
        spatial = zip(shape[1:-1], self.padding, strict=True)
        inner = (slice(None), *(slice(low, low + size) for size, (low, _) in spatial))
        return result[inner]


class MaxPoolGradient(PoolGradient):
    """The derivative of `max_pool`: g goes to the first largest element of each window, in row-major order.

    Shapes: x [b, *spatial, c], g [b, *outputs, c] → [b, *spatial, c]. A window that holds NaN passes nothing on.
    """

    name, inputs = "max_pool_gradient", ("x", "g")
    formula = "dx[i] = Σ g[o] over the windows o whose first maximum is x[i]"
    latex = r"\partial x_i = \sum_{o: i = \arg\max_k x_{s o + k}} \partial y_o"

    def infer(self, x: Spec, g: Spec) -> Spec:
        dtype = self.need_float(x, g)
        wanted = (x.shape[0], *self.sizes_of(x, g), x.shape[-1])
        if g.shape != wanted:
            raise self.wrong_shape([x, g], f"g must have the shape {show_shape(wanted)} of the pooled image")
        return Spec(x.shape, dtype)

    def forward(self, np: Any, x: Array, g: Array) -> Array:
        return self.spread(np, self._given(np, x, g), x.shape, g)

    def _given(self, np: Any, x: Array, g: Array) -> Iterator[Array]:
        """For each place in a window, g where the first maximum lies there, else 0."""
        outputs, zero = g.shape[1:-1], np.zeros((), g.dtype)
        largest = self.combined(self.padded(np, x, -numpy.inf), outputs, np.maximum)
        padded = self.padded(np, x, numpy.nan)  # which equals nothing
        for place in self.offsets(outputs):
            chosen = padded[place] == largest
            yield np.where(chosen, g, zero)
            g = np.where(chosen, zero, g)

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        """Of g: what the derivative of dx is at the first maximum of each window. x moves nothing but by jumps."""
        (h,), (x, g) = gradients, node.inputs
        outputs, around = known(g.shape[1:-1]), ((0, 0), *self.padding, (0, 0))
        inside = self.padded(numpy, numpy.ones((1, *known(x.shape[1:-1]), 1), bool), False)
        largest, padded, spread = MaxPool(**self.attributes)(x), pad(x, around), pad(h, around)
        searching, picked = equal(largest, largest), tensor(0.0, x.spec)  # a window with NaN has no maximum
        for place in self.offsets(outputs):
            here = logical_and(equal(_part(padded, place), largest), inside[place])
            chosen = logical_and(searching, here)
            picked = where(chosen, _part(spread, place), picked)
            searching = logical_and(searching, logical_not(here))
        return None, picked

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        x, g = operands
        parts: list[Term] = []
        for place in self.covering(index[1:-1], g.shape[1:-1]):
            covered = self.covered(place, x.shape[1:-1])
            first = _gives_to(covered.index(index[1:-1]))
            elements = [x[_at(index, at)] for at in covered]
            parts.append(Apply("first_maximum", first, g[_at(index, place)], *elements))
        return Sum(parts)

    @classmethod
    def samples(cls) -> list[Sample]:
        draw = numpy.random.default_rng(22).normal
        ties = numpy.array([1.0, 3.0, 3.0, -2.0, -2.0, -numpy.inf]).reshape(1, 6, 1)
        first = cls((2, 2), (2, 2), ((0, 0), (0, 0)))
        return [
            *(
                Sample(cls(*geometry), (draw(size=shape), draw(size=_pooled(geometry, shape))))
                for geometry, shape in cls.cases()
            ),
            Sample(cls((3,), (3,), ((0, 0),)), (ties, draw(size=(1, 2, 1))), differentiable=False),
            *(
                Sample(cls(*geometry), (draw(size=shape), draw(size=(2, 2, 2, 3))), error=ShapeError)
                for geometry, shape in cls.refusals()
            ),
            Sample(first, (draw(size=(2, 4, 4, 3)), draw(size=(2, 3, 2, 3))), error=ShapeError),
        ]


@dataclass(frozen=True)
class AveragePoolGradient(PoolGradient):
    """The derivative of `average_pool`: g goes in equal shares to the elements of each window.

    Shapes: g [b, *outputs, c] → [b, *sizes, c].
    """

    sizes: tuple[int, ...]
    name, inputs = "average_pool_gradient", ("g",)
    formula = "dx[i] = Σ g[o] / n[o] over the windows o that hold x[i]"
    latex = r"\partial x_i = \sum_{o \ni i} \frac{1}{n_o} \partial y_o"

    def infer(self, g: Spec) -> Spec:
        dtype = self.need_float(g)
        x = Spec((g.shape[0], *self.sizes, g.shape[-1]), dtype) if g.rank else g
        wanted = self.sizes_of(x)
        if g.shape[1:-1] != wanted:
            raise self.wrong_shape([g], f"the windows of an image of {show_shape(self.sizes)} are {show_shape(wanted)}")
        return x

    def forward(self, np: Any, g: Array) -> Array:
        part = g / self.counts(np, self.sizes, g.shape[1:-1], g.dtype)
        shape = (g.shape[0], *self.sizes, g.shape[-1])
        return self.spread(np, itertools.repeat(part, math.prod(self.window)), shape, g)

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        return (AveragePool(self.window, self.strides, self.padding)(gradients[0]),)

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        (g,) = operands
        return Sum(
            Product([g[_at(index, place)], Number(1 / len(self.covered(place, self.sizes)))])
            for place in self.covering(index[1:-1], g.shape[1:-1])
        )

    @classmethod
    def samples(cls) -> list[Sample]:
        draw = numpy.random.default_rng(23).normal
        return [
            *(
                Sample(cls(*geometry, shape[1:-1]), (draw(size=_pooled(geometry, shape)),))
                for geometry, shape in cls.cases()
            ),
            *(
                Sample(cls(*geometry, shape[1:-1]), (draw(size=(2, 2, 2, 3)),), error=ShapeError)
                for geometry, shape in cls.refusals()
            ),
            Sample(cls((2,), (2,), ((0, 0),), (5,)), (draw(size=(2, 3, 1)),), error=ShapeError),
        ]


def _pooled(geometry: Geometry, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of an image once pooled."""
    return known(MaxPool(*geometry).infer(Spec(shape)).shape)


def _at(index: Place, place: Place) -> Place:
    """An index of the same example and channel at another place."""
    return (index[0], *place, index[-1])


def _gives_to(place: int) -> Callable[..., float]:
    """What a window with g gives to its element at a place: g where that is the first maximum, else 0."""
    return lambda g, *elements: g if elements.index(max(elements)) == place else 0.0


def _part(x: Tensor, place: tuple[slice, ...]) -> Tensor:
    """Some elements along the spatial axes."""
    parts = [(part.start, part.stop, part.step) for part in place[1:]]
    start, stop, step = zip((0, None, 1), *parts, (0, x.shape[-1], 1), strict=True)
    return Slice(start, stop, step)(x)


def max_pool(
    x: Tensor, window: Sequence[int], strides: Sequence[int] | None = None, padding: Padding = "valid"
) -> Tensor:
    """The largest element of each window. Windows stand side by side where no strides are given.

    `padding` is `valid`, `same`, or (before, after) for each spatial axis.

    >>> from pellucid.core.sources import feed
    >>> max_pool(feed((None, 28, 28, 3)), (2, 2)).shape
    (None, 14, 14, 3)
    """
    return MaxPool(*_settings(x.shape[1:-1], window, strides, padding))(x)


def average_pool(
    x: Tensor, window: Sequence[int], strides: Sequence[int] | None = None, padding: Padding = "valid"
) -> Tensor:
    """The average of each window, over those of its elements that lie in the image; arguments as in `max_pool`.

    >>> from pellucid.core.graph import tensor
    >>> average_pool(tensor([[[1.0], [3.0], [5.0], [9.0]]]), [2]).numpy()[0, :, 0]
    array([2., 7.])
    """
    return AveragePool(*_settings(x.shape[1:-1], window, strides, padding))(x)


def max_pool_gradient(
    x: Tensor, g: Tensor, window: Sequence[int], strides: Sequence[int] | None = None, padding: Padding = "valid"
) -> Tensor:
    """g of each window at its first largest element, in row-major order, added up over windows."""
    return MaxPoolGradient(*_settings(x.shape[1:-1], window, strides, padding))(x, g)


def average_pool_gradient(
    g: Tensor,
    sizes: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: Padding = "valid",
) -> Tensor:
    """g of each window in equal shares over its elements, added up over windows, for an image of spatial `sizes`."""
    return AveragePoolGradient(*_settings(tuple(sizes), window, strides, padding), tuple(sizes))(g)


def _settings(sizes: Shape, window: Sequence[int], strides: Sequence[int] | None, padding: Padding) -> Geometry:
    steps = tuple(window if strides is None else strides)
    if isinstance(padding, str):
        padding = explicit_padding(padding, sizes, window, steps, (1,) * len(window))
    return tuple(window), steps, padding
