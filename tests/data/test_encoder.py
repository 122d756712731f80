"""Arrays are what hand calculation says, measured on the training part only, and survive JSON."""

from __future__ import annotations

import copy
import datetime
import json
import time
from typing import Any

import numpy as np
import pytest

from pellucid.data.datasets import housing
from pellucid.data.dates import PARTS
from pellucid.data.encoder import MAX_CATEGORIES, Encoder
from pellucid.data.read import read
from pellucid.data.schema import Schema
from pellucid.data.split import split
from pellucid.errors import DataError, LabelError, StateError


def fitted(columns: dict[str, Any], target: str | None = None, **options: Any) -> tuple[Encoder, list[str]]:
    table, notices = read(columns), []
    return Encoder.fit(Schema.infer(table, target, **options), table, notices), notices


MIXED = {
    "m2": [50.0, 80.0, None, 120.0],
    "new": ["yes", "no", "no", None],
    "size": ["S", "L", "M", "S"],
    "city": ["Oslo", "Lima", "Oslo", "Lima"],
    "price": [1.0, 2.0, 3.5, 5.5],
}


def test_arrays_by_hand() -> None:
    encoder, notices = fitted(MIXED, "price")
    assert notices == []
    assert encoder.number_names == ("m2", "new", "size")
    assert encoder.columns == ("m2", "new", "size", "city")
    arrays = encoder.features(read(MIXED), notices)
    assert notices == []
    expected = [[50, 1, 0], [80, 0, 2], [np.nan, 0, 1], [120, np.nan, 0]]
    np.testing.assert_array_equal(arrays["numbers"], np.array(expected, np.float32))
    assert arrays["numbers"].dtype == np.float32
    assert arrays["numbers"].flags.c_contiguous
    assert arrays["city"].tolist() == [2, 1, 2, 1]
    assert arrays["city"].dtype == np.int32
    np.testing.assert_allclose(encoder.mean, [250 / 3, 1 / 3, 0.75], rtol=1e-6)
    np.testing.assert_allclose(encoder.deviation, [np.sqrt(7400 / 9), np.sqrt(2) / 3, np.sqrt(11) / 4], rtol=1e-6)
    assert encoder.has_missing.tolist() == [True, True, False]
    assert encoder.labels(read(MIXED)).tolist() == [[1.0], [2.0], [3.5], [5.5]]
    assert (encoder.target_mean, encoder.target_deviation) == (3.0, np.sqrt(11.5 / 4))


def test_only_the_training_part_is_measured() -> None:
    table = housing()
    schema = Schema.infer(table, "median_house_value")
    train, test = split(table, 0.2, seed=3)
    encoder = Encoder.fit(schema, table.take(train))
    ages = table["housing_median_age"].values
    assert encoder.mean[2] == np.float32(ages[train].mean()) != np.float32(ages.mean())
    arrays = encoder.features(table.take(test))
    np.testing.assert_array_equal(arrays["numbers"][:, 2], ages[test].astype(np.float32))


def test_skewed_columns_of_housing() -> None:
    table = housing()
    encoder = Encoder.fit(Schema.infer(table, "median_house_value"), table)
    assert dict(zip(encoder.number_names, encoder.skewed.tolist(), strict=True)) == {
        "longitude": False,
        "latitude": False,
        "housing_median_age": False,
        "total_rooms": True,
        "total_bedrooms": True,
        "population": True,
        "households": True,
        "median_income": True,
    }
    rooms = np.log1p(table["total_rooms"].values)
    assert encoder.mean[3] == np.float32(rooms.mean())
    assert encoder.deviation[3] == np.float32(rooms.std())
    assert encoder.has_missing.tolist() == [False] * 4 + [True] + [False] * 3


def test_housing_is_quick() -> None:
    housing()  # DuckDB's import
    started = time.perf_counter()
    table = housing()
    encoder = Encoder.fit(Schema.infer(table, "median_house_value"), table)
    encoder.features(table), encoder.labels(table)
    assert time.perf_counter() - started < 2.0  # 0.1 s on an idle machine


def test_dates() -> None:
    moments = [datetime.datetime(2023, 1, 9), datetime.datetime(2024, 7, 2, 6), None]
    encoder, _ = fitted({"when": moments, "y": [1.0, 2.0, 3.5]}, "y")
    assert encoder.number_names == tuple(f"when.{part}" for part in PARTS)
    numbers = encoder.features(read({"when": moments}))["numbers"]
    year = 2024 + (183 + 0.25) / 366  # 2 July is day 183 of a leap year, counted from 0, and a quarter is over
    np.testing.assert_allclose(numbers[0], [2023 + 8 / 365, 0, 1, 0, 1, 0, 1], atol=1e-6)
    tuesday = 2 * np.pi / 7
    np.testing.assert_allclose(numbers[1], [year, 0, -1, np.sin(tuesday), np.cos(tuesday), 1, 0], atol=1e-6)
    assert np.isnan(numbers[2]).all()


