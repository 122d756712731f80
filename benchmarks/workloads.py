"""The training jobs that every engine is timed on: the same network, loss, Adam(1e-3), batches and data.

    seed        1-10-5-1 on 100 points of a noisy line, batch 32, 200 epochs of 4 steps (the last one has 4 rows)
    mlp         784-128-10 on MNIST, batch 128, 400 steps
    mlp_wide    784-2048-2048-10 on MNIST, batch 512, 40 steps
    cnn         convolutions 32 and 64, 3×3, then 128-10, on MNIST, batch 128, 40 steps
    lenet       convolutions 6 and 16, 5×5, then 120-84-10, on MNIST, batch 512, 40 steps
    lstm        28 rows of 28 pixels, 128 units, then 10, on MNIST, batch 128, 40 steps
    gpt_small   4 layers, 4 heads, width 128, 64 characters of Shakespeare, batch 12, 60 steps
    gpt_medium  6 layers, 6 heads, width 384, 128 characters of Shakespeare, batch 16, 6 steps

What the networks are stands in `networks.py`. The loss is the mean squared error for `seed`, and cross-entropy from
logits for the others. Every epoch takes all rows in a new random order, gathered batch by batch from the full array.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from networks import KINDS, NETWORKS, Convolutional, Network, Recurrent, Transformer
from numpy.typing import NDArray

ADAM = {"learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
NAMES = tuple(NETWORKS)
BATCH = {
    "seed": 32, "mlp": 128, "mlp_wide": 512, "cnn": 128, "lenet": 512, "lstm": 128, "gpt_small": 12, "gpt_medium": 16
}  # fmt: skip
EPOCHS = {"seed": 200}
STEPS = {"mlp": 400, "mlp_wide": 40, "cnn": 40, "lenet": 40, "lstm": 40, "gpt_small": 60, "gpt_medium": 6}

Rows = tuple[NDArray[np.float32] | NDArray[np.int32], NDArray[np.int32]]


@dataclass(frozen=True)
class Workload:
    """One job."""

    name: str
    x: NDArray[np.float32] | NDArray[np.int32]  # [rows, …]
    y: NDArray[np.float32] | NDArray[np.int32]  # [rows, 1], class numbers [rows], or [rows, length]
    network: Network
    batch: int
    epochs: int

    @property
    def classifies(self) -> bool:
        return self.y.dtype == np.int32

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.x) // self.batch)

    @property
    def steps(self) -> int:
        """Steps of one timed run."""
        return self.epochs * self.steps_per_epoch

    @property
    def rows_per_step(self) -> float:
        return len(self.x) / self.steps_per_epoch

    @property
    def gflop_per_step(self) -> float:
        """Of the products alone: forward, and backward to weights and, but for the first layer, to inputs."""
        first, others = self.network.products()
        return 2e-9 * self.rows_per_step * (2 * first + 3 * others)

    @property
    def gigabytes_per_step(self) -> float:
        """What no engine can avoid to move: Adam reads four numbers per weight and writes three; the batch is read."""
        return 1e-9 * (28 * self.network.weights() + self.rows_per_step * self.x[0].nbytes)

    def save(self, path: Path) -> None:
        """Write the job for the engines' processes."""
        network = json.dumps([type(self.network).__name__, asdict(self.network)])
        with open(path, "wb") as file:
            np.savez(file, name=self.name, x=self.x, y=self.y, network=network, batch=self.batch, epochs=self.epochs)

    @classmethod
    def read(cls, path: str | Path) -> Workload:
        with np.load(path) as saved:
            kind, sizes = json.loads(str(saved["network"]))
            sizes = {name: tuple(size) if isinstance(size, list) else size for name, size in sizes.items()}
            network = KINDS[kind](**sizes)
            return cls(str(saved["name"]), saved["x"], saved["y"], network, int(saved["batch"]), int(saved["epochs"]))


