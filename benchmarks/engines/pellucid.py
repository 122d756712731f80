"""Pellucid itself, as a user calls it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from workloads import ADAM, Workload

import pellucid
from pellucid.layers import Dense

PRECISIONS = ("float32", "bfloat16")


def versions() -> dict[str, str]:
    return {"pellucid": pellucid.__version__}


class Trainer:
    def __init__(self, work: Workload, precision: str, seed: int) -> None:
        self.work = work
        hidden, last = work.units[1:-1], work.units[-1]
        self.model = pellucid.Sequential(
            [pellucid.Input((work.units[0],)), *(Dense(n, activation="relu") for n in hidden), Dense(last)], seed=seed
        )
        loss = pellucid.losses.SparseCategoricalCrossentropy(from_logits=True) if work.classifies else "mse"
        self.model.compile(optimizer=pellucid.optimizers.Adam(**ADAM), loss=loss, precision=precision)

    def train(self) -> None:
        work = self.work
        self.model.fit(work.x, work.y, batch_size=work.batch, epochs=work.epochs, verbose=0)

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        outputs: NDArray[np.float32] = self.model.predict(x)
        return outputs
