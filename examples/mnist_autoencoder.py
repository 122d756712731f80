"""Handwritten digits squeezed into 32 numbers, and into 2: compression and a map of the digits, without any labels.

An autoencoder is two networks. The encoder turns an image of 784 pixels into a few numbers, its code; the decoder
restores the image from them. Trained to restore what went in, the two agree on a code that tells what images of digits
have in common. Principal component analysis (PCA) does the same with straight lines: it is the best that any linear
encoder and decoder can do, and what a deep one has to beat. With a code of two numbers each image has a place on a map.

Data: MNIST, 60,000 images to train on and 10,000 never seen, on which errors are measured; seed 0. The error is the
mean of the squared differences of all pixels, which go from 0 (black) to 1 (white).

    python examples/mnist_autoencoder.py                  about a minute on two cores
    python examples/mnist_autoencoder.py --quick          12,000 images, 12 epochs: under a minute, to see it run

Source: G. Hinton, R. Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 313, 2006.
"""

from __future__ import annotations

import argparse

import numpy as np

import pellucid
from pellucid.layers import Dense, Flatten, Input, Reshape
from pellucid.models import Autoencoder
from pellucid.optimizers import Adam, schedules

CODES, BATCH, RATE = 32, 128, 1e-3


def autoencoder(numbers: int) -> Autoencoder:
    encoder = pellucid.Sequential(
        [Input((28, 28)), Flatten(), Dense(512, "relu"), Dense(256, "relu"), Dense(numbers)], seed=0
    )
    decoder = pellucid.Sequential(
        [Input((numbers,)), Dense(256, "relu"), Dense(512, "relu"), Dense(784, "sigmoid"), Reshape((28, 28))], seed=1
    )
    return Autoencoder(encoder, decoder, seed=0)


def fit(numbers: int, x: np.ndarray, epochs: int, precision: str) -> Autoencoder:
    print(f"an autoencoder with {numbers} numbers:")
    model = autoencoder(numbers)
    model.compile(
        Adam(schedules.CosineDecay(RATE, decay_steps=epochs * -(-len(x) // BATCH))), "mse", precision=precision
    )
    model.fit(x, batch_size=BATCH, epochs=epochs, verbose=2)
    return model


class PCA:
    """Principal component analysis: the mean image, and the directions in which images spread most."""

    def __init__(self, x: np.ndarray) -> None:
        flat = x.reshape(len(x), -1).astype(np.float64)
        self.mean = flat.mean(0)
        self.directions = np.linalg.svd(np.cov(flat.T), hermitian=True)[0]

    def encode(self, x: np.ndarray, numbers: int) -> np.ndarray:
        return (x.reshape(len(x), -1) - self.mean) @ self.directions[:, :numbers]

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return (codes @ self.directions[:, : codes.shape[1]].T + self.mean).reshape(-1, 28, 28)


def main(quick: bool = False, precision: str = "float32") -> dict[str, float]:
    rows, epochs = (12_000, 12) if quick else (60_000, 10)
    (images, _), (test_images, labels) = pellucid.datasets.mnist()
    x, test = (part.astype(np.float32) / 255 for part in (images[:rows], test_images))

    model, flat, pca = fit(CODES, x, epochs, precision), fit(2, x, epochs, precision), PCA(x)
    by_lines = pca.decode(pca.encode(test, CODES))
    error, linear = float(model.errors(test).mean()), float(np.mean((by_lines - test) ** 2))
    print(f"error on {len(test):,} unseen images, {CODES} numbers for each of 784 pixels: {error:.5f}")
    print(f"PCA with {CODES} numbers, fitted to the same images: {linear:.5f}; ours is {error / linear:.1%} of it")
    model.save("mnist_autoencoder.safetensors")
    draw(test, labels, model.predict(test[:10]), by_lines[:10], flat.encode(test), pca.encode(test, 2))
    print("saved as mnist_autoencoder.safetensors; mnist_autoencoder.png shows digits restored, and both maps")
    return {"error": error, "error of PCA": linear, "share of PCA's error": error / linear}


def draw(
    test: np.ndarray, labels: np.ndarray, ours: np.ndarray, lines: np.ndarray, codes: np.ndarray, components: np.ndarray
) -> None:
    """Ten digits and what both make of them; below, both maps of the test images."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(12, 10.5), layout="constrained")
    grid = figure.add_gridspec(4, 2, height_ratios=[1, 1, 1, 5])
    for place, (row, name) in enumerate([(test[:10], "image"), (ours, f"{CODES} numbers"), (lines, f"PCA's {CODES}")]):
        ax = figure.add_subplot(grid[place, :])
        ax.imshow(np.hstack(row), cmap="gray_r", vmin=0, vmax=1)
        ax.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=12)
        ax.set(xticks=[], yticks=[], frame_on=False)
    for place, (points, name) in enumerate(
        [(codes, "the autoencoder's two numbers"), (components, "PCA's two numbers")]
    ):
        ax = pellucid.plot.layer_map(points, labels, ax=figure.add_subplot(grid[3, place]))
        ax.set_title(f"{len(points):,} unseen digits by {name}", loc="left")
    figure.savefig("mnist_autoencoder.png", dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="12,000 images, 12 epochs: under a minute, to see it run")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    main(**vars(parser.parse_args()))
