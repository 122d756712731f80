"""The blocks that Transformers are stacked of: attention, then a network of two dense layers for each step."""

from __future__ import annotations

from typing import Any

from pellucid import ops
from pellucid.core.graph import Tensor
from pellucid.core.spec import Shape, known, show_shape
from pellucid.errors import ShapeError
from pellucid.nn import activations, arguments, initializers
from pellucid.nn.layer import Layer
from pellucid.nn.layers.core import Dense
from pellucid.nn.layers.multi_head_attention import MultiHeadAttention
from pellucid.nn.layers.normalization import LayerNormalization
from pellucid.nn.layers.regularization import Dropout


class TransformerBlock(Layer, registered=False):
    """What encoder and decoder blocks share. Each part is added to what went into it.

    Normalised is the sum (as in the paper) or, with `normalize_first`, what goes into the part, which trains more
    easily where many blocks are stacked.
    """

    supports_masking = True

    def __init__(
        self,
        intermediate_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        activation: Any = "relu",
        layer_norm_epsilon: float = 1e-05,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        normalize_first: bool = False,
        use_bias: bool = True,
        rotary: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        kind = type(self).__name__
        self.intermediate_dim = arguments.whole(kind, "intermediate_dim", intermediate_dim)
        self.num_heads = arguments.whole(kind, "num_heads", num_heads)
        self.dropout = arguments.number(kind, "dropout", dropout, 0.0, 1.0)
        self.activation = activations.get(activation)
        self.layer_norm_epsilon = arguments.number(kind, "layer_norm_epsilon", layer_norm_epsilon, 0.0)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.normalize_first = arguments.flag(kind, "normalize_first", normalize_first)
        self.use_bias = arguments.flag(kind, "use_bias", use_bias)
        self.rotary = arguments.flag(kind, "rotary", rotary)

    def features(self, shape: Shape) -> int:
        """The features of each step, of which every head gets an equal part."""
        if len(shape) != 3:
            raise ShapeError(f"it needs [batch, steps, features], got {show_shape(shape)}")
        (features,) = known(shape[-1:])
        if features < self.num_heads:
            raise ShapeError(f"{features} features are too few for {self.num_heads} heads; choose fewer heads")
        return features

    def attention(self, name: str, features: int, rotary: bool) -> MultiHeadAttention:
        return MultiHeadAttention(
            self.num_heads,
            features // self.num_heads,
            dropout=self.dropout,
            use_bias=self.use_bias,
            kernel_initializer=self.kernel_initializer,
            bias_initializer=self.bias_initializer,
            rotary=rotary,
            name=name,
        )

    def norm(self, name: str) -> LayerNormalization:
        return LayerNormalization(epsilon=self.layer_norm_epsilon, center=self.use_bias, name=name)

    def dense(self, name: str, units: int, activation: Any = None) -> Dense:
        return Dense(
            units, activation, self.use_bias, self.kernel_initializer, self.bias_initializer, name=f"feedforward_{name}"
        )

    def added(self, x: Tensor, norm: Layer, part: Any, dropout: Layer) -> Any:
        """x + part(x), normalised before or after; what else the part gives comes along."""
        result = part(norm(x) if self.normalize_first else x)
        y, *more = result if isinstance(result, tuple) else (result,)
        y = x + dropout(y)
        y = y if self.normalize_first else norm(y)
        return (y, *more) if more else y

    def feedforward(self, x: Tensor) -> Tensor:
        result: Tensor = self.feedforward_output_dense(self.feedforward_intermediate_dense(x))
        return result

    feedforward_intermediate_dense: Dense
    feedforward_output_dense: Dense


class TransformerEncoder(TransformerBlock):
    """Self-attention in which every step sees all others, then two dense layers for each step.

    Shapes: [batch, steps, features] → the same. When called: `padding_mask` [batch, steps] is true where a step counts,
    beside the mask of the input; `attention_mask` [batch, steps, steps] where one step may see another. Without
    `use_bias` there are no biases; `rotary` is as in `MultiHeadAttention`. Vaswani et al. 2017; with `normalize_first`,
    Xiong et al. 2020.

    >>> from pellucid.nn.layers import Input
    >>> TransformerEncoder(intermediate_dim=32, num_heads=2)(Input(shape=(10, 16))).shape
    (None, 10, 16)
    """

    def build(self, shape: Shape) -> None:
        features = self.features(shape)
        self.self_attention = self.attention("self_attention", features, self.rotary)
        self.self_attention_layer_norm = self.norm("self_attention_layer_norm")
        self.self_attention_dropout = Dropout(self.dropout, name="self_attention_dropout")
        self.feedforward_layer_norm = self.norm("feedforward_layer_norm")
        self.feedforward_intermediate_dense = self.dense("intermediate_dense", self.intermediate_dim, self.activation)
        self.feedforward_output_dense = self.dense("output_dense", features)
        self.feedforward_dropout = Dropout(self.dropout, name="feedforward_dropout")

    def call(
        self,
        x: Tensor,
        *,
        padding_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        return_attention_scores: bool = False,
    ) -> Any:
        def attend(y: Tensor) -> Any:
            return self.self_attention(
                y,
                y,
                attention_mask=_merged(padding_mask, attention_mask),
                return_attention_scores=return_attention_scores,
            )

        result = self.added(x, self.self_attention_layer_norm, attend, self.self_attention_dropout)
        y, *scores = result if isinstance(result, tuple) else (result,)
        y = self.added(y, self.feedforward_layer_norm, self.feedforward, self.feedforward_dropout)
        return (y, *scores) if scores else y


class TransformerDecoder(TransformerBlock):
    """Causal self-attention, attention to an encoder's output where one is given, then two dense layers for each step.

    Shapes: [batch, steps, features] (and the encoder's [batch, other steps, …]) → [batch, steps, features]. Called on
    one sequence it is the block of a language model. `decoder_padding_mask`, `decoder_attention_mask`,
    `encoder_padding_mask`, `encoder_attention_mask` and the other arguments are as in `TransformerEncoder`. Vaswani et
    al. 2017; Radford et al. 2019.

    >>> from pellucid.nn.layers import Input
    >>> TransformerDecoder(intermediate_dim=32, num_heads=2, normalize_first=True)(Input(shape=(10, 16))).shape
    (None, 10, 16)
    """

    def build(self, shape: Shape, encoder_shape: Shape | None = None) -> None:
        features = self.features(shape)
        self.self_attention = self.attention("self_attention", features, self.rotary)
        self.self_attention_layer_norm = self.norm("self_attention_layer_norm")
        self.self_attention_dropout = Dropout(self.dropout, name="self_attention_dropout")
        if encoder_shape is not None:
            self.cross_attention = self.attention("cross_attention", features, False)
            self.cross_attention_layer_norm = self.norm("cross_attention_layer_norm")
            self.cross_attention_dropout = Dropout(self.dropout, name="cross_attention_dropout")
        self.feedforward_intermediate_dense = self.dense("intermediate_dense", self.intermediate_dim, self.activation)
        self.feedforward_output_dense = self.dense("output_dense", features)
        self.feedforward_layer_norm = self.norm("feedforward_layer_norm")
        self.feedforward_dropout = Dropout(self.dropout, name="feedforward_dropout")

    def call(
        self,
        decoder_sequence: Tensor,
        encoder_sequence: Tensor | None = None,
        *,
        decoder_padding_mask: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_padding_mask: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        use_causal_mask: bool = True,
    ) -> Tensor:
        if (encoder_sequence is not None) != hasattr(self, "cross_attention"):
            raise ShapeError("a decoder is called either always with an encoder's sequence or never")

        def attend(y: Tensor) -> Any:
            mask = _merged(decoder_padding_mask, decoder_attention_mask)
            return self.self_attention(y, y, attention_mask=mask, use_causal_mask=use_causal_mask)

        def attend_to_encoder(y: Tensor) -> Any:
            mask = _merged(encoder_padding_mask, encoder_attention_mask)
            return self.cross_attention(y, value=encoder_sequence, attention_mask=mask)

        x = self.added(decoder_sequence, self.self_attention_layer_norm, attend, self.self_attention_dropout)
        if encoder_sequence is not None:
            x = self.added(x, self.cross_attention_layer_norm, attend_to_encoder, self.cross_attention_dropout)
        result: Tensor = self.added(x, self.feedforward_layer_norm, self.feedforward, self.feedforward_dropout)
        return result


def _merged(padding: Tensor | None, attention: Tensor | None) -> Tensor | None:
    """What a step may see: [b, steps] and [b, steps, steps] as one mask [b, steps or 1, steps]."""
    if padding is None:
        return attention
    seen = ops.expand_dims(ops.cast(padding, "bool"), 1)
    return seen if attention is None else ops.logical_and(seen, ops.cast(attention, "bool"))
