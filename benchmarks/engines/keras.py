"""Keras on TensorFlow, as its guide has it; bfloat16 by the policy `mixed_bfloat16`."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow
from keras import layers
from networks import Convolutional, Dense, Network, Recurrent
from numpy.typing import NDArray
from workloads import ADAM, Workload

PRECISIONS = ("float32", "bfloat16")
NETWORKS: tuple[type[Network], ...] = (Dense, Convolutional, Recurrent)
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def versions() -> dict[str, str]:
    return {"keras": keras.__version__, "tensorflow": tensorflow.__version__}


def dense(*units: int) -> list[layers.Layer]:
    return [*(layers.Dense(n, activation="relu") for n in units[:-1]), layers.Dense(units[-1], dtype="float32")]


def build(network: Network) -> keras.Model:
    if isinstance(network, Dense):
        return keras.Sequential([layers.Input((network.units[0],)), *dense(*network.units[1:])])
    if isinstance(network, Recurrent):
        shape = (network.steps, network.features)
        return keras.Sequential([layers.Input(shape), layers.LSTM(network.units), *dense(network.classes)])
    assert isinstance(network, Convolutional)
    parts = [layers.Input((network.size, network.size, 1))]
    for channels in network.channels:
        parts += [
            layers.Conv2D(channels, network.window, padding=network.padding, activation="relu"),
            layers.MaxPooling2D(),
        ]
    return keras.Sequential([*parts, layers.Flatten(), *dense(*network.units)])


class Trainer:
    def __init__(self, work: Workload, precision: str, seed: int) -> None:
        keras.utils.set_random_seed(seed)
        keras.config.set_dtype_policy(POLICIES[precision])
        self.work = work
        self.model = build(work.network)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True) if work.classifies else "mse"
        self.model.compile(optimizer=keras.optimizers.Adam(**ADAM), loss=loss)

    def train(self) -> None:
        work = self.work
        self.model.fit(work.x, work.y, batch_size=work.batch, epochs=work.epochs, verbose=0)

    def predict(self, x: NDArray[np.generic]) -> NDArray[np.float32]:
        outputs: NDArray[np.float32] = self.model.predict(x, verbose=0)
        return outputs
