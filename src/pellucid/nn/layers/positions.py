"""Layers that tell the steps of a sequence apart by where they stand: learned, sines and cosines, or rotations."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy

from pellucid import ops
from pellucid.core.graph import Tensor, tensor
from pellucid.core.spec import Shape, known, show_shape
from pellucid.errors import ShapeError
from pellucid.nn import arguments, initializers
from pellucid.nn.construction import current, unknown
from pellucid.nn.layer import Layer
from pellucid.nn.layers.core import Embedding, as_float


def at_steps(table: Tensor, steps: int | None) -> Tensor:
    """The rows of a table [length, features] for the steps of a sequence: from 0 on, or for the one step under way."""
    stepping = current().stepping
    if stepping is not None:
        return ops.take(table, ops.reshape(stepping.position, (1,)))
    if steps is None:
        return unknown((None, *table.shape[1:]), table.dtype, "rows of positions")
    return table[:steps]


def _for_all(rows: Tensor, x: Tensor) -> Tensor:
    """The rows [steps, features] for every example of x."""
    return unknown(x.shape, rows.dtype, "positions") if None in x.shape else ops.broadcast_to(rows, x.shape)


def _length(steps: int | None) -> int:
    """How many rows a table of fixed positions needs."""
    stepping = current().stepping
    return stepping.length if stepping is not None else steps or 1


def _of_steps(kind: str, shape: Shape) -> tuple[int | None, int]:
    """Steps and features of [batch, steps, features]."""
    if len(shape) != 3 or shape[2] is None:
        raise ShapeError(f"{kind} needs [batch, steps, features], got {show_shape(shape)}")
    return shape[1], shape[2]


class PositionEmbedding(Layer):
    """A learned vector for each position, to be added: `x + PositionEmbedding(length)(x)`.

    Shapes: [batch, steps, features] → the same; of the table `position_embeddings` [sequence_length, features] the
    first `steps` rows serve.

    >>> from pellucid.nn.layers import Input
    >>> PositionEmbedding(64)(Input(shape=(50, 8))).shape
    (None, 50, 8)
    """

    supports_masking = True

    def __init__(self, sequence_length: int, initializer: Any = "glorot_uniform", **options: Any) -> None:
        super().__init__(**options)
        self.sequence_length = arguments.whole("PositionEmbedding", "sequence_length", sequence_length)
        self.initializer = initializers.get(initializer)

    def build(self, shape: Shape) -> None:
        _, features = _of_steps("PositionEmbedding", shape)
        self.embeddings = self.add_weight((self.sequence_length, features), self.initializer, "position_embeddings")

    def call(self, x: Tensor) -> Tensor:
        steps, _ = _of_steps("PositionEmbedding", x.shape)
        needed = _length(steps)
        if needed > self.sequence_length:
            raise ShapeError(
                f"PositionEmbedding knows {self.sequence_length} positions, got {needed} steps; "
                f"give it sequence_length={needed}"
            )
        return _for_all(at_steps(self.embeddings.tensor, steps), x)


class SinePositionEncoding(Layer):
    """Sines and cosines of the position, to be added: `x + SinePositionEncoding()(x)`.

    Formula: y[t, 2i] = sin(t/max_wavelength^(2i/features)), y[t, 2i+1] = cos of the same. Shapes: [batch, steps,
    features] → the same. Vaswani et al. 2017.

    >>> from pellucid.nn.layers import Input
    >>> SinePositionEncoding()(Input(shape=(50, 8))).shape
    (None, 50, 8)
    """

    supports_masking = True

    def __init__(self, max_wavelength: float = 10000, **options: Any) -> None:
        super().__init__(**options)
        self.max_wavelength = arguments.number("SinePositionEncoding", "max_wavelength", max_wavelength, 1.0)

    def call(self, x: Tensor) -> Tensor:
        steps, features = _of_steps("SinePositionEncoding", x.shape)
        places = numpy.arange(features)
        angles = numpy.arange(_length(steps))[:, None] * self.max_wavelength ** -(2 * (places // 2) / features)
        table = numpy.where(places % 2 == 0, numpy.sin(angles), numpy.cos(angles)).astype(numpy.float32)
        return _for_all(at_steps(tensor(table), steps), x)


def rotated(x: Tensor, max_wavelength: float = 10000.0, scaling_factor: float = 1.0) -> Tensor:
    """Pairs of features turned by angles that grow with the position, so that products tell distances apart.

    Formula: [a, b] → [a·cos θ - b·sin θ, b·cos θ + a·sin θ] for the halves a and b of the features, θ as for
    `RotaryEmbedding`. Shapes: [b, t, d] or [b, t, heads, d] → the same. Su et al. 2021.
    """
    (size,) = known(x.shape[-1:])
    if x.rank not in (3, 4) or size % 2:
        raise ShapeError(f"rotations need [b, t, d] or [b, t, heads, d] with an even d, got {show_shape(x.shape)}")
    half = size // 2
    turns = max_wavelength ** -(2 * numpy.arange(half) / size)
    angles = numpy.arange(_length(x.shape[1]))[:, None] / scaling_factor * turns
    shape = (1, half) if x.rank == 4 else (half,)
    tables = [tensor(values.astype(numpy.float32)) for values in (numpy.cos(angles), numpy.sin(angles))]
    rows = [at_steps(table, x.shape[1]) for table in tables]
    cosine, sine = (ops.reshape(row, (row.shape[0], *shape)) for row in rows)
    a, b = x[..., :half], x[..., half:]
    return ops.concatenate([a * cosine - b * sine, b * cosine + a * sine], axis=-1)


class RotaryEmbedding(Layer):
    """Features turned by angles that grow with the position; of two such vectors the product depends on the distance.

    Formula: [a, b] → [a·cos θ - b·sin θ, b·cos θ + a·sin θ] for the halves a, b of the features, θᵢ(t) =
    t/scaling_factor·max_wavelength^(-2i/features). Shapes: [batch, steps, features] or [batch, steps, heads, features]
    → the same. `MultiHeadAttention(…, rotary=True)` does this to its queries and keys. Su et al. 2021.

    >>> from pellucid.nn.layers import Input
    >>> RotaryEmbedding()(Input(shape=(50, 4, 8))).shape
    (None, 50, 4, 8)
    """

    supports_masking = True

    def __init__(self, max_wavelength: float = 10000, scaling_factor: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.max_wavelength = arguments.number("RotaryEmbedding", "max_wavelength", max_wavelength, 1.0)
        self.scaling_factor = arguments.number("RotaryEmbedding", "scaling_factor", scaling_factor, 1e-6)

    def call(self, x: Tensor) -> Tensor:
        return rotated(as_float(x), self.max_wavelength, self.scaling_factor)


class TokenAndPositionEmbedding(Layer):
    """The sum of an `Embedding` of each token and a `PositionEmbedding`: what most Transformers begin with.

    Shapes: int32 [batch, steps] → [batch, steps, embedding_dim].

    >>> from pellucid.nn.layers import Input
    >>> TokenAndPositionEmbedding(1000, 50, 16)(Input(shape=(50,), dtype="int32")).shape
    (None, 50, 16)
    """

    input_dtype: ClassVar[str] = "int32"

    def __init__(
        self,
        vocabulary_size: int,
        sequence_length: int,
        embedding_dim: int,
        embeddings_initializer: Any = "uniform",
        mask_zero: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        kind = "TokenAndPositionEmbedding"
        self.vocabulary_size = arguments.whole(kind, "vocabulary_size", vocabulary_size)
        self.sequence_length = arguments.whole(kind, "sequence_length", sequence_length)
        self.embedding_dim = arguments.whole(kind, "embedding_dim", embedding_dim)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.mask_zero = self.supports_masking = arguments.flag(kind, "mask_zero", mask_zero)
        self.tokens = Embedding(
            vocabulary_size, embedding_dim, self.embeddings_initializer, mask_zero=mask_zero, name="token_embedding"
        )
        self.positions = PositionEmbedding(sequence_length, self.embeddings_initializer, name="position_embedding")

    def call(self, x: Tensor) -> Tensor:
        embedded: Tensor = self.tokens(x)
        result: Tensor = embedded + self.positions(embedded)
        return result

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor | None:
        """That of the tokens."""
        return self.tokens.compute_mask(inputs, mask)
