"""What is timed as whole processes, from start to end: imports, help, the article's program, the housing table."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from processes import HERE, EngineError, whole_process
from times import Times

PROGRAMS = HERE / "programs"
COMMAND_LINE = (sys.executable, "-c", "from pellucid.cli.main import main; main()")


@dataclass(frozen=True)
class Program:
    """Something to run; `engine` names what it needs."""

    name: str
    engine: str
    command: tuple[str, ...]


STARTUP = (
    Program("python alone", "pellucid", (sys.executable, "-c", "pass")),
    Program("import numpy", "pellucid", (sys.executable, "-c", "import numpy")),
    Program("import pellucid", "pellucid", (sys.executable, "-c", "import numpy, pellucid")),
    Program("… and name Sequential, Dense", "pellucid", (
        sys.executable, "-c", "import pellucid; pellucid.Sequential, pellucid.layers.Dense"
    )),
    Program("pellucid --help", "pellucid", (*COMMAND_LINE, "--help")),
    Program("import torch", "torch", (sys.executable, "-c", "import torch")),
    Program("import jax", "jax", (sys.executable, "-c", "import jax")),
    Program("import keras", "keras", (sys.executable, "-c", "import keras")),
)  # fmt: skip
ARTICLE = (
    Program("pellucid", "pellucid", (sys.executable, str(PROGRAMS / "article.py"), "pellucid")),
    Program("sklearn", "sklearn", (sys.executable, str(PROGRAMS / "article_sklearn.py"))),
    Program("keras", "keras", (sys.executable, str(PROGRAMS / "article.py"), "keras")),
)


def alternate(
    programs: Sequence[Program],
    rounds: int,
    threads: int,
    wait: float,
    say: Callable[[str], None],
    patience: float = 30.0,
) -> dict[str, Times]:
    """The times of each program, run in turn; where there are several rounds, one before them is not counted."""
    found = {program.name: Times() for program in programs}
    for turn in range(-1 if rounds > 1 else 0, rounds):
        for program in programs:
            times = found.get(program.name)
            if times is None or (len(times.seconds) >= 2 and sum(times.seconds) > patience):
                continue
            try:
                whole_process(program.command, threads, wait, times if turn >= 0 else Times())
            except EngineError as error:
                say(f"{program.name} is left out: {error}")
                del found[program.name]
    return found


@dataclass(kw_only=True)
class Housing(Times):
    """One engine on the housing file: times of the whole process, and R² on the rows held out, by seed."""

    r2: list[float] = field(default_factory=list)


def housing(
    engines: Sequence[str], seeds: int, threads: int, wait: float, say: Callable[[str], None]
) -> dict[str, Housing]:
    """`pellucid train` with its defaults beside a plain network in PyTorch, in turn, on the same splits."""
    from pellucid.data.datasets import housing_path

    path = str(housing_path())
    results = {engine: Housing() for engine in engines if engine in ("pellucid", "torch")}
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "housing.safetensors")
        for seed in range(seeds):
            ours = (*COMMAND_LINE, "train", path, "--target", "median_house_value")
            options = ("--seed", str(seed), "--out", out, "--quiet", "--json")
            plain = (sys.executable, str(PROGRAMS / "housing_torch.py"), path, str(seed))
            for engine in list(results):
                try:
                    command = plain if engine == "torch" else (*ours, *options)
                    reported = json.loads(whole_process(command, threads, wait, results[engine]))
                except EngineError as error:
                    say(f"{engine} is left out: {error}")
                    del results[engine]
                    continue
                results[engine].r2.append(reported if engine == "torch" else reported["test_metrics"]["r2"])
    return results
