"""Convolutional layers whose filters see one channel each, alone or mixed afterwards: far fewer weights."""

from __future__ import annotations

from typing import Any

from pellucid import ops
from pellucid.core.graph import Tensor, Variable
from pellucid.core.spec import Shape
from pellucid.nn import arguments, initializers, regularizers
from pellucid.nn.layers.convolution import Convolutional
from pellucid.nn.layers.core import as_float


class Depthwise(Convolutional, registered=False):
    """What layers with filters for each channel apart share."""

    def apart(self, x: Tensor, kernel: Variable) -> Tensor:
        """Each channel with its own filters; kernel [*k, channels, depth_multiplier]."""
        *sizes, channels, each = kernel.shape
        w = ops.reshape(kernel.tensor, (*sizes, 1, channels * each))
        return ops.convolution(as_float(x), w, self.strides, self.padding, self.dilation_rate, channels)


class DepthwiseConvolution(Depthwise, registered=False):
    """What `DepthwiseConv1D` and `DepthwiseConv2D` share."""

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.set_window(kernel_size, strides, padding, data_format, dilation_rate)
        self.depth_multiplier = arguments.whole(type(self).__name__, "depth_multiplier", depth_multiplier)
        self.set_output(activation, use_bias, bias_initializer, bias_regularizer, activity_regularizer)
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)

    def build(self, shape: Shape) -> None:
        channels = self.channels(shape)
        self.kernel = self.add_weight(
            (*self.kernel_size, channels, self.depth_multiplier),
            self.depthwise_initializer,
            "kernel",
            regularizer=self.depthwise_regularizer,
        )
        self.add_bias(channels * self.depth_multiplier)

    def call(self, x: Tensor) -> Tensor:
        return self.finished(self.apart(x, self.kernel))


class DepthwiseConv1D(DepthwiseConvolution):
    """`depth_multiplier` filters for each channel of a sequence.

    Formula: y[b,i,c·q+r] = activation(Σₖ x[b, stride·i + dilation·k - before, c]·kernel[k,c,r] + bias[c·q+r]) for
    q = depth_multiplier. Shapes: [batch, steps, channels] → [batch, windows, channels·q]; kernel [kernel_size,
    channels, q], bias [channels·q]. Sifre 2014; Howard et al. 2017.

    >>> from pellucid.nn.layers import Input
    >>> DepthwiseConv1D(3, depth_multiplier=2)(Input(shape=(20, 4))).shape
    (None, 18, 8)
    """

    rank = 1


class DepthwiseConv2D(DepthwiseConvolution):
    """`depth_multiplier` filters for each channel of an image.

    Formula: y[b,i,j,c·q+r] = activation(Σₖₗ x[b, s·i + d·k - before, s·j + d·l - before, c]·kernel[k,l,c,r] +
    bias[c·q+r]) for strides s, dilation d and q = depth_multiplier. Shapes: [batch, height, width, channels] → [batch,
    rows, columns, channels·q]; kernel [height, width, channels, q], bias [channels·q]. Sifre 2014; Howard et al. 2017.

    >>> from pellucid.nn.layers import Input
    >>> DepthwiseConv2D(3, padding="same")(Input(shape=(28, 28, 16))).shape
    (None, 28, 28, 16)
    """

    rank = 2


class SeparableConvolution(Depthwise, registered=False):
    """What `SeparableConv1D` and `SeparableConv2D` share."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        kind = type(self).__name__
        self.filters = arguments.whole(kind, "filters", filters)
        self.set_window(kernel_size, strides, padding, data_format, dilation_rate)
        self.depth_multiplier = arguments.whole(kind, "depth_multiplier", depth_multiplier)
        self.set_output(activation, use_bias, bias_initializer, bias_regularizer, activity_regularizer)
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.pointwise_regularizer = regularizers.get(pointwise_regularizer)

    def build(self, shape: Shape) -> None:
        channels = self.channels(shape)
        self.depthwise_kernel = self.add_weight(
            (*self.kernel_size, channels, self.depth_multiplier),
            self.depthwise_initializer,
            "depthwise_kernel",
            regularizer=self.depthwise_regularizer,
        )
        self.pointwise_kernel = self.add_weight(
            (*(1,) * self.rank, channels * self.depth_multiplier, self.filters),
            self.pointwise_initializer,
            "pointwise_kernel",
            regularizer=self.pointwise_regularizer,
        )
        self.add_bias(self.filters)

    def call(self, x: Tensor) -> Tensor:
        return self.finished(ops.convolution(self.apart(x, self.depthwise_kernel), self.pointwise_kernel.tensor))


class SeparableConv1D(SeparableConvolution):
    """Filters for each channel of a sequence apart, then a mixture of the channels at each step.

    Shapes: [batch, steps, channels] → [batch, windows, filters]; depthwise kernel [kernel_size, channels,
    depth_multiplier], pointwise kernel [1, channels·depth_multiplier, filters], bias [filters]. Sifre 2014.

    >>> from pellucid.nn.layers import Input
    >>> SeparableConv1D(8, 3)(Input(shape=(20, 4))).shape
    (None, 18, 8)
    """

    rank = 1


class SeparableConv2D(SeparableConvolution):
    """Filters for each channel of an image apart, then a mixture of the channels at each pixel.

    Shapes: [batch, height, width, channels] → [batch, rows, columns, filters]; depthwise kernel [height, width,
    channels, depth_multiplier], pointwise kernel [1, 1, channels·depth_multiplier, filters], bias [filters]. A kernel
    of 3 x 3 needs about a ninth of the products of `Conv2D`. Sifre 2014; Chollet 2017.

    >>> from pellucid.nn.layers import Input
    >>> SeparableConv2D(32, 3, padding="same")(Input(shape=(28, 28, 16))).shape
    (None, 28, 28, 32)
    """

    rank = 2
