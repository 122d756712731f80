"""Handwritten digits, recognised by a Transformer: about 99.0 % of images it has never seen.

The image is cut into 16 patches of 7×7 pixels, like a sentence into words. A convolution that steps from patch to patch
makes a vector of each, to which a learned vector of its place is added. In every block each patch looks at all others
and takes what it needs (attention), then thinks for itself (two dense layers). The mean of what all know decides.

A Transformer must learn from examples what a convolution is built for: that neighbours belong together, and that a
digit is the same a little further right. So it is shown the training images turned and moved a little, each time anew.
Training sees the 60,000 images of MNIST's training part, shuffled with seed 0; the 10,000 of its test part are only
looked at in the end.

    python examples/mnist_vit.py              20 epochs; about a minute and a half on two cores
    python examples/mnist_vit.py --quick      8 epochs of 10,000 images, to see it run

Source: Dosovitskiy et al., "An Image is Worth 16×16 Words", 2021.
"""

from __future__ import annotations

import argparse

import numpy as np

import pellucid
from pellucid import plot
from pellucid.layers import (
    Conv2D,
    Dense,
    GlobalAveragePooling1D,
    Input,
    LayerNormalization,
    PositionEmbedding,
    RandomRotation,
    RandomTranslation,
    Rescaling,
    Reshape,
    TransformerEncoder,
)

PATCH, WIDTH, BLOCKS, HEADS = 7, 64, 4, 4
SIDE = 28 // PATCH  # patches along a side of the image
BATCH, RATE, SEED = 128, 1e-3, 0


def network() -> pellucid.Model:
    image = Input((28, 28, 1))
    x = Rescaling(1 / 255)(image)
    x = RandomRotation(0.03, fill_mode="constant")(x)
    x = RandomTranslation(0.07, 0.07, fill_mode="constant")(x)
    x = Reshape((SIDE * SIDE, WIDTH))(Conv2D(WIDTH, PATCH, strides=PATCH, name="patches")(x))
    x = x + PositionEmbedding(SIDE * SIDE, "random_normal", name="places")(x)
    for number in range(1, BLOCKS + 1):
        x = TransformerEncoder(
            2 * WIDTH, HEADS, dropout=0.1, activation="gelu", normalize_first=True, name=f"block_{number}"
        )(x)
    x = GlobalAveragePooling1D()(LayerNormalization()(x))
    return pellucid.Model(image, Dense(10)(x), seed=SEED)


def draw(model: pellucid.Model, images: np.ndarray, truth: np.ndarray, guesses: np.ndarray) -> None:
    """Digits in white, on ground that is the brighter the more all patches look at this one in the last block."""
    scores = model.trace(images)[f"block_{BLOCKS}/self_attention"].parts["scores"]  # [images, heads, looking, seen]
    seen = scores.mean(axis=(1, 2)).reshape(-1, SIDE, SIDE, 1)
    glow = (seen / seen.max(axis=(1, 2), keepdims=True)).repeat(PATCH, 1).repeat(PATCH, 2)
    titles = [f"{true}, read as {guess}" for true, guess in zip(truth, guesses, strict=True)]
    ax = plot.images(np.maximum(images / 255, glow * [0.85, 0.35, 0.1]), titles)
    ax.set_title("Where it looks: patches that the last block attends to", loc="left", pad=16)
    ax.figure.savefig("mnist_vit.png", dpi=150)


def main(quick: bool = False, precision: str = "float32") -> dict[str, float]:
    epochs, rows = (8, 10_000) if quick else (20, 60_000)
    (x, y), (test_x, test_y) = pellucid.datasets.mnist()
    x, y, test_x = x[:rows, ..., None], y[:rows], test_x[..., None]

    model = network()
    steps = epochs * -(-rows // BATCH)
    rate = pellucid.optimizers.schedules.CosineDecay(
        0.0, decay_steps=0.9 * steps, alpha=0.01, warmup_target=RATE, warmup_steps=steps // 10
    )
    loss = pellucid.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = pellucid.optimizers.AdamW(rate, weight_decay=0.05)
    model.compile(optimizer, loss, metrics=["accuracy"], precision=precision)
    model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=2)

    guesses = model.predict(test_x).argmax(axis=1)
    accuracy = float((guesses == test_y).mean())
    print(
        f"{accuracy:.2%} of {len(test_y):,} unseen images right; "
        "LeNet-5, a convolutional network (LeCun et al. 1998), had 99.05 %"
    )
    model.save("mnist_vit.safetensors")
    draw(model, test_x[:24], test_y[:24], guesses[:24])
    print("saved as mnist_vit.safetensors; mnist_vit.png shows where it looks")
    return {"accuracy": accuracy}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="8 epochs of 10,000 images: under a minute, to see it run")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    main(**vars(parser.parse_args()))
