"""`VAE`: an autoencoder whose codes are spread like a normal distribution, so that new examples can be drawn."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy

from pellucid.core.graph import Tensor
from pellucid.core.spec import known
from pellucid.nn.layers.sampling import Sampling
from pellucid.train.models.autoencoder import Autoencoder
from pellucid.train.models.parts import noise


class VAE(Autoencoder):
    """A variational autoencoder: a code is drawn from N(mean, e^log_variance), and drawn towards N(0, 1).

    `encoder` has two outputs, the means and the logarithms of the variances of the code; `decoder` takes a code.
    Training makes -ELBO small: the reconstruction's loss, added up over all elements of an example, and the divergence
    of the code from N(0, 1), see `Sampling`. Both are in the history, `reconstruction_loss` and `divergence_loss`.
    With "binary_crossentropy" and a decoder that ends in a sigmoid, `evaluate` gives -ELBO in nats per example, each
    with one drawn code; with "mse" that of normal errors of variance ½, but for a constant. `predict` restores from
    the mean, and draws nothing. The rest is as in `Autoencoder`.
    Source: Kingma & Welling, "Auto-encoding variational Bayes", 2014.

    >>> import numpy
    >>> from pellucid import Input, Model, Sequential
    >>> from pellucid.layers import Dense
    >>> x = Input((6,))
    >>> hidden = Dense(8, "relu")(x)
    >>> encoder = Model(x, [Dense(2)(hidden), Dense(2)(hidden)], seed=1)
    >>> vae = VAE(encoder, Sequential([Input((2,)), Dense(6, "sigmoid")], seed=2), seed=3)
    >>> vae.compile("adam")
    >>> list(vae.fit(numpy.eye(6), epochs=1, verbose=0).history)
    ['loss', 'reconstruction_loss', 'divergence_loss']
    >>> vae.encode(numpy.eye(6)).shape, vae.generate(3).shape
    ((6, 2), (3, 6))
    """

    codes = 2

    def _code(self, codes: tuple[Tensor, ...]) -> Tensor:
        code: Tensor = Sampling(name="code")(*codes)
        return code

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = "binary_crossentropy",
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        precision: str = "float32",
        executor: str | None = None,
    ) -> None:
        """Choose how to train, as in `Model.compile`. `loss_weights`: what the loss, a mean over the elements of an
        example, is multiplied by; by default their number, which makes it their sum."""
        elements = float(prod(known(self.outputs[0].shape[1:])))
        weights = elements if loss_weights is None else loss_weights
        super().compile(optimizer, loss, weights, metrics, weighted_metrics, precision, executor)

    def encode(self, x: Any) -> numpy.ndarray:
        """The means of the codes of some examples: [rows, …]."""
        means: numpy.ndarray = self.encoder.predict(x)[0]
        return means

    def generate(self, count: int = 1, seed: int | None = None) -> numpy.ndarray:
        """New examples [count, …], decoded from codes of N(0, 1); others at every call, unless `seed` is given."""
        return self.decode(noise(self.decoder, count, seed))
