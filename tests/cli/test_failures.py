"""The commands on bad input: one clear line on stderr, the documented exit code, and nothing lost."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command import pellucid_, start

from pellucid import TableModel


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """A folder of tables that cannot be learned from."""
    tables = {
        "constant.csv": ["a,y", *(f"{i % 7}.5,3.5" for i in range(20))],
        "one_class.csv": ["a,y", *(f"{i % 7}.5,yes" for i in range(20))],
        "two_rows.csv": ["a,y", "1.5,2.5", "2.5,3.5"],
        "ragged.csv": ["a,b,y", "1,2,3", "4,5", "6,7,8"],
        "infinite.csv": ["a,y", *(f"{'inf' if i == 7 else i / 2},{i * 2.5}" for i in range(30))],
        "twice.csv": ["a,a,y", *(f"{i},{i},{i * 2.5}" for i in range(30))],
        "headless.csv": ["1.5,2.5", *(f"{i},{i * 2.5}" for i in range(30))],
        "good.csv": [
            "age,city,income",
            *(f"{i % 50},{'Lima' if i % 3 else 'Oslo'},{i % 50 * 10.5}" for i in range(90)),
        ],
    }
    for name, lines in tables.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "text.safetensors").write_text("not a model\n" * 20)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        ("train absent.csv --target y", 3, ["absent.csv", "does not exist"]),
        ("train goood.csv --target income", 3, ["did you mean", "good.csv"]),
        ("train good.csv --target incom", 3, ["'incom'", "did you mean 'income'"]),
        ("train constant.csv --target y", 3, ["'y'", "3.5"]),
        ("train one_class.csv --target y", 3, ["one class only", "'yes'"]),
        ("train two_rows.csv --target y", 3, ["2 rows"]),
        ("train ragged.csv --target y", 3, ["ragged.csv, line 3"]),
        ("train binary.csv --target y", 3, ["not text"]),
        ("train empty.csv --target y", 3, ["empty"]),
        ("train infinite.csv --target y", 3, ["line 9", "'a'", "infinite"]),
        ("train twice.csv --target y", 3, ["'a'"]),
        ("train headless.csv --target y", 3, ["header"]),
        ("train good.csv", 2, ["--target"]),
        ("train good.csv --target income --hidden 3,x", 2, ["--hidden"]),
        ("train good.csv --target income --activation rleu", 2, ["did you mean 'relu'"]),
        ("train good.csv --target income --optimizer adm", 2, ["did you mean 'adam'"]),
        ("train good.csv --target income --kind age", 2, ["COLUMN=KIND"]),
        ("train good.csv --target income --kind agee=number", 3, ["did you mean 'age'"]),
        ("train good.csv --target income --test-size many", 2, ["--test-size"]),
        ("train good.csv --target income --epochs 0", 2, ["epochs"]),
        ("train good.csv --target income --out absent/m.safetensors", 2, ["absent", "create it"]),
        ("train good.csv --target income --optimizer sgd --learning-rate 1e30", 4, ["non-finite", "learning rate"]),
        ("predict text.safetensors good.csv", 5, ["text.safetensors"]),
        ("predict good.csv good.csv", 5, ["good.csv"]),
        ("evaluate absent.safetensors good.csv", 5, ["absent.safetensors"]),
        ("describe text.safetensors", 5, ["text.safetensors"]),
        ("trian good.csv", 2, ["did you mean 'train'"]),
        ("train good.csv --targt income", 2, ["--target"]),
    ],
)
def test_one_clear_line(bad: Path, arguments: str, code: int, parts: list[str]) -> None:
    found = pellucid_(bad, *arguments.split(), *(["--quiet"] if arguments.startswith("train ") else []))
    assert found.code == code, found.err
    assert found.out == ""
    assert sum(line.startswith("error: ") for line in found.err.splitlines()) == 1
    assert all(part in found.err for part in parts), found.err


def test_rows_and_probabilities_that_do_not_exist(folder: Path, models: dict[str, Path]) -> None:
    found = pellucid_(folder, "explain", models["fruit"], "fruit.csv", "--row", 5000)
    assert (found.code, "200 rows" in found.err) == (2, True)
    found = pellucid_(folder, "explain", models["fruit"], "fruit.csv", "--row", 0, "--why", "--class", "plum")
    assert (found.code, "There are: " in found.err) == (3, True)
    found = pellucid_(folder, "explain", models["houses"], "houses.csv", "--row", 0, "--why", "--class", "9")
    assert (found.code, "is a number: it has no classes to choose from" in found.err) == (2, True)
    found = pellucid_(folder, "explain", models["fruit"], "fruit.csv", "--row", 0, "--why", "--out", "why.doc")
    assert (found.code, ".txt, .html, .json" in found.err) == (2, True)
    found = pellucid_(folder, "explain", models["fruit"], "fruit.csv", "--row", 0, "--class", "apple")
    assert (found.code, "--why" in found.err) == (2, True)
    found = pellucid_(folder, "explain", models["fruit"], "fruit.csv", "--row", 0, "--weight", "hidden_1/kernal")
    assert (found.code, "did you mean 'hidden_1/kernel'" in found.err) == (2, True)
    found = pellucid_(folder, "explain", models["fruit"], "fruit.csv", "--row", 0, "--weight", "output/bias[9]")
    assert (found.code, "shape [3]" in found.err) == (2, True)
    found = pellucid_(folder, "predict", models["houses"], "houses.csv", "--probabilities")
    assert (found.code, "--probabilities" in found.err) == (2, True)


def test_a_damaged_model_is_refused(folder: Path, models: dict[str, Path], tmp_path: Path) -> None:
    content = bytearray(models["fruit"].read_bytes())
    content[-3] ^= 4
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(content)
    found = pellucid_(folder, "predict", path, "fruit.csv")
    assert found.code == 5
    assert "damaged" in found.err


def test_ten_to_the_fifth_categories(tmp_path: Path) -> None:
    lines = [f"c{i},{'yes' if i % 2 else 'no'},{i % 2}" for i in range(100_000)]
    (tmp_path / "many.csv").write_text("\n".join(["name,flag,y", *lines]) + "\n")
    found = pellucid_(tmp_path, "train", "many.csv", "--target", "y", "--epochs", 1, "--seed", 1)
    assert found.code == 0, found.err
    assert "'name'" in found.err
    found = pellucid_(
        tmp_path, "train", "many.csv", "--target", "y", "--epochs", 1, "--seed", 1, "--kind", "name=category"
    )
    assert found.code == 0, found.err


def test_a_failed_run_leaves_the_old_model(bad: Path) -> None:
    old = bad / "constant.safetensors"
    old.write_bytes(b"old")
    assert pellucid_(bad, "train", "constant.csv", "--target", "y").code == 3
    assert old.read_bytes() == b"old"


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize("named", [True, False])
def test_interrupting_keeps_what_is_trained(folder: Path, tmp_path: Path, named: bool) -> None:
    out = tmp_path / "part.safetensors"
    where = ["--out", out] if named else []
    process = start(folder, "train", "houses.csv", "--target", "price", "--epochs", 1000000, "--validation", 0, *where)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Epoch 20/"):
            break
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    process.wait(timeout=20)
    assert time.monotonic() - sent < 5  # a second on a machine that is not shared
    assert process.returncode == 130
    assert "interrupted after" in rest
    assert "Traceback" not in rest
    assert out.exists() == named
    if named:
        model = TableModel.load(out)
        assert model.model.epochs_trained >= 20
        assert any("interrupted" in notice for notice in model.notices)


@pytest.mark.skipif(os.name == "nt", reason="pipes are POSIX")
def test_a_reader_that_goes_away(folder: Path, models: dict[str, Path]) -> None:
    receive, send = os.pipe()
    process = start(folder, "predict", models["houses"], "houses.csv", stdout=send)
    os.close(send)
    os.close(receive)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 141
    assert err == ""


@pytest.mark.skipif(os.name == "nt", reason="terminals are POSIX")
@pytest.mark.parametrize(("setting", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colour_is_for_people_who_want_it(folder: Path, setting: dict[str, str], coloured: bool) -> None:
    import pty
    import sys

    from command import environment

    master, slave = pty.openpty()
    env = {key: value for key, value in environment(TERM="xterm").items() if key != "NO_COLOR"} | setting
    done = subprocess.Popen(
        [sys.executable, "-m", "pellucid", "train", "absent.csv", "--target", "y"], cwd=folder, env=env, stderr=slave
    )
    os.close(slave)
    text = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:  # Linux says so when the other end is closed
            break
        if not part:
            break
        text += part
    assert done.wait() == 3
    assert (b"\x1b[" in text) == coloured
    assert b"absent.csv" in text
