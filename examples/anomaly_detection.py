"""Which images do not belong? Ten autoencoders, each of which has seen one kind of digit and finds all others strange.

An autoencoder restores what is like the examples it was trained on, and restores anything else badly: so the error of
its restoration tells what is strange, without a single example of an anomaly. The score is the share of an image that
is left unexplained, the sum of squared errors over that of squared pixels: a thin 1 has little ink to get wrong.

Data: MNIST. The protocol is the usual one: one digit is normal, and an autoencoder is trained on its training images
alone, about 6,000; all 10,000 test images are scored, and the images of the nine other digits are to score higher. That
ten times, for each digit. The figure is the area under the ROC curve (AUROC), the chance that an anomaly scores higher
than a normal image: 1 is perfect, ½ guessing. Sizes were chosen on the last 10,000 training images; seed 0.

    python examples/anomaly_detection.py                  about 20 seconds on two cores
    python examples/anomaly_detection.py --quick          1,000 images of each digit, to see it run

Source of the idea: N. Japkowicz, C. Myers, M. Gluck, "A novelty detection approach to classification", IJCAI 1995.
"""

from __future__ import annotations

import argparse

import numpy as np

import pellucid
from pellucid.layers import Dense, Flatten, Input, Reshape
from pellucid.models import Autoencoder
from pellucid.optimizers import Adam, schedules

CODES, WIDTH, BATCH, RATE, EPOCHS = 16, 256, 64, 1e-3, 20


def autoencoder() -> Autoencoder:
    encoder = pellucid.Sequential([Input((28, 28)), Flatten(), Dense(WIDTH, "relu"), Dense(CODES)], seed=0)
    decoder = pellucid.Sequential(
        [Input((CODES,)), Dense(WIDTH, "relu"), Dense(784, "sigmoid"), Reshape((28, 28))], seed=1
    )
    return Autoencoder(encoder, decoder, seed=0)


def trained_on(normal: np.ndarray, precision: str) -> Autoencoder:
    model = autoencoder()
    rate = schedules.CosineDecay(RATE, decay_steps=EPOCHS * -(-len(normal) // BATCH))
    model.compile(Adam(rate), "mse", precision=precision)
    model.fit(normal, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    return model


def strangeness(model: Autoencoder, x: np.ndarray) -> np.ndarray:
    """The share of each image that is left unexplained."""
    return model.errors(x) / np.mean(np.square(x), axis=(1, 2))


def area(scores: np.ndarray, strange: np.ndarray) -> float:
    """The chance that one of the strange has a higher score than one of the others, from ranks (Mann & Whitney)."""
    ranks = np.empty(len(scores))
    ranks[np.argsort(scores)] = np.arange(1, len(scores) + 1)
    count = int(strange.sum())
    return float((ranks[strange].sum() - count * (count + 1) / 2) / (count * (len(scores) - count)))


def main(quick: bool = False, precision: str = "float32") -> dict[str, float]:
    (images, labels), (test_images, test_labels) = pellucid.datasets.mnist()
    x, test = (part.astype(np.float32) / 255 for part in (images, test_images))
    models, scores, areas = [], [], []
    for digit in range(10):
        models.append(trained_on(x[labels == digit][: 1_000 if quick else None], precision))
        scores.append(strangeness(models[digit], test))
        areas.append(area(scores[digit], test_labels != digit))
        print(f"{digit} is normal, all others are anomalies: AUROC {areas[digit]:.4f}")
    average = float(np.mean(areas))
    print(f"average of the ten: AUROC {average:.4f}")
    print("Deep SVDD (Ruff et al. 2018) had 0.948, OCGAN (Perera, Nallapati & Xiang 2019) 0.975")
    models[0].save("anomaly_detection.safetensors")
    draw(test, test_labels, models, np.stack(scores, axis=1))
    print("saved as anomaly_detection.safetensors, for the 0; anomaly_detection.png shows what is found strange")
    return {"AUROC": average, "worst AUROC": min(areas)}


def draw(test: np.ndarray, labels: np.ndarray, models: list[Autoencoder], scores: np.ndarray) -> None:
    """For each normal digit: three of its images and three others, with what its autoencoder makes of them; ROC."""
    import matplotlib.pyplot as plt

    random, rows = np.random.default_rng(0), []
    for digit, model in enumerate(models):
        normal, other = (random.choice(np.flatnonzero(chosen), 3) for chosen in (labels == digit, labels != digit))
        pairs = [np.hstack([test[i], model.predict(test[i : i + 1])[0]]) for i in (*normal, *other)]
        rows.append(np.hstack([np.pad(pair, ((2, 2), (4, 4))) for pair in pairs]))
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 6.4), layout="constrained", width_ratios=[1.15, 1])
    left.imshow(np.vstack(rows), cmap="gray_r", vmin=0, vmax=1)
    left.set_title("three normal images                                three anomalies\n(each with its restoration)")
    left.set_yticks(np.arange(10) * 32 + 16, [f"{digit} is normal" for digit in range(10)])
    left.set_xticks([])
    left.axvline(rows[0].shape[1] / 2, color="gray", linewidth=1)
    pellucid.plot.roc(labels, -scores, ax=right)
    figure.savefig("anomaly_detection.png", dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="1,000 images of each digit: under a minute, to see it run"
    )
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    main(**vars(parser.parse_args()))
