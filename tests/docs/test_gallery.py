"""The gallery shows every plot, and its pictures are small."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pellucid import plot

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "gallery.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(set(plot.__all__) - {"table_kinds"}))
def test_every_plot_is_shown(name: str) -> None:
    assert f"```python\nplot.{name}(" in PAGE


def test_its_pictures_are_there_and_small() -> None:
    shown = re.findall(r"!\[.+?\]\(images/gallery/(\w+\.png)\)", PAGE)
    files = {path.name: path.stat().st_size for path in (DOCS / "images" / "gallery").iterdir()}
    assert sorted(shown) == sorted(files)
    assert max(files.values()) < 60_000
