"""Engines kept alive in processes of their own, and whole processes timed from start to end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from networks import Network
from times import OtherWork, Times, own_seconds, wait_for_calm

HERE = Path(__file__).resolve().parent
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PELLUCID_THREADS", "TF_NUM_INTRAOP_THREADS"
)  # fmt: skip


class EngineError(Exception):
    """An engine could not do what it was asked."""


def environment(threads: int) -> dict[str, str]:
    """The environment in which every engine takes that many threads; Python keeps compiled modules, as usual."""
    chosen = dict.fromkeys(THREAD_VARIABLES, str(threads))
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, **chosen, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}


def limit_processors(threads: int) -> None:
    """Keep this process and those it starts on the first processors: the only limit that every engine respects."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


class Engine:
    """The parent's end of `worker.py`."""

    def __init__(self, name: str, threads: int) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(threads),
        )
        about = self.ask("versions")
        self.versions: dict[str, str] = about["versions"]
        self.precisions: list[str] = about["precisions"]
        self.networks: list[str] = about["networks"]

    def takes(self, network: Network, precision: str) -> bool:
        """Whether the engine has this kind of network and this precision."""
        return type(network).__name__ in self.networks and precision in self.precisions

    def ask(self, action: str, **arguments: Any) -> dict[str, Any]:
        """Send one request and wait for its answer; raises `EngineError`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            print(json.dumps({"do": action, **arguments}), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise EngineError(f"{self.name} ended while asked to {action} (exit status {self.process.wait()})")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise EngineError(f"{self.name} cannot {action}: {answer['error']}")
        return answer

    def close(self) -> None:
        self.process.communicate()


def whole_process(command: Sequence[str], threads: int, wait: float, times: Times) -> str:
    """What a process printed that must succeed; its time from start to end is added to the others.

    Before it up to `wait` seconds pass until the machine is calm.
    """
    wait_for_calm(wait)
    others, cpu, began = OtherWork(), own_seconds(), time.perf_counter()
    done = subprocess.run(command, env=environment(threads), capture_output=True, text=True, check=False)
    seconds, cpu_seconds = time.perf_counter() - began, own_seconds() - cpu
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise EngineError(f"`{' '.join(command)}` ended with {done.returncode}: {reason}")
    times.add(seconds, cpu_seconds, others.share(cpu_seconds))
    return done.stdout
