"""Attention of several heads: the steps of a sequence look up what they need in another, or in their own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from typing import Any

from pellucid import ops
from pellucid.core.graph import Tensor, Variable, named
from pellucid.core.spec import Shape, show_shape
from pellucid.errors import ArgumentError, ShapeError, StateError
from pellucid.nn import arguments, initializers, regularizers
from pellucid.nn.construction import current
from pellucid.nn.layer import Layer
from pellucid.nn.layers.attention import need_mask
from pellucid.nn.layers.core import as_float
from pellucid.nn.layers.positions import rotated
from pellucid.nn.layers.regularization import Dropout


@dataclass(frozen=True, eq=False)
class Projection:
    """x·kernel + bias as one matrix product, whose kernel has Keras's axes; `inner` of them are summed over."""

    kernel: Variable
    bias: Variable | None
    inner: int = 1

    def __call__(self, x: Tensor) -> Tensor:
        """[b, t, *inner sizes] → [b, t, *outer sizes]."""
        leading, outer = x.shape[: x.rank - self.inner], self.kernel.shape[self.inner :]
        rows, columns = math.prod(self.kernel.shape[: self.inner]), math.prod(outer)
        y = ops.reshape(x, (*leading, rows)) @ ops.reshape(self.kernel.tensor, (rows, columns))
        if self.bias is not None:
            y = y + ops.reshape(self.bias.tensor, (columns,))
        return ops.reshape(y, (*leading, *outer))


