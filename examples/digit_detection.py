"""Finding handwritten digits of many sizes in an image: where each one stands, as a box, and which digit it is.

A convolutional network makes the image of 64×64 pixels a grid of 8×8 cells. Each cell answers two questions: does a
digit stand here, and which (ten probabilities); and how far are its left, upper, right and lower side (four distances).
Nearly all cells are empty, so the focal loss looks away from what is easy; the boxes learn by GIoU, which grows with
the part of two boxes that they share. Several cells may answer for one digit: of boxes that overlap the surest is kept.

Scenes are composed of MNIST's digits, one to four in each and 14 to 32 pixels large: 20,000 for training from the
60,000 training images (seed 0), 2,000 for testing from the 10,000 test images (seed 1), so that no digit is in both.
Mean average precision counts what was found and what was made up: 1 is perfect. A box is right when it and the true one
share at least half of what they cover together.

    python examples/digit_detection.py              8 epochs; a minute or two on two cores
    python examples/digit_detection.py --quick      4 epochs of 4,000 scenes, to see it run

Sources: Tian et al., "FCOS: Fully Convolutional One-Stage Object Detection", 2019; Lin et al., "Focal Loss for Dense
Object Detection", 2017; Rezatofighi et al., "Generalized Intersection over Union", 2019.
"""

from __future__ import annotations

import argparse

import numpy as np

import pellucid
from pellucid import plot
from pellucid.layers import Activation, BatchNormalization, BoxesFromDistances, Conv2D, Input, Rescaling
from pellucid.utils.bounding_boxes import Detections, detections, grid_targets, mean_average_precision

CELL, GRID = 8, (8, 8)  # pixels; rows and columns
BATCH, RATE, SEED = 32, 4e-3, 0
RARE = pellucid.initializers.Constant(-4.0)  # at first every cell says: most likely nothing here


def network(width: int = 16) -> pellucid.Model:
    """Blocks of convolutions, three of which halve the image, and one answer of each kind for each cell."""
    image = Input((64, 64, 1))
    x = Rescaling(1 / 255)(image)
    for filters, size, stride in (
        (width, 5, 2), (2 * width, 3, 1), (2 * width, 3, 2), (4 * width, 3, 1), (4 * width, 3, 2), (8 * width, 3, 1),
    ):  # fmt: skip
        x = Conv2D(filters, size, strides=stride, padding="same", use_bias=False)(x)
        x = Activation("relu")(BatchNormalization(momentum=0.9)(x))
    classes = Conv2D(10, 1, activation="sigmoid", bias_initializer=RARE, name="classes")(x)
    distances = Conv2D(4, 1, activation="softplus", name="distances")(x)
    return pellucid.Model(image, [classes, BoxesFromDistances(CELL, name="boxes")(distances)], seed=SEED)


def train(model: pellucid.Model, scenes: pellucid.datasets.Scenes, epochs: int, precision: str) -> None:
    targets = grid_targets(scenes.boxes, scenes.classes, GRID, CELL, num_classes=10)
    steps = epochs * -(-len(scenes.images) // BATCH)
    rate = pellucid.optimizers.schedules.CosineDecay(
        0.0, decay_steps=0.9 * steps, warmup_target=RATE, warmup_steps=steps // 10
    )
    model.compile(
        pellucid.optimizers.Adam(rate),
        {"classes": pellucid.losses.BinaryFocalCrossentropy(), "boxes": pellucid.losses.GIoULoss()},
        loss_weights={"classes": 80.0, "boxes": 8.0},  # means over all cells: as if over those with a digit
        precision=precision,
    )
    labels = {"classes": targets.classes, "boxes": targets.boxes}
    with_digit = {"boxes": targets.weights}  # the boxes of empty cells count nothing
    model.fit(scenes.images[..., None], labels, BATCH, epochs, sample_weight=with_digit, verbose=2)


def find(model: pellucid.Model, images: np.ndarray, confidence: float) -> Detections:
    classes, boxes = model.predict(images[..., None])
    return detections(classes, boxes, confidence)


def main(quick: bool = False, precision: str = "float32") -> dict[str, float]:
    epochs, count = (4, 4_000) if quick else (8, 20_000)
    (x, y), (test_x, test_y) = pellucid.datasets.mnist()
    model = network()
    train(model, pellucid.datasets.digit_scenes(x, y, count, seed=SEED), epochs, precision)

    unseen = pellucid.datasets.digit_scenes(test_x, test_y, 2_000, seed=1)
    found = find(model, unseen.images, confidence=0.05)
    half, strict = (mean_average_precision(unseen.boxes, unseen.classes, found, least) for least in (0.5, 0.75))
    print(
        f"mean average precision {half:.3f} in {len(unseen.images):,} unseen scenes, and {strict:.3f} where boxes must "
        "agree by three quarters; FCOS had 0.607 and 0.450 on photographs of 80 kinds of things (Tian et al. 2019)"
    )
    model.save("digit_detection.safetensors")

    few = pellucid.datasets.Scenes(*(part[:15] for part in unseen))
    ax = plot.boxes(few.images, find(model, few.images, confidence=0.5), truth=(few.boxes, few.classes), limit=15)
    ax.figure.savefig("digit_detection.png", dpi=150)
    print("saved as digit_detection.safetensors; digit_detection.png shows what it finds in the first of them")
    return {"mean_average_precision": half, "mean_average_precision_at_75": strict}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="4 epochs of 4,000 scenes: under a minute, to see it run")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    main(**vars(parser.parse_args()))
