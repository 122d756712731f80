"""Makes the helpers beside the tests importable by their own names, opens pages in a browser, and imports Keras."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

for folder in ("cli", "data", "execute", "native", "ops"):
    sys.path.append(str(Path(__file__).parent / folder))

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--dump-dom",
)  # fmt: skip


@pytest.fixture
def open_page(tmp_path: Path) -> Callable[[Path], str]:
    """Open a page in Chromium: what stands in it after its scripts ran, none of which may have complained."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("needs Chromium")

    def opened(page: Path) -> str:
        command = [browser, *OPTIONS, f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=100, check=False)
        assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line or "Refused" in line]
        return done.stdout

    return opened


@pytest.fixture(scope="session")
def keras() -> Any:
    """Keras on JAX, where both are installed; on one backend for all tests, since the first import decides."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    return pytest.importorskip("keras")
