"""The commands on good input: what they print, where, and that it is true."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command import environment, pellucid_

from pellucid import TableModel


def test_help_is_quick_and_light() -> None:
    code = (
        "import sys; from pellucid.cli.main import run; assert run(['--help']) == 0; assert 'numpy' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=environment(), check=False
    )
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in ("train", "evaluate", "predict", "describe", "explain", "info", "130"))


@pytest.mark.parametrize(
    "name", ["train", "evaluate", "predict", "describe", "plot", "explain", "diagram", "new", "info"]
)
def test_every_command_has_help(folder: Path, name: str) -> None:
    found = pellucid_(folder, name, "--help")
    assert found.code == 0
    assert found.out.startswith(f"Usage: pellucid {name}")


def test_without_arguments_there_is_help(folder: Path) -> None:
    assert "Usage" in pellucid_(folder).out


def test_train_writes_figures_to_stdout_and_messages_to_stderr(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "own.safetensors"
    found = pellucid_(folder, "train", "houses.csv", "--target", "price", "--seed", 1, "--epochs", 7, "--out", out)
    assert found.code == 0
    assert "R²" in found.out
    assert "RMSE" in found.out
    assert sum(line.startswith("Epoch ") for line in found.err.splitlines()) == 7
    assert "seed" in found.err
    assert f"saved {out}" in found.err
    assert not any(ord(letter) < 32 and letter != "\n" for letter in found.out + found.err)
    assert TableModel.load(out).settings.seed == 1


def test_the_default_file_is_named_after_the_data(folder: Path, models: dict[str, Path]) -> None:
    assert models["houses"].exists()
    assert "price" in TableModel.load(models["houses"]).target.name


def test_train_json_is_one_document(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    found = pellucid_(
        folder, "train", "houses.csv", "--target", "price", "--seed", 1, "--epochs", 3, "--json", "--out", out
    )
    record = json.loads(found.out)
    assert record["target"]["task"] == "regression"
    assert record["rows"] == {"all": 240, "train": 154, "validate": 38, "test": 48}
    assert record["test_metrics"].keys() == {"rows", "r2", "rmse", "mae"}
    assert record["settings"]["seed"] == 1
    assert record["epochs"] == 3


def test_equal_seeds_give_equal_weights_in_two_processes(folder: Path, tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.safetensors" for name in "ab"]
    for path in paths:
        assert (
            pellucid_(
                folder, "train", "houses.csv", "--target", "price", "--seed", 5, "--epochs", 5, "-q", "--out", path
            ).code
            == 0
        )
    first, second = (TableModel.load(path).model.get_weights() for path in paths)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_both_executors_train(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "numpy.safetensors"
    found = pellucid_(
        folder,
        "train",
        "fruit.csv",
        "--target",
        "kind",
        "--seed",
        3,
        "--epochs",
        30,
        "--executor",
        "numpy",
        "--json",
        "-q",
        "--out",
        out,
    )
    assert json.loads(found.out)["settings"]["executor"] == "numpy"
    assert json.loads(found.out)["test_metrics"]["accuracy"] > 0.8


def test_evaluate_gives_the_figures_of_the_library(folder: Path, models: dict[str, Path]) -> None:
    found = pellucid_(folder, "evaluate", models["answers"], "answers.csv", "--json")
    record = json.loads(found.out)
    expected = TableModel.load(models["answers"]).evaluate(folder / "answers.csv")
    assert record["metrics"] == expected
    text = pellucid_(folder, "evaluate", models["answers"], "answers.csv").out
    assert f"{expected['accuracy']:.4f}" in text
    assert "true \\ predicted" in text
    assert "=yes" in text


def test_predict_writes_csv_with_original_labels(folder: Path, models: dict[str, Path]) -> None:
    found = pellucid_(folder, "predict", models["fruit"], "fruit.csv", "--probabilities")
    rows = list(csv.DictReader(io.StringIO(found.out)))
    model = TableModel.load(models["fruit"])
    assert [row["prediction"] for row in rows] == model.predict(folder / "fruit.csv").tolist()
    chances = [[float(row[f"probability of {name}"]) for name in model.target.classes] for row in rows]
    assert np.array_equal(np.float32(chances), np.float32(model.predict_proba(folder / "fruit.csv")))
    assert found.err == ""


def test_predicted_numbers_are_exact(folder: Path, models: dict[str, Path]) -> None:
    found = pellucid_(folder, "predict", models["houses"], "houses.csv")
    header, *lines = found.out.splitlines()
    assert header == "prediction"
    assert np.array_equal(np.float32(lines), TableModel.load(models["houses"]).predict(folder / "houses.csv"))


def test_labels_that_look_like_formulas_are_made_safe(folder: Path, models: dict[str, Path]) -> None:
    lines = pellucid_(folder, "predict", models["answers"], "answers.csv").out.splitlines()
    assert set(lines[1:]) == {"'=yes", "no"}


def test_predict_replaces_its_file_whole(folder: Path, models: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "predictions.csv"
    out.write_text("old")
    found = pellucid_(folder, "predict", models["fruit"], "fruit.csv", "--out", out)
    assert found.code == 0
    assert found.out == ""
    assert len(out.read_text().splitlines()) == 201
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.csv"]


def test_columns_may_be_reordered_and_more(folder: Path, models: dict[str, Path], tmp_path: Path) -> None:
    rows = list(csv.DictReader((folder / "houses.csv").open()))
    other = tmp_path / "other.csv"
    lines = [f"9,{row['town']},{row['age']},{row['size']}" for row in rows]
    other.write_text("\n".join(["surplus,town,age,size", *lines]) + "\n")
    expected = pellucid_(folder, "predict", models["houses"], "houses.csv").out
    found = pellucid_(folder, "predict", models["houses"], other)
    assert found.out == expected
    assert "surplus" in found.err
    other.write_text("town,age,size\nAtlantis,10,100\n")
    found = pellucid_(folder, "predict", models["houses"], other)
    assert found.code == 0
    assert "Atlantis" in found.err
    other.write_text("town,sizes\nLima,100\n")
    found = pellucid_(folder, "predict", models["houses"], other)
    assert found.code == 3
    assert "'size'" in found.err
    assert "'age'" in found.err


def test_describe_data_and_model(folder: Path, models: dict[str, Path]) -> None:
    text = pellucid_(folder, "describe", "answers.csv", "--target", "answer").out
    assert "datetime" in text
    assert "target: binary" in text
    record = json.loads(pellucid_(folder, "describe", "answers.csv", "--json").out)
    assert {field["name"]: field["kind"] for field in record["fields"]}["member"] == "boolean"
    text = pellucid_(folder, "describe", models["houses"]).out
    assert all(part in text for part in ("hidden_1", "Total params", "R²", "best", "seed", "price: regression"))
    record = json.loads(pellucid_(folder, "describe", models["houses"], "--json").out)
    assert record["weights"] == TableModel.load(models["houses"]).model.count_params()


@pytest.mark.parametrize("name", ["houses", "answers", "fruit"])
def test_explain_leads_to_the_prediction(folder: Path, models: dict[str, Path], name: str) -> None:
    found = pellucid_(folder, "explain", models[name], f"{name}.csv", "--row", 4, "--json")
    record = json.loads(found.out)
    model = TableModel.load(models[name])
    predicted = model.predict(folder / f"{name}.csv")[4]
    assert record["prediction"] == (pytest.approx(predicted, rel=1e-5) if name == "houses" else predicted)
    for layer in record["layers"]:
        for unit in layer.get("units", []):
            total = unit["bias"] + sum(part["product"] for part in unit["contributions"])
            assert total == pytest.approx(unit["weighted_sum"], rel=1e-4, abs=1e-5)
    text = pellucid_(folder, "explain", models[name], f"{name}.csv", "--row", 4, "--top", 2).out
    assert "hidden_1" in text
    assert {"houses": "in_target_units", "answers": "sigmoid(", "fruit": "softmax"}[name] in text


@pytest.mark.parametrize("name", ["houses", "answers", "fruit"])
def test_explain_why_adds_up(folder: Path, models: dict[str, Path], tmp_path: Path, name: str) -> None:
    asked = ("explain", models[name], f"{name}.csv", "--row", 4, "--why")
    record = json.loads(pellucid_(folder, *asked, "--json").out)
    assert record == json.loads(pellucid_(folder, *asked, "--format", "json").out)
    (columns,) = record["inputs"]
    total = record["baseline"] + sum(columns["contributions"])
    assert abs(total - record["prediction"]) <= 0.01 * abs(record["prediction"] - record["baseline"])
    model = TableModel.load(models[name])
    assert set(columns["labels"]) == set(model.encoder.columns)
    text = pellucid_(folder, *asked).out
    assert "usual row gives" in text
    assert "<!doctype html>" in pellucid_(folder, *asked, "--format", "html").out
    found = pellucid_(folder, *asked, "--out", tmp_path / "why.html")
    assert (found.out, found.err) == ("", f"saved {tmp_path / 'why.html'}\n")
    if model.target.classes:
        wanted = model.target.classes[0]
        record = json.loads(pellucid_(folder, *asked, "--class", wanted, "--json").out)
        assert record["what"] == f"the probability of {model.target.name} = {wanted}"


@pytest.mark.parametrize("name", ["houses", "answers", "fruit"])
def test_explain_shows_a_training_step_and_writes_every_form(
    folder: Path, models: dict[str, Path], name: str, tmp_path: Path
) -> None:
    step = (models[name], f"{name}.csv", "--row", 4, "--weight", "output/kernel")
    record = json.loads(pellucid_(folder, "explain", *step, "--json").out)
    (weight,) = record["weights"]
    total = sum(path["product"] for path in weight["paths"]) + weight["rest"]
    assert total == pytest.approx(weight["gradient"], rel=1e-6)
    text = pellucid_(folder, "explain", *step).out
    assert {"houses": "standardize[size]", "answers": "ŷ = σ(", "fruit": "ŷ[banana]"}[name] in text
    for arguments, suffix in ((step, "html"), (step, "tex"), (step[:4], "html"), (step[:4], "tex")):
        out = tmp_path / f"explained.{suffix}"
        assert pellucid_(folder, "explain", *arguments, "--out", out).code == 0
        written = out.read_text(encoding="utf-8")
        assert written.startswith({"html": "<!doctype html>", "tex": r"\documentclass"}[suffix])
        assert "hidden" in written
    assert "\\begin{align*}" in pellucid_(folder, "explain", *step, "--format", "latex").out


def test_info(folder: Path) -> None:
    record = json.loads(pellucid_(folder, "info", "--json").out)
    assert "numpy" in record["executors"]
    assert record["versions"]["numpy"] == np.__version__
    assert "executors" in pellucid_(folder, "info").out


def test_info_without_the_engine(folder: Path) -> None:
    code = (
        "import importlib.util as u\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'pellucid._native' else find(name, *more)\n"
        "from pellucid.cli.main import run; run(['info'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=environment(), check=False
    )
    assert "default: numpy" in done.stdout
    assert "native" not in done.stdout
    assert "compiler" in done.stderr


def test_diagram_draws_a_row(folder: Path, models: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "fruit.svg"
    found = pellucid_(folder, "diagram", models["fruit"], "--data", "fruit.csv", "--row", 2, "--out", out)
    assert found.code == 0, found.err
    assert f"saved {out}" in found.err
    text = out.read_text(encoding="utf-8")
    assert text.startswith("<svg")
    assert "grams" in text
    assert "apple" in text
    assert "value × weight" in text
    words = pellucid_(folder, "diagram", models["fruit"])
    assert words.out.startswith("The network table\nnumbers: input, 2 values")
    wrong = pellucid_(folder, "diagram", models["fruit"], "--data", "fruit.csv", "--row", 2000)
    assert wrong.code == 2
    assert "200 rows" in wrong.err
