"""Pellucid and every installed peer on the same jobs, taking turns: `python benchmarks/compare.py`.

    --jobs seed,mlp          some parts only: the jobs (workloads.py), losses memory article startup predict housing
    --rounds 9               turns of each engine
    --seeds 8                seeds of the parts `losses` and `housing`
    --engines jax,torch      some peers only
    --wait 10                before each round, wait so many seconds at most for others to leave the processors alone
    --quick                  about a minute: short jobs, two rounds; to see that all runs, not for figures
    --json FILE              everything measured, also as JSON

Each engine lives in a process of its own; rounds go round robin, so that a busy machine is busy for all of them, and
figures are medians. MNIST is looked for where `pellucid.datasets` looks (PELLUCID_DATA, cache, download); without it
a synthetic stand-in of the same shape serves. Threads: `--threads 2`, for all alike.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import engines
import machine
import report
import training
import whole
import workloads
from bars import PEERS, Results
from processes import Engine, EngineError, limit_processors
from times import OtherWork, Times, own_seconds

PARTS = (*workloads.NAMES, "losses", "memory", "article", "startup", "predict", "housing")
PRECISIONS = {name: ("float32",) if name == "seed" else ("float32", "bfloat16") for name in workloads.NAMES}
MEMORY = ("pellucid", "torch")  # whose memory is compared
PREDICT_CALLS = {"keras": 10}  # in a round; 1,000 for the others


def say(text: str) -> None:
    """Progress goes to stderr; the tables alone to stdout."""
    print(text, file=sys.stderr, flush=True)


class Comparison:
    """One run of the program: what was asked for, and what has been measured so far."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        self.results = Results()
        self.running: list[Engine] = []
        self.works: dict[str, workloads.Workload] = {}

    def run(self) -> None:
        parts: Sequence[str] = self.options.jobs
        names = [name for name in (engines.OURS, *PEERS) if name == engines.OURS or name in self.options.engines]
        for name in list(names):
            if absent := engines.missing(name):
                say(f"{name} is left out: {', '.join(absent)} not installed")
                names.remove(name)
        self.results.machine = machine.describe(self.options.threads)
        jobs = [part for part in parts if part in workloads.NAMES]
        if jobs or {"losses", "memory", "predict"} & set(parts):
            self.prepare(jobs or ["seed"])
            self.start(names)
        if jobs:
            self.results.peak = machine.peak(self.options.wait)
        for job in jobs:
            self.train(job)
        if "losses" in parts:
            self.losses()
        if "memory" in parts:
            self.memory()
        if "predict" in parts:
            self.predict()
        for engine in self.running:
            engine.close()
        options = self.options
        if "article" in parts:
            say("article …")
            programs = [program for program in whole.ARTICLE if program.engine in names]
            self.results.article = whole.alternate(programs, options.rounds, options.threads, options.wait, say)
        if "startup" in parts:
            say("startup …")
            programs = [program for program in whole.STARTUP if program.engine in names]
            self.results.startup = whole.alternate(programs, options.rounds, options.threads, options.wait, say)
        if "housing" in parts:
            say("housing …")
            self.results.housing = whole.housing(names, options.seeds, options.threads, options.wait, say)

    def prepare(self, jobs: Sequence[str]) -> None:
        """Write the jobs' data where the engines' processes read it."""
        digits = characters = None
        if any(not job.startswith(("seed", "gpt")) for job in jobs):
            digits, self.results.machine["digits"] = workloads.load_digits()
        if any(job.startswith("gpt") for job in jobs):
            characters, self.results.machine["characters"] = workloads.load_characters()
        for job in dict.fromkeys(("seed", *jobs)):
            self.works[job] = workloads.make(job, digits, characters, self.options.share)
            self.works[job].save(self.path(job))

    def path(self, job: str) -> Path:
        return self.folder / f"{job}.npz"

    def start(self, names: Sequence[str]) -> None:
        versions = self.results.machine["versions"] = {}
        for name in names:
            try:
                engine = Engine(name, self.options.threads)
            except EngineError as error:
                say(f"{name} is left out: {error}")
                continue
            self.running.append(engine)
            versions.update(engine.versions)

    def train(self, job: str) -> None:
        for precision in PRECISIONS[job]:
            say(f"{job} {precision} …")
            self.results.training += training.compare(
                self.works[job], self.path(job), precision, self.running, self.options.rounds, self.options.wait, say
            )

    def losses(self) -> None:
        for job, work in self.works.items():
            for precision in PRECISIONS[job]:
                say(f"losses of {job} {precision} …")
                found = self.results.losses[f"{job} {precision}"] = {}
                for engine in self.running:
                    if engine.takes(work.network, precision):
                        with contextlib.suppress(EngineError):
                            found[engine.name] = training.final_losses(
                                work, self.path(job), precision, engine, self.options.seeds
                            )

    def memory(self) -> None:
        for job, work in self.works.items():
            say(f"memory of {job} …")
            found = self.results.memory[job] = {}
            for engine in self.running:
                if engine.name in MEMORY and engine.takes(work.network, "float32"):
                    with contextlib.suppress(EngineError):
                        found[engine.name] = training.memory(work, self.path(job), engine.name, self.options.threads)

    def predict(self) -> None:
        """One row through the trained seed network: the first call, then many, engines in turn."""
        say("predict …")
        results = self.results
        for engine in self.running:
            try:
                engine.ask("prepare", job=str(self.path("seed")), precision="float32", seed=0)
                engine.ask("train")
                results.first_predict[engine.name] = engine.ask("predict", calls=0)["first_seconds"]
                results.predict[engine.name] = Times()
            except EngineError as error:
                say(str(error))
        for _ in range(self.options.rounds):
            for engine in (engine for engine in self.running if engine.name in results.predict):
                answer = engine.ask("predict", calls=PREDICT_CALLS.get(engine.name, 1000))
                for seconds in answer["seconds"]:
                    results.predict[engine.name].add(seconds, seconds, 0.0)


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; `--quick` shortens what is not said otherwise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", default=",".join(PARTS))
    parser.add_argument("--engines", default=",".join(PEERS))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--wait", type=float, default=0.0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(given)
    options.jobs, options.engines = options.jobs.split(","), options.engines.split(",")
    for chosen, known in ((options.jobs, PARTS), (options.engines, PEERS)):
        if unknown := set(chosen) - set(known):
            parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    options.rounds = options.rounds or (2 if options.quick else 9)
    options.seeds = options.seeds or (2 if options.quick else 8)
    options.share = 0.02 if options.quick else 1.0
    return options


def main(given: Sequence[str] | None = None) -> None:
    options = arguments(given)
    limit_processors(options.threads)
    others = OtherWork()
    with tempfile.TemporaryDirectory() as folder:
        comparison = Comparison(options, Path(folder))
        try:
            comparison.run()
        except KeyboardInterrupt:
            say("interrupted: this is what was measured until now")
    results = comparison.results
    results.machine["other_work"] = others.share(own_seconds())
    if options.json:
        options.json.write_text(json.dumps(asdict(results), indent=1))
    print(report.heading(results))
    if options.quick:
        print("--quick: the jobs were cut short; these figures show that all runs, and nothing more")
    print(f"\n{report.whole(results, comparison.works)}")


if __name__ == "__main__":
    main()
