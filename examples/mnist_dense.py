"""Handwritten digits, recognised by a feedforward network: about 98.6 % of images it has never seen.

Every pixel of an image is one input, and every unit of a layer looks at all that the layer before it gives: weighted,
added up, and cut off below zero. The last layer gives each of the ten digits a score; the highest one wins. Dropout
leaves out three of ten units at random in each step of training, so that none can rely on a few others.

Training sees the 60,000 images of MNIST's training part, shuffled with seed 0; the 10,000 of its test part are only
looked at in the end. The learning rate falls along half a cosine wave, so that the last steps are small ones.

    python examples/mnist_dense.py              12 epochs; about 10 seconds on two cores
    python examples/mnist_dense.py --quick      2 epochs of 10,000 images, to see it run

Sources: Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", 1986; Srivastava et al.,
"Dropout", 2014.
"""

from __future__ import annotations

import argparse

import pellucid
from pellucid import plot
from pellucid.layers import Dense, Dropout, Flatten, Input, Rescaling

BATCH, RATE, SEED = 128, 1e-3, 0


def network() -> pellucid.Model:
    return pellucid.Sequential(
        [
            Input((28, 28)),
            Rescaling(1 / 255),  # brightness from 0 to 1
            Flatten(),  # 784 inputs
            Dense(512, activation="relu"),
            Dropout(0.3),
            Dense(256, activation="relu"),
            Dropout(0.3),
            Dense(10),
        ],
        seed=SEED,
    )


def main(quick: bool = False, precision: str = "float32") -> dict[str, float]:
    epochs, rows = (2, 10_000) if quick else (12, 60_000)
    (x, y), (test_x, test_y) = pellucid.datasets.mnist()
    x, y = x[:rows], y[:rows]

    model = network()
    rate = pellucid.optimizers.schedules.CosineDecay(RATE, decay_steps=epochs * -(-rows // BATCH))
    loss = pellucid.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(pellucid.optimizers.Adam(rate), loss, metrics=["accuracy"], precision=precision)
    model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=2)

    scores = model.predict(test_x)
    accuracy = float((scores.argmax(axis=1) == test_y).mean())
    print(
        f"{accuracy:.2%} of {len(test_y):,} unseen images right; "
        "a network with 800 hidden units had 98.4 % (Simard, Steinkraus and Platt 2003)"
    )
    model.save("mnist_dense.safetensors")
    plot.confusion_matrix(test_y, scores).figure.savefig("mnist_dense.png", dpi=150)
    print("saved as mnist_dense.safetensors; mnist_dense.png shows which digits it takes for which")
    return {"accuracy": accuracy}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2 epochs of 10,000 images: some seconds, to see it run")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    main(**vars(parser.parse_args()))
