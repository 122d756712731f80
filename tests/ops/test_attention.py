"""Attention: by hand, against PyTorch, rows that see nothing, derivatives, both executors."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from pellucid import ops
from pellucid.core.autodiff import gradients
from pellucid.core.evaluate import evaluate
from pellucid.core.graph import Program, Tensor
from pellucid.core.sources import feed
from pellucid.errors import ShapeError
from pellucid.execute import executor

random = numpy.random.default_rng(8)

# (batch, queries, keys, heads, size of keys, size of values)
SIZES = [
    (1, 1, 1, 1, 1, 1),
    (2, 5, 5, 3, 4, 4),
    (1, 4, 7, 2, 3, 5),
    (3, 7, 4, 1, 8, 2),
    (3, 1, 6, 2, 4, 3),
    (2, 6, 1, 2, 4, 3),
    (2, 33, 33, 2, 17, 16),
]


def drawn(sizes: tuple[int, ...]) -> list[numpy.ndarray]:
    b, t, s, h, d, e = sizes
    return [random.normal(size=shape).astype(numpy.float32) for shape in ((b, t, h, d), (b, s, h, d), (b, s, h, e))]


def expected(q: Any, k: Any, v: Any, seen: Any, scale: float) -> tuple[numpy.ndarray, numpy.ndarray]:
    """One query at a time, over the keys that it sees, in float64."""
    b, t, h, _ = q.shape
    y, p = numpy.zeros((b, t, h, v.shape[-1])), numpy.zeros((b, h, t, k.shape[1]))
    for i, j, n in numpy.ndindex(b, t, h):
        (keys,) = numpy.nonzero(numpy.broadcast_to(seen, p.shape)[i, n, j])
        if len(keys):
            powers = numpy.exp(scale * (k[i, keys, n].astype(float) @ q[i, j, n]))
            p[i, n, j, keys] = powers / powers.sum()
            y[i, j, n] = p[i, n, j, keys] @ v[i, keys, n]
    return y, p


def built(arrays: list[numpy.ndarray], mask: numpy.ndarray | None, **options: Any) -> tuple[list[Tensor], Tensor]:
    feeds = [feed(x.shape) for x in arrays] + ([] if mask is None else [feed(mask.shape, "bool")])
    return feeds, ops.attention(*feeds, **options)


@pytest.mark.parametrize("masked", [None, "keys", "heads", "all"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", ["numpy", "native"])
def test_attention_query_by_query(name: str, sizes: Any, causal: bool, masked: str | None) -> None:
    b, t, s, h, _, _ = sizes
    arrays, scale = drawn(sizes), 0.7
    shapes = {"keys": (b, 1, 1, s), "heads": (1, h, t, s), "all": (b, 1, t, s)}
    mask = None if masked is None else random.random(shapes[masked]) < (0.0 if masked == "all" else 0.6)
    feeds, y = built(arrays, mask, causal=causal, scale=scale)
    seen = numpy.ones((1, 1, t, s), bool) if mask is None else mask
    seen = seen & numpy.tri(t, s, dtype=bool) if causal else seen
    given = [*arrays, *([] if mask is None else [mask])]
    want, scores = expected(*arrays, seen, scale)
    (found,) = executor(name).compile(Program(tuple(feeds), (y,)))(*given)
    numpy.testing.assert_allclose(found, want, rtol=2e-5, atol=2e-6)
    p = ops.attention_scores(*feeds[:2], *feeds[3:], causal=causal, scale=scale)
    feeds, given = [*feeds[:2], *feeds[3:]], [*given[:2], *given[3:]]
    (found,) = executor(name).compile(Program(tuple(feeds), (p,)))(*given)
    numpy.testing.assert_allclose(found, scores, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", ["numpy", "native"])
def test_derivatives_equal_pytorch(name: str, sizes: Any, causal: bool, masked: bool) -> None:
    torch = pytest.importorskip("torch")
    b, t, s, *_ = sizes
    arrays, weight = drawn(sizes), random.normal(size=(b, t, sizes[3], sizes[5])).astype(numpy.float32)
    mask = random.random((b, 1, t, s)) < 0.7 if masked else None
    if mask is not None:
        mask[..., 0] = True  # a row that sees nothing is NaN there
    feeds, y = built(arrays, mask, causal=causal, scale=0.3)
    found = gradients(ops.sum(y * weight), feeds[:3])
    given = [*arrays, *([] if mask is None else [mask])]
    mine = executor(name).compile(Program(tuple(feeds), (y, *found)))(*given)

    theirs = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in arrays]
    q, k, v = (x.transpose(1, 2) for x in theirs)
    seen = torch.ones(t, s).bool() if mask is None else torch.tensor(mask)
    seen = seen & torch.ones(t, s).bool().tril() if causal else seen
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=0.3).transpose(1, 2)
    (out * torch.tensor(weight)).sum().backward()
    for own, other in zip(mine, [out.detach(), *(x.grad for x in theirs)], strict=True):
        numpy.testing.assert_allclose(own, other.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["numpy", "native"])
def test_a_query_that_sees_nothing_gives_zeros_and_no_nan(name: str) -> None:
    arrays = drawn((2, 3, 4, 2, 5, 5))
    mask = numpy.ones((2, 1, 3, 4), bool)
    mask[0], mask[1, 0, 1] = False, False
    feeds, y = built(arrays, mask, scale=0.5)
    found = gradients(ops.sum(y * y), feeds[:3])
    y, *derivatives = executor(name).compile(Program(tuple(feeds), (y, *found)))(*arrays, mask)
    assert (y[0] == 0).all()
    assert (y[1, 1] == 0).all()
    assert (y[1, [0, 2]] != 0).all()
    for array in derivatives:
        assert numpy.isfinite(array).all()
        assert (array[0] == 0).all()


def test_large_scores_stay_finite() -> None:
    q, k, v = drawn((1, 3, 3, 1, 4, 4))
    feeds, y = built([q, k, v], None, causal=True, scale=1e6)
    for name in ("numpy", "native"):
        assert numpy.isfinite(executor(name).compile(Program(tuple(feeds), (y,)))(q, k, v)[0]).all()


def test_what_attention_refuses() -> None:
    q, k = feed((2, 3, 4, 5)), feed((2, 6, 4, 5))
    with pytest.raises(ShapeError, match="heads and d alike"):
        ops.attention(q, feed((2, 6, 4, 6)), k)
    with pytest.raises(ShapeError, match=r"the mask bool\[2, 3, 6\] does not broadcast to .*\[2, 4, 3, 6\]"):
        ops.attention(q, k, k, feed((2, 3, 6), "bool"))
    with pytest.raises(ShapeError, match="does not broadcast"):
        ops.attention(q, k, k, feed((3, 1, 3, 6), "bool"))


def test_one_group_that_can_be_opened() -> None:
    q, k, v = (feed((2, 3, 1, 4)) for _ in range(3))
    y = ops.attention(q, k, v, causal=True)
    assert [group.name for group in y.node.groups] == ["attention"]
    assert "attention_scores" in {group.name for node in Program((q, k, v), (y,)).nodes() for group in node.groups}
    assert evaluate([y], {q: numpy.ones(q.shape), k: numpy.ones(k.shape), v: numpy.ones(v.shape)})[0].shape == y.shape
