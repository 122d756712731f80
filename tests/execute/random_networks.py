"""Random networks of layers: a chain over images or sequences of any sizes that ends in a dense layer."""

from __future__ import annotations

from typing import Any

import numpy

from pellucid import layers
from pellucid.core.graph import Tensor
from pellucid.models import Model
from pellucid.nn import optimizers

Array = numpy.ndarray


class RandomNetwork:
    """A network of up to six layers that fit one another, with its data: two batches, the second one shorter."""

    def __init__(self, seed: int) -> None:
        self.random = numpy.random.default_rng(seed)
        rank = 1 + self.below(2)
        shape = (*(1 + self.below(11) for _ in range(rank)), 1 + self.below(9))
        self.batch = 1 + self.below(6)
        rows = self.batch + 1 + self.below(self.batch)
        self.x = self.random.normal(size=(rows, *shape)).astype(numpy.float32)
        self.y = self.random.normal(size=(rows, 3)).astype(numpy.float32)
        self.optimizer = self.below(3)
        self.shape = shape
        self.places = [int(n) for n in self.random.integers(2**31, size=8)]

    def below(self, limit: int) -> int:
        return int(self.random.integers(limit))

    def chance(self) -> bool:
        return bool(self.below(2))

    def model(self) -> Model:
        self.random = numpy.random.default_rng(self.places[0])  # the same network at every call
        inputs: Any = layers.Input(self.shape)
        x = layers.Masking()(inputs) if len(self.shape) == 2 and self.below(4) == 0 else inputs
        for _ in range(1 + self.below(5)):
            x = self.over_images(x) if x.rank == 4 else self.over_sequences(x)
        x = layers.Flatten()(x) if x.rank > 2 else x
        return Model(inputs, layers.Dense(3)(x), seed=self.places[1])

    def activation(self) -> str | None:
        return [None, "relu", "tanh", "sigmoid", "gelu", "elu"][self.below(6)]

    def window(self, x: Tensor) -> dict[str, Any]:
        """Settings of a window no larger than the image."""
        rank = x.rank - 2
        sizes = [size or 1 for size in x.shape[1:-1]]
        padding = ["valid", "same"][self.below(2)]
        kernel = tuple(1 + self.below(min(size, 4)) for size in sizes)
        if self.chance():
            return {"size": kernel, "strides": tuple(1 + self.below(3) for _ in range(rank)), "padding": padding}
        return {"size": kernel, "strides": (1,) * rank, "padding": padding}

    def over_images(self, x: Tensor) -> Tensor:
        channels, window = x.shape[-1] or 1, self.window(x)
        size, settings = window.pop("size"), {**window, "activation": self.activation(), "use_bias": self.chance()}
        match self.below(10):
            case 0 | 1 | 2:
                groups = 2 if channels % 2 == 0 and self.chance() else 1
                return layers.Conv2D(groups * (1 + self.below(9)), size, groups=groups, **settings)(x)
            case 3:
                return layers.DepthwiseConv2D(size, (max(settings.pop("strides")),) * 2, **settings)(x)
            case 4:
                return layers.Conv2DTranspose(1 + self.below(5), size, **settings)(x)
            case 5:
                return layers.MaxPooling2D(size, **window)(x)
            case 6:
                return layers.AveragePooling2D(size, **window)(x)
            case 7:
                return layers.Reshape(((x.shape[1] or 1) * (x.shape[2] or 1), channels))(x)
            case 8:
                return layers.UpSampling2D((1 + self.below(2), 1 + self.below(2)))(x)
        return self.anywhere(x)

    def over_sequences(self, x: Tensor) -> Tensor:
        if x.rank == 2:
            return layers.Dense(1 + self.below(20), activation=self.activation())(x)
        width, window = x.shape[-1] or 1, self.window(x)
        size, settings = window.pop("size"), {**window, "activation": self.activation(), "use_bias": self.chance()}
        recurrent = [getattr(layers, name) for name in ("LSTM", "GRU", "SimpleRNN") if hasattr(layers, name)]
        match self.below(9):
            case 0:
                padding = ["valid", "same", "causal"][self.below(3)]
                return layers.Conv1D(1 + self.below(9), size, **{**settings, "padding": padding})(x)
            case 1:
                pool = layers.MaxPooling1D if self.chance() else layers.AveragePooling1D
                return pool(size, **window)(x)
            case 2 | 3:
                kind = recurrent[self.below(len(recurrent))]
                dropout = {"dropout": 0.2, "recurrent_dropout": 0.1} if self.chance() else {}
                return kind(
                    1 + self.below(12), return_sequences=self.below(3) > 0, go_backwards=self.chance(), **dropout
                )(x)
            case 4:
                attend = layers.MultiHeadAttention(1 + self.below(3), 1 + self.below(9), dropout=0.1 * self.below(2))
                return attend(x, x, use_causal_mask=self.chance())
            case 5:
                heads = 1 + self.below(2)
                dense = layers.Dense(4 * heads)(x)
                return layers.TransformerEncoder(1 + self.below(20), heads)(dense)
            case 6:
                return layers.TimeDistributed(layers.Dense(1 + self.below(width + 3), activation=self.activation()))(x)
        return self.anywhere(x)

    def anywhere(self, x: Tensor) -> Tensor:
        match self.below(6):
            case 0:
                return layers.BatchNormalization(epsilon=0.1)(x)
            case 1:
                return layers.LayerNormalization(epsilon=0.1)(x)
            case 2:
                return layers.RMSNormalization(epsilon=0.1)(x)
            case 3:
                return layers.Dropout(0.3)(x)
            case 4:
                return layers.Permute(tuple((self.random.permutation(x.rank - 1) + 1).tolist()))(x)
        return layers.Dense(1 + self.below(9), activation=self.activation())(x)

    def trained(self, executor: str, precision: str = "float32") -> list[Array]:
        """Predictions after an epoch, the weights, and the loss."""
        model = self.model()
        # with the usual ε Adam and RMSprop would make whole steps of derivatives that are but rounding about zero
        rules = [
            optimizers.SGD(0.02, momentum=0.9),
            optimizers.Adam(0.02, epsilon=0.1),
            optimizers.RMSprop(epsilon=0.1),
        ]
        model.compile(rules[self.optimizer], "mse", executor=executor, precision=precision)
        history = model.fit(self.x, self.y, self.batch, epochs=1, shuffle=False, verbose=0)
        return [model.predict(self.x, self.batch), numpy.array(history.history["loss"]), *model.get_weights()]
