"""Images sampled at places between their pixels: what turning, moving, zooming and resizing are made of.

Images are channels-last, [b, height, width, c]. The element (i, j) of the result is the image at row t₀·i + t₁·j + t₂
and column t₃·i + t₄·j + t₅, where t are the six numbers of its example.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy

from pellucid.core.graph import Array, Node, Tensor, TensorLike, tensors
from pellucid.core.op import Op, Sample
from pellucid.core.spec import Spec, known
from pellucid.core.terms import Apply, Number, Operand, Product, Sum, Term
from pellucid.errors import ShapeError

INTERPOLATIONS = ("nearest", "bilinear")
FILL_MODES = ("constant", "nearest", "reflect", "wrap")
FAR = 1e9  # places beyond lie equally far outside, and still are whole numbers of 32 bits

Tap = tuple[Array, Array, Array]  # rows, columns and weights, each [b, height, width] of the result


@dataclass(frozen=True)
class Sampling(Op):
    """What `affine_sample` and its adjoint share. `sizes` are the spatial sizes of what they make.

    `interpolation`: the `nearest` pixel, or the `bilinear` mean of the four around. `fill_mode`: outside of the image
    lies a `constant`, its `nearest` pixel, its `reflect`ion (d c b a | a b c d | d c b a) or its repetition (`wrap`).
    """

    sizes: tuple[int, int]
    interpolation: str
    fill_mode: str

    def check(self, x: Spec, transform: Spec) -> str:
        dtype = self.need_float(x, transform)
        specs = (x, transform)
        if x.rank != 4 or transform.shape not in ((x.shape[0], 6), (1, 6)):
            raise self.wrong_shape(
                specs, "it needs [batch, height, width, channels] and six numbers for each example, or for all"
            )
        if len(self.sizes) != 2 or self.interpolation not in INTERPOLATIONS or self.fill_mode not in FILL_MODES:
            raise self.wrong_shape(specs, f"it needs height and width, one of {INTERPOLATIONS} and of {FILL_MODES}")
        if 0 in (*x.shape[1:3], *self.sizes):
            raise self.wrong_shape(specs, f"an image needs at least one pixel, also of sizes {self.sizes}")
        return dtype

    def taps(self, np: Any, transform: Array, image: Sequence[int], made: Sequence[int]) -> Iterator[Tap]:
        """The pixels of an image that each place of the result is made of; weight 0 where there is none."""
        i, j = np.arange(made[0], dtype=transform.dtype)[:, None], np.arange(made[1], dtype=transform.dtype)
        t = transform.T[:, :, None, None]
        axes = [
            list(self._along(np, np.clip(a * i + b * j + c, -FAR, FAR), size))
            for (a, b, c), size in zip((t[:3], t[3:]), image, strict=True)
        ]
        for (rows, by_row), (columns, by_column) in itertools.product(*axes):
            yield rows, columns, by_row * by_column

    def _along(self, np: Any, place: Array, size: int) -> Iterator[tuple[Array, Array]]:
        """The pixels on one axis that a place lies on or between, and how much of each it takes."""
        if self.interpolation == "nearest":
            pixels = [(np.sign(place) * np.floor(np.abs(place) + 0.5), np.ones_like(place))]
        else:
            low = np.floor(place)
            pixels = [(low, 1 - (place - low)), (low + 1, place - low)]
        for pixel, weight in pixels:
            at = pixel.astype(np.int32)
            if self.fill_mode == "wrap":
                at = at % size
            elif self.fill_mode == "reflect":
                at = at % (2 * size)
                at = np.where(at < size, at, 2 * size - 1 - at)
            elif self.fill_mode == "constant":
                weight = np.where((at >= 0) & (at < size), weight, np.zeros_like(weight))
            yield np.clip(at, 0, size - 1), weight

    @staticmethod
    def given(transform: Operand, example: int) -> list[Term]:
        """The six numbers of an example."""
        return [transform[min(example, transform.shape[0] - 1), k] for k in range(6)]

    def weight(self, pixel: tuple[int, int], place: tuple[int, int], image: Any, made: Any, given: Any) -> Term:
        """How much of a pixel a place of the result takes, as a term of the six numbers."""

        def total(*numbers: float) -> float:
            taps = self.taps(numpy, numpy.array([numbers]), image, made)
            at = (0, *place)
            return float(sum(weight[at] for rows, columns, weight in taps if (rows[at], columns[at]) == pixel))

        return Apply("weight", total, *given)

    @classmethod
    def cases(cls) -> list[tuple[tuple[int, ...], tuple[int, int], str, str]]:
        """Shapes of images, sizes of what is sampled, interpolations and fill modes, to make samples of."""
        return [
            *(((2, 3, 4, 2), (3, 4), how, fill) for how in INTERPOLATIONS for fill in FILL_MODES),
            ((1, 1, 1, 3), (2, 3), "bilinear", "reflect"),
            ((3, 5, 4, 17), (2, 6), "bilinear", "constant"),
            ((0, 3, 4, 2), (3, 4), "bilinear", "wrap"),
            ((4, 12, 9, 1), (12, 9), "bilinear", "nearest"),
        ]

    @staticmethod
    def transforms(count: int) -> numpy.ndarray:
        draw = numpy.random.default_rng(24).normal
        return numpy.array([1.0, 0, 0, 0, 1, 0]) + draw(size=(count, 6)) * [0.4, 0.4, 2, 0.4, 0.4, 2]


@dataclass(frozen=True)
class AffineSample(Sampling):
    """The image at other places, one affine transform for each example.

    Shapes: x [b, height, width, c], transform [b, 6] or [1, 6] → [b, *sizes, c].
    The transform gets no derivative: it is given.
    """

    fill_value: float = 0.0
    name, inputs = "affine_sample", ("x", "transform")
    formula = "y[i,j] = x at row t₀·i + t₁·j + t₂, column t₃·i + t₄·j + t₅"
    latex = r"y_{ij} = x(t_0 i + t_1 j + t_2,\; t_3 i + t_4 j + t_5)"
    # A place is off by a few units in the last place of its row and column, and x falls or rises by 10 from one pixel
    # to the next at most.
    tolerance: ClassVar = {"float32": 1e-4, "bfloat16": 3e-2, "float64": 1e-12}

    def infer(self, x: Spec, transform: Spec) -> Spec:
        return Spec((x.shape[0], *self.sizes, x.shape[-1]), self.check(x, transform))

    def forward(self, np: Any, x: Array, transform: Array) -> Array:
        examples = np.arange(x.shape[0])[:, None, None]
        y = np.zeros((x.shape[0], *self.sizes, x.shape[-1]), x.dtype)
        outside = np.ones((x.shape[0], *self.sizes, 1), x.dtype)
        for rows, columns, weight in self.taps(np, transform, x.shape[1:3], self.sizes):
            y = y + x[examples, rows, columns] * weight[..., None]
            outside = outside - weight[..., None]
        return y if self.fill_mode != "constant" else y + self.fill_value * outside

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        x, transform = node.inputs
        height, width = known(x.shape[1:3])
        adjoint = AffineSampleGradient((height, width), self.interpolation, self.fill_mode)
        return adjoint(gradients[0], transform), None

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        x, transform = operands
        b, *place, channel = index
        given = self.given(transform, b)
        numbers = numpy.array([[element.value for element in given]])
        taps = list(self.taps(numpy, numbers, x.shape[1:3], self.sizes))
        pixels = {(int(rows[0][tuple(place)]), int(columns[0][tuple(place)])) for rows, columns, _ in taps}
        at = (place[0], place[1])
        weights = {pixel: self.weight(pixel, at, x.shape[1:3], self.sizes, given) for pixel in sorted(pixels)}
        parts: list[Term] = [Product([weight, x[b, r, s, channel]]) for (r, s), weight in weights.items()]
        outside = self.fill_value * (1 - sum(weight.value for weight in weights.values()))
        return Sum([*parts, Number(outside if self.fill_mode == "constant" else 0.0)])

    @classmethod
    def samples(cls) -> list[Sample]:
        draw = numpy.random.default_rng(25).normal
        image, transforms = draw(size=(2, 3, 4, 1)), cls.transforms(2)
        good = cls((3, 4), "bilinear", "constant")
        return [
            *(
                Sample(cls(sizes, how, fill, 0.5), (draw(size=shape), cls.transforms(shape[0])), differentiable=False)
                for shape, sizes, how, fill in cls.cases()
            ),
            Sample(good, (image, transforms[:1]), differentiable=False),
            Sample(good, (image, transforms[:, :5]), error=ShapeError),
            Sample(good, (image[0], transforms), error=ShapeError),
            Sample(good, (image[:, :0], transforms), error=ShapeError),
            Sample(cls((3, 4), "cubic", "constant"), (image, transforms), error=ShapeError),
            Sample(cls((3, 4), "bilinear", "mirror"), (image, transforms), error=ShapeError),
        ]


class AffineSampleGradient(Sampling):
    """The adjoint of `affine_sample` in its image: g goes to the pixels it was made of, by their weights.

    Shapes: g [b, height, width, c], transform [b, 6] or [1, 6] → [b, *sizes, c].
    """

    name, inputs = "affine_sample_gradient", ("g", "transform")
    formula = "dx[r,s] = Σ g[i,j]·weight of the pixel (r,s) in y[i,j]"
    latex = r"\partial x_{rs} = \sum_{ij} w_{ijrs}\, \partial y_{ij}"
    tolerance: ClassVar = {"float32": 1e-4, "bfloat16": 3e-2, "float64": 1e-12}  # as of `affine_sample`

    def infer(self, g: Spec, transform: Spec) -> Spec:
        return Spec((g.shape[0], *self.sizes, g.shape[-1]), self.check(g, transform))

    def forward(self, np: Any, g: Array, transform: Array) -> Array:
        dx = np.zeros((g.shape[0], *self.sizes, g.shape[-1]), g.dtype)
        examples = np.arange(g.shape[0])[:, None, None]
        for rows, columns, weight in self.taps(np, transform, self.sizes, g.shape[1:3]):
            part = g * weight[..., None]
            if np is numpy:
                np.add.at(dx, (examples, rows, columns), part)
            else:
                dx = dx.at[examples, rows, columns].add(part)  # JAX's arrays do not change
        return dx

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        g, transform = node.inputs
        height, width = known(g.shape[1:3])
        return AffineSample((height, width), self.interpolation, self.fill_mode)(gradients[0], transform), None

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        g, transform = operands
        b, row, column, channel = index
        given, made = self.given(transform, b), g.shape[1:3]
        return Sum(
            Product([self.weight((row, column), (i, j), self.sizes, made, given), g[b, i, j, channel]])
            for i, j in itertools.product(*map(range, made))
        )

    @classmethod
    def samples(cls) -> list[Sample]:
        draw = numpy.random.default_rng(26).normal
        return [
            *(
                Sample(cls(sizes, how, fill), (draw(size=shape), cls.transforms(shape[0])), differentiable=False)
                for shape, sizes, how, fill in cls.cases()
            ),
            Sample(
                cls((2, 5), "bilinear", "reflect"), (draw(size=(3, 4, 3, 2)), cls.transforms(1)), differentiable=False
            ),
            Sample(cls((3, 4), "nearest", "wrap"), (draw(size=(2, 3, 4, 1)), draw(size=(2, 5))), error=ShapeError),
        ]


def affine_sample(
    x: Tensor,
    transform: TensorLike,
    sizes: Sequence[int] | None = None,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0.0,
) -> Tensor:
    """The image at row t₀·i + t₁·j + t₂ and column t₃·i + t₄·j + t₅, with six numbers t for each example, or for all.

    `sizes` are those of the result, where they are not the image's; see `Sampling` for the other arguments.

    >>> from pellucid.core.sources import feed
    >>> affine_sample(feed((None, 28, 28, 3)), feed((None, 6)), sizes=(14, 14)).shape
    (None, 14, 14, 3)
    """
    image, numbers = tensors([x, transform])
    height, width = known(image.shape[1:3]) if sizes is None else sizes
    return AffineSample((height, width), interpolation, fill_mode, fill_value)(image, numbers)


def affine_sample_gradient(
    g: Tensor, transform: TensorLike, sizes: Sequence[int], interpolation: str = "bilinear", fill_mode: str = "constant"
) -> Tensor:
    """The adjoint of `affine_sample` in its image, whose spatial sizes are given."""
    height, width = sizes
    derivative, numbers = tensors([g, transform])
    return AffineSampleGradient((height, width), interpolation, fill_mode)(derivative, numbers)


def resize(x: Tensor, sizes: Sequence[int], interpolation: str = "bilinear") -> Tensor:
    """The image at another height and width. Pixels are areas: the middle of (0, 0) lies half a pixel from the corner.

    >>> from pellucid.core.sources import feed
    >>> resize(feed((None, 28, 28, 3)), (32, 40)).shape
    (None, 32, 40, 3)
    """
    height, width = (size / made for size, made in zip(known(x.shape[1:3]), sizes, strict=True))
    numbers = [height, 0.0, (height - 1) / 2, 0.0, width, (width - 1) / 2]
    return affine_sample(x, numpy.array([numbers]), sizes, interpolation, fill_mode="nearest")
