"""Every code block of the README and of docs/ runs, page by page, in a temporary folder, and prints what the page says.

`python` blocks share one namespace per page; `sh` blocks run in bash, where `pip` and `pytest` do nothing. A `text`
block right after one is what it prints, with `…` for anything; after `sh` all numbers count as equal, because timings
and the last digits of training differ between machines. A comment between the two says that they are not compared.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest

import pellucid
from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.nn import layers

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(page for page in (ROOT / "docs").glob("*.md") if page.name != "benchmarks.md")]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"[-+−]?\d[\d,.]*(e[-+]?\d+)?")


class Block(NamedTuple):
    """A fenced block: its language, text, first line in the page, and the `text` block right after it, if any."""

    language: str
    text: str
    line: int
    expected: str | None


def blocks(page: Path) -> list[Block]:
    """The blocks of a page that run."""
    text = page.read_text(encoding="utf-8")
    found = list(_BLOCK.finditer(text))
    result = []
    for match, after in zip(found, [*found[1:], None], strict=False):
        follows = after is not None and after[1] == "text" and not text[match.end() : after.start()].strip()
        if match[1] in ("python", "sh"):
            line = text.count("\n", 0, match.start()) + 2
            result.append(Block(match[1], match[2], line, after[2] if follows and after else None))
    return result


def matches(expected: str, printed: str, numbers: bool) -> bool:
    """Whether a text is as expected: blanks collapsed, `…` for anything, and numbers only where they are to count."""
    if not numbers:
        expected, printed = _NUMBER.sub("0", expected), _NUMBER.sub("0", printed)
    parts = (re.escape(" ".join(part.split())) for part in expected.split("…"))
    return re.fullmatch(r"\s*" + r".*?".join(parts) + r"\s*", " ".join(printed.split()), re.DOTALL) is not None


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page(page: Path, folder: Path) -> None:
    if page.name == "README.md" and not find_spec("pellucid._native"):
        pytest.skip("training with the defaults takes minutes without the engine")
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page):
        where = f"{page.relative_to(ROOT)}:{block.line}"
        printed = (
            run_python(block.text, namespace, where) if block.language == "python" else run_shell(block.text, where)
        )
        if block.expected is not None:
            fits = matches(block.expected, printed, numbers=block.language == "python")
            assert fits, f"{where} prints\n{printed}\nnot\n{block.expected}"


def run_python(text: str, namespace: dict[str, object], where: str) -> str:
    output = StringIO()
    with redirect_stdout(output):
        try:
            exec(compile(text, where, "exec"), namespace)
        except PellucidError as error:
            print(f"pellucid.errors.{type(error).__name__}: {error}")
    return output.getvalue()


def run_shell(text: str, where: str) -> str:
    done = subprocess.run(
        ["bash", "-ec", text], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", timeout=100
    )
    assert done.returncode == 0 or "error:" in done.stdout, f"{where}: {done.stdout}"
    return done.stdout


def test_links_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "docs" / "design" / "decisions.md"]:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), (
                    f"{page.relative_to(ROOT)} links to {target}, which is not there"
                )


def test_matching() -> None:
    assert matches("a … c", "a b b  c\n", numbers=True)
    assert not matches("loss 0.5", "loss 0.6", numbers=True)
    assert matches("loss 0.5, −3", "loss 12.25, +1e-05", numbers=False)
    assert not matches("loss 0.5", "rmse 0.5", numbers=False)


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
