"""The doctor's checks on views made by hand, on either side of their limits; faults by code; a diagnosis as a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.data.table import Table
from pellucid.errors import ArgumentError, UnknownNameError
from pellucid.explain.doctor import FAULTS, Diagnosis, Fault, fault, without_consequences
from pellucid.explain.doctor.columns import DATA
from pellucid.explain.doctor.course import COURSE, CourseView, guess_loss
from pellucid.explain.doctor.data import Column, DataView, Labels, broken_cells, sample, twins_of, view_of_table
from pellucid.explain.doctor.faults import register
from pellucid.explain.doctor.labels import LABELS, LabelView

DRAW = np.random.default_rng(0)


def codes(findings: Any) -> list[str]:
    return [finding.code for finding in findings]


def view(*columns: Any, labels: Any = None, classes: tuple[str, ...] = ()) -> DataView:
    made = tuple(Column(f"c{i}", np.asarray(values, np.float64)) for i, values in enumerate(columns))
    target = () if labels is None else (Labels("y", np.asarray(labels, np.float64), classes),)
    return DataView(len(columns[0]), made, target)


def course(losses: Any, **known: Any) -> list[str]:
    return codes(without_consequences(COURSE.examine(CourseView(list(map(float, losses)), **known))))


# Data


def test_a_copy_is_told_from_a_likeness() -> None:
    x = DRAW.normal(size=1000)
    assert codes(DATA.examine(view(x, 3 - 2 * x))) == ["D104"]
    assert codes(DATA.examine(view(x, x + 0.01 * DRAW.normal(size=1000)))) == []  # correlation 0.99995
    flags = DRAW.integers(0, 2, 1000)
    assert codes(DATA.examine(view(flags, 1 - flags))) == []  # both answers of one question
    assert codes(DATA.examine(view(flags, flags))) == ["D104"]


def test_gaps_in_a_constant_column_say_something() -> None:
    x = np.ones(100)
    assert codes(DATA.examine(view(x, np.arange(100) % 7))) == ["D103"]
    x[3] = np.nan
    assert codes(DATA.examine(view(x, np.arange(100) % 7))) == []


def test_what_gives_the_target_away_and_what_is_only_good() -> None:
    x, noise = DRAW.normal(size=1000), DRAW.normal(size=1000)
    assert codes(DATA.examine(view(x, noise, labels=x + 0.02 * noise))) == ["D105"]  # R² 0.9996
    assert codes(DATA.examine(view(x, noise, labels=x + 0.1 * noise))) == []  # R² 0.99
    assert codes(DATA.examine(view(x, labels=x))) == []  # the only column is meant to
    group = np.arange(1000) % 2
    assert codes(DATA.examine(view(10 * group + noise, x, labels=group, classes=("a", "b")))) == []  # a good feature
    assert codes(DATA.examine(view(100 * group + noise, x, labels=group, classes=("a", "b")))) == ["D105"]


def test_a_rare_class_is_below_a_tenth_of_an_even_share() -> None:
    for count, found in ((49, ["D106"]), (51, [])):
        labels = np.arange(1000) < count
        assert codes(DATA.examine(view(DRAW.normal(size=1000), labels=labels, classes=("no", "yes")))) == found
    assert codes(DATA.examine(view(DRAW.normal(size=30), labels=np.arange(30) < 1, classes=("no", "yes")))) == []


def test_broken_cells_are_counted_in_all_rows() -> None:
    x = np.zeros((70_000, 3), np.float32)
    assert broken_cells("x", x) is None
    x[60_001, 2], x[60_002, 0], x[60_003] = np.nan, np.inf, np.nan
    found = broken_cells("x", x)
    assert found is not None
    assert (found.missing, found.infinite, found.row, found.cells) == (4, 1, 60_001, 210_000)
    assert broken_cells("x", np.array([1, 2, 3])) is None


def test_twins_are_counted_exactly() -> None:
    x = DRAW.normal(size=(500, 3))
    found = twins_of([np.concatenate([x[10:40], DRAW.normal(size=(70, 3))])], [x])
    assert (found.twins, found.rows, found.by_chance) == (30, 100, 0.0)
    dice = DRAW.integers(1, 7, (500, 2))
    chance = twins_of([dice[:100]], [dice[100:]]).by_chance
    assert chance == pytest.approx(1 - np.exp(-400 / 36), abs=1e-3)


def test_columns_of_a_table_by_what_they_hold() -> None:
    table = Table.of(
        {"a": [1, 2, None] * 20, "b": ["1.5", "2", "?"] * 20, "c": ["x", "y", "z"] * 20, "t": [True, False, True] * 20}
    )
    seen = view_of_table(table, "t", (False, True))
    assert [column.is_category for column in seen.columns] == [False, False, True]
    assert np.isnan(seen.columns[1].values[2])
    assert seen.labels[0].values[:3].tolist() == [1, 0, 1]
    assert seen.labels[0].classes == ("False", "True")


def test_a_sample_is_spread_over_all_rows() -> None:
    assert sample(5, 10).tolist() == [0, 1, 2, 3, 4]
    chosen = sample(1_000_000, 1000)
    assert (len(set(chosen.tolist())), chosen[0], chosen[-1]) == (1000, 0, 999_999)


# Labels


def test_labels_within_reach() -> None:
    inside, outside = np.float32([0.0, 0.5, 1.0]), np.float32([0.0, 0.5, 1.2])
    for activation, labels, found in (
        ("sigmoid", inside, []), ("sigmoid", outside, ["D202"]), ("relu", outside, []), ("relu", -inside, ["D202"]),
        ("tanh", -inside, []), ("tanh", outside, ["D202"]), ("linear", 100 * outside, []),
    ):  # fmt: skip
        assert codes(LABELS.examine(LabelView("out", "mean_squared_error", activation, labels))) == found, activation


def test_classes_and_amounts() -> None:
    for labels, loss, found in (
        (np.arange(90) % 3, "mean_squared_error", ["D203"]), (np.arange(90) % 3 + 1, "mean_squared_error", []),
        (np.arange(90) % 3, "poisson", []), (np.arange(90), "mean_squared_error", []),
        (np.arange(90) % 3 + 0.5, "mean_squared_error", []), (np.arange(90) % 2 * 1.0, "huber", ["D203"]),
    ):  # fmt: skip
        assert codes(LABELS.examine(LabelView("out", loss, "linear", labels))) == found


# Training


def test_the_course_of_the_loss() -> None:
    usual = {"rate": 0.01, "batch": 32, "steps_each": 100, "rows": 3200, "guess": 1.0}
    assert course([1.0, 0.5, 0.3, 0.25, 0.22, 0.21, 0.2], **usual) == []
    assert course([1.0, 0.5, 0.9, 0.4, 0.8, 0.4, 0.9], **usual) == ["D401"]
    assert course([0.010, 0.012, 0.009, 0.011, 0.008, 0.010, 0.009], **usual) == []  # noise at the bottom
    assert course(np.linspace(1.0, 0.95, 10), **usual) == ["D402"]
    assert course(0.9 + 0.1 * 0.5 ** np.arange(10), **usual) == ["D404"]  # it levels off: not the rate
    assert course(np.linspace(1.0, 0.95, 10), **{**usual, "steps_each": 1, "batch": 3200}) == ["D405"]
    assert course([1.0, 0.9, 0.95, 0.85, 0.9, 0.8], **{**usual, "batch": 1, "steps_each": 3200}) == ["D406"]
    assert course([], **usual) == []
    assert course([1.0], **usual) == []


def test_overfitting_needs_a_gap() -> None:
    losses, held = np.linspace(0.6, 0.05, 10), [0.6, 0.5, 0.45, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    usual = {"rate": 0.01, "batch": 32, "steps_each": 100, "rows": 3200, "guess": 0.69}
    assert course(losses, held=held, **usual) == ["D403"]
    assert course(losses, held=held, restored=True, **usual) == []  # the weights are those of the best epoch
    assert course(losses, held=held, now=0.3, held_now=0.45, restored=True, **usual) == []
    assert course(losses / 100, held=[one / 100 for one in held], **usual) == []  # nothing to speak of


def test_what_guessing_costs() -> None:
    labels = np.array([0, 0, 0, 1])
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert guess_loss("sparse_categorical_crossentropy", labels) == pytest.approx(entropy)
    assert guess_loss("categorical_crossentropy", np.eye(2)[labels]) == pytest.approx(entropy)
    assert guess_loss("binary_crossentropy", labels) == pytest.approx(entropy)
    assert guess_loss("mean_squared_error", labels) == pytest.approx(0.1875)
    assert guess_loss("mean_absolute_error", labels) == pytest.approx(0.25)
    assert guess_loss("poisson", labels) is None


# Faults and diagnoses


def test_faults_by_code() -> None:
    assert fault("d101") is FAULTS["D101"]
    with pytest.raises(UnknownNameError, match="did you mean 'D101'"):
        fault("D1O1")
    with pytest.raises(ValueError, match="is taken"):
        register(Fault("D101", "again", "", "", "", "", "", (), ""))


def test_consequences_are_left_out() -> None:
    some = [FAULTS[code].found("here", "so") for code in ("D404", "D305", "D301")]
    assert codes(without_consequences(some)) == ["D301"]
    assert codes(without_consequences(some[:1])) == ["D404"]


def two_findings() -> Diagnosis:
    found = FAULTS["D301"].found("layer <b>", "3 of 4 units", dead=3, share=0.75)
    return Diagnosis((found, FAULTS["D402"].found("training", "slow")), ("data: 10 rows",), ("the <rest>",))


def test_a_diagnosis_in_every_form(tmp_path: Path) -> None:
    diagnosis = two_findings()
    for suffix in (".txt", ".html", ".json"):
        diagnosis.save(tmp_path / f"d{suffix}")
    assert "D301  dead ReLUs: layer <b>" in (tmp_path / "d.txt").read_text(encoding="utf-8")
    html = (tmp_path / "d.html").read_text(encoding="utf-8")
    assert "layer &lt;b&gt;" in html
    assert "<b>" not in html
    assert "the &lt;rest&gt;" in html
    assert diagnosis.to_json()["findings"][0]["evidence"] == {"dead": 3, "share": 0.75}
    with pytest.raises(ArgumentError, match=r"\.html"):
        diagnosis.save(tmp_path / "d.pdf")


def test_the_page_opens_offline_without_complaint(tmp_path: Path, open_page: Callable[[Path], str]) -> None:
    path = tmp_path / "diagnosis.html"
    two_findings().save(path)
    document = open_page(path)
    assert "<code>D301</code>" in document