def test_only_parts_that_vary() -> None:
    def parts(moments: list[str]) -> tuple[str, ...]:
        columns = {"d": moments, "y": [float(i) for i in range(len(moments))]}
        return fitted(columns, "y", kinds={"d": "datetime"})[0].number_names

    assert parts(["2024-01-01", "2024-02-01", "2024-03-01"]) == ("d.year", "d.month_sin", "d.month_cos")
    assert parts(["2024-01-01", "2024-01-08", "2024-01-15"]) == ("d.year",)
    assert parts(["2024-01-01 06:00", "2024-01-01 07:00", "2024-01-01 08:00"]) == ("d.hour_sin", "d.hour_cos")


def test_unseen_rare_and_missing_categories_are_code_0() -> None:
    encoder, notices = fitted({"c": ["a", "a", "b", "b", "z", None], "y": [1.0, 2, 3, 4, 5, 7]}, "y")
    assert encoder.categories[0].vocabulary == ("a", "b")
    assert encoder.categories[0].size == 3
    assert "1 of 3 categories, rare ones with 1 rows" in notices[0]
    notices.clear()
    arrays = encoder.features(read({"c": ["b", "new", None, "a", "newer"]}), notices)
    assert arrays["c"].tolist() == [2, 0, 0, 1, 0]
    assert "2 cells hold a category" in notices[0]
    assert "'new'" in notices[0]
    assert "numbers" not in arrays


def test_categories_match_across_types() -> None:
    columns = {"c": [10, 2, 10, 2], "y": [1.0, 2.0, 3.0, 5.0]}
    encoder, _ = fitted(columns, "y", kinds={"c": "category"})
    assert encoder.categories[0].vocabulary == ("2", "10")
    for cells in ([2, 10], [2.0, 10.0], ["2", "10"], np.array([2, 10], np.uint8)):
        assert encoder.features(read({"c": cells}))["c"].tolist() == [1, 2]


def test_a_hundred_thousand_categories() -> None:
    rng = np.random.default_rng(0)
    cells = np.array([f"c{i}" for i in range(100_000)], object)[np.arange(400_000) % 100_000]
    encoder, notices = fitted({"c": cells, "y": rng.normal(size=400_000)}, "y")
    category = encoder.categories[0]
    assert len(category.vocabulary) == MAX_CATEGORIES
    assert not category.one_hot
    assert category.width == 50
    assert "90,000 of 100,000 categories" in notices[0]


def test_one_hot_or_embedding() -> None:
    def category(count: int) -> Any:
        cells = [f"c{i:02}" for i in range(count)] * 3
        return fitted({"c": cells, "y": np.arange(3.0 * count)}, "y")[0].categories[0]

    assert category(16).one_hot
    assert not category(17).one_hot
    assert category(17).width == round(1.6 * 18**0.56) == 8


def test_a_category_column_called_numbers_keeps_its_own_key() -> None:
    columns = {"numbers": ["a", "b", "a", "b"], "x": [1.5, 2, 3, 4], "y": [1.0, 2, 3, 5]}
    encoder, _ = fitted(columns, "y")
    assert set(encoder.features(read(columns))) == {"numbers", "numbers (category)"}


def test_predicting_from_another_table() -> None:
    encoder, _ = fitted({"id": [4, 9, 7, 2], "a": [1.5, 2, 3, 4], "b": [5, 3, 8, 8], "y": [1.0, 2, 3, 5]}, "y")
    notices: list[str] = []
    arrays = encoder.features(read({"b": ["5"], "extra": [0], "a": [2], "id": [4]}), notices)
    assert arrays["numbers"].tolist() == [[2.0, 5.0]]
    assert notices == ["table: not known from training and passed over: 'extra'"]
    with pytest.raises(DataError, match=r"lacks a column .* 'b'; did you mean 'B'"):
        encoder.features(read({"a": [1.0], "B": [2]}))
    with pytest.raises(DataError, match=r"lacks 2 columns .* 'a', 'b'"):
        encoder.features(read({"x": [1.0]}))
    with pytest.raises(DataError, match=r"row 1 \(counted from 0\), column 'b': 'many' is not a number"):
        encoder.features(read({"a": [1.0, 2.0], "b": ["5", "many"]}))
    with pytest.raises(DataError, match=r"row 0 .*'a': the value is infinite"):
        encoder.features(read({"a": [float("inf")], "b": [1]}))


