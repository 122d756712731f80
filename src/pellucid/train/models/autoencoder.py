"""`Autoencoder`: two networks, one that squeezes an example into a few numbers, and one that restores it from them."""

from __future__ import annotations

from typing import Any

import numpy

from pellucid.core.graph import Tensor
from pellucid.core.sources import feed
from pellucid.core.spec import show_shape
from pellucid.errors import ShapeError
from pellucid.nn.layer import Layer
from pellucid.train.fitting import Validate
from pellucid.train.inputs import Examples
from pellucid.train.model import Model
from pellucid.train.models.parts import part


class Autoencoder(Model):
    """A network that learns to restore its input from few numbers, its code: decoder(encoder(x)).

    `encoder` and `decoder` are built models of one input, the first with one output that the second takes.
    `fit`, `evaluate` and `validation_data` need no labels: an example is its own. Labels that are given are what it is
    to be restored to, such as the clean images of noisy ones; an iterable gives batches (x, x). `predict` restores;
    `explain_step(x, x)` opens a step.
    `seed` fixes the order of examples; the weights are fixed by the seeds of the networks.
    Raises `ArgumentError` for what is no such model, `ShapeError` where the two do not fit each other.
    Source: Rumelhart, Hinton & Williams, "Learning internal representations by error propagation", 1986.

    >>> import numpy
    >>> from pellucid import Input, Sequential
    >>> from pellucid.layers import Dense
    >>> from pellucid.optimizers import Adam
    >>> encoder = Sequential([Input((3,)), Dense(1)], seed=1)
    >>> model = Autoencoder(encoder, Sequential([Input((1,)), Dense(3)], seed=2), seed=3)
    >>> model.compile(Adam(0.05), "mse")
    >>> x = numpy.random.default_rng(0).normal(size=(64, 1)) @ [[1.0, -2.0, 0.5]]  # three numbers, but only one matters
    >>> history = model.fit(x, epochs=100, verbose=0)
    >>> model.encode(x).shape, model.decode([[0.0]]).shape, bool(model.errors(x).mean() < 1e-3)
    ((64, 1), (1, 3), True)
    """

    codes = 1  # outputs of the encoder

    def __init__(self, encoder: Any, decoder: Any, name: str | None = None, seed: int | None = None) -> None:
        self._prepare(seed)
        Layer.__init__(self, name=name)
        self.encoder, self.decoder = part(self, "encoder", encoder, self.codes), part(self, "decoder", decoder)
        (x,) = self.encoder.inputs
        entry = feed(x.shape, x.dtype, self.encoder.input_names[0])
        outputs = self._codes(entry)
        wanted = self.decoder.inputs[0].shape
        if any(code.shape != wanted for code in outputs):
            made = " and ".join(show_shape(code.shape[1:]) for code in outputs)
            raise ShapeError(
                f"{type(self).__name__}: the encoder makes {made}, the decoder takes {show_shape(wanted[1:])}"
            )
        restored = self.decoder(self._code(outputs))
        if restored.shape != x.shape:
            raise ShapeError(
                f"{type(self).__name__}: the decoder makes {show_shape(restored.shape[1:])} of an example of shape "
                f"{show_shape(x.shape[1:])}; what is restored must have the shape of what went in"
            )
        self._connect([entry], [restored])

    def _codes(self, x: Tensor) -> tuple[Tensor, ...]:
        """What the encoder makes of the input."""
        made = self.encoder(x)
        return made if isinstance(made, tuple) else (made,)

    def _code(self, codes: tuple[Tensor, ...]) -> Tensor:
        """What the decoder is given."""
        return codes[0]

    @property
    def output_names(self) -> list[str]:
        return ["reconstruction"]

    def encode(self, x: Any) -> numpy.ndarray:
        """The codes of some examples: [rows, …]."""
        codes: numpy.ndarray = self.encoder.predict(x)
        return codes

    def decode(self, codes: Any) -> numpy.ndarray:
        """What the decoder makes of some codes: [rows, …]."""
        made: numpy.ndarray = self.decoder.predict(codes)
        return made

    def errors(self, x: Any) -> numpy.ndarray:
        """How badly each example is restored: the mean of its squared errors, float64 [rows]. What is unlike the
        examples trained on is restored badly, so that this finds anomalies."""
        restored = numpy.asarray(self.predict(x), numpy.float64)
        (given,) = self.inputs_of(x)
        found: numpy.ndarray = numpy.square(restored - given).reshape(len(given), -1).mean(1)
        return found

    def examples(
        self, x: Any, y: Any, sample_weight: Any = None, class_weight: dict[int, float] | None = None
    ) -> Examples:
        """What the user gave, as arrays that fit the network; an example is its own label, unless another is given."""
        return super().examples(x, x if y is None else y, sample_weight, class_weight)

    def _validation(
        self, held: Examples | None, given: Any, batch_size: int | None, steps: int | None
    ) -> Validate | None:
        alone = hasattr(given, "__array__")
        return super()._validation(held, (given, given) if alone else given, batch_size, steps)

    def get_config(self) -> dict[str, Any]:
        """Both networks, as plain JSON values."""
        return Layer.get_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Autoencoder:
        """The model that `get_config` described."""
        model = cls(config["encoder"], config["decoder"], name=config["name"], seed=config["seed"])
        model._set_options(config)
        return model
