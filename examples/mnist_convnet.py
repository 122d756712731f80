"""Handwritten digits, recognised by a convolutional network: about 99.6 % of images it has never seen.

A convolution slides a small window of weights over the image, so that a stroke is recognised wherever it stands; two of
them in a row see patterns of patterns. Taking the maximum of every 2×2 values makes the image smaller and the network
less touchy about the exact place. Batch normalization keeps the numbers between the layers in range, and dropout leaves
out some of the last ones at random.

While training, no image is seen twice in the same way: each is made up to a tenth smaller or larger, turned by up to 11
degrees and moved by up to 2 pixels, at random. The digit stays the same, and that is what the network learns.

Training sees the 60,000 images of MNIST's training part, shuffled with seed 0; the 10,000 of its test part are only
looked at in the end. Sizes and rates were chosen on the last 10,000 of the training part. The learning rate rises for a
tenth of the steps and then falls along half a cosine wave.

    python examples/mnist_convnet.py              10 epochs; about two minutes on two cores
    python examples/mnist_convnet.py --quick      one epoch of 10,000 images, to see it run

Sources: LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998; Simonyan
and Zisserman, "Very Deep Convolutional Networks", 2015 (pairs of small convolutions); Simard, Steinkraus and Platt,
"Best Practices for Convolutional Neural Networks", 2003 (augmentation).
"""

from __future__ import annotations

import argparse

import numpy as np

import pellucid
from pellucid import plot
from pellucid.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    MaxPooling2D,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    Rescaling,
)

BATCH, EPOCHS, RATE, SEED = 64, 10, 3e-3, 0


def augmentation() -> list[pellucid.Layer]:
    """Layers that change images in training alone; what appears at the borders is black."""
    return [
        RandomZoom(0.1, fill_mode="constant"),
        RandomRotation(0.03, fill_mode="constant"),
        RandomTranslation(0.07, 0.07, fill_mode="constant", interpolation="nearest"),
    ]


def convolution(filters: int) -> list[pellucid.Layer]:
    """Look for patterns of 3×3, keep the numbers in range, cut off below zero."""
    return [
        Conv2D(filters, 3, padding="same", use_bias=False),
        BatchNormalization(momentum=0.9),
        Activation("relu"),
    ]


def network(seed: int = SEED) -> pellucid.Model:
    return pellucid.Sequential(
        [
            Input((28, 28, 1)),
            Rescaling(1 / 255),
            *augmentation(),
            *convolution(16),
            *convolution(16),
            MaxPooling2D(),
            *convolution(32),
            *convolution(32),
            MaxPooling2D(),
            *convolution(64),
            *convolution(64),
            Flatten(),
            Dropout(0.3),
            Dense(10),
        ],
        seed=seed,
    )


def train(model: pellucid.Model, x: np.ndarray, y: np.ndarray, epochs: int, precision: str) -> None:
    steps = epochs * -(-len(x) // BATCH)
    rate = pellucid.optimizers.schedules.CosineDecay(
        0.0, decay_steps=0.9 * steps, warmup_target=RATE, warmup_steps=steps // 10
    )
    loss = pellucid.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(pellucid.optimizers.Adam(rate), loss, metrics=["accuracy"], precision=precision)
    model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=2)


def main(quick: bool = False, precision: str = "float32") -> dict[str, float]:
    epochs, rows = (1, 10_000) if quick else (EPOCHS, 60_000)
    (x, y), (test_x, test_y) = pellucid.datasets.mnist()
    x, y, test_x = x[:rows, ..., None], y[:rows], test_x[..., None]  # one channel: grey

    model = network()
    train(model, x, y, epochs, precision)
    scores = model.predict(test_x)
    guesses = scores.argmax(axis=1)
    accuracy = float((guesses == test_y).mean())
    print(f"{accuracy:.2%} of {len(test_y):,} unseen images right; LeNet-5 (LeCun et al. 1998) had 99.05 %")
    model.save("mnist_convnet.safetensors")

    wrong = np.flatnonzero(guesses != test_y)
    ax = plot.images(test_x[wrong], [f"{test_y[i]}, read as {guesses[i]}" for i in wrong])
    ax.set_title(f"What it gets wrong: {len(wrong)} of {len(test_y):,} digits", loc="left", pad=16)
    ax.figure.savefig("mnist_convnet.png", dpi=150)
    print("saved as mnist_convnet.safetensors; mnist_convnet.png shows what it gets wrong")
    return {"accuracy": accuracy}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one epoch of 10,000 images: some seconds, to see it run")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    main(**vars(parser.parse_args()))
