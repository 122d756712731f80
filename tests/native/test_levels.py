"""The same tests on every instruction-set level that this processor has; a fresh process chooses each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

native = pytest.importorskip("pellucid._native", reason="the extension is not built")

FOLDER = Path(__file__).parent
LEVELS = ["sse4", "avx2", "avx512", "avx512_bf16"]
LOWER = LEVELS[: LEVELS.index(native.info()["isa"])] if native.info()["isa"] in LEVELS else []


def run(arguments: list[str], level: str) -> subprocess.CompletedProcess[str]:
    # The same pellucid, wherever this process found it.
    path = os.pathsep.join(p for p in sys.path if p)
    environment = {**os.environ, "PELLUCID_ISA": level, "PYTHONPATH": path}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.skipif("PELLUCID_ISA" in os.environ, reason="already on a chosen level")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("level", LOWER)
def test_every_level_passes(level: str) -> None:
    same_for_all = ("test_levels.py", "test_plan.py", "test_loop.py")
    files = [str(f) for f in sorted(FOLDER.glob("test_*.py")) if f.name not in same_for_all]
    # oneDNN chooses its own level.
    result = run(["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "not onednn", *files], level)
    assert result.returncode == 0, result.stdout[-3000:]


def test_a_level_that_is_not_there_is_refused() -> None:
    result = run(["-c", "import pellucid._native as n; n.info()"], "abacus")
    assert result.returncode == 1
    assert "PELLUCID_ISA=abacus: this processor has" in result.stderr
