"""The matrix products of the benchmark jobs, alone: GFLOP/s per algorithm and dtype beside the machine's measured peak.

`python benchmarks/kernels.py [--threads N]`. Best of several rounds, the algorithms in turn; with PyTorch, where it is
installed, as the last column.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid import _native

# job: product, x rows, inner, columns, x stored transposed, w stored transposed
SHAPES = [
    ("seed forward 2", 32, 10, 5, 0, 0),
    ("seed dw 2", 10, 32, 5, 1, 0),
    ("seed dx 2", 32, 5, 10, 0, 1),
    ("mlp forward 1", 128, 784, 128, 0, 0),
    ("mlp dw 1", 784, 128, 128, 1, 0),
    ("mlp forward 2", 128, 128, 10, 0, 0),
    ("wide forward 1", 512, 784, 2048, 0, 0),
    ("wide forward 2", 512, 2048, 2048, 0, 0),
    ("wide dx 2", 512, 2048, 2048, 0, 1),
    ("wide dw 2", 2048, 512, 2048, 1, 0),
    ("wide forward 3", 512, 2048, 10, 0, 0),
    ("wide dx 3", 512, 10, 2048, 0, 1),
    ("wide dw 3", 2048, 512, 10, 1, 0),
]
ALGORITHMS = ["", "small", "packed", "onednn"]
ROUNDS, ROUND_FLOP = 15, 2e8


def operand(rng: np.random.Generator, shape: tuple[int, int], transposed: int, dtype: str) -> np.ndarray:
    x = rng.standard_normal(shape[::-1] if transposed else shape).astype(np.float32)
    return (x.view(np.uint32) >> 16).astype(np.uint16) if dtype == "bfloat16" else x


def native_seconds(
    algorithm: str, dtype: str, x: np.ndarray, w: np.ndarray, shape: tuple[int, ...], threads: int
) -> Callable[[int], float] | None:
    n, _, m, transpose_x, transpose_w = shape
    attributes = {"algorithm": algorithm, "transpose_x": transpose_x, "transpose_w": transpose_w}
    buffers = [("variable", dtype, x.shape), ("variable", dtype, w.shape), ("output", dtype, (n, m))]
    try:
        plan = _native.Plan(buffers, {0: x, 1: w}, [("matmul", attributes, [0, 1], [2])], threads)
    except ValueError:
        return None  # an algorithm that does not take these dtypes, or is not in this build
    return lambda repeats: float(plan.profile(repeats)[0][2])


def torch_seconds(dtype: str, shape: tuple[int, ...], threads: int) -> Callable[[int], float] | None:
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(threads)
    n, k, m, transpose_x, transpose_w = shape
    kind: Any = getattr(torch, dtype)
    x = torch.randn(k, n, dtype=kind).t() if transpose_x else torch.randn(n, k, dtype=kind)
    w = torch.randn(m, k, dtype=kind).t() if transpose_w else torch.randn(k, m, dtype=kind)
    y = torch.empty(n, m, dtype=kind)

    def seconds(repeats: int) -> float:
        began = time.perf_counter()
        for _ in range(repeats):
            torch.mm(x, w, out=y)
        return (time.perf_counter() - began) / repeats

    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=_native.info()["threads"])
    threads = parser.parse_args().threads
    rng = np.random.default_rng(0)
    for dtype in ("float32", "bfloat16"):
        print(f"\n{dtype}: peak {_native.peak(dtype):.0f} GFLOP/s, {threads} threads", flush=True)
        print(f"{'product':16}{'chosen':>10}{'':>10}" + "".join(f"{name:>9}" for name in [*ALGORITHMS[1:], "torch"]))
        for name, *sizes in SHAPES:
            shape = tuple(sizes)
            n, k, m, transpose_x, transpose_w = shape
            x, w = operand(rng, (n, k), transpose_x, dtype), operand(rng, (k, m), transpose_w, dtype)
            timers = [native_seconds(algorithm, dtype, x, w, shape, threads) for algorithm in ALGORITHMS]
            timers.append(torch_seconds(dtype, shape, threads))
            repeats = max(1, min(2000, int(ROUND_FLOP / (2 * n * k * m))))
            best = [float("inf")] * len(timers)
            for _ in range(ROUNDS):
                for i, timer in enumerate(timers):
                    if timer is not None:
                        best[i] = min(best[i], timer(repeats))
            rates = [2e-9 * n * k * m / seconds for seconds in best]
            cells = "".join(f"{rate:9.1f}" if rate else f"{'-':>9}" for rate in rates[1:])
            print(f"{name:16}{rates[0]:10.1f}{best[0] * 1e6:8.2f}µs{cells}", flush=True)


if __name__ == "__main__":
    main()
