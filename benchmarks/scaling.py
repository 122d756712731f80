"""How the cost of training grows with batch, sequence and number of examples, and the exponent fitted to it.

`python benchmarks/scaling.py`, under a minute. Processor time of one thread, the best of three; an exponent of 1 is
linear growth. Attention has a part that grows with the square of the sequence, so there the doubling of the time is
printed for each doubling of the sequence: from 2 towards 4.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable

os.environ["PELLUCID_THREADS"] = "1"

import numpy as np

import pellucid
from pellucid import layers

rng = np.random.default_rng(0)
ROUNDS, STEPS = 3, 16


def convolutional(size: int) -> pellucid.Model:
    middle = [layers.Conv2D(16, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten()]
    return pellucid.Sequential([layers.Input((size, size, 3)), *middle, layers.Dense(10)])


def recurrent(steps: int) -> pellucid.Model:
    return pellucid.Sequential([layers.Input((steps, 16)), layers.LSTM(64), layers.Dense(10)])


def attentive(steps: int) -> pellucid.Model:
    x = layers.Input((steps, 32))
    h = layers.MultiHeadAttention(2, 16)(x, x, use_causal_mask=True)
    return pellucid.Model(x, layers.Dense(10)(layers.GlobalAveragePooling1D()(h)))


def seconds(model: pellucid.Model, batch: int, steps: int = STEPS) -> float:
    """Processor time of so many steps of training."""
    model.compile(pellucid.optimizers.SGD(1e-6), "mse")
    rows = batch * steps
    x = rng.standard_normal((rows, *model.inputs[0].shape[1:]), dtype=np.float32)
    y = rng.standard_normal((rows, 10), dtype=np.float32)
    model.fit(x, y, batch_size=batch, verbose=0)  # plans are made
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        model.fit(x, y, batch_size=batch, verbose=0)
        found.append(time.process_time() - began)
    return min(found)


def row(name: str, sizes: list[int], measure: Callable[[int], float]) -> None:
    times = [measure(size) for size in sizes]
    exponent = np.polyfit(np.log(sizes), np.log(times), 1)[0]
    growth = "  ".join(f"{b / a:4.2f}" for a, b in itertools.pairwise(times))
    cells = "  ".join(f"{size}: {1e3 * spent:.1f}" for size, spent in zip(sizes, times, strict=True))
    print(f"{name:34} exponent {exponent:4.2f}   per doubling {growth}   ms {cells}")


def main() -> None:
    row("convolution, batch", [32, 64, 128, 256], lambda n: seconds(convolutional(28), n))
    row("convolution, side of the image ²", [256, 1024, 4096], lambda n: seconds(convolutional(round(n**0.5)), 32))
    row("convolution, examples", [256, 512, 1024, 2048], lambda n: seconds(convolutional(28), 64, n // 64))
    row("LSTM, batch", [32, 64, 128, 256], lambda n: seconds(recurrent(32), n))
    row("LSTM, sequence", [32, 64, 128, 256], lambda n: seconds(recurrent(n), 32))
    row("LSTM, examples", [256, 512, 1024, 2048], lambda n: seconds(recurrent(32), 64, n // 64))
    row("attention, batch", [8, 16, 32, 64], lambda n: seconds(attentive(64), n))
    row("attention, sequence", [64, 128, 256, 512, 1024], lambda n: seconds(attentive(n), 8))


if __name__ == "__main__":
    main()
