"""`Sampling`: a code that is drawn, not computed, as variational autoencoders have it."""

from __future__ import annotations

from typing import Any

from pellucid import ops
from pellucid.core.graph import Tensor, named
from pellucid.core.spec import known, show_shape
from pellucid.errors import ShapeError
from pellucid.nn import arguments
from pellucid.nn.construction import current
from pellucid.nn.layer import Layer
from pellucid.nn.layers.regularization import stream_of


class Sampling(Layer):
    """Draws z = mean + e^(log_variance/2)·ε, ε ~ N(0, 1), and adds to the loss how far z is from N(0, 1).

    Formula of that divergence: ½·Σ (mean² + e^log_variance - 1 - log_variance), the mean over examples; the history has
    it as `divergence_loss`. Shapes: mean and log_variance [batch, …] → [batch, …]. It draws where a loss is computed,
    in training and evaluation; in prediction z is the mean. Kingma & Welling 2014.

    >>> from pellucid.nn.layers import Input
    >>> Sampling()(Input((2,)), Input((2,))).shape
    (None, 2)
    """

    def __init__(self, seed: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.seed = arguments.seed("Sampling", seed)

    def call(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        if mean.shape != log_variance.shape:
            raise ShapeError(
                f"mean has the shape {show_shape(mean.shape)} and log_variance {show_shape(log_variance.shape)}; "
                "they must be equal"
            )
        if not (current().training or current().evaluating):
            return mean
        key, stream = stream_of(self.seed)
        noise = named(ops.random_normal(key, known(mean.shape), stream), "noise")
        deviation = named(ops.exp(0.5 * log_variance), "standard_deviation")
        each = 0.5 * (ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance)
        divergence = named(ops.sum(each) * (1.0 / known(mean.shape)[0]), "divergence")
        self.add_loss(divergence, name="divergence")
        return mean + deviation * noise