class AttentionOfHeads(Layer, registered=False):
    """What layers with several heads share: projections, masks, and sequences that come step by step."""

    supports_masking = True

    def set_options(
        self,
        dropout: float,
        use_bias: bool,
        rotary: bool,
        kernel_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        bias_regularizer: Any,
        activity_regularizer: Any,
        seed: int | None,
    ) -> None:
        kind = type(self).__name__
        self.dropout = arguments.number(kind, "dropout", dropout, 0.0, 1.0)
        self.use_bias = arguments.flag(kind, "use_bias", use_bias)
        self.rotary = arguments.flag(kind, "rotary", rotary)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.seed = arguments.seed(kind, seed)
        self._dropped = Dropout(self.dropout, seed=seed, name="dropout")

    def project(
        self, name: str, inner: tuple[int | None, ...], outer: tuple[int | None, ...], heads: int
    ) -> Projection:
        """A projection with weights of its own; of a bias, Keras leaves out the axes of the input."""
        kernel = self.add_weight(
            (*inner, *outer), self.kernel_initializer, f"{name}_kernel", regularizer=self.kernel_regularizer
        )
        bias = None
        if self.use_bias:
            bias = self.add_weight(outer, self.bias_initializer, f"{name}_bias", regularizer=self.bias_regularizer)
        return Projection(kernel, bias, len(inner))

    def build_heads(
        self, query: Shape, value: Shape, key: Shape | None, heads: tuple[int, int], sizes: tuple[int, int], out: Any
    ) -> None:
        """The four projections; `heads` and `sizes` of queries (and keys), and of values."""
        key = value if key is None else key
        for name, shape in (("query", query), ("value", value), ("key", key)):
            if len(shape) != 3:
                raise ShapeError(f"{name} must be [batch, steps, features], got {show_shape(shape)}")
        if None not in (key[1], value[1]) and key[1] != value[1]:
            raise ShapeError(f"key {show_shape(key)} and value {show_shape(value)} must have equally many steps")
        self.query = self.project("query", query[-1:], (heads[0], sizes[0]), 2)
        self.key = self.project("key", key[-1:], (heads[1], sizes[0]), 2)
        self.value = self.project("value", value[-1:], (heads[1], sizes[1]), 2)
        self.output = self.project("output", (heads[0], sizes[1]), out, 1)

    def call(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        *,
        query_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
        key_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
        training: bool = False,
    ) -> Any:
        """The outputs, and with `return_attention_scores` also the scores [b, heads, t, s] before dropout."""
        masks: dict[str, Tensor | None] = {
            "query_mask": query_mask, "value_mask": value_mask, "key_mask": key_mask, "attention_mask": attention_mask
        }  # fmt: skip
        kind = type(self).__name__
        causal = arguments.flag(kind, "use_causal_mask", use_causal_mask)
        wanted = arguments.flag(kind, "return_attention_scores", return_attention_scores)
        itself = query is value and key in (None, value)
        key = value if key is None else key
        batch, t, s = query.shape[0], query.shape[1], value.shape[1]
        need_mask("query_mask", query_mask, (batch, t))
        need_mask("value_mask", value_mask, (batch, s))
        need_mask("key_mask", key_mask, (batch, s))
        heads = self.query.kernel.shape[1]
        need_mask("attention_mask", attention_mask, (batch, t, s), (t, s), (batch, heads, t, s))
        q, k, v = self.query(as_float(query)), self.key(as_float(key)), self.value(as_float(value))
        if self.rotary:
            q, k = rotated(q), rotated(k)
        for part, label in ((q, "query"), (k, "key"), (v, "value")):
            named(part, label)
        stepping = current().stepping
        if stepping is not None and stepping.is_fixed(value) and stepping.is_fixed(key):
            k, v = stepping.once(k, "keys"), stepping.once(v, "values")
        elif stepping is not None:
            if not (itself and causal) or masks["attention_mask"] is not None:
                raise StateError(
                    f"layer {self.name} ({kind}) cannot run step by step: it may see more than the steps so far; "
                    "use self-attention with use_causal_mask=True and no attention_mask"
                )
            k, v, causal = stepping.remember(k, "keys"), stepping.remember(v, "values"), False
            masks = {**masks, "key_mask": None, "steps": stepping.seen(4, 3)}
            if masks["value_mask"] is not None:
                counting = ops.cast(masks["value_mask"], "float32")
                masks["value_mask"] = stepping.remember(counting, "mask") > 0.0
        elif key is value:
            masks = {**masks, "key_mask": None}  # that of the value, once
        given = [_four_axes(name, mask) for name, mask in masks.items() if mask is not None]
        seen = [reduce(ops.logical_and, given)] if given else []
        k, v = self.for_queries(k), self.for_queries(v)
        scale = 1.0 / math.sqrt(self.query.kernel.shape[-1])
        if not wanted and not (training and self.dropout):
            return self.output(named(ops.attention(q, k, v, *seen, causal=causal, scale=scale), "heads"))
        scores = ops.attention_scores(q, k, *seen, causal=causal, scale=scale)
        y = self.output(named(ops.combined(self._dropped(scores, training=training), v), "heads"))
        return (y, scores) if wanted else y

    def for_queries(self, x: Tensor) -> Tensor:
        """Keys or values with one head for each head of the queries."""
        return x


def _four_axes(name: str, mask: Tensor) -> Tensor:
    """A mask of the layer as [b, heads, t, s], with size 1 where it is the same for all."""
    mask = ops.cast(mask, "bool")
    batch = mask.shape[0]
    match name:
        case "query_mask":
            return ops.reshape(mask, (batch, 1, mask.shape[1], 1))
        case "value_mask" | "key_mask":
            return ops.reshape(mask, (batch, 1, 1, mask.shape[1]))
    if mask.rank == 2:
        return ops.reshape(mask, (1, 1, *mask.shape))
    return ops.reshape(mask, (batch, 1, *mask.shape[1:])) if mask.rank == 3 else mask


