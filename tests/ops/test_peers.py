"""Ops and composites against PyTorch and JAX, values and derivatives, at random and at extreme points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import contract
import numpy
import pytest

from pellucid import ops
from pellucid.core.autodiff import gradients
from pellucid.core.evaluate import evaluate
from pellucid.core.sources import feed

Array = numpy.ndarray
Ours = Callable[..., Any]

UNARY: dict[str, tuple[float, float]] = {
    "absolute": (-3, 3), "erf": (-3, 3), "exp": (-3, 3), "expm1": (-3, 3), "floor": (-3, 3), "log": (0.1, 5),
    "log1p": (-0.8, 4), "negative": (-3, 3), "reciprocal": (0.3, 3), "relu": (-3, 3), "sigmoid": (-6, 6),
    "sign": (-3, 3), "softplus": (-6, 6), "sqrt": (0.1, 5), "square": (-3, 3), "tanh": (-3, 3), "silu": (-6, 6),
    "mish": (-6, 6), "softsign": (-3, 3), "gelu": (-4, 4), "selu": (-3, 3), "hard_sigmoid": (-2.9, 2.9),
}  # fmt: skip
BINARY = {"add": (-3, 3), "subtract": (-3, 3), "multiply": (-3, 3), "divide": (0.4, 3), "power": (0.3, 2.5),
          "maximum": (-3, 3), "minimum": (-3, 3)}  # fmt: skip
LOGITS = numpy.array([0.0, 1e-30, -1e-30, 88.0, -88.0, 104.0, -104.0, 1e4, -1e4, 1e38, -1e38])
SAFE = [
    "relu",
    "sigmoid",
    "softplus",
    "tanh",
    "silu",
    "mish",
    "softsign",
    "gelu",
    "selu",
    "hard_sigmoid",
    "elu",
    "leaky_relu",
]


def torch_function(name: str) -> Callable[..., Any]:
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    special = {
        "relu": functional.relu, "softplus": functional.softplus, "silu": functional.silu,
        "mish": functional.mish, "softsign": functional.softsign, "gelu": functional.gelu, "selu": functional.selu,
        "hard_sigmoid": functional.hardsigmoid, "power": torch.pow, "elu": functional.elu,
        "leaky_relu": lambda x: functional.leaky_relu(x, 0.2),
    }  # fmt: skip
    return special.get(name) or getattr(torch, name)  # type: ignore[no-any-return]


def jax_function(name: str) -> Callable[..., Any]:
    pytest.importorskip("jax")
    import jax
    from jax import numpy as jnp

    special = {
        "erf": jax.scipy.special.erf, "softsign": jax.nn.soft_sign, "gelu": lambda x: jax.nn.gelu(x, approximate=False),
        "leaky_relu": lambda x: jax.nn.leaky_relu(x, 0.2),
    }  # fmt: skip
    return special.get(name) or getattr(jnp, name, None) or getattr(jax.nn, name)


def torch_result(name: str, arrays: list[Array], adjoint: Array) -> list[Array]:
    torch = pytest.importorskip("torch")
    leaves = [torch.tensor(a, requires_grad=True) for a in arrays]
    y = torch_function(name)(*leaves)
    y.backward(torch.tensor(adjoint))
    return [y.detach().numpy(), *(leaf.grad.numpy() for leaf in leaves)]


def jax_result(name: str, arrays: list[Array], adjoint: Array) -> list[Array]:
    jax = pytest.importorskip("jax")
    with jax.enable_x64(arrays[0].dtype == numpy.float64):
        y, pull = jax.vjp(jax_function(name), *arrays)
        return [numpy.asarray(item) for item in (y, *pull(numpy.asarray(adjoint, y.dtype)))]


PEERS = pytest.mark.parametrize("peer", [torch_result, jax_result], ids=["torch", "jax"])


def our_result(name: str, arrays: list[Array], adjoint: Array) -> list[Array]:
    more = {"leaky_relu": (0.2,), "elu": (1.0,)}.get(name, ())
    inputs = [feed(a.shape, str(a.dtype)) for a in arrays]
    y = getattr(ops, name)(*inputs, *more)
    found = gradients(ops.sum(y * adjoint), inputs)
    return evaluate([y, *found], dict(zip(inputs, arrays, strict=True)))


@PEERS
@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_random_points(name: str, peer: Any) -> None:
    random = numpy.random.default_rng(10)
    low, high = UNARY.get(name) or BINARY[name]
    shapes = [(5, 7), (7,)] if name in BINARY else [(5, 7)]
    arrays = [random.uniform(low, high, shape) for shape in shapes]
    adjoint = random.normal(size=(5, 7))
    for ours, theirs in zip(our_result(name, arrays, adjoint), peer(name, arrays, adjoint), strict=True):
        # PyTorch keeps the sixth of its hard sigmoid in float32.
        contract.demand_close(ours, theirs, 1e-8 if name == "hard_sigmoid" else 1e-12, name)


@PEERS
@pytest.mark.parametrize("name", SAFE)
def test_extreme_points(name: str, peer: Any) -> None:
    """In float32 at logits up to ±1e38: no NaN in values or derivatives, and the peers' numbers."""
    arrays, adjoint = [LOGITS.astype(numpy.float32)], numpy.ones(len(LOGITS), numpy.float32)
    ours, theirs = our_result(name, arrays, adjoint), peer(name, arrays, adjoint)
    assert not numpy.isnan(ours).any()
    for mine, peers in zip(ours, theirs, strict=True):
        known = ~numpy.isnan(peers)
        if name in ("relu", "leaky_relu"):
            known &= LOGITS != 0.0  # a kink, where each makes its own choice
        contract.demand_close(mine[known], peers[known], 2e-6, name)


