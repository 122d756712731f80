"""The convolutions of the benchmark jobs, alone: microseconds, GFLOP/s, and their fraction of a large product's rate.

`python benchmarks/convolutions.py [--threads N]`. Best of several rounds. That rate, the peak, is measured anew beside
each kernel, since it varies with what else the machine does. Kernels of one input channel or few filters are bound by
memory.
"""

from __future__ import annotations

import argparse

import numpy as np

from pellucid import _native

# job: batch, side of the image, channels, side of the kernel, filters, padding
SHAPES = [
    ("cnn 1", 128, 28, 1, 3, 32, 1),
    ("cnn 2", 128, 14, 32, 3, 64, 1),
    ("lenet 1", 512, 28, 1, 5, 6, 0),
    ("lenet 2", 512, 12, 6, 5, 16, 0),
]
KERNELS = {  # which of x, w and y are the operands, and which is the result
    "convolution": (0, 1, 2),
    "convolution_input_gradient": (2, 1, 0),
    "convolution_kernel_gradient": (0, 2, 1),
}
ROUNDS = 30


def operand(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    x = rng.standard_normal(shape).astype(np.float32)
    return (x.view(np.uint32) >> 16).astype(np.uint16) if dtype == "bfloat16" else x


def plan(kernel: str, sizes: tuple[int, ...], dtype: str, threads: int) -> _native.Plan:
    batch, side, channels, window, filters, padding = sizes
    inner = side + 2 * padding - window + 1
    shapes = [(batch, side, side, channels), (window, window, channels, filters), (batch, inner, inner, filters)]
    *read, made = (shapes[place] for place in KERNELS[kernel])
    arrays = {place: operand(np.random.default_rng(place), shape, dtype) for place, shape in enumerate(read)}
    buffers = [*(("variable", dtype, shape) for shape in read), ("output", dtype, made)]
    attributes = {"strides": [1, 1], "padding": [padding] * 4, "dilation": [1, 1], "groups": 1}
    return _native.Plan(buffers, arrays, [(kernel, attributes, [0, 1], [2])], threads)


def peak(dtype: str, threads: int) -> float:
    """GFLOP/s of a product of square matrices."""
    n = 512
    buffers = [("input", dtype, (n, n)), ("input", dtype, (n, n)), ("output", dtype, (n, n))]
    made = _native.Plan(buffers, {}, [("matmul", {}, [0, 1], [2])], threads)
    return 2e-9 * n**3 / min(made.profile(1)[0][2] for _ in range(2 * ROUNDS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=_native.info()["threads"])
    threads = parser.parse_args().threads
    for dtype in ("float32", "bfloat16"):
        print(f"\n{dtype}, {threads} threads\n{'':36}{'µs':>8}{'GFLOP/s':>10}{'of peak':>9}", flush=True)
        for name, *sizes in SHAPES:
            batch, side, channels, window, filters, padding = sizes
            operations = 2 * batch * (side + 2 * padding - window + 1) ** 2 * window**2 * channels * filters
            for kernel in KERNELS:
                if kernel == "convolution_input_gradient" and channels == 1:
                    continue  # nobody needs the derivative of the data
                made = plan(kernel, tuple(sizes), dtype, threads)
                seconds = min(made.profile(1)[0][2] for _ in range(ROUNDS))
                rate = operations / seconds * 1e-9
                share = rate / peak(dtype, threads)
                print(f"{name:9}{kernel:27}{seconds * 1e6:8.0f}{rate:10.0f}{share:9.0%}", flush=True)


if __name__ == "__main__":
    main()
