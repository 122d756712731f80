"""Handwritten digits, recognised by a convolutional network: about 99.3 % of images it has never seen.

A convolution slides a small window of weights over the image, so that a stroke is recognised wherever it stands; taking
the maximum of every 2×2 values makes the image smaller and the network less touchy about the exact place. Two rounds of
both, and a dense layer decides which digit it is. Dropout leaves out a third of the values at random while training.

    python examples/mnist_convnet.py                      6 epochs; under a minute on two cores
    python examples/mnist_convnet.py --peer               and the same with PyTorch, side by side
    python examples/mnist_convnet.py --quick              one epoch of 6,000 images, to see it run
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import pellucid
from pellucid.layers import Conv2D, Dense, Dropout, Flatten, Input, MaxPooling2D

BATCH, RATE = 128, 2e-3


def train(x: np.ndarray, y: np.ndarray, epochs: int, precision: str, seed: int = 0) -> pellucid.Model:
    model = pellucid.Sequential(
        [
            Input((28, 28, 1)),
            Conv2D(32, 3, padding="same", activation="relu"),
            MaxPooling2D(),
            Conv2D(64, 3, padding="same", activation="relu"),
            MaxPooling2D(),
            Flatten(),
            Dropout(0.3),
            Dense(128, activation="relu"),
            Dropout(0.3),
            Dense(10),
        ],
        seed=seed,
    )
    rate = pellucid.optimizers.schedules.CosineDecay(RATE, decay_steps=epochs * -(-len(x) // BATCH))
    loss = pellucid.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(pellucid.optimizers.Adam(rate), loss, metrics=["accuracy"], precision=precision)
    model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=2)
    return model


def train_in_torch(x: np.ndarray, y: np.ndarray, test: np.ndarray, epochs: int) -> np.ndarray:
    """The same network, optimizer and schedule; its logits for the test images."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 49, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10),
    ).to(memory_format=torch.channels_last)  # fmt: skip
    images, labels = torch.from_numpy(x).permute(0, 3, 1, 2), torch.from_numpy(y).long()
    optimizer = torch.optim.Adam(model.parameters(), RATE, fused=True)
    steps = epochs * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images[rows]), labels[rows]).backward()
            optimizer.step()
            schedule.step()
    model.eval()
    with torch.inference_mode():
        logits: np.ndarray = model(torch.from_numpy(test).permute(0, 3, 1, 2)).numpy()
    return logits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--peer", action="store_true", help="train the same network with PyTorch too")
    parser.add_argument("--quick", action="store_true", help="one epoch of 6,000 images")
    options = parser.parse_args()
    epochs, rows = (1, 6_000) if options.quick else (options.epochs, 60_000)

    (images, labels), (test_images, test_labels) = pellucid.datasets.mnist()
    x, test = (a[..., None].astype(np.float32) / 255 for a in (images[:rows], test_images))
    y = labels[:rows]

    def report(name: str, logits: np.ndarray, seconds: float) -> None:
        right = np.mean(logits.argmax(axis=1) == test_labels)
        print(f"{name}: {right:.2%} of {len(test)} unseen images right, trained in {seconds:.1f} s")

    began = time.perf_counter()
    model = train(x, y, epochs, options.precision)
    seconds = time.perf_counter() - began
    report("Pellucid", model.predict(test), seconds)
    model.save("mnist_convnet.safetensors")
    print("saved as mnist_convnet.safetensors")
    if options.peer:
        began = time.perf_counter()
        logits = train_in_torch(x, y, test, epochs)
        theirs = time.perf_counter() - began
        report("PyTorch", logits, theirs)
        print(f"PyTorch took {theirs / seconds:.2f} times as long for the same {epochs} epoch{'s' * (epochs > 1)}")


if __name__ == "__main__":
    main()
