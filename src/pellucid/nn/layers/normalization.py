"""Layers that normalise: values shifted and scaled to mean 0 and variance 1, then by learned weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pellucid import ops
from pellucid.core.graph import Tensor
from pellucid.core.spec import Shape, normalize_axes, show_shape
from pellucid.errors import ArgumentError, ShapeError
from pellucid.nn import arguments, initializers, regularizers
from pellucid.nn.construction import current
from pellucid.nn.layer import Layer
from pellucid.nn.layers.core import as_float


class Affine(Layer, registered=False):
    """What normalising layers share: a learned scale γ (`gamma`) and offset β (`beta`), each of which may be absent."""

    supports_masking = True

    def __init__(
        self,
        epsilon: float,
        center: bool,
        scale: bool,
        beta_initializer: Any,
        gamma_initializer: Any,
        beta_regularizer: Any,
        gamma_regularizer: Any,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        kind = type(self).__name__
        self.epsilon = arguments.number(kind, "epsilon", epsilon, 0.0)
        self.center = arguments.flag(kind, "center", center)
        self.scale = arguments.flag(kind, "scale", scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)

    def build_affine(self, sizes: Sequence[int | None]) -> None:
        if self.scale:
            self.gamma = self.add_weight(sizes, self.gamma_initializer, "gamma", regularizer=self.gamma_regularizer)
        if self.center:
            self.beta = self.add_weight(sizes, self.beta_initializer, "beta", regularizer=self.beta_regularizer)

    @property
    def affine(self) -> tuple[Tensor | float, Tensor | float]:
        """γ and β as the ops take them."""
        return self.gamma.tensor if self.scale else 1.0, self.beta.tensor if self.center else 0.0


class LayerNormalization(Affine):
    """Each example's values shifted and scaled to mean 0 and variance 1 over `axis`.

    Formula: y = γ·(x - μ)/√(σ² + ε) + β, with mean μ and variance σ² over the axes. Shapes: y as x; γ and β have the
    sizes of the axes. Ba, Kiros, Hinton 2016.

    >>> from pellucid.nn.layers import Input
    >>> LayerNormalization()(Input(shape=(5, 8))).shape
    (None, 5, 8)
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            **options,
        )
        self.axis = arguments.axes("LayerNormalization", "axis", axis)

    def build(self, shape: Shape) -> None:
        self.build_affine(_sizes(shape, self.axis, "LayerNormalization"))

    def call(self, x: Tensor) -> Tensor:
        return ops.layer_norm(as_float(x), *self.affine, axis=self.axis, epsilon=self.epsilon)


