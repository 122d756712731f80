"""Layers that show training other views of its images: flipped, moved, turned, zoomed. Prediction sees the images.

Each example gets draws of its own, which are a function of the run's seed and step, or of `seed` and step where that
is given. All views are affine: `ops.affine_sample` takes the pixels from where they come.
"""

from __future__ import annotations

from typing import Any

import numpy

from pellucid import ops
from pellucid.core.graph import Tensor, tensor
from pellucid.core.spec import known, show_shape
from pellucid.errors import ArgumentError, ShapeError
from pellucid.nn import arguments
from pellucid.nn.layers.core import as_float
from pellucid.nn.layers.regularization import stream_of
from pellucid.nn.layers.spatial import Spatial
from pellucid.nn.registry import look_up
from pellucid.ops.images import FILL_MODES, INTERPOLATIONS

Factor = tuple[float, float]
Entry = Tensor | float


class RandomView(Spatial, registered=False):
    """What the layers share: one affine transform for each example, drawn in training alone."""

    rank = 2
    seed: int | None
    interpolation: str = "nearest"
    fill_mode: str = "nearest"
    fill_value: float = 0.0

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        self.channels(x.shape)
        x = as_float(x)
        if None in x.shape[1:3] or 0 in x.shape[1:3]:
            raise ShapeError(f"{type(self).__name__} needs a known height and width from 1, got {show_shape(x.shape)}")
        if not training:
            return x
        batch, height, width = known(x.shape[:3])
        entries = self.transform(batch, float(height), float(width))
        columns = [e if isinstance(e, Tensor) else tensor(numpy.full(batch, e, numpy.float32)) for e in entries]
        transform = ops.stack(columns, axis=1)
        return ops.affine_sample(x, transform, None, self.interpolation, self.fill_mode, self.fill_value)

    def transform(self, batch: int, height: float, width: float) -> list[Entry]:
        """Row = t₀·i + t₁·j + t₂ and column = t₃·i + t₄·j + t₅ that the pixel (i, j) comes from: numbers or [batch]."""
        raise NotImplementedError

    def draw(self, batch: int, factor: Factor) -> Tensor:
        """A number between two for each example."""
        key, stream = stream_of(self.seed)
        low, high = factor
        result: Tensor = ops.random_uniform(key, (batch,), stream) * (high - low) + low
        return result

    def set_filling(self, fill_mode: Any, interpolation: Any, seed: Any, fill_value: Any, data_format: Any) -> None:
        kind = type(self).__name__
        self.fill_mode = look_up(f"fill_mode of {kind}", {name: name for name in FILL_MODES}, fill_mode)
        self.interpolation = look_up(f"interpolation of {kind}", {name: name for name in INTERPOLATIONS}, interpolation)
        self.seed = arguments.seed(kind, seed)
        self.fill_value = arguments.number(kind, "fill_value", fill_value)
        self.data_format = self.channels_last(data_format)

    def factor_of(self, name: str, value: Any) -> Factor:
        """From -f to f, or from the smaller to the larger of two; raises `ArgumentError` outside of -1 to 1."""
        kind = type(self).__name__
        if not isinstance(value, (list, tuple)):
            number = abs(arguments.number(kind, name, value, -1.0, 1.0))
            return -number, number
        if len(value) != 2:
            raise ArgumentError(f"{kind}: {name} must be a number or (lower, upper), got {value!r}")
        low, high = sorted(arguments.number(kind, name, item, -1.0, 1.0) for item in value)
        return low, high


class RandomFlip(RandomView):
    """In training, mirrors each image or not, with equal chance: left to right, upside down, or each for itself.

    `mode`: `horizontal`, `vertical` or `horizontal_and_vertical`. Shapes: [batch, height, width, channels] → the same.

    >>> from pellucid.nn.layers import Input
    >>> RandomFlip("horizontal", seed=1)(Input(shape=(28, 28, 1))).shape
    (None, 28, 28, 1)
    """

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        data_format: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        modes = ("horizontal", "vertical", "horizontal_and_vertical")
        self.mode = look_up("mode of RandomFlip", {name: name for name in modes}, mode)
        self.seed = arguments.seed("RandomFlip", seed)
        self.data_format = self.channels_last(data_format)

    def transform(self, batch: int, height: float, width: float) -> list[Entry]:
        def flip(direction: str, size: float) -> tuple[Entry, Entry]:
            if direction not in self.mode:
                return 1.0, 0.0
            flipped = ops.cast(ops.less(self.draw(batch, (0.0, 1.0)), 0.5), "float32")
            return 1.0 - 2.0 * flipped, (size - 1.0) * flipped

        (row, first_row), (column, first_column) = flip("vertical", height), flip("horizontal", width)
        return [row, 0.0, first_row, 0.0, column, first_column]


