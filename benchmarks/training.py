"""Rounds of training, engines taking turns, so that whatever else the machine does falls on all of them alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from processes import Engine, EngineError
from times import BUSY, OtherWork, Times, wait_for_calm
from workloads import Workload

PATIENCE = 30.0  # seconds after which an engine has had enough rounds of one job
ROUND = 0.3  # seconds that a round takes at least
REPEATS = 3  # times as many rounds as asked for, at most, until enough of them are calm


@dataclass(kw_only=True)
class Timing(Times):
    """What one engine needed for one job in one precision."""

    job: str
    precision: str
    engine: str
    steps: int
    startup_seconds: float = 0.0  # building and compiling, beyond what a later run takes
    loss: float | None = None

    @property
    def microseconds(self) -> float:
        """Per step, the median of the rounds."""
        return self.median / self.steps * 1e6


def compare(
    work: Workload,
    path: Path,
    precision: str,
    engines: Sequence[Engine],
    rounds: int,
    wait: float,
    say: Callable[[str], None],
) -> list[Timing]:
    """Time every engine that has the precision: one run to warm up, whose loss is kept, then rounds in turn.

    Before each round up to `wait` seconds pass until the machine is calm. A turn in which others disturbed one engine
    counts for none: machines have slower and faster minutes, and medians must come from the same ones. It ends after
    `rounds` calm turns, or `REPEATS` times as many; an engine drops out when patience with it ends.
    """
    timings = {}
    for engine in engines:
        if not engine.takes(work.network, precision):
            continue
        timing = Timing(job=work.name, precision=precision, engine=engine.name, steps=work.steps)
        try:
            prepared = engine.ask("prepare", job=str(path), precision=precision, seed=0)["seconds"]
            timing.startup_seconds = prepared + engine.ask("train")["seconds"]
            timing.loss = engine.ask("loss")["loss"]
        except EngineError as error:
            say(str(error))
            continue
        timings[engine.name] = timing
    asked = [engine for engine in engines if engine.name in timings]
    calm_turns = 0
    for turn in range(REPEATS * rounds):
        answers = {}
        worst = 0.0
        for engine in asked:
            if turn < 2 or sum(timings[engine.name].seconds) < PATIENCE:
                wait_for_calm(wait)
                others = OtherWork()
                answer = answers[engine.name] = engine.ask("train", at_least=ROUND)
                worst = max(worst, others.share(answer["cpu_seconds"] * answer["runs"]))
        for name, answer in answers.items():
            timings[name].add(answer["seconds"], answer["cpu_seconds"], worst)
        calm_turns += worst <= BUSY
        if calm_turns == rounds:
            break
    for timing in timings.values():
        timing.startup_seconds = max(0.0, timing.startup_seconds - timing.median)
    return list(timings.values())


def final_losses(work: Workload, path: Path, precision: str, engine: Engine, seeds: int) -> list[float]:
    """The loss after the job from fresh weights, for several seeds."""
    losses = []
    for seed in range(seeds):
        engine.ask("prepare", job=str(path), precision=precision, seed=seed)
        engine.ask("train")
        losses.append(engine.ask("loss")["loss"])
    return losses


def memory(work: Workload, path: Path, name: str, threads: int) -> int:
    """Bytes that an engine of its own takes for the job beyond its start: data, weights, training."""
    engine = Engine(name, threads)
    try:
        before: int = engine.ask("memory")["bytes"]
        engine.ask("prepare", job=str(path), precision="float32", seed=0)
        engine.ask("train")
        after: int = engine.ask("memory")["bytes"]
        return after - before
    finally:
        engine.close()
