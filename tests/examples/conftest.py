"""Each example runs as a learner would run it, and what it prints is read back."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import pellucid

SOURCE = Path(pellucid.__file__).parents[1]
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def run_example(tmp_path: Path) -> Callable[..., str]:
    """Run an example in a process of its own; its output."""

    def run(name: str, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error", EXAMPLES / f"{name}.py", *arguments],
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=280,
            env={**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONIOENCODING": "utf-8"},
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    return run
