"""Running `pellucid` as users do: as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pellucid

SOURCE = str(Path(pellucid.__file__).parents[1])


@dataclass(frozen=True)
class Finished:
    """What a process left: its exit code, and what it wrote."""

    code: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    """The environment of a child: the same code as under test, one thread."""
    return {**os.environ, "PYTHONPATH": SOURCE, "PELLUCID_THREADS": "1", **more}


def start(folder: Path, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    """A running `pellucid` whose output can be read."""
    return subprocess.Popen(
        [sys.executable, "-m", "pellucid", *map(str, arguments)],
        cwd=folder,
        env=environment(**options.pop("env", {})),
        stdin=subprocess.DEVNULL,
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        encoding="utf-8",
        preexec_fn=_heed_interrupts if os.name == "posix" else None,
    )


def _heed_interrupts() -> None:
    """A shell starts background jobs deaf to Ctrl-C, and their children with them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def pellucid_(folder: Path, *arguments: object, **env: str) -> Finished:
    """`pellucid` run to its end in a folder."""
    process = start(folder, *arguments, env=env)
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in out + err
    return Finished(process.returncode, out, err)
