"""The kind of a target is inferred with a reason, can be overruled, and labels come out as they went in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pellucid.data.read import read
from pellucid.data.target import Target
from pellucid.errors import DataError, LabelError, PellucidError, ShapeError


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        ([1.5, 2.5, 3.0], "regression", ()),
        ([100.0, 200.0, 300.0], "regression", ()),
        ([3, 1, 4, 1, 5], "regression", ()),
        ([0, 1, 2] * 5, "multiclass", (0, 1, 2)),
        ([0, 1, 1], "binary", (0, 1)),
        ([0.0, 1.0, 1.0], "binary", (0.0, 1.0)),
        ([True, False, True], "binary", (False, True)),
        (["pass", "fail", "pass"], "binary", ("fail", "pass")),
        (["b", "a", "c"], "multiclass", ("a", "b", "c")),
        ([str(i / 2) for i in range(40)], "regression", ()),
    ],
)
def test_inference(values: list[Any], task: str, classes: tuple[Any, ...]) -> None:
    target = Target.infer(read({"y": values}), "y")
    assert (target.task, target.classes) == (task, classes)
    assert target.reason


def test_overruling() -> None:
    table = read({"y": [0, 1, 2] * 5})
    assert Target.infer(table, "y", "regression").labels(table).dtype == np.float32
    assert Target.infer(read({"y": [0, 1, 1]}), "y", "multiclass").classes == (0, 1)


@pytest.mark.parametrize(
    ("values", "task", "message"),
    [
        (["a", "a", "a"], None, "one class only, 'a'"),
        ([True, True, True], None, "one class only, True"),
        ([2.5, 2.5, 2.5], None, "always 2.5"),
        ([7, 7, 7], None, "always 7"),
        ([1.0, 2.0], None, "2 rows with a known value"),
        ([1.0, None, None, None], None, "1 row with a known value"),
        ([None, None, None], None, "0 rows"),
        ([f"c{i}" for i in range(100_000)], None, "100,000 classes, more than 1,000"),
        (["a", "b", "c"], "binary", "3 classes where binary means two"),
        (["a", "b", "c"], "regression", r"row 0 \(counted from 0\), column 'y': 'a' is not a number"),
        (["a", "b", "c"], "regresion", "did you mean 'regression'"),
        ([1.5, float("inf"), 2.5], None, "row 1 .* infinite"),
        (np.array(["2024-01-01", "2024-01-02", "2024-01-03"], "datetime64[D]"), None, "holds dates"),
    ],
)
def test_targets_that_cannot_be_learned(values: Any, task: str | None, message: str) -> None:
    with pytest.raises(PellucidError, match=message):
        Target.infer(read({"y": values}), "y", task)


def test_absent_target_offers_the_nearest() -> None:
    with pytest.raises(DataError, match="did you mean 'median_house_value'"):
        Target.infer(read({"median_house_value": [1.0], "x": [1]}), "median_house_valeu")


def test_rows_without_target_are_dropped_with_a_notice() -> None:
    table = read({"x": [1, 2, 3, 4], "y": ["a", None, "b", "a"]})
    target, notices = Target.infer(table, "y"), []
    kept = target.labelled(table, notices)
    assert kept["x"].values.tolist() == [1, 3, 4]
    assert "1 of 4 rows" in notices[0]
    assert target.labels(kept).tolist() == [0, 1, 0]
    assert "row 2" in kept.where(1, "x")
    with pytest.raises(LabelError, match=r"row 1 .*missing"):
        target.labels(table)
    with pytest.raises(LabelError, match="missing in every row"):
        target.labelled(read({"y": [None, None]}), [])


@pytest.mark.parametrize("values", [[3, 7, 3], [2.0, 4.0, 2.0], [True, False, True], ["no", "yes", "no"]])
def test_labels_come_out_as_they_went_in(values: list[Any]) -> None:
    table = read({"y": values})
    target = Target.infer(table, "y")
    codes = target.labels(table)
    assert codes.dtype == np.int32
    decoded = target.decode(codes)
    assert decoded.tolist() == values
    assert type(decoded.tolist()[0]) is type(values[0])
    assert Target.from_json(target.to_json()) == target


def test_decode() -> None:
    target = Target.infer(read({"y": ["a", "b", "c"]}), "y")
    assert target.decode(np.array([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]])).tolist() == ["c", "a"]
    two = Target.infer(read({"y": ["a", "b", "a"]}), "y")
    assert two.decode(np.array([0.4, 0.6])).tolist() == ["a", "b"]
    assert two.decode(np.array([[0.4], [0.6]])).tolist() == ["a", "b"]
    assert two.decode(np.array([[0.6, 0.4], [0.4, 0.6]])).tolist() == ["a", "b"]
    with pytest.raises(ShapeError, match=r"\[rows, 3\]"):
        target.decode(np.zeros((2, 2)))
    with pytest.raises(PellucidError, match="outside 0…2"):
        target.decode(np.array([3]))


def test_a_class_unseen_in_training_is_named() -> None:
    target = Target.infer(read({"y": ["apple", "banana", "apple"]}), "y")
    with pytest.raises(LabelError, match=r"row 1 .*'bananna' was not there in training; did you mean 'banana'"):
        target.labels(read({"y": ["apple", "bananna"]}))


def test_classes_match_across_spellings_of_numbers() -> None:
    target = Target.infer(read({"y": [1, 2, 1]}), "y")
    assert target.labels(read({"y": ["2", "1"]})).tolist() == [1, 0]
    assert target.labels(read({"y": [2.0, 1.0]})).tolist() == [1, 0]
