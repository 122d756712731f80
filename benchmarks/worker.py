"""One engine in a process of its own, asked over pipes: `python worker.py ENGINE`, one JSON object per line each way.

{"do": "versions"}                                                    → {"versions": …, "precisions": …, "networks": …}
{"do": "prepare", "job": FILE, "precision": …, "seed": …}             → {"seconds": …}
{"do": "train", "at_least": seconds}                                  → {"seconds": …, "cpu_seconds": …, "runs": …}
{"do": "memory"}                                                      → {"bytes": …}
{"do": "loss"}                                                        → {"loss": …}
{"do": "predict", "calls": …}                                         → {"first_seconds": …, "seconds": [per call]}
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from workloads import Workload, loss

LOSS_ROWS = 10_000
CALLS_PER_TIMING = 10


class Worker:
    """Answers requests for one engine; holds one trainer at a time."""

    def __init__(self, engine: str) -> None:
        self.engine = import_module(f"engines.{engine}")
        self.trainer: Any = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        action = request.pop("do")
        result: dict[str, Any] = getattr(self, action)(**request)
        return result

    def versions(self) -> dict[str, Any]:
        engine = self.engine
        networks = [kind.__name__ for kind in engine.NETWORKS]
        return {"versions": engine.versions(), "precisions": list(engine.PRECISIONS), "networks": networks}

    def prepare(self, job: str, precision: str, seed: int) -> dict[str, Any]:
        self.trainer = None
        gc.collect()
        work = Workload.read(job)
        began = time.perf_counter()
        self.trainer = self.engine.Trainer(work, precision, seed)
        return {"seconds": time.perf_counter() - began}

    def train(self, at_least: float = 0.0) -> dict[str, Any]:
        """The job once, and again until that time is over; the time of a run is the median."""
        seconds = []
        cpu = time.process_time()
        while not seconds or sum(seconds) < at_least:
            began = time.perf_counter()
            self.trainer.train()
            seconds.append(time.perf_counter() - began)
        cpu_seconds = time.process_time() - cpu
        return {"seconds": median(seconds), "cpu_seconds": cpu_seconds / len(seconds), "runs": len(seconds)}

    def memory(self) -> dict[str, Any]:
        """The most memory that the process ever held (Linux: `ru_maxrss` would begin with the parent's)."""
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return {"bytes": int(status["VmHWM"].split()[0]) * 1024}

    def loss(self) -> dict[str, Any]:
        work = self.trainer.work
        return {"loss": loss(work, self.trainer.predict(work.x[:LOSS_ROWS]))}

    def predict(self, calls: int) -> dict[str, Any]:
        """The first call for one row, then many, timed in tens."""
        x, predict = self.trainer.work.x[:1].copy(), self.trainer.predict
        began = time.perf_counter()
        predict(x)
        first = time.perf_counter() - began
        each = []
        for _ in range(calls // CALLS_PER_TIMING):
            began = time.perf_counter()
            for _ in range(CALLS_PER_TIMING):
                predict(x)
            each.append((time.perf_counter() - began) / CALLS_PER_TIMING)
        return {"first_seconds": first, "seconds": each}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what an engine prints must not get between the answers
    worker = Worker(sys.argv[1])
    for line in sys.stdin:
        try:
            answer = worker.answer(json.loads(line))
        except Exception as error:  # one job that an engine cannot do must not end the comparison
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
