"""Draws housing.png: the learning curves of `pellucid train housing.csv`, and its predictions beside the truth.

python docs/images/make.py   (needs Matplotlib)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy
from matplotlib.colors import LinearSegmentedColormap, LogNorm

import pellucid
from pellucid.data.split import split

SEED = 3452928530  # of the run that the README shows

INK, GREY, BLUE, ORANGE = "#1f2933", "#8a94a0", "#1b6ca8", "#d9822b"
DENSITY = LinearSegmentedColormap.from_list("density", ["#dcebf5", "#7fb8dc", "#1b6ca8", "#0b2e4f"])
STYLE = {
    "font.family": "DejaVu Sans", "font.size": 9, "text.color": INK, "axes.labelcolor": INK, "axes.linewidth": 0.8,
    "axes.edgecolor": "#c5ccd3", "xtick.color": GREY, "ytick.color": GREY,
    "axes.spines.top": False, "axes.spines.right": False,
    "axes.titlesize": 10, "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.titlepad": 12,
}  # fmt: skip


def learning_curves(ax: Any, history: dict[str, list[float]]) -> None:
    """The root mean squared error of training and validation rows by epoch, and the epoch whose weights are kept."""
    epochs = range(1, len(history["rmse"]) + 1)
    ax.plot(epochs, numpy.divide(history["rmse"], 1000), color=GREY, linewidth=1.4)
    ax.plot(epochs, numpy.divide(history["val_rmse"], 1000), color=BLUE, linewidth=1.8)
    best = int(numpy.argmin(history["val_loss"]))
    low = history["val_rmse"][best] / 1000
    ax.plot(best + 1, low, "o", color=ORANGE, markersize=6, zorder=3)
    line = {"arrowstyle": "-", "color": ORANGE, "linewidth": 0.8}
    words = {"textcoords": "offset points", "color": ORANGE, "ha": "center", "arrowprops": line}
    ax.annotate(f"kept: epoch {best + 1}", (best + 1, low), (0, 30), **words)
    ax.text(0.97, 0.92, "rows that tell when to stop", color=BLUE, transform=ax.transAxes, ha="right")
    ax.text(0.97, 0.85, "rows trained on", color="#5f6b76", transform=ax.transAxes, ha="right")
    ax.set(title="Learning", xlabel="epoch", ylabel="root mean squared error, thousand dollars", xlim=(0, len(epochs)))
    ax.grid(axis="y", color="#eceff2", linewidth=0.8)
    ax.set_axisbelow(True)


def predictions(ax: Any, truth: Any, predicted: Any, r2: float) -> None:
    """Every row held out: predicted over true price, darker where rows crowd."""
    ax.plot([0, 520], [0, 520], color=ORANGE, linewidth=1, zorder=2)
    ax.hexbin(truth / 1000, predicted / 1000, gridsize=56, extent=(0, 520, 0, 520), mincnt=1, norm=LogNorm(1, 60),
              cmap=DENSITY, linewidths=0.1)  # fmt: skip
    ax.text(0.05, 0.92, f"R² {r2:.3f}", transform=ax.transAxes, fontsize=12, fontweight="bold")
    ax.text(0.05, 0.86, f"{len(truth):,} rows held out", transform=ax.transAxes, color=GREY)
    ax.text(448, 462, "exact", color=ORANGE, rotation=45, rotation_mode="anchor", ha="center")
    ax.set(
        title="Predicting",
        xlabel="true median value, thousand dollars",
        ylabel="predicted",
        xlim=(0, 520),
        ylim=(0, 520),
    )
    ax.set_aspect("equal")


def main() -> None:
    """Train with the defaults and draw."""
    table = pellucid.datasets.housing()
    kept, held = split(table, 0.2, seed=SEED)
    model = pellucid.TableModel.train(table.take(kept), "median_house_value", test_size=0, seed=SEED, verbose=0)
    test = table.take(held)
    assert model.history is not None
    with plt.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 4.1), width_ratios=(1.15, 1), layout="constrained")
        learning_curves(left, model.history.history)
        predictions(right, test["median_house_value"].present, model.predict(test), model.evaluate(test)["r2"])
        figure.get_layout_engine().set(w_pad=0.15)
        figure.savefig(Path(__file__).with_name("housing.png"), dpi=130, pil_kwargs={"optimize": True})


if __name__ == "__main__":
    main()