class BatchNormalization(Affine):
    """Each feature shifted and scaled to mean 0 and variance 1 over the batch and all axes but `axis`.

    Formula: y = γ·(x - μ)/√(σ² + ε) + β. In training μ and σ² are the batch's mean and variance (Σ(x - μ)²/n), and
    after each step moving_mean ← momentum·moving_mean + (1 - momentum)·μ, moving_variance likewise; otherwise they are
    these moving averages. With `trainable=False` the layer does in training what it does in prediction. Shapes: y as
    x; γ, β and the moving averages have the size of the axis. Ioffe & Szegedy 2015.

    >>> from pellucid.nn.layers import Input
    >>> BatchNormalization()(Input(shape=(28, 28, 3))).shape
    (None, 28, 28, 3)
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            **options,
        )
        (self.axis,) = arguments.axes("BatchNormalization", "axis", (axis,))
        self.momentum = arguments.number("BatchNormalization", "momentum", momentum, 0.0, 1.0)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)

    def build(self, shape: Shape) -> None:
        sizes = _sizes(shape, (self.axis,), "BatchNormalization")
        self.build_affine(sizes)
        self.moving_mean = self.add_weight(sizes, self.moving_mean_initializer, "moving_mean", trainable=False)
        self.moving_variance = self.add_weight(
            sizes, self.moving_variance_initializer, "moving_variance", trainable=False
        )

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        x, settings = as_float(x), {"axis": self.axis, "epsilon": self.epsilon}
        averages = self.moving_mean, self.moving_variance
        if not (training and self.trainable):
            return ops.standardize(x, *(average.tensor for average in averages), *self.affine, **settings)
        y, *moments = ops.batch_norm(x, *self.affine, **settings)
        for average, value in zip(averages, moments, strict=True):
            old = current().latest(average)
            current().update(average, old * self.momentum + value * (1.0 - self.momentum))
        return y


class GroupNormalization(Affine):
    """Each example's channels in groups, each group shifted and scaled to mean 0 and variance 1.

    Formula: y = γ·(x - μ)/√(σ² + ε) + β, with mean μ and variance σ² over a group of neighbouring places along `axis`
    and over all other axes but the batch. `groups=-1` makes each channel a group of its own (instance normalisation).
    Shapes: y as x; γ and β have the size of the axis, which must be a multiple of `groups`. Wu & He 2018.

    >>> from pellucid.nn.layers import Input
    >>> GroupNormalization(groups=4)(Input(shape=(8, 8, 32))).shape
    (None, 8, 8, 32)
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            **options,
        )
        self.groups = -1 if groups == -1 else arguments.whole("GroupNormalization", "groups", groups)
        (self.axis,) = arguments.axes("GroupNormalization", "axis", (axis,))

    def build(self, shape: Shape) -> None:
        (size,) = _sizes(shape, (self.axis,), "GroupNormalization")
        if size is not None and size % self._groups(size):
            raise ShapeError(
                f"GroupNormalization cannot part {size} channels into {self.groups} equal groups; choose a divisor"
            )
        self.build_affine([size])

    def _groups(self, size: int) -> int:
        return size if self.groups == -1 else self.groups

    def call(self, x: Tensor) -> Tensor:
        groups = self._groups(x.shape[self.axis] or 1)
        return ops.group_norm(as_float(x), *self.affine, groups=groups, axis=self.axis, epsilon=self.epsilon)


class RMSNormalization(Layer):
    """Each example's values divided by their root mean square over `axis`, then scaled.

    Formula: y = scale·x/√(mean of x² + ε). Shapes: y as x; `scale` has the sizes of the axes. Zhang & Sennrich 2019.

    >>> from pellucid.nn.layers import Input
    >>> RMSNormalization()(Input(shape=(5, 8))).shape
    (None, 5, 8)
    """

    supports_masking = True

    def __init__(self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6, **options: Any) -> None:
        super().__init__(**options)
        self.axis = arguments.axes("RMSNormalization", "axis", axis)
        self.epsilon = arguments.number("RMSNormalization", "epsilon", epsilon, 0.0)

    def build(self, shape: Shape) -> None:
        self.scale = self.add_weight(_sizes(shape, self.axis, "RMSNormalization"), "ones", "scale")

    def call(self, x: Tensor) -> Tensor:
        return ops.rms_norm(as_float(x), self.scale.tensor, axis=self.axis, epsilon=self.epsilon)


class UnitNormalization(Layer):
    """Each example's values scaled to length 1 over `axis`: y = x/√Σx², zeros staying zeros.

    >>> from pellucid.nn.layers import Input
    >>> UnitNormalization()(Input(shape=(8,))).shape
    (None, 8)
    """

    supports_masking = True

    def __init__(self, axis: int | Sequence[int] = -1, **options: Any) -> None:
        super().__init__(**options)
        self.axis = arguments.axes("UnitNormalization", "axis", axis)

    def call(self, x: Tensor) -> Tensor:
        _sizes(x.shape, self.axis, "UnitNormalization")
        return ops.l2_normalize(
            as_float(x), axis=self.axis, epsilon=1e-24
        )  # of the square: the length is at least 1e-12


def _sizes(shape: Shape, axis: tuple[int, ...], owner: str) -> list[int | None]:
    """The sizes of some axes, in ascending order; raises `ArgumentError` where one is the batch."""
    axes = normalize_axes(axis, len(shape), owner)
    if 0 in axes:
        raise ArgumentError(
            f"{owner}: axis {axis[0] if len(axis) == 1 else axis} of {show_shape(shape)} includes the batch; "
            "use axis=-1 for the features"
        )
    return [shape[i] for i in axes]
