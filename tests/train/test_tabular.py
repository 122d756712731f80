"""Table models: from a table to a network and back to its labels. Oracles: functions known in advance, and NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid import TableModel
from pellucid.core.evaluate import evaluate
from pellucid.errors import ArgumentError, DataError, LabelError, ModelFileError, NonFiniteError
from pellucid.nn.layers import Dense, Input
from pellucid.train.model import Model
from pellucid.train.saving import save_model


def numbers(rows: int = 400) -> dict[str, Any]:
    draw = np.random.default_rng(3)
    a, b = draw.normal(size=rows), draw.lognormal(2.0, 1.0, rows)
    city = draw.choice(["Lima", "Oslo", "Rome"], rows)
    shift = np.array([{"Lima": 0.0, "Oslo": 400.0, "Rome": -300.0}[name] for name in city])
    return {"a": a, "b": b, "city": city, "price": 5000.0 + 200.0 * a + 300.0 * np.log1p(b) + shift}


def classes(rows: int = 300, count: int = 2) -> dict[str, Any]:
    draw = np.random.default_rng(5)
    x, z = draw.normal(size=rows), draw.normal(size=rows)
    names = np.array(["no", "yes"] if count == 2 else ["apple", "banana", "orange"], object)
    label = (x + z > 0).astype(int) if count == 2 else np.digitize(x, [-0.5, 0.5])
    return {"x": x, "z": z, "answer": names[label]}


def fitted(data: Any, target: str, **options: Any) -> TableModel:
    return TableModel.train(data, target, **{"seed": 1, "verbose": 0, "epochs": 40, **options})


def test_regression_learns_and_speaks_in_the_targets_units() -> None:
    data = numbers()
    model = fitted(data, "price", epochs=150)
    assert model.test_metrics is not None
    assert model.test_metrics["r2"] > 0.9
    predicted = model.predict(data)
    assert predicted.shape == (400,)
    assert abs(predicted.mean() - data["price"].mean()) < 60


def test_regression_figures_are_those_of_numpy() -> None:
    data = numbers()
    model = fitted(data, "price")
    found, truth, guess = model.evaluate(data), data["price"], model.predict(data).astype(float)
    errors = truth - guess
    assert found["rows"] == 400
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-4)
    assert found["mae"] == pytest.approx(np.mean(np.abs(errors)), rel=1e-4)
    assert found["r2"] == pytest.approx(1 - np.sum(errors**2) / np.sum((truth - truth.mean()) ** 2), rel=1e-4)


def test_loss_is_the_unexplained_share_of_the_variance() -> None:
    model = fitted(numbers(), "price", epochs=1, dropout=0.0, learning_rate=1e-9)
    assert model.history is not None
    scaled = model.history.history["loss"][0] * model.encoder.target_deviation**2
    assert scaled == pytest.approx(model.history.history["rmse"][0] ** 2, rel=1e-3)


@pytest.mark.parametrize("executor", ["numpy", "native"])
def test_binary_labels_go_in_and_come_out(executor: str) -> None:
    if executor == "native":
        pytest.importorskip("pellucid._native")
    data = classes()
    model = fitted(data, "answer", executor=executor)
    answers, chances = model.predict(data), model.predict_proba(data)
    assert set(answers.tolist()) == {"no", "yes"}
    assert np.mean(answers == data["answer"]) > 0.9
    assert np.allclose(chances.sum(axis=1), 1.0)
    assert np.array_equal(chances[:, 1] > 0.5, answers == "yes")


def test_binary_figures_are_those_of_numpy() -> None:
    data = classes()
    model = fitted(data, "answer")
    found, truth = model.evaluate(data), data["answer"] == "yes"
    scores = model.predict_proba(data)[:, 1]
    guess = scores > 0.5
    hits = np.sum(truth & guess)
    assert found["accuracy"] == pytest.approx(np.mean(truth == guess))
    assert found["baseline_accuracy"] == pytest.approx(max(truth.mean(), 1 - truth.mean()))
    assert found["precision"] == pytest.approx(hits / guess.sum())
    assert found["recall"] == pytest.approx(hits / truth.sum())
    assert found["f1"] == pytest.approx(2 * hits / (guess.sum() + truth.sum()))
    ranked = np.mean(scores[truth][:, None] > scores[~truth][None, :])
    assert found["auc"] == pytest.approx(ranked, abs=0.01)
    assert found["confusion_matrix"] == [
        [int(np.sum(~truth & ~guess)), int(np.sum(~truth & guess))],
        [int(np.sum(truth & ~guess)), int(hits)],
    ]


def test_several_classes() -> None:
    data = classes(count=3)
    model = fitted(data, "answer", epochs=80)
    assert model.target.classes == ("apple", "banana", "orange")
    assert model.predict_proba(data).shape == (300, 3)
    assert np.mean(model.predict(data) == data["answer"]) > 0.85
    assert np.sum(model.evaluate(data)["confusion_matrix"]) == 300


@pytest.mark.parametrize("kind", [int, bool, float])
def test_labels_keep_their_type(kind: type) -> None:
    data = classes()
    data["answer"] = (data["answer"] == "yes").astype(kind)
    answers = fitted(data, "answer", epochs=2).predict(data)
    assert answers.dtype.kind == np.dtype(kind).kind


def test_equal_seeds_give_equal_bits() -> None:
    data = numbers()
    first, second = (fitted(data, "price", epochs=5) for _ in range(2))
    other = fitted(data, "price", epochs=5, seed=2)
    assert all(np.array_equal(a, b) for a, b in zip(first.model.get_weights(), second.model.get_weights(), strict=True))
    assert first.test_metrics == second.test_metrics
    assert first.history.history == second.history.history
    assert not np.array_equal(first.model.get_weights()[0], other.model.get_weights()[0])


def test_a_saved_model_is_the_same(tmp_path: Path) -> None:
    data = {**numbers(), "note": ["gap"] * 400}
    data["a"][::7] = np.nan
    model = fitted(data, "price", epochs=3)
    path = tmp_path / "model.safetensors"
    model.save(path)
    loaded = TableModel.load(path)
    assert np.array_equal(loaded.predict(data), model.predict(data))
    assert loaded.schema == model.schema
    assert loaded.encoder == model.encoder
    assert loaded.settings == model.settings
    assert loaded.test_metrics == model.test_metrics
    assert loaded.notices == model.notices
    assert loaded.history.history["loss"] == model.history.history["loss"]
    again = tmp_path / "again.safetensors"
    loaded.save(again)
    assert np.array_equal(TableModel.load(again).predict(data), model.predict(data))


def test_what_is_measured_comes_from_the_training_rows_only() -> None:
    data = numbers()
    data["city"] = data["city"].astype(object)
    reference = fitted(data, "price", epochs=1)
    held = np.setdiff1d(np.arange(400), _training_rows(data, reference))
    data["a"][held] = 1e6
    data["city"][held] = "Atlantis"
    changed = fitted(data, "price", epochs=1)
    assert changed.encoder == reference.encoder
    assert "Atlantis" not in changed.encoder.categories[0].vocabulary


def _training_rows(data: dict[str, Any], model: TableModel) -> Any:
    from pellucid.data.split import split

    kept, _ = split(400, 0.2, 1)
    inner, _ = split(len(kept), model.settings.validation, 1)
    return kept[inner]


def test_gaps_reordered_extra_and_unseen_at_predict_time() -> None:
    data = numbers()
    model = fitted(data, "price")
    base = model.predict(data)
    reordered = {name: data[name] for name in ("city", "b", "a")}
    assert np.array_equal(model.predict(reordered), base)
    notices: list[str] = []
    assert np.array_equal(model.predict({**reordered, "surplus": data["a"]}, notices), base)
    assert any("surplus" in notice for notice in notices)
    unseen = {**reordered, "city": np.array(["Paris"] * 400)}
    notices = []
    assert np.isfinite(model.predict(unseen, notices)).all()
    assert any("Paris" in notice for notice in notices)
    with pytest.raises(DataError, match="'a'"):
        model.predict({"b": data["b"], "city": data["city"]})


def test_missing_values_have_an_indicator_and_a_fill() -> None:
    data = numbers()
    data["a"][:60] = np.nan
    model = fitted(data, "price", epochs=2)
    assert model.element_names()["fill_missing"][-1] == "a is missing"
    one = {"a": [None], "b": [1.0], "city": ["Lima"]}
    assert np.isfinite(model.predict(one)).all()


def test_the_preparation_standardises_the_training_rows() -> None:
    data = numbers()
    model = TableModel.prepare(data, "price", seed=1)
    arrays = model.encoder.features(model.parts["train"])
    prepared = next(call.outputs[0] for call in model.model.steps if call.layer.name == "standardize")
    feeds = dict(zip(model.model.inputs, [arrays[name] for name in model.model.input_names], strict=True))
    (values,) = evaluate([prepared], feeds)
    assert np.allclose(values.mean(axis=0), 0.0, atol=1e-4)
    assert np.allclose(values.std(axis=0), 1.0, atol=1e-4)


def test_no_test_rows_when_none_are_wanted() -> None:
    model = fitted(numbers(), "price", test_size=0, epochs=1)
    assert model.test_metrics is None
    assert model.source["rows"]["test"] == 0


def test_choices_are_said_and_can_be_made() -> None:
    model = fitted(numbers(), "price", epochs=1)
    assert any("hidden layers" in notice for notice in model.notices)
    own = fitted(
        numbers(), "price", hidden=(7,), batch_size=50, epochs=1, dropout=0.0, learning_rate=0.01, activation="tanh"
    )
    assert own.settings.hidden == (7,)
    assert not any("chosen" in notice for notice in own.notices)
    assert fitted(numbers(), "price", hidden=(), epochs=1).model.count_params() == len(own.encoder.number_names) + 4 + 1


def test_three_rows_are_enough_and_two_are_not() -> None:
    model = fitted({"x": [1.0, 2.0, 3.0], "y": [2.0, 4.1, 6.2]}, "y", epochs=2)
    assert model.source["rows"] == {"all": 3, "train": 2, "validate": 0, "test": 1}
    with pytest.raises(LabelError, match="at least 3"):
        fitted({"x": [1.0, 2.0], "y": [2.0, 4.0]}, "y")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": [5.0] * 60}, "constant"),
        ({"y": ["yes"] * 60}, "one class only"),
        ({"y": [f"name {i}" for i in range(60)]}, "one row only"),
        ({"x": [np.inf, *range(59)]}, "infinite"),
        ({"x": [None] * 60}, "no column is left"),
        ({"y": [np.inf, *np.arange(59) / 7]}, "infinite"),
    ],
)
def test_what_cannot_be_learned_is_refused(change: dict[str, Any], message: str) -> None:
    data = {"x": np.arange(60) / 3, "y": np.arange(60) / 7, **change}
    with pytest.raises(DataError, match=message):
        fitted(data, "y")


@pytest.mark.parametrize(
    "options",
    [
        {"hidden": (0,)}, {"hidden": ("a",)}, {"epochs": 0}, {"batch_size": 0}, {"learning_rate": -1.0},
        {"dropout": 1.0}, {"test_size": 1.5}, {"validation": 1.0}, {"optimizer": "adm"},
        {"activation": "rleu"}, {"precision": "int8"},
        {"executor": "abacus"}, {"task": "clustering"}, {"seed": -1}, {"kinds": {"a": "numbr"}},
    ],
)  # fmt: skip
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError):
        fitted(numbers(60), "price", **options)


def test_divergence_is_an_error_that_keeps_finite_weights() -> None:
    model = TableModel.prepare(numbers(), "price", seed=1, optimizer="sgd", learning_rate=1e30)
    with pytest.raises(NonFiniteError):
        model.fit(verbose=0)
    assert all(np.isfinite(weights).all() for weights in model.model.get_weights())


def test_probabilities_of_a_number_are_refused_and_fitting_twice_too() -> None:
    model = fitted(numbers(), "price", epochs=1)
    with pytest.raises(ArgumentError, match="predict"):
        model.predict_proba(numbers())
    with pytest.raises(ArgumentError, match="trained already"):
        model.fit()


def test_a_network_without_a_table_is_no_table_model(tmp_path: Path) -> None:
    x = Input(shape=(2,))
    path = tmp_path / "plain.safetensors"
    save_model(Model(x, Dense(1)(x)), path)
    with pytest.raises(ModelFileError, match="load_model"):
        TableModel.load(path)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("version", lambda table: table.update(version=99)),
        ("schema", lambda table: table["schema"].update(rows=-1)),
        ("encoder", lambda table: table["encoder"]["numbers"].pop()),
        ("settings", lambda table: table["settings"].update(hidden="64")),
        ("source", lambda table: table["source"].update(rows=[1])),
        ("figures", lambda table: table["test_metrics"].pop("r2")),
        ("surplus", lambda table: table.update(surplus=1)),
    ],
)
def test_a_foreign_table_description_is_one_error(
    tmp_path: Path, part: str, change: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fitted(numbers(60), "price", epochs=1)
    path = tmp_path / "model.safetensors"
    from pellucid.train import tabular

    def spoiled(network: Any, path: Path, extra: dict[str, Any]) -> None:
        change(extra["table"])
        save_model(network, path, extra=extra)

    monkeypatch.setattr(tabular, "save_model", spoiled)
    model.save(path)
    with pytest.raises(ModelFileError):
        TableModel.load(path)