def test_a_bad_cell_of_a_file_is_named_by_its_line(tmp_path: Any) -> None:
    encoder, _ = fitted({"a": [1.5, 2, 3, 4], "y": [1.0, 2, 3, 5]}, "y")
    path = tmp_path / "new.csv"
    path.write_text("a\n1.5\n2.5\nmany\n")
    with pytest.raises(DataError, match=r"new\.csv, line 4, column 'a': 'many'"):
        encoder.features(read(path))


def test_notices_of_unexpected_cells() -> None:
    skewed = [1.3**i for i in range(40)]
    order = ["low", "high"] * 20
    encoder, _ = fitted({"s": skewed, "o": order, "y": np.arange(40.0) ** 2}, "y", kinds={"o": ["low", "high"]})
    assert encoder.skewed.tolist() == [True, False]
    notices: list[str] = []
    numbers = encoder.features(read({"s": [-5.0, None], "o": ["highest", "low"]}), notices)["numbers"]
    assert numbers[0, 0] == -5
    assert np.isnan(numbers[1, 0])
    assert np.isnan(numbers[0, 1])
    assert [notice.split(":")[0] for notice in notices] == ["column 's'", "column 's'", "column 'o'"]
    assert "1 missing cells" in notices[0]
    assert "1 cells are negative" in notices[1]
    assert "'highest'" in notices[2]


def test_a_column_that_float32_cannot_tell_apart() -> None:
    _, notices = fitted({"stamp": [1.7e9 + i % 7 for i in range(50)], "y": np.arange(50.0) ** 2}, "y")
    assert "less than float32 can tell apart" in notices[0]


def test_constant_or_missing_in_the_training_part_only() -> None:
    table = read({"a": [5.0, 5.0, 6.0], "b": [None, None, 1.0], "y": [1.0, 2.0, 3.5]})
    schema = Schema.infer(table, "y", {"b": "number"})
    notices: list[str] = []
    encoder = Encoder.fit(schema, table.take(np.array([0, 1])), notices)
    assert encoder.mean.tolist() == [5.0, 0.0]
    assert encoder.deviation.tolist() == [1.0, 1.0]
    assert "every cell of the training part is missing" in notices[0]


def test_labels_of_classes() -> None:
    columns = {"x": [1.5, 2, 3], "y": ["b", "a", "b"]}
    encoder, _ = fitted(columns, "y")
    assert encoder.labels(read(columns)).tolist() == [1, 0, 1]
    assert encoder.decode(np.array([[0.1], [0.9]])).tolist() == ["a", "b"]
    with pytest.raises(LabelError, match="'c' was not there in training"):
        encoder.labels(read({"y": ["c"]}))
    with pytest.raises(StateError, match="without a target"):
        fitted({"x": [1.5, 2, 3]})[0].labels(read(columns))


def test_json_round_trip() -> None:
    table = housing()
    for target in ("median_house_value", "ocean_proximity"):
        encoder = Encoder.fit(Schema.infer(table, target), table)
        again = Encoder.from_json(json.loads(json.dumps(encoder.to_json())))
        assert again == encoder
        first, second = encoder.features(table), again.features(table)
        assert all(np.array_equal(first[key], second[key], equal_nan=True) for key in first)
    encoder, _ = fitted(MIXED | {"when": ["2024-01-01", "2024-02-03", "2025-01-01", None]}, "price")
    assert Encoder.from_json(json.loads(json.dumps(encoder.to_json()))) == encoder


CHANGES: list[tuple[list[Any], Any]] = [
    (["version"], 9), (["numbers"], None), (["numbers", 0], []), (["numbers", 0, "mean"], float("nan")),
    (["numbers", 0, "mean"], "0"), (["numbers", 0, "mean"], 10**400), (["numbers", 0, "deviation"], 0),
    (["numbers", 0, "deviation"], -1.0), (["numbers", 0, "deviation"], float("inf")), (["numbers", 0, "kind"], "eval"),
    (["numbers", 0, "part"], "year"), (["numbers", 0, "part"], "century"), (["numbers", 0, "order"], ["a"]),
    (["numbers", 0, "skewed"], 1), (["numbers", 0, "name"], "new"), (["numbers", 2, "order"], []),
    (["numbers", 0, "extra"], 1), (["categories", 0, "vocabulary"], ["a", "a"]),
    (["categories", 0, "vocabulary"], "ab"),
    (["categories", 0, "vocabulary"], [1]), (["categories", 0, "column"], "m2"), (["ignored"], [["a"]]),
    (["target"], []), (["target", "classes"], [1]), (["target_mean"], None), (["target_deviation"], 0.0),
    (["target_deviation"], True),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(CHANGES)))
def test_damaged_json_is_refused(case: int) -> None:
    record: Any = copy.deepcopy(fitted(MIXED, "price")[0].to_json())
    path, value = CHANGES[case]
    inner = record
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(DataError):
        Encoder.from_json(record)
