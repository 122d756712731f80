"""The machine that a comparison ran on, and what it can do at most."""

from __future__ import annotations

import os
import platform
from importlib import import_module
from pathlib import Path
from typing import Any

from times import wait_for_calm


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


def peak(wait: float, seconds: float = 0.3, repeats: int = 3) -> dict[str, float]:
    """GFLOP/s of our own product of 1024×1024 matrices by precision, and the memory's GB/s: best of several tries."""
    if (native := _native()) is None:
        return {}
    kinds = ("float32", "bfloat16", "memory")
    best = dict.fromkeys(kinds, 0.0)
    for _ in range(repeats):
        for kind in kinds:
            wait_for_calm(wait)
            best[kind] = max(best[kind], native.peak(kind, seconds))
    return best