class MultiHeadAttention(AttentionOfHeads):
    """Attention of several heads, each with its own queries, keys and values.

    Formula: yᵗ = Σₙ headₙᵗ·output[n] + bias, headₙᵗ = Σₛ softmax over s of (qₙᵗ·kₙˢ/√key_dim)·vₙˢ, with q, k and v the
    projections of query, key and value. Shapes: query [batch, t, …], value (and key, which is the value if not given)
    [batch, s, …] → [batch, t, features of query]; kernels [features, heads, key_dim] and [heads, value_dim, features].

    When called: `attention_mask` [batch, t, s] is true where a step may see another; with `use_causal_mask` step i sees
    steps 0 … i; masks of query, value and key are taken from them. A step that sees nothing gives the bias. With
    `return_attention_scores` the softmax comes second. `dropout` acts on it; `rotary` turns queries and keys by their
    positions (see `RotaryEmbedding`). Vaswani et al. 2017.

    >>> from pellucid.nn.layers import Input
    >>> x = Input(shape=(10, 16))
    >>> MultiHeadAttention(num_heads=2, key_dim=8)(x, x, use_causal_mask=True).shape
    (None, 10, 16)
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        seed: int | None = None,
        rotary: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        kind = "MultiHeadAttention"
        self.num_heads = arguments.whole(kind, "num_heads", num_heads)
        self.key_dim = arguments.whole(kind, "key_dim", key_dim)
        self.value_dim = self.key_dim if value_dim is None else arguments.whole(kind, "value_dim", value_dim)
        sizes = (output_shape,) if isinstance(output_shape, int) else output_shape
        self.output_shape = None if sizes is None else arguments.shape(kind, "output_shape", sizes)
        if attention_axes is not None and arguments.axes(kind, "attention_axes", attention_axes) != (1,):
            raise ArgumentError(f"{kind}: attention_axes can only be 1, the steps; got {attention_axes!r}")
        self.attention_axes = None
        self.set_options(
            dropout, use_bias, rotary, kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
            activity_regularizer, seed,
        )  # fmt: skip

    def build(self, query: Shape, value: Shape, key: Shape | None = None) -> None:
        heads, sizes = (self.num_heads, self.num_heads), (self.key_dim, self.value_dim)
        self.build_heads(query, value, key, heads, sizes, self.output_shape or query[-1:])


class GroupQueryAttention(AttentionOfHeads):
    """Attention whose keys and values have fewer heads than the queries: each serves several of them in a row.

    Shapes and masks as for `MultiHeadAttention`, with kernels [features, num_key_value_heads, head_dim] for key and
    value. Ainslie et al. 2023.

    >>> from pellucid.nn.layers import Input
    >>> x = Input(shape=(10, 16))
    >>> GroupQueryAttention(head_dim=4, num_query_heads=4, num_key_value_heads=2)(x, x).shape
    (None, 10, 16)
    """

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        seed: int | None = None,
        rotary: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        kind = "GroupQueryAttention"
        self.head_dim = arguments.whole(kind, "head_dim", head_dim)
        self.num_query_heads = arguments.whole(kind, "num_query_heads", num_query_heads)
        self.num_key_value_heads = arguments.whole(kind, "num_key_value_heads", num_key_value_heads)
        if self.num_query_heads % self.num_key_value_heads:
            raise ArgumentError(
                f"{kind}: num_query_heads must be a multiple of num_key_value_heads, "
                f"got {num_query_heads} and {num_key_value_heads}"
            )
        self.set_options(
            dropout, use_bias, rotary, kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
            activity_regularizer, seed,
        )  # fmt: skip

    def build(self, query: Shape, value: Shape, key: Shape | None = None) -> None:
        heads, sizes = (self.num_query_heads, self.num_key_value_heads), (self.head_dim, self.head_dim)
        self.build_heads(query, value, key, heads, sizes, query[-1:])

    def for_queries(self, x: Tensor) -> Tensor:
        *leading, _, size = x.shape
        heads, each = self.num_key_value_heads, self.num_query_heads // self.num_key_value_heads
        repeated = ops.broadcast_to(ops.reshape(x, (*leading, heads, 1, size)), (*leading, heads, each, size))
        return ops.reshape(repeated, (*leading, heads * each, size))
