"""`pellucid explain` of networks made by hand: every kind of file, every form, and what cannot be asked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command import pellucid_

import pellucid
from pellucid import layers

DRAW = np.random.default_rng(2)
X = DRAW.normal(size=(6, 2)).round(3).astype("float32")


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small network, and its examples as CSV and as arrays."""
    folder = tmp_path_factory.mktemp("student")
    stack = [
        pellucid.Input((2,), name="student"),
        layers.Dense(3, "tanh", name="hidden"),
        layers.Dense(1, "sigmoid", name="passes"),
    ]
    model = pellucid.Sequential(stack, seed=4)
    model.compile("adam", "binary_crossentropy")
    model.save(folder / "student.safetensors")
    y = (X.sum(axis=1) > 0).astype(int)
    rows = [f"{a},{b},{c}" for (a, b), c in zip(X.tolist(), y.tolist(), strict=True)]
    (folder / "students.csv").write_text("\n".join(["hours,sleep,passed", *rows]) + "\n", encoding="utf-8")
    np.savez(folder / "students.npz", x=X, y=y)
    np.save(folder / "x.npy", X)
    return folder


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small convolutional network, and one image."""
    folder = tmp_path_factory.mktemp("digits")
    stack = [
        layers.Conv2D(2, 3, activation="relu", name="conv"),
        layers.Flatten(),
        layers.Dense(4, "softmax", name="digit"),
    ]
    pellucid.Sequential([pellucid.Input((8, 8, 1)), *stack], seed=1).save(folder / "digits.safetensors")
    image = pytest.importorskip("PIL.Image")
    image.fromarray(DRAW.integers(0, 256, (8, 8)).astype("uint8")).save(folder / "seven.png")
    return folder


@pytest.mark.parametrize("asked", [("students.csv", "--target", "passed"), ("students.npz",), ("x.npy",)])
def test_the_forward_pass_is_that_of_the_network(student: Path, asked: tuple[str, ...]) -> None:
    record = json.loads(pellucid_(student, "explain", "student.safetensors", *asked, "--row", 4, "--json").out)
    expected = pellucid.models.load_model(student / "student.safetensors").predict(X[4:5])
    assert record["outputs"]["passes"] == pytest.approx(expected[0].tolist(), rel=1e-5)
    text = pellucid_(student, "explain", "student.safetensors", *asked, "--row", 4).out
    assert "the probability of passes is" in text
    assert ("hours" in text) == (asked[0] == "students.csv")


def test_why_and_step(student: Path, tmp_path: Path) -> None:
    asked = ("explain", "student.safetensors", "students.csv", "--target", "passed", "--row", 2)
    record = json.loads(pellucid_(student, *asked, "--why", "--json").out)
    assert record["inputs"][0]["labels"] == ["hours", "sleep"]
    total = record["baseline"] + sum(record["inputs"][0]["contributions"]) + record["gap"]
    assert total == pytest.approx(record["prediction"], rel=1e-9)
    step = json.loads(pellucid_(student, *asked, "--weight", "hidden/kernel[0,1]", "--json").out)
    assert step["weights"][0]["name"] == "hidden/kernel[0,1]"
    same = pellucid_(
        student,
        "explain",
        "student.safetensors",
        "students.npz",
        "--row",
        2,
        "--weight",
        "hidden/kernel[0,1]",
        "--json",
    )
    assert json.loads(same.out)["weights"][0]["gradient"] == step["weights"][0]["gradient"]
    for arguments, suffix, start in (
        ((), "html", "<!doctype"),
        (("--why",), "tex", r"\documentclass"),
        (("--weight", "hidden/bias"), "txt", "One training step"),
    ):
        out = tmp_path / f"made.{suffix}"
        found = pellucid_(student, *asked, *arguments, "--out", out)
        assert (found.code, found.err) == (0, f"saved {out}\n")
        assert out.read_text(encoding="utf-8").startswith(start)


def test_an_image(digits: Path) -> None:
    asked = ("explain", "digits.safetensors", "seven.png", "--divide", 255)
    record = json.loads(pellucid_(digits, *asked, "--json").out)
    pixels = [element["value"] for element in record["layers"][0]["elements"]]
    assert 0.5 < max(pixels) <= 1.0
    why = json.loads(pellucid_(digits, *asked, "--why", "--class", 2, "--json").out)
    assert why["what"] == "the probability of class 2"
    assert "block of the picture" in pellucid_(digits, *asked, "--why").out


def test_requests_that_cannot_be_met(student: Path, digits: Path) -> None:
    def error(folder: Path, *asked: object) -> str:
        found = pellucid_(folder, "explain", *asked)
        assert found.code in (2, 3)
        assert found.out == ""
        return found.err

    network = "student.safetensors"
    assert "there are 6 examples; choose one row, 0 to 5" in error(student, network, "x.npy")
    assert "row 9: there are 6 examples, counted from 0 to 5" in error(student, network, "x.npy", "--row", 9)
    assert "has 3 columns (hours, sleep, passed), and input 'student' takes 2" in error(
        student, network, "students.csv", "--row", 0
    )
    assert "Known: hours, passed, sleep" in error(student, network, "students.csv", "--target", "pass", "--row", 0)
    assert "with --target name a column" in error(student, network, "x.npy", "--row", 0, "--weight", "hidden/bias")
    assert "Known: hidden/bias" in error(student, network, "students.npz", "--row", 0, "--weight", "hiden/bias")
    assert "passes is one number" in error(student, network, "x.npy", "--row", 0, "--why", "--class", "3")
    assert "Known: 0, 1, 2, 3" in error(digits, "digits.safetensors", "seven.png", "--why", "--class", "cat")
