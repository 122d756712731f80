"""`pellucid doctor` and `pellucid help`: findings, exit codes, JSON, and healthy tables of which nothing is said."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from command import pellucid_

import pellucid
from pellucid.explain.doctor import FAULTS


@pytest.fixture(scope="module")
def flats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with a column joined twice, a constant one, and one that was made from the target."""
    path, draw = tmp_path_factory.mktemp("flats"), random.Random(1)
    rows = ["metres,feet,rooms,city,code,always,tax,price"]
    for _ in range(300):
        metres, city = draw.gauss(80, 20), draw.choice(["Lima", "Oslo"])
        price = 1000 * metres + 30000 * (city == "Oslo") + draw.gauss(0, 5000)
        cells = [metres, metres * 10.764, draw.randint(1, 5), city, city[0], 1, round(price * 0.013), round(price)]
        rows.append(",".join(map(str, cells)))
    (path / "flats.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_findings_of_a_table(flats: Path) -> None:
    found = pellucid_(flats, "doctor", "flats.csv", "--target", "price", "--json")
    assert found.code == 7
    record = json.loads(found.out)
    assert [one["code"] for one in record["findings"]] == ["D103", "D104", "D104", "D105"]
    evidence = [one["evidence"] for one in record["findings"]]
    assert evidence[0]["columns"] == {"always": 1.0}
    assert [one["columns"] for one in evidence[1:3]] == [["metres", "feet"], ["city", "code"]]
    assert evidence[3]["column"] == "tax"
    text = pellucid_(flats, "doctor", "flats.csv", "--target", "price")
    assert text.code == 7
    assert "D105  a column that gives the target away: column 'tax'" in text.out
    assert "300 rows, 8 columns" in text.out


def test_a_class_given_away_and_rare(flats: Path, tmp_path: Path) -> None:
    draw = random.Random(2)
    rows = ["x,y,closed_on,left"]
    for i in range(600):
        left = i % 40 == 0
        rows.append(f"{draw.gauss(0, 1)},{draw.gauss(0, 1)},{'2024-01' if left else 'open'},{'yes' if left else 'no'}")
    (tmp_path / "churn.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    record = json.loads(pellucid_(tmp_path, "doctor", "churn.csv", "--target", "left", "--json").out)
    found = {one["code"]: one["evidence"] for one in record["findings"]}
    assert found["D105"]["column"] == "closed_on"
    assert (found["D106"]["rarest"], found["D106"]["rows"], found["D106"]["of"]) == ("yes", 15, 600)


def test_repeated_rows_and_infinite_cells(tmp_path: Path) -> None:
    draw = random.Random(3)
    rows = [f"{draw.gauss(0, 1)},{draw.gauss(0, 1)},{draw.gauss(0, 1)}" for _ in range(200)]
    lines = ["a,b,c", *rows, *rows[:20], "inf,1,2"]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = pellucid_(tmp_path, "doctor", "rows.csv", "--target", "c", "--json")
    record = json.loads(done.out)
    found = {one["code"]: one["evidence"] for one in record["findings"]}
    assert (found["D101"]["infinite"], found["D101"]["row"]) == (1, 220)
    assert (found["D107"]["twins"], found["D107"]["rows"]) == (20, 221)
    assert "the trial fit" in record["left_out"][0]
    assert done.code == 7


@pytest.mark.parametrize(("name", "target"), [("houses", "price"), ("answers", "answer"), ("fruit", "kind")])
def test_healthy_tables(folder: Path, name: str, target: str) -> None:
    done = pellucid_(folder, "doctor", f"{name}.csv", "--target", target)
    assert (done.code, "nothing found" in done.out) == (0, True), done.out


def test_the_shipped_table_is_healthy(tmp_path: Path) -> None:
    path = Path(pellucid.__file__).parent / "data" / "housing.csv"
    done = pellucid_(tmp_path, "doctor", path, "--target", "median_house_value")
    assert done.code == 0, done.out


def test_tables_that_cannot_be_looked_at(tmp_path: Path, flats: Path) -> None:
    def fails(arguments: list[Any], code: int, *parts: str) -> None:
        done = pellucid_(flats, *arguments)
        assert done.code == code
        assert all(part in done.err for part in parts), done.err

    fails(["doctor", "flats.csv", "--target", "prise"], 3, "no column 'prise'", "did you mean 'price'?")
    fails(["doctor", "none.csv", "--target", "price"], 3, "none.csv")
    fails(["doctor", "flats.csv", "--target", "always"], 3, "has one class only")
    (flats / "one.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    fails(["doctor", "one.csv", "--target", "b"], 3, "1 row with a known value")
    (flats / "empty.csv").write_text("a,b\n", encoding="utf-8")
    fails(["doctor", "empty.csv", "--target", "b"], 3, "empty.csv")
    fails(["doctor", "flats.csv"], 2, "--target")


def test_help_of_codes(folder: Path) -> None:
    listed = pellucid_(folder, "help").out
    assert [line.split()[0] for line in listed.splitlines()] == sorted(FAULTS)
    text = pellucid_(folder, "help", "d301").out
    assert text.startswith("D301  dead ReLUs")
    assert all(title in text for title in ("What it is", "How it arises", "How to see it", "Repairs", "Source:"))
    assert json.loads(pellucid_(folder, "help", "D301", "--json").out)["code"] == "D301"
    assert len(json.loads(pellucid_(folder, "help", "--json").out)) == len(FAULTS)
    wrong = pellucid_(folder, "help", "D3O1")
    assert (wrong.code, "did you mean 'D301'?" in wrong.err) == (2, True)


def test_every_fault_is_described(folder: Path) -> None:
    for code, fault in FAULTS.items():
        assert len(fault.meaning) > 60, code
        assert len(fault.repairs) >= 1, code
        assert all(other in FAULTS for other in fault.follows_from), code
        assert max(map(len, fault.text().splitlines())) <= 100, code
