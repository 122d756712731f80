"""The bars: what each figure must reach, and what it is, from one run's results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

from networks import NETWORKS
from times import Times, quotient
from training import Timing
from whole import Housing

PEERS = ("jax", "torch", "keras", "sklearn")


@dataclass
class Results:
    """Everything that one run measured; parts that were not run are empty."""

    machine: dict[str, Any] = field(default_factory=dict)
    peak: dict[str, float] = field(default_factory=dict)  # GFLOP/s of a large product by precision; GB/s of `memory`
    training: list[Timing] = field(default_factory=list)
    losses: dict[str, dict[str, list[float]]] = field(default_factory=dict)  # "job precision" → engine → by seed
    memory: dict[str, dict[str, int]] = field(default_factory=dict)  # job → engine → bytes
    startup: dict[str, Times] = field(default_factory=dict)
    article: dict[str, Times] = field(default_factory=dict)
    first_predict: dict[str, float] = field(default_factory=dict)  # engine → seconds
    predict: dict[str, Times] = field(default_factory=dict)  # engine → times of a call
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
        return quotient(min(found, key=lambda timing: timing.median), ours)


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


def times_ours(part: str, rival: str) -> Callable[[Results], tuple[float, float] | None]:
    """A rival's time for a part of the results over ours."""

    def measure(results: Results) -> tuple[float, float] | None:
        times: dict[str, Times] = getattr(results, part)
        return quotient(times[rival], times["pellucid"]) if {rival, "pellucid"} <= times.keys() else None

    return measure


def scaled(part: str, name: str, factor: float = 1.0) -> Callable[[Results], tuple[float, float] | None]:
    """A measured time in another unit."""

    def measure(results: Results) -> tuple[float, float] | None:
        times = getattr(results, part).get(name)
        return (times.median * factor, times.best * factor) if times else None

    return measure


def beyond_numpy(results: Results) -> tuple[float, float] | None:
    """Milliseconds that importing us takes longer than importing NumPy."""
    if not {"import pellucid", "import numpy"} <= results.startup.keys():
        return None
    ours, numpy = results.startup["import pellucid"], results.startup["import numpy"]
    return (ours.median - numpy.median) * 1e3, (ours.best - numpy.best) * 1e3


def memory(job: str) -> Bar:
    """A bar on our memory beside PyTorch's."""

    def measure(results: Results) -> float | None:
        found = results.memory.get(job, {})
        if not found.get("torch") or "pellucid" not in found:  # less than what starting it took for a moment
            return None
        return found["pellucid"] / found["torch"]

    return Bar(f"{job} memory", "× PyTorch's", 1.0, measure, True)


def r2(results: Results) -> float | None:
    return mean(results.housing["pellucid"].r2) if "pellucid" in results.housing else None


EVERYONE: Sequence[tuple[str, str]] = [(peer, precision) for peer in PEERS for precision in ("float32", "bfloat16")]
FLOAT32: Sequence[tuple[str, str]] = [(peer, "float32") for peer in PEERS]

BARS = (
    faster("seed", "float32", 2000, "× Keras", ("keras", "float32")),
    faster("seed", "float32", 2.5, "× JAX", ("jax", "float32")),
    faster("seed", "float32", 80, "× PyTorch", ("torch", "float32")),
    Bar("article's program, whole process", "× Keras", 30, times_ours("article", "keras")),
    Bar("article's program, whole process", "× scikit-learn", 4, times_ours("article", "sklearn")),
    faster("mlp", "float32", 1.6, "× JAX", ("jax", "float32")),
    faster("mlp", "float32", 3, "× PyTorch", ("torch", "float32")),
    faster("mlp", "bfloat16", 2.5, "× best peer, any precision", *EVERYONE),
    faster("mlp_wide", "float32", 1.15, "× PyTorch", ("torch", "float32")),
    faster("mlp_wide", "bfloat16", 1.6, "× PyTorch bfloat16", ("torch", "bfloat16")),
    *(
        faster(job, precision, required, unit, *rivals)
        for job, float32, bfloat16 in (
            ("cnn", 1.5, 3),
            ("lenet", 2, 2.5),
            ("lstm", 1.4, 2),
            ("gpt_small", 1.6, 4),
            ("gpt_medium", 1.3, 2.5),
        )
        for precision, required, unit, rivals in (
            ("float32", float32, "× best peer", FLOAT32),
            ("bfloat16", bfloat16, "× best peer, any precision", EVERYONE),
        )
    ),
    *(memory(job) for job in NETWORKS),
    Bar("predict, one row", "µs a call", 15, scaled("predict", "pellucid", 1e6), True),
    Bar("predict, one row", "× Keras", 1000, times_ours("predict", "keras")),
    Bar("import, beyond NumPy's", "ms", 50, beyond_numpy, True),
    Bar("pellucid --help", "s", 0.1, scaled("startup", "pellucid --help"), True),
    Bar("housing, whole process", "s", 10, scaled("housing", "pellucid"), True),
    Bar("housing, mean over seeds", "R²", 0.81, r2),
)  # fmt: skip
