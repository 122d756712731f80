"""`GAN`: two networks that play against each other, so that one of them learns to make what looks real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy

from pellucid import ops
from pellucid.core.graph import Tensor, Variable
from pellucid.core.spec import known, show_shape
from pellucid.errors import ShapeError, StateError
from pellucid.nn import arguments, initializers, losses, random
from pellucid.nn.layer import plain
from pellucid.nn.losses import Loss
from pellucid.train.inputs import Examples
from pellucid.train.models.parts import noise, part
from pellucid.train.trainer import Trainer, Update


class GAN(Trainer):
    """A generative adversarial network: a generator of examples, and a discriminator that tells them from real ones.

    `generator` makes an example of noise z ~ N(0, 1); `discriminator` gives one number per example: the probability
    that it is real, from a sigmoid, or whatever the loss takes. In each step first the discriminator learns, from a
    batch of real examples (1) and as many generated ones (0), then the generator, from the discriminator's answer to
    generated ones (as if 1). The history has `discriminator_loss` and `generator_loss`, and the mean answers to both
    kinds, `real_score` and `generated_score`: where neither wins, they are ½, and the losses ln 4 and ln 2.
    Both networks are models, to be opened like any other: `gan.generator.trace(z)`, `gan.discriminator.why(x)`.
    `seed` fixes noise and the order of examples; the weights are fixed by the seeds of the networks.
    Raises `ArgumentError` for what is no such model, `ShapeError` where the two do not fit each other.
    Source: Goodfellow et al., "Generative adversarial nets", 2014.

    >>> import numpy
    >>> from pellucid import Input, Sequential
    >>> from pellucid.layers import Dense
    >>> generator = Sequential([Input((2,)), Dense(8, "relu"), Dense(3)], seed=1)
    >>> gan = GAN(generator, Sequential([Input((3,)), Dense(8, "relu"), Dense(1, "sigmoid")], seed=2), seed=3)
    >>> gan.compile("adam", "adam")
    >>> history = gan.fit(numpy.ones((64, 3)), epochs=2, verbose=0)
    >>> list(history.history), gan.generate(5).shape
    (['loss', 'discriminator_loss', 'real_score', 'generated_score', 'generator_loss'], (5, 3))
    """

    def __init__(self, generator: Any, discriminator: Any, seed: int | None = None) -> None:
        self.generator = part(self, "generator", generator)
        self.discriminator = part(self, "discriminator", discriminator)
        made, taken = self.generator.outputs[0].shape[1:], self.discriminator.inputs[0].shape[1:]
        if made != taken:
            raise ShapeError(
                f"GAN: the generator makes {show_shape(made)}, the discriminator takes {show_shape(taken)}"
            )
        if self.discriminator.outputs[0].shape[1:] != (1,):
            raise ShapeError(
                "GAN: the discriminator must give one number per example, let it end with Dense(1, 'sigmoid'); "
                f"it gives {show_shape(self.discriminator.outputs[0].shape[1:])}"
            )
        self.seed = int(initializers.next_seed() >> 1) if seed is None else arguments.whole("GAN", "seed", seed, 0)
        self.loss: Loss | None = None
        self.history = None
        self.epochs_trained = self.steps_trained = 0

    def compile(
        self,
        generator_optimizer: Any = "adam",
        discriminator_optimizer: Any = "adam",
        loss: Any = "binary_crossentropy",
        precision: str = "float32",
        executor: str | None = None,
    ) -> None:
        """Choose how to train: an optimizer for each network, and the loss of the discriminator's answers.

        Of a discriminator that ends without a sigmoid it is `BinaryCrossentropy(from_logits=True)`, or "mse" (Mao et
        al. 2017). Radford, Metz & Chintala 2016 recommend Adam(2e-4, beta_1=0.5). Training begins anew.
        Raises `ArgumentError` where the loss does not fit the discriminator's last activation.
        """
        chosen: Loss = losses.get(loss)
        (answers,) = self.discriminator.outputs
        chosen.check(numpy.array([[0.0], [1.0]], numpy.float32), answers, self.discriminator.name)

        def discriminator_loss(real: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
            to_real = self.discriminator(real, training=True)
            to_made = self.discriminator(self._made(real), training=True)
            scores = {"real_score": ops.mean(to_real), "generated_score": ops.mean(to_made)}
            return chosen(_all(1.0, to_real), to_real) + chosen(_all(0.0, to_made), to_made), scores

        def generator_loss(real: Tensor) -> Tensor:
            to_made = self.discriminator(self._made(real), training=True)
            return chosen(_all(1.0, to_made), to_made)

        updates = [
            Update(discriminator_loss, self.discriminator, discriminator_optimizer),
            Update(generator_loss, self.generator, generator_optimizer),
        ]
        super().__init__(updates, self.seed, executor, precision)
        self.loss = chosen

    def _made(self, real: Tensor) -> Tensor:
        """As many generated examples as there are real ones, of new noise."""
        made: Tensor = self.generator(
            random.normal((real.shape[0], *self.generator.inputs[0].shape[1:])), training=True
        )
        return made

    def examples(self, x: Any) -> Examples:
        """Real examples, as arrays that fit the discriminator; raises `StateError` before `compile`."""
        if self.loss is None:
            raise StateError("the GAN is not compiled; call gan.compile(generator_optimizer, discriminator_optimizer)")
        return Examples(self.discriminator.inputs_of(x), [], [])

    def build_optimizers(self) -> None:
        """Make what the optimizers remember from step to step."""
        for update in self.updates:
            update.optimizer.build(update.parameters)

    @property
    def variables(self) -> list[Variable]:
        """Of both networks, each once."""
        return list(dict.fromkeys([*self.generator.variables, *self.discriminator.variables]))

    def generate(self, count: int = 1, seed: int | None = None) -> numpy.ndarray:
        """New examples [count, …], made of noise of N(0, 1); others at every call, unless `seed` is given."""
        made: numpy.ndarray = self.generator.predict(noise(self.generator, count, seed))
        return made

    def save(self, filepath: str | Path, overwrite: bool = True) -> None:
        """Write both networks into one file, with the state of training and the history."""
        from pellucid.train.saving import save_model

        save_model(self, filepath, overwrite=overwrite)

    def get_config(self) -> dict[str, Any]:
        """Both networks, as plain JSON values."""
        return {"generator": plain(self.generator), "discriminator": plain(self.discriminator)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> GAN:
        """The model that `get_config` described."""
        return cls(config["generator"], config["discriminator"])


def _all(value: float, answers: Tensor) -> numpy.ndarray:
    """The same label for every answer."""
    return numpy.full(known(answers.shape), value, numpy.float32)
