"""Convolutional layers over sequences (1D) and images (2D), channels last.

A filter is a small window of weights that slides over the image; at each place its output is the weighted sum of what
is under it, so that the same pattern is found wherever it is.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pellucid import ops
from pellucid.core.graph import Tensor, named
from pellucid.core.spec import Shape, show_shape
from pellucid.errors import ArgumentError, ShapeError
from pellucid.nn import activations, arguments, initializers, regularizers
from pellucid.nn.layers.core import as_float
from pellucid.nn.layers.spatial import Spatial
from pellucid.ops.windows import span


class Convolutional(Spatial, registered=False):
    """What convolutional layers share: the window, bias and activation."""

    paddings: ClassVar[tuple[str, ...]] = ("valid", "same")
    use_bias: bool

    def set_window(self, kernel_size: Any, strides: Any, padding: Any, data_format: Any, dilation_rate: Any) -> None:
        self.kernel_size = self.per_axis("kernel_size", kernel_size)
        self.strides = self.per_axis("strides", strides)
        self.padding = self.padding_name(padding, *self.paddings)
        self.data_format = self.channels_last(data_format)
        self.dilation_rate = self.per_axis("dilation_rate", dilation_rate)

    def set_output(self, activation: Any, use_bias: bool, initializer: Any, regularizer: Any, activity: Any) -> None:
        self.activation = activations.get(activation)
        self.use_bias = arguments.flag(type(self).__name__, "use_bias", use_bias)
        self.bias_initializer = initializers.get(initializer)
        self.bias_regularizer = regularizers.get(regularizer)
        self.activity_regularizer = regularizers.get(activity)

    def add_bias(self, count: int) -> None:
        if self.use_bias:
            self.bias = self.add_weight((count,), self.bias_initializer, "bias", regularizer=self.bias_regularizer)

    def finished(self, y: Tensor) -> Tensor:
        return self.activation(named(y + self.bias.tensor if self.use_bias else y, "pre_activation"))


class Convolution(Convolutional, registered=False):
    """What `Conv1D` and `Conv2D` share."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        kind = type(self).__name__
        self.filters = arguments.whole(kind, "filters", filters)
        self.groups = arguments.whole(kind, "groups", groups)
        if self.filters % self.groups:
            raise ArgumentError(f"{kind}: groups={groups} must divide filters={filters} without a rest")
        self.set_window(kernel_size, strides, padding, data_format, dilation_rate)
        self.set_output(activation, use_bias, bias_initializer, bias_regularizer, activity_regularizer)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)

    def build(self, shape: Shape) -> None:
        channels = self.channels(shape)
        if channels % self.groups:
            raise ShapeError(
                f"{type(self).__name__}: groups={self.groups} must divide the {channels} channels of "
                f"{show_shape(shape)} without a rest"
            )
        self.kernel = self.add_weight(
            (*self.kernel_size, channels // self.groups, self.filters),
            self.kernel_initializer,
            "kernel",
            regularizer=self.kernel_regularizer,
        )
        self.add_bias(self.filters)

    def call(self, x: Tensor) -> Tensor:
        y = ops.convolution(
            as_float(x), self.kernel.tensor, self.strides, self.padding, self.dilation_rate, self.groups
        )
        return self.finished(y)


class Conv1D(Convolution):
    """Filters that slide over a sequence.

    Formula: y[b,i,m] = activation(Σₖ꜀ x[b, stride·i + dilation·k - before, c]·kernel[k,c,m] + bias[m]). Shapes:
    [batch, steps, channels] → [batch, windows, filters]; kernel [kernel_size, channels/groups, filters], bias
    [filters]. `padding`: `valid` adds nothing, `same` zeros on both sides so that stride 1 keeps the steps, `causal`
    zeros before, so that no output depends on later steps. LeCun et al. 1989; causal and dilated: van den Oord et al.
    2016.

    >>> from pellucid.nn.layers import Input
    >>> Conv1D(8, 3, padding="causal")(Input(shape=(20, 4))).shape
    (None, 20, 8)
    """

    rank = 1
    paddings = ("valid", "same", "causal")


class Conv2D(Convolution):
    """Filters that slide over an image.

    Formula: y[b,i,j,m] = activation(Σₖₗ꜀ x[b, s·i + d·k - before, s·j + d·l - before, c]·kernel[k,l,c,m] + bias[m]) for
    strides s and dilation d. Shapes: [batch, height, width, channels] → [batch, rows, columns, filters]; kernel
    [height, width, channels/groups, filters], bias [filters]. `padding`: `valid` adds nothing, `same` zeros all around
    so that stride 1 keeps the size. LeCun et al. 1989.

    >>> from pellucid.nn.layers import Input
    >>> Conv2D(32, (3, 3), activation="relu")(Input(shape=(28, 28, 1))).shape
    (None, 26, 26, 32)
    """

    rank = 2


class TransposedConvolution(Convolutional, registered=False):
    """What `Conv1DTranspose` and `Conv2DTranspose` share."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        kind = type(self).__name__
        self.filters = arguments.whole(kind, "filters", filters)
        self.set_window(kernel_size, strides, padding, data_format, dilation_rate)
        self.output_padding = None if output_padding is None else self.per_axis("output_padding", output_padding, 0)
        if any(more >= stride for more, stride in zip(self.output_padding or (), self.strides, strict=False)):
            raise ArgumentError(f"{kind}: output_padding={output_padding} must be less than strides={strides}")
        self.set_output(activation, use_bias, bias_initializer, bias_regularizer, activity_regularizer)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)

    def build(self, shape: Shape) -> None:
        self.kernel = self.add_weight(
            (*self.kernel_size, self.filters, self.channels(shape)),
            self.kernel_initializer,
            "kernel",
            regularizer=self.kernel_regularizer,
        )
        self.add_bias(self.filters)

    def call(self, x: Tensor) -> Tensor:
        sizes, padding = self._window_sums(x.shape)
        y = ops.convolution_input_gradient(
            as_float(x), self.kernel.tensor, sizes, self.strides, padding, self.dilation_rate
        )
        return self.finished(y)

    def _window_sums(self, shape: Shape) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
        """Of each spatial axis of the output its size, and what is cut off before and after it."""
        kind = type(self).__name__
        sizes, cuts = [], []
        more = self.output_padding or (None,) * self.rank
        for n, k, s, d, extra in zip(
            shape[1:-1], self.kernel_size, self.strides, self.dilation_rate, more, strict=True
        ):
            if n is None:
                raise ShapeError(f"{kind} needs known sizes on every axis but the batch, got {show_shape(shape)}")
            covered = span(k, d)
            least = (n - 1) * s + (covered if self.padding == "valid" else covered % 2)
            usual = n * s + (max(covered - s, 0) if self.padding == "valid" else 0)
            size = usual if extra is None else least + extra
            if size < 1:
                raise ShapeError(f"{kind}: output_padding={self.output_padding} leaves nothing of {show_shape(shape)}")
            cut = max((n - 1) * s + covered - size, 0)
            sizes.append(size)
            cuts.append((cut // 2, cut - cut // 2))
        return tuple(sizes), tuple(cuts)


class Conv1DTranspose(TransposedConvolution):
    """The adjoint of `Conv1D`: each step spreads over a window; used to make sequences longer.

    Shapes: [batch, steps, channels] → [batch, longer, filters]; kernel [kernel_size, filters, channels], bias
    [filters]. `longer` is steps·stride with `same` padding, (steps - 1)·stride + max(kernel_size, stride) with `valid`;
    `output_padding` (less than the stride) chooses another. Zeiler et al. 2010.

    >>> from pellucid.nn.layers import Input
    >>> Conv1DTranspose(3, 4, strides=2, padding="same")(Input(shape=(10, 8))).shape
    (None, 20, 3)
    """

    rank = 1


class Conv2DTranspose(TransposedConvolution):
    """The adjoint of `Conv2D`: each pixel spreads over a window; used to make images larger.

    Shapes: [batch, height, width, channels] → [batch, higher, wider, filters]; kernel [height, width, filters,
    channels], bias [filters]. `higher` is height·stride with `same` padding, (height - 1)·stride + max(kernel, stride)
    with `valid`; `output_padding` (less than the stride) chooses another. Zeiler et al. 2010.

    >>> from pellucid.nn.layers import Input
    >>> Conv2DTranspose(3, 4, strides=2, padding="same")(Input(shape=(7, 7, 8))).shape
    (None, 14, 14, 3)
    """

    rank = 2
