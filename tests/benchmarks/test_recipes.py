"""The recipes' table tells bars that are met from those that are missed, and the page is rewritten in place."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "benchmarks"))

import recipes  # noqa: E402


def known(**figures: float) -> dict[str, recipes.Run]:
    return {"mnist_dense": recipes.Run(figures, 75.0, 2**28, "float32", "2000-01-01", "abc", "a machine")}


def test_a_line_for_each_bar_says_whether_it_is_met() -> None:
    (line,) = [line for line in recipes.summary(known(accuracy=0.9831)).splitlines() if "mnist_dense" in line]
    cells = [cell.strip() for cell in line.split("|")]
    assert cells[4:12] == ["accuracy", "≥ 98.20 %", "98.31 %", "met", "float32", "75 s", "256", "2000-01-01"]
    assert "**missed**" in recipes.summary(known(accuracy=0.981))


def test_a_bar_may_be_an_upper_one() -> None:
    assert recipes.Bar(1.5, at_most=True).met(1.49)
    assert not recipes.Bar(1.5, at_most=True).met(1.51)
    assert str(recipes.Bar(1.5, at_most=True, unit="nats")) == "≤ 1.5 nats"


def test_what_stands_around_the_table_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "recipes.md"
    page.write_text(f"before\n{recipes.BEGIN}old\n{recipes.END}after\n", encoding="utf-8")
    monkeypatch.setattr(recipes, "PAGE", page)
    for _ in range(2):
        recipes.write_page(known(accuracy=0.99))
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert text.count("## mnist_dense") == 1


def test_the_figures_of_a_recipe_are_those_of_its_main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("PIL")
    examples = tmp_path / "examples"
    examples.mkdir()
    (examples / "mnist_dense.py").write_text(
        "from PIL import Image\n"
        "def main(quick=False, precision='float32'):\n"
        "    Image.new('RGB', (1200, 600)).save('mnist_dense.png')\n"
        "    return {'accuracy': 0.5}\n"
    )
    monkeypatch.setattr(recipes, "ROOT", tmp_path)
    monkeypatch.setattr(recipes, "PICTURES", tmp_path / "pictures")
    found = recipes.run("mnist_dense", threads=1)
    assert found.figures == {"accuracy": 0.5}
    assert found.seconds > 0
    assert found.bytes > 0
    from PIL import Image

    assert Image.open(tmp_path / "pictures" / "mnist_dense.png").size == (900, 450)
