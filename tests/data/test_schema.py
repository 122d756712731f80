"""Kinds are what a person would say, can be overruled, and survive JSON; damaged JSON is refused."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.data.datasets import housing
from pellucid.data.read import read
from pellucid.data.schema import Schema
from pellucid.data.table import Table
from pellucid.errors import DataError, PellucidError


def kind(values: list[Any], name: str = "x", **others: Any) -> str:
    table = read({name: values, "other": [float(i) + 0.5 for i in range(len(values))]})
    return str(Schema.infer(table).fields[0].kind)


def test_housing() -> None:
    schema = Schema.infer(housing(), target="median_house_value")
    assert schema.rows == 20_640
    assert {field.name: field.kind for field in schema.features}.pop("ocean_proximity") == "category"
    assert [field.kind for field in schema.features] == ["number"] * 8 + ["category"]
    assert schema.target is not None
    assert schema.target.task == "regression"
    bedrooms = schema.fields[4]
    assert (bedrooms.name, bedrooms.missing) == ("total_bedrooms", 207)
    shown = str(schema)
    assert "target: regression" in shown
    assert "<1H OCEAN 44 %" in shown
    assert "1 … 6,445, mean 537.87" in shown


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.5, 2.5, 1.5], "number"),
        ([3, 1, 2, 3], "number"),
        ([0, 1, 1, 0], "boolean"),
        ([True, False, None, True], "boolean"),
        (["yes", "no", None, "yes"], "boolean"),
        (["T", "F", "F"], "boolean"),
        (["low", "High", "medium", "low"], "ordered"),
        (["S", "XL", "M", "S"], "ordered"),
        (["18-24", "25-34", "65+", "18-24"], "ordered"),
        (["red", "blue", "red"], "category"),
        (["2024-01-31", "2024-02-01", None], "datetime"),
        (["2024-01", "2024-02", "2024-03"], "datetime"),
        (["ab12", "cd34", "ef56", "gh78"], "identifier"),
        (["a long text here", "another long text", "a third one here"], "text"),
        (["x", "x", "x"], "constant"),
        ([7, 7, 7], "constant"),
        (["x", "x", None], "category"),
        ([None, None, None], "empty"),
        (["1", "2.5", "?", "3", "1"], "number"),
        (["$1,200.50", "900", "$45", "900"], "number"),
        (["1", "2", "three", "four", "1"], "category"),
        ([0, 1, 2, 3, 4], "identifier"),
        ([1, 2, 3, 4, 5], "identifier"),
        ([5, 1, 4, 2, 3], "number"),
    ],
)
def test_kinds(values: list[Any], expected: str) -> None:
    assert kind(values) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("customer_id", "identifier"), ("customerId", "identifier"), ("id", "identifier"), ("paid", "number")],
)
def test_names_of_identifiers(name: str, expected: str) -> None:
    assert kind([17, 3, 99, 54], name) == expected


def test_names_of_codes() -> None:
    assert kind([10115, 80331, 10115, 20095], "zip") == "category"


def test_an_only_feature_is_not_taken_for_a_row_number() -> None:
    schema = Schema.infer(read({"x": list(range(100)), "y": [2.0 * i + 1.5 for i in range(100)]}), target="y")
    assert [field.kind for field in schema.features] == ["number"]


def test_many_rare_values_are_left_out_with_a_notice() -> None:
    table = read({"ticket": [f"T{i // 3 * 2 + i % 2}" for i in range(300)], "y": np.arange(300.0) ** 2})
    schema = Schema.infer(table, target=None)
    assert schema.fields[0].kind == "text"
    assert "too few rows for each" in schema.notices[0]


def test_overriding() -> None:
    table = read({"grade": [1, 2, 3, 1], "size": ["big", "wee", "mid", "wee"], "id": [4, 7, 5, 6], "y": [1.5, 2, 3, 4]})
    schema = Schema.infer(
        table, "y", {"grade": "category", "size": ["wee", "mid", "big"], "id": "number"}, task="regression"
    )
    assert [(field.kind, field.order) for field in schema.features] == [
        ("category", ()),
        ("ordered", ("wee", "mid", "big")),
        ("number", ()),
    ]
    assert Schema.infer(table, "y", {"grade": "ignored"}).left_out[0].name == "grade"
    assert Schema.infer(table, "y", {"grade": "ordered"}).features[0].order == ("1", "2", "3")


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ({"siez": "category"}, "did you mean 'size'"),
        ({"size": "categroy"}, "did you mean 'category'"),
        ({"size": ["wee", "mid"]}, "the order lacks 'big'"),
        ({"size": ["wee", "mid", "big", "big"]}, "the order repeats a category"),
        ({"size": "ordered"}, "give them, lowest first"),
        ({"size": "number"}, r"row 0 \(counted from 0\), column 'size': 'big' is not a number"),
        ({"size": "boolean"}, "'big' is not true or false"),
        ({"size": "datetime"}, "'big' is not a date"),
        ({"size": "text", "n": "ignored"}, "no column is left to predict 'y' from"),
    ],
)
def test_overrides_that_cannot_be(kinds: dict[str, Any], message: str) -> None:
    table = read({"size": ["big", "wee", "mid", "wee"], "n": [4, 7, 5, 5], "y": [1.5, 2, 3, 4]})
    with pytest.raises(PellucidError, match=message):
        Schema.infer(table, "y", kinds)


def test_a_number_column_with_one_mistake_names_the_line(tmp_path: Any) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,y\n" + "1.5,2\n" * 60 + "oops,3\n" + "2.5,4\n" * 5)
    with pytest.raises(DataError, match=r"t\.csv, line 62, column 'a': 'oops' is not a number"):
        Schema.infer(read(path), "y")
    assert Schema.infer(read(path), "y", {"a": "category"}).features[0].kind == "category"


@pytest.mark.parametrize("bad", [float("inf"), -float("inf"), 1e39])
def test_infinities_name_row_and_column(bad: float) -> None:
    with pytest.raises(DataError, match=r"row 1 \(counted from 0\), column 'a'"):
        Schema.infer(read({"a": [1.5, bad, 2.5], "y": [1.0, 2.0, 3.5]}), "y")


def test_json_round_trip_of_housing() -> None:
    schema = Schema.infer(housing(), target="median_house_value")
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema


TEXT = st.one_of(st.none(), st.text(max_size=6))
COLUMN = st.one_of(
    st.lists(TEXT, min_size=6, max_size=6),
    st.lists(st.one_of(st.none(), st.integers(-(2**62), 2**62)), min_size=6, max_size=6),
    st.lists(st.one_of(st.none(), st.floats(-1e30, 1e30)), min_size=6, max_size=6),
    st.lists(st.one_of(st.none(), st.booleans()), min_size=6, max_size=6),
    st.lists(st.one_of(st.none(), st.datetimes()), min_size=6, max_size=6),
)


@settings(deadline=None, max_examples=150, derandomize=True)
@given(st.dictionaries(st.text(min_size=1, max_size=5), COLUMN, min_size=1, max_size=4))
def test_any_table_has_a_schema_that_survives_json(columns: dict[str, list[Any]]) -> None:
    schema = Schema.infer(Table.of(columns))
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema
    assert str(schema).count("\n") == len(columns) + 3


def damaged() -> list[Any]:
    good = Schema.infer(read({"size": ["S", "M", "S"], "y": ["a", "b", "a"]}), "y").to_json()
    changes: list[tuple[list[Any], Any]] = [
        ([], None), ([], []), (["version"], 2), (["name"], 3), (["rows"], -1), (["rows"], True), (["rows"], 2**70),
        (["target"], 4), (["target", "task"], "guess"), (["target", "classes"], ["a"]),
        (["target", "classes"], ["a", 1]), (["target", "classes"], ["a", "a"]),
        (["target", "holds"], "float"), (["target", "name"], "z"),
        (["target", "more"], 1), (["fields"], {}), (["fields", 0], 1), (["fields", 0, "kind"], "list"),
        (["fields", 0, "order"], ["S", "S"]), (["fields", 0, "order"], [1]), (["fields", 0, "missing"], 1.5),
        (["fields", 0, "name"], "y"), (["fields", 0, "__class__"], "os"), (["fields"], []),
    ]  # fmt: skip
    records = []
    for path, value in changes:
        record: Any = copy.deepcopy(good)
        if not path:
            records.append(value)
            continue
        inner = record
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = value
        records.append(record)
    return records


@pytest.mark.parametrize("record", damaged())
def test_damaged_json_is_refused(record: Any) -> None:
    with pytest.raises(DataError):
        Schema.from_json(record)
