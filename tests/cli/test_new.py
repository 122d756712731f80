"""`pellucid new`: a recipe is written where one stands, says how to run it, and runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from command import environment, pellucid_

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_every_recipe_is_listed_with_what_it_does(tmp_path: Path) -> None:
    listed = json.loads(pellucid_(tmp_path, "new", "--json").out)
    assert [one["name"] for one in listed] == sorted(path.stem for path in EXAMPLES.glob("*.py"))
    assert all(one["title"] for one in listed)
    assert listed[0]["title"] in pellucid_(tmp_path, "new").out


def test_a_recipe_runs_as_it_is(tmp_path: Path) -> None:
    found = pellucid_(tmp_path, "new", "linear_unit")
    assert found.code == 0
    assert found.err == "wrote linear_unit.py; next: python linear_unit.py\n"
    done = subprocess.run([sys.executable, "linear_unit.py"], cwd=tmp_path, env=environment(), capture_output=True)
    assert done.returncode == 0


def test_what_it_says_of_running_it_is_true_in_its_new_place(tmp_path: Path) -> None:
    found = pellucid_(tmp_path, "new", "mnist_convnet", "--out", "mine.py", "--json")
    assert json.loads(found.out) == {"file": "mine.py", "run": "python mine.py --quick"}
    assert "python mine.py --quick" in (tmp_path / "mine.py").read_text(encoding="utf-8")


def test_a_file_of_yours_stays(tmp_path: Path) -> None:
    (tmp_path / "linear_unit.py").write_text("mine")
    found = pellucid_(tmp_path, "new", "linear_unit")
    assert found.code == 2
    assert "linear_unit.py exists already" in found.err
    assert (tmp_path / "linear_unit.py").read_text() == "mine"


def test_an_unknown_recipe_is_answered_with_those_there_are(tmp_path: Path) -> None:
    found = pellucid_(tmp_path, "new", "linear_unti")
    assert found.code == 2
    assert "did you mean 'linear_unit'" in found.err
    assert os.listdir(tmp_path) == []
