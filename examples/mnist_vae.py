"""Handwritten digits that nobody wrote: a variational autoencoder draws them, and walks from one to another.

An autoencoder whose code is drawn: the encoder gives each image a mean and a variance for every number of its code, and
training pulls them towards mean 0 and variance 1. So any code drawn from that distribution decodes to a digit, and from
one code to another there is a way through digits all along. What training makes large is the ELBO, a lower bound of the
log-probability of an image: how well it is restored (the reconstruction), less how much the code tells beyond what
was known before (the divergence), both in nats (1 nat = 1.44 bits).

Data: MNIST, 60,000 images to train on and 10,000 never seen; seed 0. Each pixel is made black or white at random, white
with the probability of its grey value: anew in every epoch to train on, once and for all (by seed 0) to measure with.

    python examples/mnist_vae.py                          about 2 minutes on two cores
    python examples/mnist_vae.py --quick                  12,000 images, 8 epochs: under a minute, to see it run

Source: D. Kingma, M. Welling, "Auto-encoding variational Bayes", ICLR 2014; binary pixels as in R. Salakhutdinov,
I. Murray, "On the quantitative analysis of deep belief networks", ICML 2008.
"""

from __future__ import annotations

import argparse

import numpy as np

import pellucid
from pellucid.layers import Dense, Flatten, Input, Reshape
from pellucid.models import VAE
from pellucid.optimizers import Adam, schedules

CODES, WIDTH, BATCH, RATE = 32, 512, 128, 1e-3


def vae() -> VAE:
    x = Input((28, 28))
    hidden = Dense(WIDTH, "relu")(Dense(WIDTH, "relu")(Flatten()(x)))
    encoder = pellucid.Model(x, [Dense(CODES, name="mean")(hidden), Dense(CODES, name="log_variance")(hidden)], seed=0)
    decoder = pellucid.Sequential(
        [Input((CODES,)), Dense(WIDTH, "relu"), Dense(WIDTH, "relu"), Dense(784, "sigmoid"), Reshape((28, 28))], seed=1
    )
    return VAE(encoder, decoder, seed=0)


def binary(grey: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Each pixel white with the probability of its grey value."""
    return (random.random(grey.shape, np.float32) < grey).astype(np.float32)


def main(quick: bool = False, precision: str = "float32") -> dict[str, float]:
    rows, epochs = (12_000, 8) if quick else (60_000, 25)
    (images, _), (test_images, _) = pellucid.datasets.mnist()
    grey, test_grey = (part.astype(np.float32) / 255 for part in (images[:rows], test_images))
    random = np.random.default_rng(0)
    test = binary(test_grey, random)

    model = vae()
    rate = schedules.CosineDecay(RATE, decay_steps=epochs * -(-rows // BATCH))
    model.compile(Adam(rate), "binary_crossentropy", precision=precision)
    for epoch in range(epochs):
        history = model.fit(binary(grey, random), batch_size=BATCH, verbose=0).history
        print(f"epoch {epoch + 1}/{epochs}: " + "  ".join(f"{name} {value[0]:.2f}" for name, value in history.items()))

    found = model.evaluate(test, return_dict=True)
    print(f"ELBO of {len(test):,} unseen images: {-found['loss']:.2f} nats per image,")
    print(f"of which {-found['reconstruction_loss']:.2f} restoring and {-found['divergence_loss']:.2f} for the code")
    print("Kingma & Welling (2014, figure 2) came near -100; pixels that know nothing of each other have -205.8")
    model.save("mnist_vae.safetensors")
    draw(model, test)
    print("saved as mnist_vae.safetensors; mnist_vae.png shows digits that nobody wrote")
    return {"ELBO": -found["loss"], "divergence": found["divergence_loss"]}


def draw(model: VAE, test: np.ndarray) -> None:
    """Generated digits, and below them walks: eight steps from the code of one unseen image to that of another."""
    import matplotlib.pyplot as plt

    made = model.generate(100, seed=0).reshape(5, 20, 28, 28)
    codes = model.encode(test[:10])
    walks = np.stack([np.linspace(a, b, 18) for a, b in zip(codes[:5], codes[5:], strict=True)])
    between = model.decode(walks.reshape(-1, CODES)).reshape(5, 18, 28, 28)
    walked = np.concatenate([test[:5, None], between, test[5:10, None]], axis=1)
    figure, axes = plt.subplots(2, 1, figsize=(12, 6.6), layout="constrained")
    for ax, images, title in (
        (axes[0], made, "digits that nobody wrote, decoded from random codes"),
        (axes[1], walked, "walks through the codes, from the unseen image on the left to that on the right"),
    ):
        ax.imshow(np.vstack([np.hstack(row) for row in images]), cmap="gray_r", vmin=0, vmax=1)
        ax.set_title(title, loc="left")
        ax.axis("off")
    figure.savefig("mnist_vae.png", dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="12,000 images, 8 epochs: under a minute, to see it run")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    main(**vars(parser.parse_args()))