def logit_rows() -> Array:
    """Rows in which each extreme logit meets another."""
    rows = [(a, b, 0.5) for a in LOGITS for b in LOGITS]
    return numpy.array(rows, numpy.float32)


@PEERS
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_extreme_logits(name: str, peer: Any) -> None:
    x = logit_rows()
    adjoint = numpy.random.default_rng(3).normal(size=x.shape[: 1 if name == "logsumexp" else 2]).astype(numpy.float32)
    ours = our_result(name, [x], adjoint)
    assert not any(numpy.isnan(item).any() for item in ours)
    if peer is torch_result:
        torch = pytest.importorskip("torch")
        leaf = torch.tensor(x, requires_grad=True)
        y = getattr(torch, name)(leaf, dim=-1)
        y.backward(torch.tensor(adjoint))
        theirs = [y.detach().numpy(), leaf.grad.numpy()]
        if name == "logsumexp":  # PyTorch's e^(x - y) has lost all bits of x at 1e38; its softmax has not
            theirs[1] = torch.softmax(torch.tensor(x), -1).numpy() * adjoint[:, None]
    else:
        jax = pytest.importorskip("jax")
        y, pull = (
            jax.vjp(getattr(jax.nn, name), x) if name != "logsumexp" else jax.vjp(lambda v: jax.nn.logsumexp(v, -1), x)
        )
        theirs = [numpy.asarray(y), numpy.asarray(pull(adjoint)[0])]
    for mine, peers in zip(ours, theirs, strict=True):
        contract.demand_close(mine, peers, 3e-6, name)


