"""The networks of the jobs, as sizes alone: each engine builds them in its own words.

Weights start alike everywhere: Glorot's uniform draw, zero biases; recurrent kernels orthogonal, the forget gate's bias
1; embeddings normal with standard deviation 0.02. `products` counts the multiply-adds of one example's forward pass,
those of the first weighted layer apart, since nobody needs the derivative of the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal


@dataclass(frozen=True)
class Dense:
    """Layers of `units`, the input's size first, with ReLU between them."""

    units: tuple[int, ...]

    def products(self) -> tuple[float, float]:
        first, *others = (a * b for a, b in pairwise(self.units))
        return first, sum(others)

    def weights(self) -> int:
        return sum((a + 1) * b for a, b in pairwise(self.units))


@dataclass(frozen=True)
class Convolutional:
    """Convolutions with ReLU, each followed by the maximum of 2×2; then dense layers. Images: `size`², 1 channel."""

    size: int
    channels: tuple[int, ...]
    window: int
    padding: Literal["same", "valid"]
    units: tuple[int, ...]  # of the dense layers

    def shapes(self) -> list[tuple[int, int, int]]:
        """Of each convolution: channels in, channels out, side of its output."""
        found, side, before = [], self.size, 1
        for channels in self.channels:
            side -= 0 if self.padding == "same" else self.window - 1
            found.append((before, channels, side))
            side, before = side // 2, channels
        return found

    def flat(self) -> int:
        """Numbers that reach the dense layers."""
        return self.channels[-1] * (self.shapes()[-1][2] // 2) ** 2

    def products(self) -> tuple[float, float]:
        first, *others = (a * b * self.window**2 * side**2 for a, b, side in self.shapes())
        return first, sum(others) + sum(Dense((self.flat(), *self.units)).products())

    def weights(self) -> int:
        kernels = sum((a * self.window**2 + 1) * b for a, b, _ in self.shapes())
        return kernels + Dense((self.flat(), *self.units)).weights()


@dataclass(frozen=True)
class Recurrent:
    """One LSTM of `units` over `steps` of `features`; its last state to a dense layer of `classes`."""

    steps: int
    features: int
    units: int
    classes: int

    def products(self) -> tuple[float, float]:
        gates = 4 * self.units
        return self.steps * self.features * gates, self.steps * self.units * gates + self.units * self.classes

    def weights(self) -> int:
        return (self.features + self.units + 1) * 4 * self.units + (self.units + 1) * self.classes


@dataclass(frozen=True)
class Transformer:
    """A language model: token and place embeddings, pre-norm blocks of causal attention and GELU, norm, dense."""

    vocabulary: int
    length: int
    layers: int
    heads: int
    width: int

    def products(self) -> tuple[float, float]:
        block = 12 * self.width**2 + (self.length + 1) * self.width  # half of the scores are masked
        return 0.0, self.length * (self.layers * block + self.width * self.vocabulary)

    def weights(self) -> int:
        d = self.width
        block = 12 * d * d + 13 * d
        return (self.vocabulary + self.length) * d + self.layers * block + 2 * d + (d + 1) * self.vocabulary


Network = Dense | Convolutional | Recurrent | Transformer
KINDS: dict[str, type[Network]] = {kind.__name__: kind for kind in (Dense, Convolutional, Recurrent, Transformer)}

NETWORKS: dict[str, Network] = {
    "seed": Dense((1, 10, 5, 1)),
    "mlp": Dense((784, 128, 10)),
    "mlp_wide": Dense((784, 2048, 2048, 10)),
    "cnn": Convolutional(28, (32, 64), 3, "same", (128, 10)),
    "lenet": Convolutional(28, (6, 16), 5, "valid", (120, 84, 10)),
    "lstm": Recurrent(28, 28, 128, 10),
    "gpt_small": Transformer(65, 64, 4, 4, 128),
    "gpt_medium": Transformer(65, 128, 6, 6, 384),
}
