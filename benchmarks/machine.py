"""The machine that a comparison ran on, and how busy others kept it meanwhile."""

from __future__ import annotations

import os
import platform
import time
from importlib import import_module
from pathlib import Path
from typing import Any


def describe(threads: int) -> dict[str, Any]:
    """Processor, cores, instruction set, system and our build."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "engine": _native().info() if _native() else "NumPy (the compiled engine is not installed)",
    }


def _native() -> Any:
    try:
        return import_module("pellucid._native")
    except ImportError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    known = dict(line.split(":", 1) for line in lines if ":" in line)
    fields = {key.strip(): value.strip() for key, value in known.items()}
    name = fields.get("model name", platform.machine())
    return f"{name} (family {fields.get('cpu family')}, model {fields.get('model')})"


def peak(seconds: float = 0.3, repeats: int = 3) -> dict[str, float]:
    """GFLOP/s of our own product of 1024×1024 matrices, by precision: the best of several tries."""
    if (native := _native()) is None:
        return {}
    kinds = ("float32", "bfloat16")
    tries = [{kind: native.peak(kind, seconds) for kind in kinds} for _ in range(repeats)]
    return {kind: max(found[kind] for found in tries) for kind in kinds}


class OtherWork:
    """The share of the processors' time that went to processes other than this one and its children (Linux only)."""

    def __init__(self) -> None:
        self.began, self.busy, self.own = time.monotonic(), _busy(), _own()

    def share(self) -> float | None:
        """Since the start; children count once they have ended."""
        if self.busy is None or (busy := _busy()) is None:
            return None
        capacity = (time.monotonic() - self.began) * (os.cpu_count() or 1)
        return max(0.0, (busy - self.busy) - (_own() - self.own)) / capacity


def _busy() -> float | None:
    try:
        first = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    except OSError:
        return None
    user, nice, system, _idle, _wait, interrupts, soft, steal = (int(ticks) for ticks in first[1:9])
    return (user + nice + system + interrupts + soft + steal) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
