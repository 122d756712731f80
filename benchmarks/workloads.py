"""The training jobs that every engine is timed on: the same network, loss, Adam(1e-3), batches and data.

    seed      1-10-5-1 on 100 points of a noisy line, batch 32, 200 epochs of 4 steps (the last one has 4 rows)
    mlp       784-128-10 on MNIST, batch 128, 400 steps
    mlp_wide  784-2048-2048-10 on MNIST, batch 512, 40 steps

Hidden layers are ReLU; weights start as Glorot's uniform draw with zero biases; the loss is the mean squared error for
`seed`, and cross-entropy from logits for the others. Every epoch takes all rows in a new random order, gathered batch
by batch from the full array.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ADAM = {"learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
NAMES = ("seed", "mlp", "mlp_wide")
UNITS = {"seed": (1, 10, 5, 1), "mlp": (784, 128, 10), "mlp_wide": (784, 2048, 2048, 10)}
BATCH = {"seed": 32, "mlp": 128, "mlp_wide": 512}
EPOCHS = {"seed": 200, "mlp": 1, "mlp_wide": 1}
STEPS = {"mlp": 400, "mlp_wide": 40}


@dataclass(frozen=True)
class Workload:
    """One job; `units` are the sizes of the layers, the input's first."""

    name: str
    x: NDArray[np.float32]  # [rows, units[0]]
    y: NDArray[np.float32] | NDArray[np.int32]  # [rows, 1], or class numbers [rows]
    units: tuple[int, ...]
    batch: int
    epochs: int

    @property
    def classifies(self) -> bool:
        return self.y.ndim == 1

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.x) // self.batch)

    @property
    def steps(self) -> int:
        """Steps of one timed run."""
        return self.epochs * self.steps_per_epoch

    @property
    def gflop_per_step(self) -> float:
        """Of the matrix products alone: forward, and backward to weights and, but for the first layer, to inputs."""
        sizes = list(zip(self.units, self.units[1:], strict=False))
        products = sum(a * b * (2 if place == 0 else 3) for place, (a, b) in enumerate(sizes))
        rows = len(self.x) / self.steps_per_epoch
        return 2e-9 * rows * products

    def save(self, path: Path) -> None:
        """Write the job for the engines' processes."""
        with open(path, "wb") as file:
            np.savez(file, name=self.name, x=self.x, y=self.y, units=self.units, batch=self.batch, epochs=self.epochs)

    @classmethod
    def read(cls, path: str | Path) -> Workload:
        with np.load(path) as saved:
            return cls(
                str(saved["name"]),
                saved["x"],
                saved["y"],
                tuple(int(size) for size in saved["units"]),
                int(saved["batch"]),
                int(saved["epochs"]),
            )


def make(
    name: str, digits: tuple[NDArray[np.float32], NDArray[np.int32]] | None = None, share: float = 1.0
) -> Workload:
    """A job by name, or that share of it; the MNIST jobs need `digits`."""
    units, batch, epochs = UNITS[name], BATCH[name], EPOCHS[name]
    if name == "seed":
        x = np.linspace(-1, 1, 100, dtype=np.float32)[:, None]
        noise = np.random.default_rng(0).standard_normal((100, 1))
        y = (2 * x + 1 + 0.1 * noise).astype(np.float32)
        return Workload(name, x, y, units, batch, max(1, round(epochs * share)))
    if digits is None:
        raise ValueError(f"{name} needs MNIST or its stand-in")
    rows = batch * max(1, round(STEPS[name] * share))
    return Workload(name, digits[0][:rows], digits[1][:rows], units, batch, epochs)


def load_digits() -> tuple[tuple[NDArray[np.float32], NDArray[np.int32]], str]:
    """MNIST's training part as float32 [60000, 784] in 0…1 with class numbers, and what it is; or a stand-in."""
    from pellucid.datasets import mnist
    from pellucid.errors import DataError

    try:
        (images, labels), _ = mnist()
    except DataError as error:
        return stand_in(60_000), f"a synthetic stand-in of MNIST's shape ({error})"
    return (images.reshape(len(images), 784).astype(np.float32) / 255, labels.astype(np.int32)), "MNIST"


def stand_in(rows: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Ten random prototypes with noise, a fifth of the pixels lit, as in MNIST: the same on every machine."""
    rng = np.random.default_rng(0)
    prototypes = rng.random((10, 784), np.float32) * (rng.random((10, 784)) < 0.2)
    labels = rng.integers(0, 10, rows).astype(np.int32)
    images = prototypes[labels]
    images *= rng.random((rows, 784), np.float32) < 0.8
    return images, labels


def loss(work: Workload, outputs: NDArray[np.floating]) -> float:
    """The job's loss for a network's outputs on `work.x`, in float64: one yardstick for every engine."""
    outputs = np.asarray(outputs, np.float64)
    if not work.classifies:
        return float(np.mean((outputs - work.y[: len(outputs)]) ** 2))
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    chosen = shifted[np.arange(len(outputs)), work.y[: len(outputs)]]
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - chosen))
