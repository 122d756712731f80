"""Small tables, and models trained on them once."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from command import pellucid_


def write(path: Path, header: str, rows: list[str]) -> Path:
    """A CSV file of some rows."""
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `houses.csv` (regression), `answers.csv` (binary, dates, gaps) and `fruit.csv` (three classes)."""
    path, draw = tmp_path_factory.mktemp("tables"), random.Random(7)
    houses = []
    for _ in range(240):
        size, age, town = draw.randint(30, 200), draw.randint(0, 80), draw.choice(["Lima", "Oslo", "Rome"])
        houses.append(
            f"{size},{age if draw.random() > 0.1 else ''},{town},{1000 * size - 500 * age + 20000 * (town == 'Oslo')}"
        )
    write(path / "houses.csv", "size,age,town,price", houses)
    answers = []
    for _ in range(200):
        x, member = draw.gauss(0, 1), draw.choice(["true", "false"])
        day = f"202{draw.randint(0, 3)}-0{draw.randint(1, 9)}-1{draw.randint(0, 9)}"
        answers.append(f"{x:.3f},{member},{day},{'=yes' if x + (member == 'true') > 0.5 else 'no'}")
    write(path / "answers.csv", "x,member,joined,answer", answers)
    fruit = []
    for _ in range(200):
        kind = draw.randint(0, 2)
        fruit.append(f"{draw.gauss(100 + 40 * kind, 5):.1f},{draw.random():.3f},{['apple', 'banana', 'orange'][kind]}")
    write(path / "fruit.csv", "grams,texture,kind", fruit)
    return path


@pytest.fixture(scope="session")
def models(folder: Path) -> dict[str, Path]:
    """A model file for each of the tables."""
    targets = {"houses": "price", "answers": "answer", "fruit": "kind"}
    for name, target in targets.items():
        found = pellucid_(folder, "train", f"{name}.csv", "--target", target, "--seed", 3, "--quiet")
        assert found.code == 0, found.err
    return {name: folder / f"{name}.safetensors" for name in targets}