@PEERS
def test_matmul_and_take(peer: Any) -> None:
    random = numpy.random.default_rng(12)
    shapes: list[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = [
        ((4, 3), (3, 5), (4, 5)), ((2, 4, 3), (3, 5), (2, 4, 5)), ((2, 1, 4, 3), (6, 3, 5), (2, 6, 4, 5))
    ]  # fmt: skip
    for x, w, y in shapes:
        arrays = [random.normal(size=x), random.normal(size=w)]
        adjoint = random.normal(size=y)
        for ours, theirs in zip(our_result("matmul", arrays, adjoint), peer("matmul", arrays, adjoint), strict=True):
            contract.demand_close(ours, theirs, 1e-12, "matmul")


def test_reductions_and_indexing() -> None:
    torch = pytest.importorskip("torch")
    random = numpy.random.default_rng(13)
    x = random.normal(size=(3, 4, 5))
    ids = numpy.array([[0, 2], [2, 2]], numpy.int32)
    cases: list[tuple[Ours, Ours]] = [
        (lambda v: ops.sum(v, axis=(0, 2)), lambda v: v.sum((0, 2))),
        (lambda v: ops.mean(v, axis=1, keepdims=True), lambda v: v.mean(1, keepdim=True)),
        (lambda v: ops.max(v, axis=1), lambda v: v.amax(1)),
        (lambda v: ops.min(v, axis=(1, 2)), lambda v: v.amin((1, 2))),
        (lambda v: ops.take(v, ids), lambda v: v[torch.tensor(ids, dtype=torch.long)]),
        (lambda v: ops.transpose(v, (2, 0, 1)), lambda v: v.permute(2, 0, 1)),
        (lambda v: ops.reshape(v, (6, -1)), lambda v: v.reshape(6, -1)),
        (lambda v: v[..., 1:5:2], lambda v: v[..., 1:5:2]),
        (lambda v: ops.flip(v, 1), lambda v: v.flip(1)),
        (lambda v: ops.pad(v, [(1, 0), (0, 2), (1, 1)]), lambda v: torch.nn.functional.pad(v, (1, 1, 0, 2, 1, 0))),
        (lambda v: ops.concatenate([v, v * 2.0], axis=1), lambda v: torch.cat([v, v * 2.0], 1)),
        (lambda v: ops.stack([v, v * 2.0], axis=-1), lambda v: torch.stack([v, v * 2.0], -1)),
        (lambda v: ops.where(v > 0.0, v, 3.0 * v), lambda v: torch.where(v > 0, v, 3.0 * v)),
        (lambda v: ops.clip(v, -0.5, 0.5), lambda v: v.clamp(-0.5, 0.5)),
        (lambda v: ops.l2_normalize(v), lambda v: torch.nn.functional.normalize(v, dim=-1)),
        (lambda v: ops.gelu(v, approximate=True), lambda v: torch.nn.functional.gelu(v, approximate="tanh")),
        (lambda v: ops.broadcast_to(v, (2, 3, 4, 5)), lambda v: v.expand(2, 3, 4, 5)),
    ]
    for mine, theirs in cases:
        leaf, inner = torch.tensor(x, requires_grad=True), feed(x.shape, "float64")
        y, wanted = mine(inner), theirs(leaf)
        adjoint = random.normal(size=tuple(wanted.shape))
        wanted.backward(torch.tensor(adjoint))
        (dx,) = gradients(ops.sum(y * adjoint), [inner])
        got = evaluate([y, dx], {inner: x})
        contract.demand_close(got[0], wanted.detach().numpy(), 1e-12, "value")
        contract.demand_close(got[1], leaf.grad.numpy(), 1e-12, "derivative")


def test_every_float_op_has_a_peer() -> None:
    """What is compared above, or in its own right, is all that is differentiable."""
    from pellucid.core.op import registry

    elsewhere = {"sum", "max", "min", "take", "scatter_add", "transpose", "reshape", "slice", "pad", "concatenate"}
    elsewhere |= {"where", "broadcast_to", "matmul", "cast", "straight_through_step", "after"}
    elsewhere |= {"max_pool", "average_pool", "max_pool_gradient", "average_pool_gradient"}
    elsewhere |= {"affine_sample", "affine_sample_gradient", "flip", "lstm", "gru", "simple_rnn"}
    elsewhere |= {"convolution", "convolution_input_gradient", "convolution_kernel_gradient"}
    kinds = {
        name
        for name, kind in registry.items()
        if kind.differentiable and kind.inputs and kind.__module__.startswith("pellucid.")
    }
    assert kinds <= elsewhere | set(UNARY) | set(BINARY)
