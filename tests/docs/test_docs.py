"""Every code block of the README and of docs/ runs, page by page, in a temporary folder, and prints what the page says.

What a block is, and what it is to print, stands in docs/pages.py. Besides, in `sh` blocks `pip` and `pytest` do
nothing, and all numbers count as equal, because timings and the last digits of training differ between machines.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import pellucid
from pellucid import ops
from pellucid.nn import layers

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "docs"))
from pages import blocks, draw, matches, pages, run_python  # noqa: E402 - found by the line above

PAGES = [ROOT / "README.md", *pages()]
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like a fresh clone's, with `pellucid` on the path and commands that do nothing in place of slow ones."""
    commands = tmp_path / "commands"
    commands.mkdir()
    for name in ("pip", "pytest"):
        (commands / name).write_text("#!/bin/sh\n", encoding="utf-8")
    (commands / "pellucid").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pellucid "$@"\n', encoding="utf-8")
    (commands / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    for command in commands.iterdir():
        command.chmod(0o755)
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("src", "examples"):
        (clone / name).symlink_to(ROOT / name)
    monkeypatch.chdir(clone)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(Path(pellucid.__file__).parents[1]))
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    return clone


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page(page: Path, folder: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if page.name == "README.md" and not find_spec("pellucid._native"):
        pytest.skip("training with the defaults takes minutes without the engine")
    downloaded = set(re.findall(r"datasets\.(\w+)", text)) - {"housing"}
    if (
        (page.parent.name == "networks" or page.name in ("gallery.md", "five-networks.md"))
        and downloaded
        and not os.environ.get("PELLUCID_DATA")
    ):
        pytest.skip(f"the data are not here: {downloaded}")
    if any(block.picture for block in blocks(text)):
        pytest.importorskip("matplotlib").use("Agg")
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(text):
        where = f"{page.relative_to(ROOT)}:{block.line}"
        if block.language == "python":
            printed, value = run_python(block.text, namespace, where)
        else:
            printed, value = run_shell(block.text, where), None
        if block.picture:
            draw(value, folder / block.picture.rpartition("/")[2])
        if block.expected is not None:
            fits = matches(block.expected, printed, numbers=block.language == "python" and not block.varies)
            assert fits, f"{where} prints\n{printed}\nnot\n{block.expected}"


def run_shell(text: str, where: str) -> str:
    done = subprocess.run(
        ["bash", "-ec", text], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", timeout=100
    )
    assert done.returncode == 0 or "error:" in done.stdout, f"{where}: {done.stdout}"
    return done.stdout


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]:
        text = _FENCE.sub("", page.read_text(encoding="utf-8"))
        for target, heading in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", text):
            if "://" in target:
                continue
            place = page.parent / target if target else page
            where = f"{page.relative_to(ROOT)} links to {target}#{heading}"
            assert place.exists(), f"{where}, which is not there"
            if heading and place.suffix == ".md":
                assert heading in anchors(place), f"{where}, but there is no such heading"


def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_matching() -> None:
    assert matches("a … c", "a b b  c\n", numbers=True)
    assert not matches("loss 0.5", "loss 0.6", numbers=True)
    assert matches("loss 0.5, −3", "loss 12.25, +1e-05", numbers=False)
    assert not matches("loss 0.5", "rmse 0.5", numbers=False)
    assert matches("2·3 + 0.5 − w", "2·(−3·10⁻⁷) − 0.5 − w", numbers=False)
    assert not matches("2 + w", "2 − w", numbers=False)


def test_ops_that_are_listed_exist() -> None:
    lines = (ROOT / "docs" / "own-parts.md").read_text(encoding="utf-8").split("## A layer")[0].splitlines()
    named = [name for line in lines if line.startswith("|") for name in re.findall(r"`([a-z]\w+)`", line)]
    assert len(named) > 50
    assert {name for name in named if name not in ops.__all__} == set()


def test_every_layer_is_listed() -> None:
    text = (ROOT / "docs" / "layers.md").read_text(encoding="utf-8")
    named = re.findall(r"`(\w+)`", text)
    public = {*layers.__all__, "BytePairTokenizer", "TextVectorization"}
    assert public <= set(named), f"docs/layers.md lacks {public - set(named)}"
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert set(listed) <= public, f"docs/layers.md lists {set(listed) - public}, which is no layer"
    assert len(listed) == len(set(listed))
