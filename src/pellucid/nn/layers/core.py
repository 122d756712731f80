"""The layers that most networks have: inputs, units that see all of them, tables of vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pellucid.core.graph import Tensor, named
from pellucid.core.sources import feed
from pellucid.core.spec import DTYPES, Shape, show_shape
from pellucid.errors import ArgumentError, DtypeError, ShapeError
from pellucid.nn import activations, arguments, initializers, regularizers
from pellucid.nn.layer import Layer
from pellucid.nn.registry import look_up
from pellucid.ops import any, cast, expand_dims, not_equal, take, where


class InputLayer(Layer):
    """The entry of a network: the shape and dtype of one example.

    >>> InputLayer(shape=(3,)).shape
    (3,)
    """

    def __init__(
        self,
        shape: Sequence[int | None] | None = None,
        dtype: str | None = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name=name or "input", **options)
        given = self.input_shape if shape is None else shape
        if given is None:
            raise ArgumentError("InputLayer needs shape=(…): the sizes of one example, without the batch")
        self.shape = arguments.shape("InputLayer", "shape", given)
        self.dtype = _dtype("InputLayer", dtype)

    def call(self, x: Tensor) -> Tensor:
        return x


def Input(  # noqa: N802 (Keras's name)
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: str | None = None,
    name: str | None = None,
) -> Tensor:
    """An input of a functional network: a tensor of unknown batch.

    >>> Input(shape=(3,))
    Tensor(feed, float32[?, 3])
    """
    if shape is None:
        raise ArgumentError("Input needs shape=(…): the sizes of one example, without the batch")
    batch = None if batch_size is None else arguments.whole("Input", "batch_size", batch_size)
    return feed((batch, *arguments.shape("Input", "shape", shape)), _dtype("Input", dtype), name or "input")


def _dtype(owner: str, dtype: str | None) -> str:
    return look_up(f"dtype of {owner}", {name: name for name in DTYPES}, dtype or "float32")


def as_float(x: Tensor) -> Tensor:
    """The value in float32 where it holds whole numbers or truth values."""
    return x if x.spec.is_float else cast(x, "float32")


class Dense(Layer):
    """Units that see all features.

    Formula: y = activation(x·kernel + bias). Shapes: [batch, …, features] → [batch, …, units]; kernel
    [features, units], bias [units].

    >>> Dense(2, activation="relu")(Input(shape=(3,))).shape
    (None, 2)
    """

    supports_masking = True

    def __init__(
        self,
        units: int,
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
        self.units = arguments.whole("Dense", "units", units)
        self.use_bias = arguments.flag("Dense", "use_bias", use_bias)
        self.activation = activations.get(activation)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.activity_regularizer = regularizers.get(activity_regularizer)

    def build(self, shape: Shape) -> None:
        if len(shape) < 2:
            raise ShapeError(f"Dense needs [batch, …, features], got {show_shape(shape)}; reshape to [batch, 1]")
        self.kernel = self.add_weight(
            (shape[-1], self.units), self.kernel_initializer, "kernel", regularizer=self.kernel_regularizer
        )
        if self.use_bias:
            self.bias = self.add_weight((self.units,), self.bias_initializer, "bias", regularizer=self.bias_regularizer)

    def call(self, x: Tensor) -> Tensor:
        y = as_float(x) @ self.kernel.tensor
        return self.activation(named(y + self.bias.tensor if self.use_bias else y, "pre_activation"))


class Embedding(Layer):
    """A learned vector for each of `input_dim` ids. Shapes: int32 [batch, …] → [batch, …, output_dim].

    Ids are 0 … input_dim - 1; executors refuse others. Whole numbers that come as floats are converted. With
    `mask_zero` the id 0 is padding: its steps are masked in the layers that follow, and in the loss.

    >>> Embedding(10, 4)(Input(shape=(5,), dtype="int32")).shape
    (None, 5, 4)
    """

    input_dtype: ClassVar[str] = "int32"  # what an input made for this layer holds

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        mask_zero: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.input_dim = arguments.whole("Embedding", "input_dim", input_dim)
        self.output_dim = arguments.whole("Embedding", "output_dim", output_dim)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.mask_zero = self.supports_masking = arguments.flag("Embedding", "mask_zero", mask_zero)

    def build(self, shape: Shape) -> None:
        self.embeddings = self.add_weight(
            (self.input_dim, self.output_dim),
            self.embeddings_initializer,
            "embeddings",
            regularizer=self.embeddings_regularizer,
        )

    def call(self, x: Tensor) -> Tensor:
        result: Tensor = take(self.embeddings.tensor, as_ids(x, "Embedding"))
        return result

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor | None:
        """True where the id is not 0, with `mask_zero`."""
        return not_equal(as_ids(inputs, "Embedding"), 0) if self.mask_zero else None


def as_ids(x: Tensor, owner: str) -> Tensor:
    """Ids as int32; raises `DtypeError` for truth values."""
    if x.dtype == "bool":
        raise DtypeError(
            f"{owner} needs ids such as 0, 1, 2, got {x.spec}; give whole numbers, with Input(…, dtype='int32')"
        )
    return cast(x, "int32")


class Masking(Layer):
    """Steps whose features all equal `mask_value` are padding: they become 0, and are masked in what follows.

    Shapes: [batch, steps, features] → the same, with a mask [batch, steps].

    >>> Masking(mask_value=-1.0)(Input(shape=(5, 3))).mask
    Tensor(greater, bool[?, 5])
    """

    def __init__(self, mask_value: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.mask_value = arguments.number("Masking", "mask_value", mask_value)

    def call(self, x: Tensor) -> Tensor:
        result: Tensor = where(expand_dims(self.compute_mask(x), -1), x, 0)
        return result

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """True where any feature of a step differs from `mask_value`."""
        result: Tensor = any(not_equal(inputs, self.mask_value), axis=-1)
        return result


class Identity(Layer):
    """The value itself.

    >>> from pellucid.nn.layers import Input
    >>> Identity()(Input((3,))).shape
    (None, 3)
    """

    supports_masking = True

    def call(self, x: Tensor) -> Tensor:
        return x
