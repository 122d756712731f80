"""`adam` against the update written out in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from single_kernel import run, to_bfloat16, to_float

RATES: dict[str, Any] = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
SIZES = [(1,), (3,), (16,), (5, 7), (), (130, 41), (0,), (64, 1000)]


def scalars(step: int) -> list[np.ndarray]:
    return [np.array(x, np.float32) for x in (0.01, 1 - 0.9**step, 1 - 0.999**step)]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_steps(weight_decay: float, dtype: str) -> None:
    rng = np.random.default_rng(0)
    state = [
        [rng.standard_normal(s).astype(np.float32), np.zeros(s, np.float32), np.zeros(s, np.float32)] for s in SIZES
    ]
    expected = [[x.astype(np.float64) for x in parameter] for parameter in state]
    attributes = RATES | {"weight_decay": weight_decay}
    for step in range(1, 6):
        gradients = [rng.standard_normal(s).astype(np.float32) for s in SIZES]
        if dtype == "bfloat16":
            gradients = [to_bfloat16(g) for g in gradients]
        rate, correction_1, correction_2 = (float(s) for s in scalars(step))
        inputs, outputs = scalars(step), []
        for (p, m, v), g in zip(state, gradients, strict=True):
            at = len(inputs)
            inputs += [p, g, m, v]
            outputs += [at, at + 2, at + 3]
        run("adam", attributes, inputs, outputs, 2)
        for found, wanted, g in zip(state, expected, gradients, strict=True):
            p, m, v = wanted
            m += (to_float(g) - m) * 0.1
            v += (to_float(g) ** 2 - v) * 0.001
            p -= rate * weight_decay * p
            p -= m * (rate * np.sqrt(correction_2) / correction_1) / (np.sqrt(v) + 1e-7)
            for got, want in zip(found, wanted, strict=True):
                np.testing.assert_allclose(got, want, 2e-6 * step, 1e-7 * step)


def test_first_step_by_hand() -> None:
    p, m, v = np.ones(2, np.float32), np.zeros(2, np.float32), np.zeros(2, np.float32)
    run("adam", RATES, [*scalars(1), p, np.array([4, -0.5], np.float32), m, v], [3, 5, 6])
    np.testing.assert_allclose(p, [0.99, 1.01], 1e-6)  # the first step is learning_rate · sign(gradient)
    np.testing.assert_allclose(m, [0.4, -0.05], 1e-6)
    np.testing.assert_allclose(v, [0.016, 0.00025], 1e-4)


def test_threads_change_no_bit() -> None:
    rng = np.random.default_rng(1)
    start = [rng.random(s).astype(np.float32) for s in [(300_001,), (7,), (50_000,)] for _ in range(4)]
    results = []
    for threads in (1, 2):
        arrays = [x.copy() for x in start]
        run("adam", RATES, [*scalars(3), *arrays], [3 + 4 * i + k for i in range(3) for k in (0, 2, 3)], threads)
        results.append(arrays)
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


def test_refusals() -> None:
    p, g = np.ones(3, np.float32), np.ones(4, np.float32)
    with pytest.raises(ValueError, match="differ in size"):
        run("adam", RATES, [*scalars(1), p, g, p.copy(), p.copy()], [3, 5, 6])
    with pytest.raises(ValueError, match="in place"):
        run("adam", RATES, [*scalars(1), p, p.copy(), p.copy(), p.copy()], [5, 3, 6])
