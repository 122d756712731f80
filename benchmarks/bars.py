"""The bars: what each figure must reach, and what it is, from one run's results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import mean, median
from typing import Any

from training import Timing
from whole import Housing

PEERS = ("jax", "torch", "keras", "sklearn")


@dataclass
class Results:
    """Everything that one run measured; parts that were not run are empty."""

    machine: dict[str, Any] = field(default_factory=dict)
    peak: dict[str, float] = field(default_factory=dict)  # GFLOP/s of a large product, by precision
    training: list[Timing] = field(default_factory=list)
    losses: dict[str, dict[str, list[float]]] = field(default_factory=dict)  # "job precision" → engine → by seed
    startup: dict[str, float] = field(default_factory=dict)  # seconds
    article: dict[str, float] = field(default_factory=dict)  # seconds of a whole process
    predict: dict[str, dict[str, float]] = field(default_factory=dict)  # engine → seconds: "first", "each"
    housing: dict[str, Housing] = field(default_factory=dict)

    def timing(self, job: str, precision: str, engine: str) -> Timing | None:
        for timing in self.training:
            if (timing.job, timing.precision, timing.engine) == (job, precision, engine):
                return timing
        return None

    def ratio(self, job: str, precision: str, *rivals: tuple[str, str]) -> tuple[float, float] | None:
        """How many times as fast as the fastest of the rivals (engine, precision): by medians, and by best rounds."""
        ours = self.timing(job, precision, "pellucid")
        found = [timing for rival in rivals if (timing := self.timing(job, rival[1], rival[0]))]
        if ours is None or not found:
            return None
        return (
            min(timing.microseconds for timing in found) / ours.microseconds,
            min(timing.best_microseconds for timing in found) / ours.best_microseconds,
        )


@dataclass(frozen=True)
class Bar:
    """One requirement: `measure` gives the figure, or a pair with the figure by best rounds; `None`: not measured."""

    job: str
    unit: str
    required: float
    measure: Callable[[Results], Any]
    at_most: bool = False

    def judge(self, results: Results) -> tuple[str, str, str, str, str]:
        """The row of the table: job, bar, measured, by best rounds, verdict."""
        required = f"{'≤' if self.at_most else '≥'} {self.required:g} {self.unit}"
        measured = self.measure(results)
        if measured is None:
            return self.job, required, "–", "", "not measured"
        value, best = measured if isinstance(measured, tuple) else (measured, None)
        met = value <= self.required if self.at_most else value >= self.required
        return self.job, required, f"{value:.4g}", "" if best is None else f"{best:.4g}", "met" if met else "MISSED"


def faster(job: str, precision: str, required: float, unit: str, *rivals: tuple[str, str]) -> Bar:
    """A bar on the ratio of times per training step."""
    return Bar(f"{job} {precision}", unit, required, lambda results: results.ratio(job, precision, *rivals))


def quotient(part: str, above: str, below: str, entry: str = "") -> Callable[[Results], float | None]:
    """One measured time of a part of the results over another's."""

    def measure(results: Results) -> float | None:
        times: dict[str, Any] = getattr(results, part)
        if above not in times or below not in times:
            return None
        return float(times[above][entry] / times[below][entry] if entry else times[above] / times[below])

    return measure


def scaled(part: str, name: str, factor: float, entry: str = "", minus: str = "") -> Callable[[Results], float | None]:
    """One measured time, less another's, in another unit."""

    def measure(results: Results) -> float | None:
        times: dict[str, Any] = getattr(results, part)
        if name not in times:
            return None
        value = times[name][entry] if entry else times[name]
        return float((value - (times[minus] if minus else 0.0)) * factor)

    return measure


def housing(pick: Callable[[Housing], float]) -> Callable[[Results], float | None]:
    return lambda results: pick(results.housing["pellucid"]) if "pellucid" in results.housing else None


EVERYONE: Sequence[tuple[str, str]] = [(peer, precision) for peer in PEERS for precision in ("float32", "bfloat16")]

BARS = (
    faster("seed", "float32", 2000, "× Keras", ("keras", "float32")),
    faster("seed", "float32", 2.5, "× JAX", ("jax", "float32")),
    faster("seed", "float32", 80, "× PyTorch", ("torch", "float32")),
    Bar("article's program, whole process", "× Keras", 30, quotient("article", "keras", "pellucid")),
    Bar("article's program, whole process", "× scikit-learn", 4, quotient("article", "sklearn", "pellucid")),
    faster("mlp", "float32", 1.6, "× JAX", ("jax", "float32")),
    faster("mlp", "float32", 3, "× PyTorch", ("torch", "float32")),
    faster("mlp", "bfloat16", 2.5, "× best peer, any precision", *EVERYONE),
    faster("mlp_wide", "float32", 1.15, "× PyTorch", ("torch", "float32")),
    faster("mlp_wide", "bfloat16", 1.6, "× PyTorch bfloat16", ("torch", "bfloat16")),
    Bar("predict, one row", "µs a call", 15, scaled("predict", "pellucid", 1e6, "each"), True),
    Bar("predict, one row", "× Keras", 1000, quotient("predict", "keras", "pellucid", "each")),
    Bar("import, beyond NumPy's", "ms", 50, scaled("startup", "import pellucid", 1e3, minus="import numpy"), True),
    Bar("pellucid --help", "s", 0.1, scaled("startup", "pellucid --help", 1.0), True),
    Bar("housing, whole process", "s", 10, housing(lambda run: median(run.seconds)), True),
    Bar("housing, mean over seeds", "R²", 0.81, housing(lambda run: mean(run.r2))),
)  # fmt: skip
