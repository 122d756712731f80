"""The site builds without a warning, and its pages ask nothing of a network."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx")
pytest.importorskip("myst_parser")
pytest.importorskip("furo")

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", folder / "trees"]
    done = subprocess.run([*command, DOCS, folder / "html"], capture_output=True, encoding="utf-8", timeout=110)
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_every_page_is_reached(site: Path) -> None:
    front = (site / "index.html").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        name = page.relative_to(DOCS).with_suffix(".html")
        if "_build" not in name.parts:
            assert (site / name).exists(), name
            assert f'href="{name}"' in front or name.name == "index.html", f"{name} is not among the contents"


def test_pages_work_offline(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|img|iframe|link)[^>]*?(?:src|href)="([^"]+)"', text)
        assert [address for address in loaded if "://" in address] == [], page.name


def test_formulas_are_set(site: Path) -> None:
    text = (site / "learn" / "backpropagation.html").read_text(encoding="utf-8")
    assert text.count("<math ") > 20
    assert r"\frac" not in text
    assert "$$" not in text


def test_the_reference_has_every_layer(site: Path) -> None:
    from pellucid.nn import layers

    text = (site / "reference" / "layers.html").read_text(encoding="utf-8")
    missing = [name for name in layers.__all__ if f'id="pellucid.layers.{name}"' not in text]
    assert missing == ["Input", "Layer"]  # which stand with the models
