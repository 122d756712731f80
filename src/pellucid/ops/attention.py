"""Attention: queries look up values by how well keys answer them. Vaswani et al. 2017."""

from __future__ import annotations

from pellucid.core.graph import Tensor, composite, named
from pellucid.core.spec import Shape, show_shape
from pellucid.errors import ShapeError
from pellucid.ops.comparisons import logical_and, where
from pellucid.ops.composites import softmax
from pellucid.ops.masks import causal_mask
from pellucid.ops.shape import transpose

LOWEST = -1e30  # of a key that is not seen; finite, so that a row of nothing else has no NaN


@composite
def attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, *, causal: bool = False, scale: float = 1.0
) -> Tensor:
    """y[i] = Σⱼ p[i, j]·v[j], p = softmax over the keys of scale·q·kᵀ, for each head apart.

    Shapes: q [b, t, heads, d], k [b, s, heads, d], v [b, s, heads, e] → [b, t, heads, e]. A mask, bool and broadcast to
    [b, heads, t, s], is true where a query may see a key; with `causal` query i sees keys 0 … i. A query that sees no
    key gives zeros.

    >>> import numpy
    >>> q = numpy.zeros((1, 1, 1, 2), "float32")
    >>> attention(q, numpy.zeros((1, 2, 1, 2), "float32"), numpy.float32([[[[1.0]], [[3.0]]]])).numpy()
    array([[[[2.]]]], dtype=float32)
    """
    return combined(attention_scores(q, k, *([] if mask is None else [mask]), causal=causal, scale=scale), v)


@composite
def attention_scores(
    q: Tensor, k: Tensor, mask: Tensor | None = None, *, causal: bool = False, scale: float = 1.0
) -> Tensor:
    """p[i, j] = softmax over the keys j of scale·q[i]·k[j], 0 where a query does not see a key.

    Shapes and masks as for `attention`; the result is [b, heads, t, s].

    >>> import numpy
    >>> from pellucid.core.graph import tensor
    >>> q = tensor(numpy.zeros((1, 2, 1, 4), "float32"))
    >>> attention_scores(q, q, causal=True).numpy()[0, 0]
    array([[1. , 0. ],
           [0.5, 0.5]], dtype=float32)
    """
    if q.rank != 4 or k.rank != 4 or q.shape[2:] != k.shape[2:]:
        raise ShapeError(f"attention needs q and k of [b, t, heads, d], heads and d alike, got {q.spec} and {k.spec}")
    logits = named((transpose(q, (0, 2, 1, 3)) @ transpose(k, (0, 2, 3, 1))) * scale, "logits")
    if mask is not None and not _broadcasts(mask.shape, logits.shape):
        raise ShapeError(
            f"attention: the mask {mask.spec} does not broadcast to [b, heads, t, s], {show_shape(logits.shape)}; give "
            "it four axes, each of that size, or of 1 where it is the same for all"
        )
    seen = mask
    if causal:
        earlier = causal_mask((q.shape[1], k.shape[1]))
        seen = earlier if mask is None else logical_and(mask, earlier)
    if seen is None:
        return named(softmax(logits), "scores")
    scores = softmax(where(seen, logits, LOWEST))
    every = mask is None  # with causal alone, every query sees a key
    return named(scores if every else where(seen, scores, 0.0), "scores")


def _broadcasts(mask: Shape, scores: Shape) -> bool:
    return len(mask) == 4 and all(a in (1, b) or None in (a, b) for a, b in zip(mask, scores, strict=True))


def combined(scores: Tensor, v: Tensor) -> Tensor:
    """Σⱼ p[i, j]·v[j]: [b, heads, t, s], [b, s, heads, e] → [b, t, heads, e].

    >>> import numpy
    >>> from pellucid.core.graph import tensor
    >>> half = tensor(numpy.full((1, 1, 1, 2), 0.5, "float32"))
    >>> combined(half, tensor(numpy.float32([[[[1.0]], [[3.0]]]]))).numpy()
    array([[[[2.]]]], dtype=float32)
    """
    return transpose(scores @ transpose(v, (0, 2, 1, 3)), (0, 2, 1, 3))
