"""Every recipe run whole: its figure on unseen data beside its bar, with time and memory.

    python benchmarks/recipes.py                         all of them, one after another: hours
    python benchmarks/recipes.py mnist_dense mnist_gan   only these; what is known of the others stays
    python benchmarks/recipes.py --show                  the table of what is known, without a run

A recipe runs in a process of its own, as `python examples/NAME.py` does, with what it prints shown. Its figures, its
seconds, its peak memory, the date and the commit go into `recipes.json`, from which the table and the pictures of
docs/recipes.md are made anew.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import machine
from processes import environment
from report import table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS, PAGE = HERE / "recipes.json", ROOT / "docs" / "recipes.md"
PICTURES = ROOT / "docs" / "images" / "recipes"
BEGIN, END = "<!-- made by benchmarks/recipes.py -->\n", "<!-- end -->\n"
PICTURE_WIDTH = 900  # pixels at most

# Runs `main` of an example and leaves its figures in a file; seconds and memory are those of the whole process.
PROGRAM = """
import json, resource, runpy, sys, time
path, precision, out = sys.argv[1:]
began = time.perf_counter()
figures = runpy.run_path(path)["main"](precision=precision)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
json.dump({"figures": figures, "seconds": time.perf_counter() - began, "bytes": peak}, open(out, "w"))
"""


@dataclass(frozen=True)
class Bar:
    """What a figure must be: at least `limit`, or at most."""

    limit: float
    at_most: bool = False
    unit: str = ""

    def met(self, found: float) -> bool:
        return found <= self.limit if self.at_most else found >= self.limit

    def show(self, value: float) -> str:
        return f"{100 * value:.2f} %" if self.unit == "%" else f"{value:.4g} {self.unit}".rstrip()

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.show(self.limit)}"


@dataclass(frozen=True)
class Recipe:
    """An example with bars for some of the figures that its `main` returns, and the precision they are reached in."""

    network: str
    job: str
    bars: Mapping[str, Bar]
    precision: str = "float32"


@dataclass(frozen=True)
class Run:
    """What one full run gave."""

    figures: dict[str, float]
    seconds: float
    bytes: int
    precision: str
    date: str
    commit: str
    machine: str


def share(limit: float, at_most: bool = False) -> Bar:
    return Bar(limit, at_most, "%")


RECIPES = {
    "california_housing": Recipe("feedforward", "house prices from a table", {"r2": Bar(0.83)}),
    "mnist_dense": Recipe("feedforward", "handwritten digits", {"accuracy": share(0.982)}),
    "mnist_convnet": Recipe("convolutional", "handwritten digits", {"accuracy": share(0.994)}),
    "digit_detection": Recipe("convolutional", "finding digits of many sizes", {"mean_average_precision": Bar(0.85)}),
    "time_series": Recipe(
        "recurrent, LSTM, GRU",
        "what a series does next",
        {"below_persistence": share(0.15), "below_seasonal_naive": share(0.10)},
    ),
    "shakespeare_lstm": Recipe(
        "LSTM", "writing, character by character", {"loss": Bar(1.55, True, "nats")}, "bfloat16"
    ),
    "shakespeare_gpt": Recipe(
        "Transformer", "writing, character by character", {"loss": Bar(1.50, True, "nats")}, "bfloat16"
    ),
    "translation": Recipe("Transformer, encoder and decoder", "English to German", {"bleu": Bar(25.0)}, "bfloat16"),
    "mnist_vit": Recipe("Transformer on patches", "handwritten digits", {"accuracy": share(0.985)}),
    "sentiment": Recipe("convolutional, LSTM, Transformer", "praise or blame in a sentence", {"accuracy": share(0.76)}),
    "spoken_digits": Recipe("convolutional", "spoken digits, from spectrograms", {"accuracy": share(0.97)}),
    "digit_captions": Recipe("convolutional, then recurrent", "captions for scenes", {"exact_match": share(0.85)}),
    "recommendation": Recipe("embeddings", "how people would rate", {"rmse_over_noise": Bar(1.05, True)}),
    "mnist_autoencoder": Recipe(
        "autoencoder", "digits as 32 numbers", {"share of PCA's error": share(0.60, at_most=True)}
    ),
    "anomaly_detection": Recipe("autoencoder", "what is no such digit", {"AUROC": Bar(0.95)}),
    "mnist_vae": Recipe("variational autoencoder", "new digits", {"ELBO": Bar(-105.0, unit="nats")}),
    "mnist_gan": Recipe(
        "generative adversarial", "new digits", {"recognised": share(0.95), "rarest digit": share(0.04)}
    ),
}


def run(name: str, threads: int) -> Run:
    """Run one recipe whole; raises `CalledProcessError` where it fails."""
    recipe = RECIPES[name]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "figures.json"
        command = [sys.executable, "-c", PROGRAM, str(ROOT / "examples" / f"{name}.py"), recipe.precision, str(out)]
        subprocess.run(command, cwd=folder, env=environment(threads), check=True)
        found = json.loads(out.read_text())
        _keep_picture(Path(folder) / f"{name}.png")
    about = machine.describe(threads)
    where = f"{about['processor']}, {threads} threads"
    return Run(**found, precision=recipe.precision, date=str(date.today()), commit=_commit(), machine=where)


def _keep_picture(drawn: Path) -> None:
    """The recipe's picture into docs/, with few colours and no wider than a page."""
    from PIL import Image

    PICTURES.mkdir(parents=True, exist_ok=True)
    with Image.open(drawn) as image:
        picture = image.convert("RGB")
        if picture.width > PICTURE_WIDTH:
            height = round(picture.height * PICTURE_WIDTH / picture.width)
            picture = picture.resize((PICTURE_WIDTH, height), Image.Resampling.LANCZOS)
        picture.quantize(256).save(PICTURES / drawn.name, optimize=True)


