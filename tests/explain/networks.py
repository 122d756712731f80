"""Small networks, one for each kind of layer, with examples to train on: what explanations are tested with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

import pellucid
from pellucid import layers as nn
from pellucid.core.graph import Tensor

Case = tuple[pellucid.Model, numpy.ndarray, numpy.ndarray]


def chain(shape: tuple[int, ...], *parts: Any, ids: int = 0, loss: Any = "mse", optimizer: Any = "sgd") -> Case:
    """Layers on top of each other; `ids`: whole numbers below that go in."""

    def network(x: Tensor) -> Tensor:
        for part in parts:
            x = part(x)
        return x

    return built(network, shape, ids, loss, optimizer)


def built(
    network: Callable[[Any], Any], shape: tuple[int, ...], ids: int = 0, loss: Any = "mse", optimizer: Any = "sgd"
) -> Case:
    """A network of a function from its input to its output, three examples and labels."""
    draw = numpy.random.default_rng(7)
    x = nn.Input(shape, dtype="int32") if ids else nn.Input(shape)
    model = pellucid.Model(x, network(x), name="net", seed=1)
    model.set_weights([draw.normal(scale=0.7, size=weight.shape) ** (2 if (weight > 0).all() and weight.size else 1)
                       for weight in model.get_weights()])  # fmt: skip
    model.compile(optimizer, loss)
    data = draw.integers(0, ids, size=(3, *shape)) if ids else draw.normal(size=(3, *shape)).astype("float32")
    return model, data, draw.normal(size=model.predict(data).shape).astype("float32")


def _shared(x: Tensor) -> Tensor:
    dense = nn.Dense(3, "tanh")
    return nn.Dense(1)(nn.Concatenate()([dense(x), dense(nn.Dense(4)(x))]))


def _one(*parts: Any) -> Callable[[Any], Any]:
    """The layers, then one neuron over everything."""

    def network(x: Tensor) -> Tensor:
        for part in parts:
            x = part(x)
        return nn.Dense(1)(nn.Flatten()(x))

    return network


NETWORKS: dict[str, Callable[[], Case]] = {
    "Dense": lambda: chain((4,), nn.Dense(5, "tanh"), nn.Dense(2)),
    "activity regularizers": lambda: chain(
        (3,), nn.Dense(3, "tanh", kernel_regularizer="l2", bias_regularizer="l1", activity_regularizer="l2")
    ),
    "Conv1D": lambda: built(_one(nn.Conv1D(3, 2, activation="tanh")), (6, 2)),
    "Conv2D, MaxPooling2D": lambda: built(
        _one(nn.Conv2D(3, 3, activation="tanh", padding="same"), nn.MaxPooling2D()), (6, 6, 2)
    ),
    "Conv2D, AveragePooling2D": lambda: built(_one(nn.Conv2D(3, 3, strides=2), nn.AveragePooling2D()), (6, 6, 2)),
    "Conv2DTranspose": lambda: built(
        _one(nn.Conv2DTranspose(3, 3, strides=2, activation="tanh"), nn.GlobalAveragePooling2D()), (3, 3, 2)
    ),
    "DepthwiseConv2D": lambda: built(_one(nn.DepthwiseConv2D(3), nn.GlobalMaxPooling2D()), (5, 5, 2)),
    "SeparableConv2D": lambda: built(_one(nn.SeparableConv2D(3, 3, activation="tanh")), (5, 5, 2)),
    "BatchNormalization": lambda: chain(
        (4,), nn.Dense(3), nn.BatchNormalization(), nn.Activation("sigmoid"), nn.Dense(1)
    ),
    "LayerNormalization": lambda: chain((4,), nn.Dense(3), nn.LayerNormalization(), nn.Dense(1)),
    "GroupNormalization": lambda: built(_one(nn.Conv2D(4, 2), nn.GroupNormalization(2)), (4, 4, 4)),
    "RMSNormalization": lambda: chain((4,), nn.Dense(3), nn.RMSNormalization(), nn.Dense(1)),
    "Embedding": lambda: built(_one(nn.Embedding(7, 3)), (5,), ids=7),
    "Dropout": lambda: chain((4,), nn.Dense(8, "tanh"), nn.Dropout(0.5), nn.Dense(1)),
    "SimpleRNN": lambda: chain((4, 2), nn.SimpleRNN(3), nn.Dense(1)),
    "LSTM": lambda: chain((4, 2), nn.LSTM(3, return_sequences=True), nn.LSTM(2), nn.Dense(1)),
    "GRU": lambda: chain((4, 2), nn.GRU(3), nn.Dense(1)),
    "GRU, reset before": lambda: chain((4, 2), nn.GRU(3, reset_after=False, recurrent_dropout=0.3), nn.Dense(1)),
    "Bidirectional": lambda: chain((4, 2), nn.Bidirectional(nn.LSTM(2)), nn.Dense(1)),
    "masked": lambda: chain((5,), nn.Embedding(7, 3, mask_zero=True), nn.LSTM(2), nn.Dense(1), ids=7),
    "TimeDistributed": lambda: built(_one(nn.TimeDistributed(nn.Dense(3, "tanh"))), (4, 2)),
    "MultiHeadAttention": lambda: built(
        lambda x: _one()(nn.MultiHeadAttention(2, 3, dropout=0.2)(x, x, use_causal_mask=True)), (4, 3)
    ),
    "Attention": lambda: built(lambda x: _one()(nn.Attention()([nn.Dense(3)(x), x])), (4, 3)),
    "TransformerEncoder": lambda: built(_one(nn.TransformerEncoder(8, 2, activation="gelu")), (4, 6)),
    "TransformerDecoder": lambda: built(_one(nn.TransformerDecoder(8, 2, activation="tanh")), (4, 6)),
    "Add": lambda: built(lambda x: nn.Dense(1)(nn.Add()([x, nn.Dense(4, "tanh")(nn.Dense(4, "tanh")(x))])), (4,)),
    "Concatenate": lambda: built(
        lambda x: nn.Dense(1)(nn.Concatenate()([nn.Dense(2, "tanh")(x), nn.Dense(3, "softplus")(x)])), (4,)
    ),
    "Multiply": lambda: built(
        lambda x: nn.Dense(1)(nn.Multiply()([nn.Dense(3, "tanh")(x), nn.Dense(3, "sigmoid")(x)])), (4,)
    ),
    "a layer used twice": lambda: built(_shared, (4,)),
}  # fmt: skip
ACTIVATIONS = (
    "elu", "exponential", "gelu", "leaky_relu", "log_softmax", "mish", "relu", "selu", "sigmoid", "silu", "softmax",
    "softplus", "softsign", "tanh",
)  # fmt: skip
