"""Two networks play against each other until one of them draws handwritten digits: a generative adversarial network.

The generator makes an image of random numbers; the discriminator is shown real images and generated ones, and learns to
tell which is which. The generator learns from its answers to pass for real. Where neither wins, the discriminator's
loss is ln 4 = 1.39 and the generator's ln 2 = 0.69. No label tells the two which digits there are. The first fifty
random numbers only choose a kind, by which of them is largest, and the last four vary it: digits are separate kinds of
shapes, and where all numbers change smoothly, images half way between two digits are drawn as well.

Data: MNIST, the 60,000 training images; seed 0. Judged by a classifier that is trained apart from the two, on the same
images with their labels: the share of 10,000 drawn digits that it recognises with a confidence of at least 0.8, the
share of each digit, and the Fréchet distance of its 128 features of drawn digits from those of unseen real ones.

    python examples/mnist_gan.py                          about 12 minutes on two cores
    python examples/mnist_gan.py --quick                  6,000 images, 4 epochs: under a minute, to see it run

Source: I. Goodfellow et al., "Generative adversarial nets", NIPS 2014; networks after A. Radford, L. Metz, S. Chintala,
"Unsupervised representation learning with deep convolutional generative adversarial networks", ICLR 2016; the distance
after M. Heusel et al., "GANs trained by a two time-scale update rule converge to a local Nash equilibrium", NIPS 2017.
"""

from __future__ import annotations

import argparse

import numpy as np

import pellucid
from pellucid import Input, Model, Sequential, layers, ops, plot
from pellucid.metrics import frechet_distance
from pellucid.models import GAN
from pellucid.optimizers import Adam, schedules

KINDS, NOISE, BATCH, RATE = 50, 54, 64, 5e-4


def normalized(layer: pellucid.Layer, activation: pellucid.Layer) -> list[pellucid.Layer]:
    return [layer, layers.BatchNormalization(momentum=0.9), activation]


def generator() -> Model:
    noise = Input((NOISE,))
    kind = ops.one_hot(ops.argmax(noise[:, :KINDS], axis=-1), KINDS)
    x = ops.concatenate([kind, noise[:, KINDS:]], axis=-1)
    for layer in [
        *normalized(layers.Dense(7 * 7 * 64, use_bias=False), layers.ReLU()),
        layers.Reshape((7, 7, 64)),
        *normalized(layers.Conv2DTranspose(32, 4, 2, padding="same", use_bias=False), layers.ReLU()),
        layers.Conv2DTranspose(1, 4, 2, padding="same", activation="sigmoid"),
    ]:
        x = layer(x)
    return Model(noise, x, seed=1)


def discriminator() -> Model:
    found = [Input((28, 28, 1)), layers.Conv2D(32, 4, 2, padding="same"), layers.LeakyReLU(0.2)]
    for filters in (64, 128):
        found += normalized(layers.Conv2D(filters, 4, 2, padding="same", use_bias=False), layers.LeakyReLU(0.2))
    return Sequential([*found, layers.Flatten(), layers.Dense(1, "sigmoid")], seed=2)


def judge(x: np.ndarray, y: np.ndarray, epochs: int) -> tuple[Model, Model]:
    """A classifier of digits, and the part of it that makes the 128 numbers it decides by."""
    parts = [Input((28, 28, 1))]
    for filters in (32, 64):
        parts += [layers.Conv2D(filters, 3, padding="same", activation="relu"), layers.MaxPooling2D()]
    features = Sequential([*parts, layers.Flatten(), layers.Dropout(0.3), layers.Dense(128, "relu")], seed=3)
    classifier = Sequential([features, layers.Dropout(0.3), layers.Dense(10, "softmax")], seed=4)
    rate = schedules.CosineDecay(2e-3, decay_steps=epochs * -(-len(x) // 128))
    classifier.compile(Adam(rate), "sparse_categorical_crossentropy")
    classifier.fit(x, y, batch_size=128, epochs=epochs, verbose=0)
    return classifier, features


def main(quick: bool = False, precision: str = "float32") -> dict[str, float]:
    rows, epochs = (6_000, 4) if quick else (60_000, 40)
    (images, labels), (test_images, test_labels) = pellucid.datasets.mnist()
    x, test = (part[..., None].astype(np.float32) / 255 for part in (images, test_images))

    gan = GAN(generator(), discriminator(), seed=0)
    steps = epochs * -(-rows // BATCH)
    rates = [schedules.PolynomialDecay(RATE, decay_steps=steps, end_learning_rate=RATE / 50) for _ in range(2)]
    gan.compile(Adam(rates[0], beta_1=0.5), Adam(rates[1], beta_1=0.5), precision=precision)
    gan.fit(x[:rows], batch_size=BATCH, epochs=epochs, verbose=2)
    gan.save("mnist_gan.safetensors")

    classifier, features = judge(x[:rows], labels[:rows], 2 if quick else 6)
    chances, drawn = classifier.predict(test), gan.generate(10_000, seed=0)
    right, sure = np.mean(chances.argmax(axis=1) == test_labels), np.mean(chances.max(axis=1) >= 0.8)
    print(f"the judge is right about {right:.2%} of {len(test):,} unseen images, and sure of {sure:.2%}")
    chances = classifier.predict(drawn)
    digits, recognised = chances.argmax(axis=1), float(np.mean(chances.max(axis=1) >= 0.8))
    shares = np.bincount(digits, minlength=10) / len(drawn)
    print(f"it recognises {recognised:.2%} of {len(drawn):,} drawn digits with a confidence of at least 0.8")
    print("shares of the digits: " + ", ".join(f"{digit} {share:.1%}" for digit, share in enumerate(shares)))
    real = features.predict(test)
    distance, least = (frechet_distance(real, features.predict(part)) for part in (drawn, x[:10_000]))
    print(f"Fréchet distance from unseen images: {distance:.2f}; that of 10,000 real training images is {least:.2f}")
    draw(gan, drawn, digits)
    print("saved as mnist_gan.safetensors; mnist_gan.png shows digits that were never written")
    return {"recognised": recognised, "rarest digit": float(shares.min()), "Fréchet distance": distance}


def draw(gan: GAN, drawn: np.ndarray, digits: np.ndarray) -> None:
    """Drawn digits as they come, sorted by what the judge takes them for; and both losses over time."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 6), layout="constrained", width_ratios=[1.3, 1])
    blank = np.zeros((14, 28, 28))
    rows = [np.concatenate([drawn[digits == digit][:14, ..., 0], blank])[:14] for digit in range(10)]
    left.imshow(np.vstack([np.hstack(row) for row in rows]), cmap="gray_r", vmin=0, vmax=1)
    left.set_title("digits that were never written, by what the judge takes them for", loc="left")
    left.set_yticks(np.arange(10) * 28 + 14, range(10))
    left.set_xticks([])
    losses = {name: {"loss": gan.history.history[f"{name}_loss"]} for name in ("generator", "discriminator")}
    plot.learning_curves(losses, ax=right)
    for fair, name in ((np.log(2), "generator's"), (np.log(4), "discriminator's")):
        right.axhline(fair, color="grey", linestyle=":", linewidth=1)
        right.text(1, fair, f"the {name} where neither wins", fontsize=8, va="bottom")
    right.set_title("the two losses by epoch", loc="left")
    figure.savefig("mnist_gan.png", dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="6,000 images, 4 epochs: under a minute, to see it run")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    main(**vars(parser.parse_args()))
