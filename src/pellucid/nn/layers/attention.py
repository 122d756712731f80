"""Attention without projections: the steps of one sequence look up what they need in another."""

from __future__ import annotations

from functools import reduce
from typing import Any

from pellucid import ops
from pellucid.core.graph import Tensor, named
from pellucid.core.spec import Shape, show_shape
from pellucid.errors import ArgumentError, ShapeError, StateError
from pellucid.nn import arguments
from pellucid.nn.construction import current
from pellucid.nn.layer import Layer
from pellucid.nn.layers.core import as_float
from pellucid.nn.layers.regularization import Dropout


def need_mask(name: str, mask: Tensor | None, *wanted: Shape) -> None:
    """Raise `ShapeError` unless a mask, if there is one, has one of the shapes; size 1 stands for every other."""

    def fits(shape: Shape) -> bool:
        return any(
            len(shape) == len(one) and all(a in (1, b) or None in (a, b) for a, b in zip(shape, one, strict=True))
            for one in wanted
        )

    if mask is None or fits(mask.shape):
        return
    swapped = (*mask.shape[:-2], *mask.shape[:-3:-1])
    hint = "swap its last two axes: " if len(wanted) > 1 and fits(swapped) else ""
    raise ShapeError(
        f"{name} {show_shape(mask.shape)} does not fit; {hint}give {' or '.join(map(show_shape, wanted))}, true "
        "where a step counts, or may be seen"
    )


class Attention(Layer):
    """Attention without projections: [query, value] or [query, value, key] → Σₛ softmax over s of (score)·valueˢ.

    The score is query·key, or with `score_mode="concat"` w·Σ tanh(query + key), times a learned scale with `use_scale`.
    Shapes: query [batch, t, features], value and key [batch, s, features] → [batch, t, features of value]. When called:
    `mask` is a list of the masks of query and value; `use_causal_mask`, `return_attention_scores` as for
    `MultiHeadAttention`. Luong, Pham, Manning 2015.

    >>> from pellucid.nn.layers import Input
    >>> Attention()([Input(shape=(5, 8)), Input(shape=(7, 8))]).shape
    (None, 5, 8)
    """

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        kind = type(self).__name__
        self.use_scale = arguments.flag(kind, "use_scale", use_scale)
        if score_mode not in ("dot", "concat"):
            raise ArgumentError(f"{kind}: score_mode must be 'dot' or 'concat', got {score_mode!r}")
        self.score_mode = score_mode
        self.dropout = arguments.number(kind, "dropout", dropout, 0.0, 1.0)
        self.seed = arguments.seed(kind, seed)
        self._dropped = Dropout(self.dropout, seed=seed, name="dropout")

    def build(self, query: Shape, value: Shape, key: Shape | None = None) -> None:
        for shape in (query, value, key or value):
            if len(shape) != 3:
                raise ShapeError(f"it needs [batch, steps, features], got {show_shape(shape)}")
        if query[-1] != (key or value)[-1]:
            raise ShapeError(f"query {show_shape(query)} and key {show_shape(key or value)} need equally many features")
        self.build_scores(query)

    def build_scores(self, query: Shape) -> None:
        self.scale = self.add_weight((), "ones", "scale") if self.use_scale else None
        concat = self.score_mode == "concat"
        self.concat_score_weight = self.add_weight((), "ones", "concat_score_weight") if concat else None

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        """How well each key answers each query, [b, t, s], before the softmax."""
        if self.concat_score_weight is None:
            result = q @ ops.transpose(k, (0, 2, 1))
            return result if self.scale is None else result * self.scale.tensor
        both = ops.expand_dims(q, 2) + ops.expand_dims(k, 1)
        both = both if self.scale is None else both * self.scale.tensor
        return ops.sum(ops.tanh(both), axis=-1) * self.concat_score_weight.tensor

    def call(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        *,
        mask: Any = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
        training: bool = False,
    ) -> Any:
        stepping = current().stepping
        if stepping is not None and not all(stepping.is_fixed(x) for x in (value, key) if x is not None):
            raise StateError(
                f"layer {self.name} ({type(self).__name__}) cannot run step by step where it looks at the steps; use "
                "MultiHeadAttention"
            )
        if mask is not None and (not isinstance(mask, list) or len(mask) not in (2, 3)):
            raise ArgumentError(f"{type(self).__name__}: mask must be a list [mask of query, mask of value]")
        query_mask, value_mask, *_ = mask or (None, None)
        need_mask("the mask of query", query_mask, query.shape[:2])
        need_mask("the mask of value", value_mask, value.shape[:2])
        v = as_float(value)
        logits = named(self.scores(as_float(query), v if key is None else as_float(key)), "logits")
        seen = [] if value_mask is None else [ops.expand_dims(value_mask, 1)]
        if arguments.flag(type(self).__name__, "use_causal_mask", use_causal_mask):
            seen.append(ops.expand_dims(ops.causal_mask((logits.shape[1], logits.shape[2])), 0))
        if seen:
            logits = ops.where(reduce(ops.logical_and, seen), logits, logits - 1e9)
        scores: Tensor = self._dropped(named(ops.softmax(logits), "scores"), training=training)
        y = scores @ v
        if query_mask is not None:
            y = ops.where(ops.expand_dims(query_mask, -1), y, 0.0)
        return (y, scores) if return_attention_scores else y

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """That of the query."""
        return mask[0] if isinstance(mask, list) else mask


class AdditiveAttention(Attention):
    """Attention whose score is Σ scale·tanh(query + key), with a learned scale for each feature where `use_scale`.

    Shapes and calls as for `Attention`. Bahdanau, Cho, Bengio 2015.

    >>> from pellucid.nn.layers import Input
    >>> AdditiveAttention()([Input(shape=(5, 8)), Input(shape=(7, 8))]).shape
    (None, 5, 8)
    """

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, seed: int | None = None, **options: Any) -> None:
        super().__init__(use_scale=use_scale, dropout=dropout, seed=seed, **options)

    def build_scores(self, query: Shape) -> None:
        self.scale = self.add_weight(query[-1:], "glorot_uniform", "scale") if self.use_scale else None

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        both = ops.tanh(ops.expand_dims(q, 2) + ops.expand_dims(k, 1))
        return ops.sum(both if self.scale is None else both * self.scale.tensor, axis=-1)
