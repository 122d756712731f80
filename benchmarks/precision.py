"""What bfloat16 costs in accuracy: the convolutional network of `examples/mnist_convnet.py` in both precisions.

`PELLUCID_DATA=… python benchmarks/precision.py [--seeds N] [--epochs N]`: the share of the test images recognised, for
each seed, and the difference in points; within 0.2 on average is asked.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

import pellucid

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from mnist_convnet import network, train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    (images, labels), (test_images, test_labels) = pellucid.datasets.mnist()
    x, test = images[..., None], test_images[..., None]
    differences = []
    for seed in range(options.seeds):
        models = {kind: network(seed) for kind in ("float32", "bfloat16")}
        for kind, model in models.items():
            train(model, x, labels, options.epochs, kind)
        right = {kind: 100 * np.mean(model.predict(test).argmax(1) == test_labels) for kind, model in models.items()}
        differences.append(right["bfloat16"] - right["float32"])
        print(f"seed {seed}: " + ", ".join(f"{kind} {share:.2f} %" for kind, share in right.items()))
    print(f"bfloat16 against float32: {np.mean(differences):+.2f} points on average")


if __name__ == "__main__":
    main()
