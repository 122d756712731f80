"""Keras on TensorFlow, as its guide has it; bfloat16 by the policy `mixed_bfloat16`."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow
from keras import layers
from numpy.typing import NDArray
from workloads import ADAM, Workload

PRECISIONS = ("float32", "bfloat16")
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def versions() -> dict[str, str]:
    return {"keras": keras.__version__, "tensorflow": tensorflow.__version__}


class Trainer:
    def __init__(self, work: Workload, precision: str, seed: int) -> None:
        keras.utils.set_random_seed(seed)
        keras.config.set_dtype_policy(POLICIES[precision])
        self.work = work
        hidden, last = work.units[1:-1], work.units[-1]
        self.model = keras.Sequential(
            [
                layers.Input((work.units[0],)),
                *(layers.Dense(n, activation="relu") for n in hidden),
                layers.Dense(last, dtype="float32"),
            ]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True) if work.classifies else "mse"
        self.model.compile(optimizer=keras.optimizers.Adam(**ADAM), loss=loss)

    def train(self) -> None:
        work = self.work
        self.model.fit(work.x, work.y, batch_size=work.batch, epochs=work.epochs, verbose=0)

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        outputs: NDArray[np.float32] = self.model.predict(x, verbose=0)
        return outputs