def _commit() -> str:
    """The commit that ran, marked where what runs has been changed since; results of ours are no such change."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False).stdout

    changed = git("status", "--porcelain", "--", "src", "native", "examples")
    return (git("rev-parse", "--short", "HEAD").strip() or "unknown") + ("-dirty" if changed else "")


def results() -> dict[str, Run]:
    """What is known, in the order of the recipes."""
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return {name: Run(**known[name]) for name in RECIPES if name in known}


def summary(known: Mapping[str, Run]) -> str:
    """The table: one line for each figure that has a bar."""
    rows = []
    for name, recipe in RECIPES.items():
        found = known.get(name)
        for place, (figure, bar) in enumerate(recipe.bars.items()):
            value = found.figures[figure] if found else None
            rows.append([
                *((f"[{name}](#{name})", recipe.network, recipe.job) if not place else ("", "", "")),
                figure.replace("_", " "), str(bar), bar.show(value) if value is not None else "not run",
                "" if value is None else "met" if bar.met(value) else "**missed**",
                *((recipe.precision, _time(found.seconds), f"{found.bytes / 2**20:,.0f}", found.date, found.commit)
                  if found and not place else ("", "", "", "", "")),
            ])  # fmt: skip
    header = ["recipe", "network", "job", "figure", "bar", "reached", "", "precision", "time", "MiB", "date", "commit"]
    return table(header, rows)


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def write_page(known: Mapping[str, Run]) -> None:
    """docs/recipes.md: the table, then each recipe with its picture."""
    parts = [summary(known) + "\n"]
    if known:
        parts.append("Run on: " + "; ".join(dict.fromkeys(one.machine for one in known.values())) + ".\n")
    for name, recipe in RECIPES.items():
        parts.append(f"## {name}\n\n{recipe.job[:1].upper()}{recipe.job[1:]}: {recipe.network}. "
                     f"[examples/{name}.py](../examples/{name}.py)\n")  # fmt: skip
        if (PICTURES / f"{name}.png").exists():
            parts.append(f"![{recipe.job}](images/recipes/{name}.png)\n")
    page = PAGE.read_text(encoding="utf-8")
    before, after = page.partition(BEGIN)[0], page.partition(END)[2]
    PAGE.write_text(before + BEGIN + "\n" + "\n".join(parts) + "\n" + END + after, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="RECIPE", help=", ".join(RECIPES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--show", action="store_true", help="run nothing")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in RECIPES]:
        parser.error(f"unknown recipe {unknown[0]}; there are {', '.join(RECIPES)}")
    known = results()
    for name in [] if options.show else options.names or RECIPES:
        print(f"== {name}", flush=True)
        try:
            known[name] = run(name, options.threads)
        except subprocess.CalledProcessError as error:
            print(f"{name} failed with exit status {error.returncode}; what was known of it stays", file=sys.stderr)
            continue
        stored = {recipe: asdict(known[recipe]) for recipe in RECIPES if recipe in known}
        RESULTS.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        write_page(known)
    print(summary(known))


if __name__ == "__main__":
    main()
