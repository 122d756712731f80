"""Pellucid itself, as a user calls it."""

from __future__ import annotations

import numpy as np
from networks import Convolutional, Dense, Network, Recurrent, Transformer
from numpy.typing import NDArray
from workloads import ADAM, Workload

import pellucid
from pellucid import Input, Model, Sequential, layers
from pellucid.initializers import RandomNormal

PRECISIONS = ("float32", "bfloat16")
NETWORKS: tuple[type[Network], ...] = (Dense, Convolutional, Recurrent, Transformer)


def versions() -> dict[str, str]:
    return {"pellucid": pellucid.__version__}


def dense(*units: int) -> list[layers.Layer]:
    return [*(layers.Dense(n, activation="relu") for n in units[:-1]), layers.Dense(units[-1])]


def build(network: Network, seed: int) -> Model:
    if isinstance(network, Dense):
        return Sequential([Input((network.units[0],)), *dense(*network.units[1:])], seed=seed)
    if isinstance(network, Recurrent):
        shape = (network.steps, network.features)
        return Sequential([Input(shape), layers.LSTM(network.units), layers.Dense(network.classes)], seed=seed)
    if isinstance(network, Transformer):
        return language(network, seed)
    parts: list[layers.Layer] = []
    for channels in network.channels:
        parts += [
            layers.Conv2D(channels, network.window, padding=network.padding, activation="relu"),
            layers.MaxPooling2D(),
        ]
    shape = (network.size, network.size, 1)
    return Sequential([Input(shape), *parts, layers.Flatten(), *dense(*network.units)], seed=seed)


def language(network: Transformer, seed: int) -> Model:
    start = RandomNormal(stddev=0.02)
    ids = Input((network.length,), dtype="int32")
    x = layers.TokenAndPositionEmbedding(network.vocabulary, network.length, network.width, start)(ids)
    for _ in range(network.layers):
        x = layers.TransformerDecoder(4 * network.width, network.heads, activation="gelu", normalize_first=True)(x)
    logits = layers.Dense(network.vocabulary)(layers.LayerNormalization(epsilon=1e-5)(x))
    return Model(ids, logits, seed=seed)


class Trainer:
    def __init__(self, work: Workload, precision: str, seed: int) -> None:
        self.work = work
        self.model = build(work.network, seed)
        loss = pellucid.losses.SparseCategoricalCrossentropy(from_logits=True) if work.classifies else "mse"
        self.model.compile(optimizer=pellucid.optimizers.Adam(**ADAM), loss=loss, precision=precision)

    def train(self) -> None:
        work = self.work
        self.model.fit(work.x, work.y, batch_size=work.batch, epochs=work.epochs, verbose=0)

    def predict(self, x: NDArray[np.generic]) -> NDArray[np.float32]:
        outputs: NDArray[np.float32] = self.model.predict(x)
        return outputs
