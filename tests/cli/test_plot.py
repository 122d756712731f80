"""`pellucid plot`: pictures of models, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import pellucid_

pytest.importorskip("matplotlib")


def test_pictures_are_written(folder: Path, models: dict[str, Path], tmp_path: Path) -> None:
    png, svg = tmp_path / "curves.png", tmp_path / "confusion.svg"
    done = pellucid_(folder, "plot", models["houses"], "--kind", "learning_curves", "--out", png)
    assert (done.code, done.out) == (0, ""), done.err
    assert png.read_bytes().startswith(b"\x89PNG")
    done = pellucid_(folder, "plot", models["fruit"], "fruit.csv", "--kind", "confusion_matrix", "--out", svg)
    assert f"wrote {svg}" in done.err
    assert "<svg" in svg.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("houses", ("houses.csv", "--kind", "roc", "--out", "x.png"), "learning_curves, predicted, residuals"),
        ("fruit", ("fruit.csv", "--kind", "pie", "--out", "x.png"), "confusion_matrix, roc, precision_recall"),
        ("fruit", ("--kind", "roc", "--out", "x.png"), "needs data: a table that has the column 'kind'"),
        ("fruit", ("fruit.csv", "--kind", "roc", "--out", "x.doc"), "unknown suffix of a picture 'doc'"),
        ("fruit", ("fruit.csv", "--kind", "roc"), "--out"),
    ],
)  # fmt: skip
def test_what_does_not_suit_is_refused(
    folder: Path, models: dict[str, Path], model: str, options: tuple[str, ...], message: str
) -> None:
    done = pellucid_(folder, "plot", models[model], *options)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert not (folder / "x.png").exists()
