"""Attention and its gradient against their formulas in float64."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from single_kernel import native, run, to_bfloat16, to_float


class Case(NamedTuple):
    batch: int
    queries: int
    keys: int
    heads: int
    size: int
    value_size: int
    causal: bool = False
    mask: tuple[int, ...] | None = None  # its shape, where there is one


CASES = [
    Case(2, 64, 64, 4, 32, 32, causal=True),
    Case(1, 128, 128, 2, 64, 64, causal=True),
    Case(2, 7, 7, 3, 8, 8, causal=True),
    Case(1, 1, 1, 1, 1, 1),
    Case(1, 1, 37, 2, 16, 16),
    Case(3, 50, 33, 2, 80, 24),
    Case(2, 33, 50, 1, 5, 7, causal=True),
    Case(2, 50, 33, 1, 6, 10, causal=True),
    Case(1, 200, 200, 1, 16, 16, causal=True),
    Case(1, 150, 1100, 1, 8, 8),
    Case(2, 20, 30, 2, 8, 8, mask=(2, 2, 20, 30)),
    Case(2, 20, 30, 2, 8, 8, mask=(2, 1, 1, 30)),
    Case(2, 20, 30, 3, 8, 8, causal=True, mask=(1, 1, 20, 30)),
    Case(3, 17, 17, 2, 8, 8, causal=True, mask=(3, 1, 17, 1)),
    Case(0, 4, 4, 2, 8, 8),
    Case(2, 4, 0, 2, 8, 8),
    Case(2, 0, 4, 2, 8, 8),
]


class Arrays(NamedTuple):
    q: np.ndarray
    k: np.ndarray
    v: np.ndarray
    g: np.ndarray
    mask: np.ndarray | None


def arrays(case: Case, dtype: str) -> Arrays:
    rng = np.random.default_rng(sum(case[:6]))

    def normal(*shape: int) -> Any:
        x = rng.standard_normal(shape).astype(np.float32)
        return to_bfloat16(x) if dtype == "bfloat16" else x

    b, t, s, h, d, e, _, mask_shape = case
    mask = None if mask_shape is None else rng.random(mask_shape) < 0.6
    if mask is not None:
        mask[0] = False  # whole rows without anything to see
    return Arrays(normal(b, t, h, d), normal(b, s, h, d), normal(b, s, h, e), normal(b, t, h, e), mask)


class Expected(NamedTuple):
    y: np.ndarray
    logsumexp: np.ndarray
    dq: np.ndarray
    dk: np.ndarray
    dv: np.ndarray


def expected(case: Case, given: Arrays, scale: float) -> Expected:
    q, k, v, g = map(to_float, given[:4])
    scores = scale * np.einsum("bihd,bjhd->bhij", q, k)
    seen = np.ones(scores.shape, bool) if given.mask is None else np.broadcast_to(given.mask, scores.shape)
    if case.causal:
        seen = seen & np.tri(case.queries, case.keys, dtype=bool)
    scores = np.where(seen, scores, -np.inf)
    top = scores.max(-1, initial=-1e30, keepdims=True)
    e = np.exp(scores - top)
    total = e.sum(-1, keepdims=True)
    p = np.divide(e, total, out=np.zeros_like(e), where=total > 0)
    y = np.einsum("bhij,bjhe->bihe", p, v)
    dp = np.einsum("bihe,bjhe->bhij", g, v)
    ds = scale * p * (dp - (p * dp).sum(-1, keepdims=True))
    with np.errstate(divide="ignore"):
        logsumexp = np.where(total > 0, top + np.log(total), np.inf)[..., 0]
    dq, dk = np.einsum("bhij,bjhd->bihd", ds, k), np.einsum("bhij,bihd->bjhd", ds, q)
    return Expected(y, logsumexp, dq, dk, np.einsum("bhij,bihe->bjhe", p, g))


def both(case: Case, given: Arrays, scale: float, threads: int = 2, dtype: str = "float32") -> tuple[np.ndarray, ...]:
    """y, logsumexp, dq, dk, dv."""
    attributes = {"causal": int(case.causal), "scale": scale}
    q, k, v, g, mask = given
    rows = ("float32", (case.batch, case.heads, case.queries))
    y, logsumexp = run("attention", attributes, [q, k, v, mask], [(dtype, g.shape), rows], threads)
    gradients = [(dtype, x.shape) for x in (q, k, v)]
    inputs = [g, q, k, v, y, logsumexp, mask]
    return y, logsumexp, *run("attention_gradient", attributes, inputs, gradients, threads)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_formula(case: Case, dtype: str) -> None:
    given, scale = arrays(case, dtype), case.size**-0.5
    results = both(case, given, scale, dtype=dtype)
    # In bfloat16 the probabilities are rounded too: errors of 2⁻⁹ of the terms of each sum.
    tolerance = 2e-5 if dtype == "float32" else 0.03
    for name, result, wanted in zip(Expected._fields, results, expected(case, given, scale), strict=True):
        np.testing.assert_allclose(to_float(result), wanted, tolerance, tolerance, err_msg=name)


def test_mixed_dtypes_are_multiplied_as_float32() -> None:
    case = Case(2, 40, 40, 2, 16, 16, causal=True)
    given = arrays(case, "float32")
    mixed = given._replace(q=to_bfloat16(given.q), g=to_bfloat16(given.g))
    results = both(case, mixed, 0.25)
    for name, result, wanted in zip(Expected._fields, results, expected(case, mixed, 0.25), strict=True):
        np.testing.assert_allclose(result, wanted, 2e-5, 2e-5, err_msg=name)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_threads_do_not_change_a_bit(dtype: str) -> None:
    case = Case(3, 90, 90, 5, 24, 24, causal=True)
    given = arrays(case, dtype)
    for one, two in zip(both(case, given, 0.2, 1, dtype), both(case, given, 0.2, 2, dtype), strict=True):
        np.testing.assert_array_equal(one, two)


def test_large_scores_do_not_overflow() -> None:
    case = Case(1, 20, 20, 1, 8, 8)
    given = arrays(case, "float32")._replace(mask=None)
    y, logsumexp, *gradients = both(case, given, 300.0)
    wanted = expected(case, given, 300.0)
    np.testing.assert_allclose(y, wanted.y, 1e-3, 1e-3)
    np.testing.assert_allclose(logsumexp, wanted.logsumexp, 1e-5)
    assert all(np.isfinite(x).all() for x in gradients)


def test_nan_is_passed_on() -> None:
    case = Case(1, 20, 20, 1, 8, 8, causal=True)
    given = arrays(case, "float32")
    given.q[0, 11, 0, 3] = np.nan
    y, *_ = both(case, given, 1.0)
    assert np.isnan(y[0, 11]).all()
    assert np.isfinite(np.delete(y, 11, axis=1)).all()


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((2, 4, 2, 8), (2, 4, 3, 8), (2, 4, 3, 8)), "do not belong together"),
        (((4, 2, 8), (4, 2, 8), (4, 2, 8)), "four axes"),
    ],
)
def test_refusals(shapes: tuple[tuple[int, ...], ...], message: str) -> None:
    operands = [np.zeros(shape, np.float32) for shape in shapes]
    with pytest.raises(ValueError, match=message):
        run("attention", {"causal": 0, "scale": 1.0}, operands, [("float32", shapes[0])])


def test_kernels_are_registered() -> None:
    assert {"attention", "attention_gradient"} <= set(native.kernels())
