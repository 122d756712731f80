"""Preparation of raw columns inside of the network, so that it is saved, explained and run with it.

What is given as an argument is part of the layer's configuration; what `adapt` measures are weights that training
leaves alone. Both are in the model file. Missing numbers are NaN and pass through all of these but `FillMissing`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy

from pellucid import ops
from pellucid.core.graph import Tensor, tensor
from pellucid.core.spec import Shape, normalize_axes, show_shape
from pellucid.errors import ArgumentError, DataError, ShapeError
from pellucid.nn import arguments
from pellucid.nn.layer import Layer
from pellucid.nn.layers.core import as_float, as_ids
from pellucid.nn.registry import look_up

EPSILON = 1e-7  # the least deviation that values are divided by: Keras's


class Normalization(Layer):
    """Values with mean 0 and variance 1: y = (x - mean) / max(√variance, 10⁻⁷); with `invert`, x from y.

    `axis` names the axes with a mean and a variance of their own for each place (`None`: one of each for all). They are
    given, or measured by `adapt`; until then they are 0 and 1. Weights, where not given: mean, variance, and the count
    of examples measured.

    >>> layer = Normalization()
    >>> layer.adapt([[1.0, 5.0], [3.0, 5.0]])
    >>> layer.get_weights()
    [array([2., 5.], dtype=float32), array([1., 0.], dtype=float32), array(2, dtype=int32)]
    """

    supports_masking = True

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.axis = None if axis is None else arguments.axes("Normalization", "axis", axis)
        self.invert = arguments.flag("Normalization", "invert", invert)
        if (mean is None) != (variance is None):
            raise ArgumentError("Normalization: give mean and variance both, or neither and call adapt(data)")
        self.mean = None if mean is None else arguments.numbers("Normalization", "mean", mean)
        self.variance = None if variance is None else arguments.numbers("Normalization", "variance", variance)
        means, variances = numpy.asarray(self.mean, float), numpy.asarray(self.variance, float)  # None becomes NaN
        if means.shape != variances.shape:
            shapes = f"{show_shape(means.shape)} and {show_shape(variances.shape)}"
            raise ArgumentError(f"Normalization: mean and variance must have one shape, got {shapes}")
        if (variances < 0).any():
            raise ArgumentError(f"Normalization: a variance cannot be negative, got {variance!r}")

    def build(self, shape: Shape) -> None:
        self._kept = normalize_axes(() if self.axis is None else self.axis, len(shape), "Normalization")
        if 0 in self._kept:
            raise ShapeError(
                f"Normalization: axis 0 of {show_shape(shape)} is the batch; use axis=None for one mean of all"
            )
        sizes = tuple(shape[axis] for axis in self._kept)
        if self.mean is None:
            self.adapt_mean = self.add_weight(sizes, "zeros", "mean", trainable=False)
            self.adapt_variance = self.add_weight(sizes, "ones", "variance", trainable=False)
            self.count = self.add_weight((), "zeros", "count", trainable=False, dtype="int32")
            return
        given = numpy.asarray(self.mean).shape
        pairs = zip(reversed(given), reversed(sizes), strict=False)
        if len(given) > len(sizes) or any(mine not in (1, size) for mine, size in pairs):
            raise ShapeError(f"the mean {show_shape(given)} does not fit axes {self.axis} of {show_shape(shape)}")

    def initialize(self, draw: Callable[[], int]) -> None:
        """Nothing is drawn here: what `adapt` measured stays."""

    def adapt(self, data: Any) -> None:
        """Measure mean and variance of an array [examples, …], in float64.

        NaN is passed over; where all is NaN they are 0 and 1. Raises `DataError` for infinite values and for what is no
        number, `ShapeError` where the layer was built for another shape.
        """
        if self.mean is not None:
            raise ArgumentError(
                "Normalization: mean and variance are given, so there is nothing to adapt; leave them out"
            )
        try:
            values = numpy.asarray(data, numpy.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"Normalization.adapt needs numbers: {error}") from error
        if numpy.isinf(values).any():
            raise DataError("Normalization.adapt: the data has infinite values; replace them by NaN or a number")
        if not self.built:
            self.build((None, *values.shape[1:]))
            self.built = True
        over = tuple(axis for axis in range(values.ndim) if axis not in self._kept)
        known = numpy.isfinite(values)
        count = numpy.maximum(known.sum(axis=over, keepdims=True), 1)
        mean = numpy.where(known, values, 0.0).sum(axis=over, keepdims=True) / count
        variance = (numpy.where(known, values - mean, 0.0) ** 2).sum(axis=over) / count.reshape(
            mean.sum(axis=over).shape
        )
        if variance.shape != self.adapt_mean.shape:
            wanted, got = show_shape(self.adapt_mean.shape), show_shape(variance.shape)
            raise ShapeError(f"layer {self.name} was built for means {wanted}, but the data gives {got}")
        self.adapt_mean.assign(mean.reshape(variance.shape))
        self.adapt_variance.assign(numpy.where(known.any(axis=over), variance, 1.0))
        self.count.assign(len(values))

    def call(self, x: Tensor) -> Tensor:
        x = as_float(x)
        if self.mean is None:
            mean, variance = (self._spread(weight.tensor, x.rank) for weight in (self.adapt_mean, self.adapt_variance))
            deviation = ops.maximum(ops.sqrt(variance), EPSILON)
        else:
            mean = self._spread(tensor(numpy.asarray(self.mean, numpy.float32)), x.rank)
            roots = numpy.maximum(numpy.sqrt(numpy.asarray(self.variance)), EPSILON)
            deviation = self._spread(tensor(roots.astype(numpy.float32)), x.rank)
        return mean + x * deviation if self.invert else (x - mean) / deviation

    def _spread(self, statistic: Tensor, rank: int) -> Tensor:
        """A statistic of the kept axes with size 1 on the others, to broadcast; itself where it does already."""
        if statistic.rank == 0 or self._kept == tuple(range(rank - len(self._kept), rank)):
            return statistic
        sizes = dict(zip(reversed(self._kept), reversed(statistic.shape), strict=False))
        return ops.reshape(statistic, tuple(sizes.get(axis, 1) for axis in range(rank)))


class Rescaling(Layer):
    """y = x·scale + offset.

    >>> from pellucid.nn.layers import Input
    >>> Rescaling(1 / 255)(Input((28, 28, 1))).shape
    (None, 28, 28, 1)
    """

    supports_masking = True

    def __init__(self, scale: Any, offset: Any = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.scale = arguments.numbers("Rescaling", "scale", scale)
        self.offset = arguments.numbers("Rescaling", "offset", offset)

    def call(self, x: Tensor) -> Tensor:
        scaled = as_float(x) * _per_column(self.scale)
        return scaled if self.offset == 0.0 else scaled + _per_column(self.offset)


class FillMissing(Layer):
    """Known numbers in place of missing ones: y = value where x is NaN, else x.

    `values`: one number, or one for each column of the last axis. `indicators`: the places of columns that each get
    another one behind all, 1 where x was NaN, else 0. Shapes: [batch, …, n] → [batch, …, n + indicators].

    >>> from pellucid.nn.layers import Input
    >>> FillMissing([0.0, 1.0, 2.0], indicators=[2])(Input(shape=(3,))).shape
    (None, 4)
    """

    accepts_missing: ClassVar[bool] = True

    def __init__(self, values: Any = 0.0, indicators: Sequence[int] = (), **options: Any) -> None:
        super().__init__(**options)
        self.values = arguments.numbers("FillMissing", "values", values)
        self.indicators = arguments.columns("FillMissing", "indicators", indicators)

    def call(self, x: Tensor) -> Tensor:
        x = as_float(x)
        _need_columns(x, self.indicators, "FillMissing: indicator")
        missing = ops.not_equal(x, x)  # NaN alone differs from itself
        filled: Tensor = ops.where(missing, _per_column(self.values), x)
        if filled.shape != x.shape:
            raise ShapeError(
                f"FillMissing: values {show_shape(numpy.shape(self.values))} do not fit {show_shape(x.shape)}"
            )
        if not self.indicators:
            return filled
        return ops.concatenate([filled, _columns(ops.cast(missing, x.dtype), self.indicators)], axis=-1)


class LogScale(Layer):
    """The logarithm of columns with a long tail: y = ln(1 + max(x, 0)) in `columns` (`None`: in all), else x.

    >>> from pellucid.nn.layers import Input
    >>> LogScale([0])(Input((3,))).shape
    (None, 3)
    """

    def __init__(self, columns: Sequence[int] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.columns = None if columns is None else arguments.columns("LogScale", "columns", columns)

    def call(self, x: Tensor) -> Tensor:
        x = as_float(x)
        scaled: Tensor = ops.log1p(ops.maximum(x, 0.0))
        if self.columns is None:
            return scaled
        chosen = numpy.zeros(_need_columns(x, self.columns, "LogScale:"), bool)
        chosen[list(self.columns)] = True
        result: Tensor = ops.where(tensor(chosen), scaled, x)
        return result


class PiecewiseLinearEncoding(Layer):
    """How far each value is through ranges: 1 for a range below it, 0 for one above, in its own the fraction passed.

    Formula: y = min(max((x - low) / (high - low), 0), 1) for each range low … high between two `boundaries`. Those are
    one list of ascending numbers for each column of the last axis; an empty one leaves the column out. So a layer after
    it can learn any piecewise linear function of each column. Gorishniy, Rubachev & Babenko 2022.
    Shapes: [batch, …, columns] → [batch, …, ranges].

    >>> from pellucid.nn.layers import Input
    >>> layer = PiecewiseLinearEncoding([[0.0, 1.0, 3.0], []])
    >>> layer(tensor(numpy.float32([[2.0, 7.0], [0.5, 7.0]]))).numpy().tolist()
    [[1.0, 0.5], [0.5, 0.0]]
    """

    def __init__(self, boundaries: Sequence[Sequence[float]], **options: Any) -> None:
        super().__init__(**options)
        if not isinstance(boundaries, (list, tuple)):
            raise ArgumentError(f"PiecewiseLinearEncoding: boundaries must be a list of lists, got {boundaries!r}")
        self.boundaries = [_ascending(column, edges) for column, edges in enumerate(boundaries)]
        if not any(self.boundaries):
            raise ArgumentError("PiecewiseLinearEncoding: no column has boundaries; leave the layer out")

    def call(self, x: Tensor) -> Tensor:
        x = as_float(x)
        count = len(self.boundaries)
        if _need_columns(x, [count - 1], "PiecewiseLinearEncoding:") != count:
            raise ShapeError(f"PiecewiseLinearEncoding: {count} columns of boundaries for {show_shape(x.shape)}")
        places = [column for column, edges in enumerate(self.boundaries) for _ in edges[1:]]
        lows = _per_column([low for edges in self.boundaries for low in edges[:-1]])
        sizes = _per_column([high - low for edges in self.boundaries for low, high in pairwise(edges)])
        passed: Tensor = ops.clip((_columns(x, places) - lows) / sizes, 0.0, 1.0)
        return passed


def _ascending(column: int, edges: Any) -> list[float]:
    """Boundaries of one column: none, or two and more in ascending order, apart in float32."""
    what = f"boundaries of column {column}"
    values = arguments.numbers("PiecewiseLinearEncoding", what, edges)
    if not isinstance(values, list) or len(values) == 1 or not all(isinstance(value, float) for value in values):
        raise ArgumentError(f"PiecewiseLinearEncoding: {what} must be none or at least two numbers, got {edges!r}")
    if (numpy.diff(numpy.asarray(values, numpy.float32)) <= 0).any():
        raise ArgumentError(f"PiecewiseLinearEncoding: {what} must ascend, got {edges!r}")
    return values


class CategoryEncoding(Layer):
    """Codes 0 … num_tokens - 1 as columns of 0 and 1; another code sets none. Shapes: int32 [batch, k] →

    - `"one_hot"`: [batch, num_tokens] for [batch] and [batch, 1], else [batch, k, num_tokens];
    - `"multi_hot"`: [batch, num_tokens], 1 where a code occurs among the k;
    - `"count"`: [batch, num_tokens], how often it does.

    >>> from pellucid.nn.layers import Input
    >>> CategoryEncoding(4, "one_hot")(Input((1,), dtype="int32")).shape
    (None, 4)
    """

    input_dtype: ClassVar[str] = "int32"

    def __init__(self, num_tokens: int, output_mode: str = "multi_hot", **options: Any) -> None:
        super().__init__(**options)
        self.num_tokens = arguments.whole("CategoryEncoding", "num_tokens", num_tokens)
        look_up("output_mode", dict.fromkeys(("one_hot", "multi_hot", "count")), output_mode)
        self.output_mode = output_mode

    def call(self, x: Tensor) -> Tensor:
        ids = as_ids(x, "CategoryEncoding")
        if self.output_mode == "one_hot":
            return ops.one_hot(ops.squeeze(ids, -1) if ids.rank > 1 and ids.shape[-1] == 1 else ids, self.num_tokens)
        if ids.rank < 2:
            raise ShapeError(f"CategoryEncoding: {self.output_mode} needs [batch, codes], got {show_shape(x.shape)}")
        combine = ops.max if self.output_mode == "multi_hot" else ops.sum
        return combine(ops.one_hot(ids, self.num_tokens), axis=-2)


def _per_column(values: float | list[Any]) -> Tensor:
    return tensor(numpy.asarray(values, numpy.float32))


def _need_columns(x: Tensor, places: Sequence[int], what: str) -> int:
    """The number of columns, which must be known and beyond all of the places."""
    count = x.shape[-1] if x.rank > 1 else None
    if count is None or any(place >= count for place in places):
        raise ShapeError(f"{what} columns {list(places)} are not all in {show_shape(x.shape)}")
    return count


def _columns(x: Tensor, places: Sequence[int]) -> Tensor:
    """Some columns of the last axis: rows of x turned, chosen, turned back."""
    if tuple(places) == tuple(range(x.shape[-1] or 0)):
        return x
    turn = (x.rank - 1, *range(x.rank - 1))
    chosen: Tensor = ops.take(ops.transpose(x, turn), tensor(numpy.asarray(places, numpy.int32)))
    return ops.transpose(chosen, (*range(1, x.rank), 0))