class RandomTranslation(RandomView):
    """In training, moves each image down and to the right by random parts of its height and width.

    `height_factor`, `width_factor`: a number f for a part from -f to f, or (lower, upper); negative parts move up and
    to the left. `fill_mode` says what appears: the image's `reflect`ion, its repetition (`wrap`), its `nearest` pixel
    or the `constant` `fill_value`. `interpolation`: `bilinear` or `nearest`.

    >>> from pellucid.nn.layers import Input
    >>> RandomTranslation(0.1, 0.1)(Input((28, 28, 1))).shape
    (None, 28, 28, 1)
    """

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.height_factor = self.factor_of("height_factor", height_factor)
        self.width_factor = self.factor_of("width_factor", width_factor)
        self.set_filling(fill_mode, interpolation, seed, fill_value, data_format)

    def transform(self, batch: int, height: float, width: float) -> list[Entry]:
        down, right = self.draw(batch, self.height_factor) * height, self.draw(batch, self.width_factor) * width
        return [1.0, 0.0, -down, 0.0, 1.0, -right]


class RandomRotation(RandomView):
    """In training, turns each image around its centre by a random part of a whole turn.

    `factor`: a number f for a part from -f to f, or (lower, upper); positive ones turn counter-clockwise. The other
    arguments are those of `RandomTranslation`.

    >>> from pellucid.nn.layers import Input
    >>> RandomRotation(0.1)(Input((28, 28, 1))).shape
    (None, 28, 28, 1)
    """

    def __init__(
        self,
        factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.factor = self.factor_of("factor", factor)
        self.set_filling(fill_mode, interpolation, seed, fill_value, data_format)

    def transform(self, batch: int, height: float, width: float) -> list[Entry]:
        sine, cosine = sine_cosine_of_turn(self.draw(batch, self.factor))
        row, column = (height - 1.0) / 2.0, (width - 1.0) / 2.0  # of the centre, which stays
        return [
            cosine, sine, row - row * cosine - column * sine,
            -sine, cosine, column + row * sine - column * cosine,
        ]  # fmt: skip


class RandomZoom(RandomView):
    """In training, makes each image larger or smaller around its centre.

    `height_factor`, `width_factor`: a number f for a part from -f to f, or (lower, upper); the view shows 1 + part
    times the height and width, so that negative parts zoom in. Without `width_factor` the width follows the height. The
    other arguments are those of `RandomTranslation`.

    >>> from pellucid.nn.layers import Input
    >>> RandomZoom(0.2)(Input((28, 28, 1))).shape
    (None, 28, 28, 1)
    """

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.height_factor = self.factor_of("height_factor", height_factor)
        self.width_factor = None if width_factor is None else self.factor_of("width_factor", width_factor)
        if -1.0 in (*self.height_factor, *(self.width_factor or ())):
            raise ArgumentError("RandomZoom: a factor of -1 would show nothing of the image; use more than -1")
        self.set_filling(fill_mode, interpolation, seed, fill_value, data_format)

    def transform(self, batch: int, height: float, width: float) -> list[Entry]:
        down = 1.0 + self.draw(batch, self.height_factor)
        right = down if self.width_factor is None else 1.0 + self.draw(batch, self.width_factor)
        return [down, 0.0, (height - 1.0) / 2.0 * (1.0 - down), 0.0, right, (width - 1.0) / 2.0 * (1.0 - right)]


def sine_cosine_of_turn(turn: Tensor) -> tuple[Tensor, Tensor]:
    """Sine and cosine of an angle that is given as a part of a whole turn, by polynomials within half a quarter.

    With d what is left of 4·turn beyond its nearest whole number, |d| ≤ ½: minimax fits of sin(πd/2) and cos(πd/2), off
    by at most 5e-9 before rounding.
    """
    quarters = ops.floor(4.0 * turn + 0.5)
    d = 4.0 * turn - quarters
    t = d * d
    s = d * (1.5707963705062866 + t * (-0.6459634900093079 + t * (0.07968022674322128 + t * -0.004602177068591118)))
    c = 1.0 + t * (
        -1.2337005138397217 + t * (0.25366920232772827 + t * (-0.02086007222533226 + t * 0.0009036316769197583))
    )
    quarter = quarters - 4.0 * ops.floor(quarters * 0.25)  # 0 … 3
    odd = ops.logical_or(ops.equal(quarter, 1.0), ops.equal(quarter, 3.0))
    sine, cosine = ops.where(odd, c, s), ops.where(odd, s, c)
    left = ops.logical_or(ops.equal(quarter, 1.0), ops.equal(quarter, 2.0))
    return ops.where(quarter > 1.5, -sine, sine), ops.where(left, -cosine, cosine)
