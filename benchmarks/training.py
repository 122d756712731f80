"""Rounds of training, engines taking turns, so that whatever else the machine does falls on all of them alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from processes import Engine, EngineError
from times import Times
from workloads import Workload

PATIENCE = 20.0  # seconds after which an engine has had enough rounds of one job


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
    work: Workload, path: Path, precision: str, engines: Sequence[Engine], rounds: int, say: Callable[[str], None]
) -> list[Timing]:
    """Time every engine that has the precision: one run to warm up, whose loss is kept, then `rounds` in turn."""
    timings = {}
    for engine in engines:
        if precision not in engine.precisions:
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
    for turn in range(rounds):
        for engine in engines:
            timing_of = timings.get(engine.name)
            if timing_of is None or (turn >= 2 and sum(timing_of.seconds) > PATIENCE):
                continue
            answer = engine.ask("train")
            timing_of.add(answer["seconds"], answer["cpu_seconds"])
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
