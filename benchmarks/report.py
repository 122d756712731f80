"""Results as text: tables in Markdown, aligned so that they read well on a terminal too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean, median, stdev

from bars import BARS, PEERS, Results
from times import BUSY, Times
from training import Timing
from workloads import Workload


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with columns of equal width.

    >>> print(table(["job", "µs"], [["seed", "1.4"]]))
    | job  | µs  |
    |------|-----|
    | seed | 1.4 |
    """
    widths = [max(len(row[place]) for row in (header, *rows)) for place in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return "\n".join([line(header), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)])


def heading(results: Results) -> str:
    """The machine, what ran, and how far the figures can be trusted."""
    lines = []
    for name, value in results.machine.items():
        if name != "other_work":
            shown = ", ".join(f"{key} {item}" for key, item in value.items()) if isinstance(value, dict) else value
            lines.append(f"{name}: {shown}")
    if results.peak:
        units = {"memory": "GB/s"}
        peaks = (f"{kind} {speed:.0f} {units.get(kind, 'GFLOP/s')}" for kind, speed in results.peak.items())
        lines.append("peak: " + ", ".join(peaks))
    other = results.machine.get("other_work")
    if other is not None:
        lines.append(f"other processes took {other:.0%} of the processors meanwhile")
        if other > BUSY:
            lines.append(
                f"where three rounds were calm (others took at most {BUSY:.0%}), the disturbed ones do not count"
            )
    return "\n".join(lines)


def training(results: Results, works: Mapping[str, Workload]) -> str:
    """µs per step of every engine, in brackets how many times ours; and the least that this machine could take."""
    rows = []
    for job, precision in dict.fromkeys((timing.job, timing.precision) for timing in results.training):
        ours = results.timing(job, precision, "pellucid")
        row = [job, precision, _steps(ours) if ours else "–"]
        for peer in PEERS:
            timing = results.timing(job, precision, peer)
            row.append(_steps(timing, ours) if timing else "–")
        work = works[job]
        least = bound(work, precision, results.peak)
        share = f"{least / ours.microseconds:.0%}" if ours and least else "–"
        rows.append([*row, f"{work.gflop_per_step:.3g}", f"{least:.3g}" if least else "–", share])
    header = ["job", "precision", "pellucid", *PEERS, "GFLOP a step", "bound, µs", "of bound"]
    about = "bound: products at the measured peak, or weights, Adam's state and data through memory, the longer"
    return f"Training, µs per step (median of rounds; in brackets: times ours; {about})\n\n{table(header, rows)}"


def bound(work: Workload, precision: str, peak: Mapping[str, float]) -> float | None:
    """µs of a step that this machine cannot do without, by its own measured product rate and memory bandwidth."""
    if not {precision, "memory"} <= peak.keys():
        return None
    return 1e6 * max(work.gflop_per_step / peak[precision], work.gigabytes_per_step / peak["memory"])


def _steps(timing: Timing, ours: Timing | None = None) -> str:
    text = f"{timing.microseconds:.{0 if timing.microseconds >= 100 else 2}f}"
    return text if ours is None else f"{text} ({timing.microseconds / ours.microseconds:.3g})"


def startup_of_jobs(results: Results) -> str:
    """What comes before the first step: building, planning or compiling."""
    rows = [
        [timing.job, timing.precision, timing.engine, f"{timing.startup_seconds:.3f}", _rounds(timing)]
        for timing in results.training
    ]
    header = ["job", "precision", "engine", "seconds to build and compile", "calm rounds"]
    return f"Before the first step (not in the figures above)\n\n{table(header, rows)}"


def _rounds(times: Times) -> str:
    return f"{len(times.calm)} of {len(times.seconds)}"


def losses(results: Results) -> str:
    """The final loss over seeds, and how far ours lies from the peers' in standard errors of the difference."""
    rows = []
    for job, by_engine in results.losses.items():
        ours = by_engine["pellucid"]
        for engine, values in by_engine.items():
            gap = "" if engine == "pellucid" else f"{_gap(ours, values):+.1f}"
            low, high = min(values), max(values)
            rows.append([job, engine, f"{mean(values):.4f}", f"{median(values):.4f}", f"{low:.4f} to {high:.4f}", gap])
    header = ["job", "engine", "mean", "median", "range", "ours − theirs, in standard errors"]
    return f"Final loss after the same job from fresh weights\n\n{table(header, rows)}"


def _gap(ours: Sequence[float], theirs: Sequence[float]) -> float:
    if min(len(ours), len(theirs)) < 2:
        return float("nan")
    error = (stdev(ours) ** 2 / len(ours) + stdev(theirs) ** 2 / len(theirs)) ** 0.5
    return (mean(ours) - mean(theirs)) / error if error else 0.0


def memory(results: Results) -> str:
    rows = [
        [job, *(f"{by_engine[engine] / 2**20:.0f}" if engine in by_engine else "–" for engine in ("pellucid", "torch"))]
        for job, by_engine in results.memory.items()
    ]
    header = ["job", "pellucid", "torch"]
    return f"Memory beyond the engine's own start, float32, MiB: data, weights, training\n\n{table(header, rows)}"


def seconds(title: str, found: dict[str, Times]) -> str:
    rows = [
        [name, f"{times.median:.3f}", f"{times.best:.3f}", f"{median(times.cpu_seconds):.3f}"]
        for name, times in found.items()
    ]
    return f"{title}\n\n{table(['what', 'seconds', 'best', 'processor seconds'], rows)}"


def predict(results: Results) -> str:
    rows = [
        [engine, f"{results.first_predict[engine] * 1e3:.2f}", f"{times.median * 1e6:.1f}"]
        for engine, times in results.predict.items()
    ]
    return "predict of one row, seed network\n\n" + table(["engine", "first call, ms", "later calls, µs"], rows)


def housing(results: Results) -> str:
    rows = [
        [
            engine,
            f"{run.median:.1f}",
            f"{mean(run.r2):.4f}",
            f"{min(run.r2):.4f} to {max(run.r2):.4f}",
            str(len(run.r2)),
        ]
        for engine, run in results.housing.items()
    ]
    header = ["engine", "seconds, whole process", "R² on the held-out fifth, mean", "range", "seeds"]
    return f"Housing: defaults of `pellucid train` beside a plain 64-32 network\n\n{table(header, rows)}"


def bars(results: Results) -> str:
    header = ["job", "bar", "measured", "by best rounds", "verdict"]
    return f"Bars\n\n{table(header, [bar.judge(results) for bar in BARS])}"


def whole(results: Results, works: Mapping[str, Workload]) -> str:
    """Every part that was measured."""
    parts = []
    if results.training:
        parts += [training(results, works), startup_of_jobs(results)]
    if results.losses:
        parts.append(losses(results))
    if results.memory:
        parts.append(memory(results))
    if results.article:
        parts.append(seconds("The article's program without its plot, whole process", results.article))
    if results.startup:
        parts.append(seconds("Start-up, whole process", results.startup))
    if results.predict:
        parts.append(predict(results))
    if results.housing:
        parts.append(housing(results))
    return "\n\n".join([*parts, bars(results)])