def make(
    name: str, digits: Rows | None = None, characters: NDArray[np.int32] | None = None, share: float = 1.0
) -> Workload:
    """A job by name, or that share of it; MNIST's jobs need `digits` [rows, 784], Shakespeare's `characters`."""
    network, batch, epochs = NETWORKS[name], BATCH[name], EPOCHS.get(name, 1)
    if name == "seed":
        x = np.linspace(-1, 1, 100, dtype=np.float32)[:, None]
        noise = np.random.default_rng(0).standard_normal((100, 1))
        y = (2 * x + 1 + 0.1 * noise).astype(np.float32)
        return Workload(name, x, y, network, batch, max(1, round(epochs * share)))
    rows = batch * max(1, round(STEPS[name] * share))
    if isinstance(network, Transformer):
        if characters is None:
            raise ValueError(f"{name} needs Shakespeare or its stand-in")
        starts = np.random.default_rng(0).integers(0, len(characters) - network.length - 1, rows)
        windows = characters[starts[:, None] + np.arange(network.length + 1)]
        return Workload(name, windows[:, :-1].copy(), windows[:, 1:].copy(), network, batch, epochs)
    if digits is None:
        raise ValueError(f"{name} needs MNIST or its stand-in")
    shape: Sequence[int] = (-1,)
    if isinstance(network, Convolutional):
        shape = (network.size, network.size, 1)
    elif isinstance(network, Recurrent):
        shape = (network.steps, network.features)
    return Workload(name, digits[0][:rows].reshape(rows, *shape), digits[1][:rows], network, batch, epochs)


def load_digits() -> tuple[Rows, str]:
    """MNIST's training part as float32 [60000, 784] in 0…1 with class numbers, and what it is; or a stand-in."""
    from pellucid.datasets import mnist
    from pellucid.errors import DataError

    try:
        (images, labels), _ = mnist()
    except DataError as error:
        return stand_in(60_000), f"a synthetic stand-in of MNIST's shape ({error})"
    return (images.reshape(len(images), 784).astype(np.float32) / 255, labels.astype(np.int32)), "MNIST"


def stand_in(rows: int) -> Rows:
    """Ten random prototypes with noise, a fifth of the pixels lit, as in MNIST: the same on every machine."""
    rng = np.random.default_rng(0)
    prototypes = rng.random((10, 784), np.float32) * (rng.random((10, 784)) < 0.2)
    labels = rng.integers(0, 10, rows).astype(np.int32)
    images = prototypes[labels]
    images *= rng.random((rows, 784), np.float32) < 0.8
    return images, labels


def load_characters() -> tuple[NDArray[np.int32], str]:
    """Shakespeare's plays as numbers of characters, and what it is; or a stand-in."""
    from pellucid.datasets import tiny_shakespeare
    from pellucid.errors import DataError

    try:
        text = tiny_shakespeare()
    except DataError as error:
        ids = np.random.default_rng(0).integers(0, 65, 100_000).astype(np.int32)
        return np.sort(ids.reshape(-1, 50), axis=1).reshape(-1), f"a synthetic stand-in for Shakespeare ({error})"
    _, ids = np.unique(np.frombuffer(text.encode(), np.uint8), return_inverse=True)
    return ids.astype(np.int32), "tiny Shakespeare"


def loss(work: Workload, outputs: NDArray[np.floating]) -> float:
    """The job's loss for a network's outputs on `work.x`, in float64: one yardstick for every engine."""
    outputs = np.asarray(outputs, np.float64)
    if not work.classifies:
        return float(np.mean((outputs - work.y[: len(outputs)]) ** 2))
    shifted = outputs - outputs.max(axis=-1, keepdims=True)
    chosen = np.take_along_axis(shifted, work.y[: len(outputs), ..., None], axis=-1)[..., 0]
    return float(np.mean(np.log(np.exp(shifted).sum(axis=-1)) - chosen))
