"""The page of the doctor has every code as it stands beside the checks."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "docs"))
from codes import PAGE, written


def test_the_page_has_all_codes() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert written(text) == text, "run python docs/codes.py"
