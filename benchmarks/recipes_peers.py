"""Four recipes beside the same network in PyTorch: how good both get, and how long each takes.

    python benchmarks/recipes_peers.py                                       all, in both precisions: an hour or two
    python benchmarks/recipes_peers.py spoken_digits --precision float32     one
    python benchmarks/recipes_peers.py --share 0.1                           a tenth of the training, for times alone

Both engines train on the same examples from the same kind of first weights, in processes of their own and in turn, with
as many threads; the seconds are those of training alone. Times as fast: as PyTorch in float32 and, of bfloat16, in
bfloat16 too; the lower counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from processes import environment
from report import table

HERE = Path(__file__).resolve().parent
BARS = {"float32": 1.5, "bfloat16": 3.0}  # times as fast as PyTorch
HEADER = ["recipe", "trained", "precision", "Pellucid", "PyTorch", "seconds", "of PyTorch", "times as fast", "bar", ""]

Trained = tuple[float, float]  # the figure on unseen data, and the seconds of training


def digits(precision: str, share: float, torch: bool) -> Trained:
    """mnist_convnet: the share of unseen images that is right."""
    import recipes_torch

    import pellucid

    own = recipes_torch.recipe("mnist_convnet")
    (x, y), (test, truth) = pellucid.datasets.mnist()
    epochs, (x, test) = max(1, round(share * own.EPOCHS)), (part[..., None] for part in (x, test))
    began = time.perf_counter()
    if torch:
        logits = recipes_torch.mnist_convnet(x, y, test, epochs, precision)
        return accuracy(logits, truth), time.perf_counter() - began
    model = own.network()
    own.train(model, x, y, epochs, precision)
    seconds = time.perf_counter() - began
    return accuracy(model.predict(test), truth), seconds


def spoken(precision: str, share: float, torch: bool) -> Trained:
    """spoken_digits: the share of unseen recordings that is right."""
    import recipes_torch

    import pellucid

    own = recipes_torch.recipe("spoken_digits")
    (sounds, y), (test_sounds, truth) = pellucid.datasets.spoken_digits()
    epochs, x, test = max(1, round(share * own.EPOCHS)), own.pictures(sounds), own.pictures(test_sounds)
    began = time.perf_counter()
    if torch:
        logits = recipes_torch.spoken_digits(x, y, test, epochs, precision)
        return accuracy(logits, truth), time.perf_counter() - began
    model = own.train(x, y, epochs, precision)
    seconds = time.perf_counter() - began
    return accuracy(model.predict(test), truth), seconds


def shakespeare(name: str) -> Callable[[str, float, bool], Trained]:
    """The loss of a language model on the last tenth, in nats per character."""

    def run(precision: str, share: float, torch: bool) -> Trained:
        import recipes_torch

        import pellucid

        own = recipes_torch.recipe(name)
        text, steps = pellucid.datasets.tiny_shakespeare(), max(20, round(share * own.STEPS))
        border = len(text) * 9 // 10
        vocabulary = pellucid.layers.TextVectorization(standardize=None, split="character")
        vocabulary.adapt(text[:border])
        seen, unseen = vocabulary(text[:border]), vocabulary(text[border:])
        if torch:
            return getattr(recipes_torch, name)(seen, unseen, steps, precision)
        windows = pellucid.utils.next_token_dataset_from_array
        training = windows(seen, own.LENGTH, 1, batch_size=own.BATCH, shuffle=True, seed=own.SEED)
        model = own.language_model(vocabulary)
        began = time.perf_counter()
        own.train(model, training, steps, precision)
        seconds = time.perf_counter() - began
        return float(model.evaluate(windows(unseen, own.LENGTH, batch_size=64))), seconds

    return run


def accuracy(logits: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean(logits.argmax(axis=1) == truth))


JOBS = {
    "mnist_convnet": digits,
    "spoken_digits": spoken,
    "shakespeare_lstm": shakespeare("shakespeare_lstm"),
    "shakespeare_gpt": shakespeare("shakespeare_gpt"),
}


def one(name: str, engine: str, precision: str, share: float) -> None:
    """Train once, here; the figure and the seconds go to stdout as JSON, what training prints goes to stderr."""
    result = os.dup(1)
    os.dup2(2, 1)
    if engine == "torch":
        import torch

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    figure, seconds = JOBS[name](precision, share, engine == "torch")
    os.write(result, json.dumps([figure, seconds]).encode())


def compare(name: str, options: argparse.Namespace) -> list[list[str]]:
    """The rows of a table: every engine and precision once in each round; medians."""
    precisions = [options.precision] if options.precision else list(BARS)
    torch = list(dict.fromkeys(["float32", *precisions]))
    found: dict[tuple[str, str], list[Trained]] = {}
    for _ in range(options.rounds):
        for engine, kind in [*(("pellucid", one) for one in precisions), *(("torch", one) for one in torch)]:
            arguments = [name, "--engine", engine, "--precision", kind, "--share", str(options.share)]
            command = [sys.executable, str(HERE / "recipes_peers.py"), *arguments]
            done = subprocess.run(command, env=environment(options.threads), check=True, stdout=subprocess.PIPE)
            found.setdefault((engine, kind), []).append(tuple(json.loads(done.stdout)))
    figures, seconds = ({key: float(np.median(runs, axis=0)[i]) for key, runs in found.items()} for i in (0, 1))
    rows = []
    for precision in precisions:
        ours, theirs = ("pellucid", precision), ("torch", precision)
        ratios = [seconds["torch", kind] / seconds[ours] for kind in dict.fromkeys(["float32", precision])]
        verdict = "met" if min(ratios) >= BARS[precision] else "**missed**"
        rows.append(
            [
                *(name, f"{options.share:.0%}", precision),
                *(f"{figures[key]:.4f}" for key in (ours, theirs)),
                *(f"{seconds[key]:.1f}" for key in (ours, theirs)),
                *(" / ".join(f"{one:.2f}" for one in ratios), f"≥ {BARS[precision]:g}", verdict),
            ]
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="RECIPE", help=", ".join(JOBS))
    parser.add_argument("--precision", choices=list(BARS), help="both by default")
    parser.add_argument("--share", type=float, default=1.0, help="of the whole training")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--engine", choices=["pellucid", "torch"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in JOBS]:
        parser.error(f"unknown recipe {unknown[0]}; there are {', '.join(JOBS)}")
    if options.engine:
        one(options.names[0], options.engine, options.precision, options.share)
        return
    rows: list[list[str]] = []
    for name in options.names or JOBS:
        rows += compare(name, options)
        print(table(HEADER, rows), flush=True)


if __name__ == "__main__":
    main()
