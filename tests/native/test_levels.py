"""The same tests on every instruction-set level that processor and build have; a fresh process chooses each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

native = pytest.importorskip("pellucid._native", reason="the extension is not built")

FOLDER = Path(__file__).parent
INFO = native.info()
LEVELS = ["sse4", "avx2", "avx512", "avx512_bf16"]


def run(arguments: list[str], level: str) -> subprocess.CompletedProcess[str]:
    # The same pellucid, wherever this process found it.
    path = os.pathsep.join(p for p in sys.path if p)
    environment = {**os.environ, "PELLUCID_ISA": level, "PYTHONPATH": path}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.skipif("PELLUCID_ISA" in os.environ, reason="already on a chosen level")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("level", [level for level in LEVELS if level != INFO["isa"]])
def test_every_level_passes(level: str) -> None:
    if level not in INFO["levels"]:
        pytest.skip(f"this processor or this build lacks {level}")
    same_for_all = ("test_levels.py", "test_plan.py", "test_loop.py")
    files = [str(f) for f in sorted(FOLDER.glob("test_*.py")) if f.name not in same_for_all]
    # oneDNN chooses its own level.
    result = run(["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "not onednn", *files], level)
    assert result.returncode == 0, result.stdout[-3000:]


@pytest.mark.parametrize("level", ["abacus", *(level for level in LEVELS if level not in INFO["levels"])])
def test_a_level_that_is_not_there_is_refused(level: str) -> None:
    result = run(["-c", "import pellucid._native as n; n.info()"], level)
    assert result.returncode == 1
    assert f"PELLUCID_ISA={level}: this processor and this build have {', '.join(INFO['levels'])}" in result.stderr
