"""Whatever `fit` is given becomes arrays, or a message that names row, column and repair."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from pellucid.data.batches import as_arrays, batches, is_batches, same_rows
from pellucid.errors import DataError, DtypeError, LabelError, PellucidError


def test_one_input() -> None:
    x = np.ones((3, 2), np.float32)
    assert as_arrays(x)[0] is x
    assert as_arrays(x, ["only"])[0] is x
    assert as_arrays(x.astype(np.float64))[0].dtype == np.float32
    assert as_arrays(x.astype(np.float16))[0].dtype == np.float32
    assert as_arrays([[1, 2], [3, 4]])[0].dtype == np.int64
    assert as_arrays(np.zeros((2, 2), np.uint8))[0].dtype == np.uint8
    assert as_arrays([True, False])[0].dtype == np.bool_
    assert as_arrays([[1, None], [2.5, 3]], allow_missing=True)[0].dtype == np.float32
    column = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(3, 2))
    made = as_arrays(column)[0]
    assert made.flags.c_contiguous
    assert np.array_equal(made, column)


def test_several_inputs() -> None:
    a, b = np.ones((3, 2), np.float32), np.zeros(3, np.int32)
    for given in ((a, b), [a, b], {"b": b, "a": a}):
        arrays = as_arrays(given, ["a", "b"])
        assert arrays[0] is a
        assert np.array_equal(arrays[1], b)
    assert len(as_arrays((a, b))) == 2
    assert len(as_arrays({"q": a})) == 1
    assert as_arrays([a, a], ["one"])[0].shape == (2, 3, 2)
    assert as_arrays((1.0, 2.0))[0].shape == (2,)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("x", "options", "error", "message"),
    [
        ([[1.0, 2.0], [3.0, NAN]], {}, DataError, r"features, row 1 \(counted from 0\), column 1: the value is NaN"),
        (np.array([[1, INF]], np.float32), {}, DataError, "row 0 .* column 1: the value is infinite"),
        ([[1.0, 1e300]], {}, DataError, r"the value is 1e\+300, beyond float32"),
        ([[NAN, INF]], {"allow_missing": True}, DataError, "column 1: the value is infinite"),
        ([1.0, NAN], {"role": "labels"}, LabelError, "labels, row 1"),
        (np.full((2, 2, 2), NAN), {}, DataError, r"position \[0, 0\]"),
        ([], {}, DataError, "empty"),
        (np.zeros((0, 3), np.float32), {}, DataError, r"empty, shape \[0, 3\]"),
        (3.5, {}, DataError, "one number given"),
        (np.float32(3), {}, DataError, "one value given"),
        ([[1, 2], [3]], {}, DataError, "row 1 has shape"),
        ([["1", "x"]], {}, DtypeError, "'1' is not a number"),
        (np.array([[1, "x"]], object), {}, DtypeError, "column 1: 'x' is not a number"),
        (["pass", "fail"], {"role": "labels"}, LabelError, "'pass' is text"),
        (np.zeros(2, complex), {}, DtypeError, "complex"),
        (np.array(["2024-01-01"], "datetime64[D]"), {}, DtypeError, "datetime64"),
        (object(), {}, DtypeError, "cannot use object"),
        ({"a": [1]}, {"names": ["b"]}, DataError, "no input 'a'"),
        ({"a": [1]}, {"names": ["a", "b"]}, DataError, "'b' is not given"),
        (([1.0], [2.0], [3.0]), {"names": ["a", "b"]}, DataError, "3 arrays given where 2 are expected"),
        (np.ones(3), {"names": ["a", "b"]}, DataError, "one array given where 2 are expected"),
    ],
)
def test_what_cannot_be_used(x: Any, options: dict[str, Any], error: type[PellucidError], message: str) -> None:
    with pytest.raises(error, match=message):
        as_arrays(x, **options)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames(library: str) -> None:
    module = pytest.importorskip(library)

    def frame(columns: dict[str, list[Any]]) -> Any:
        return module.table(columns) if library == "pyarrow" else module.DataFrame(columns)

    assert as_arrays(frame({"a": [1.5, 2.5], "b": [3, 4]}))[0].tolist() == [[1.5, 3.0], [2.5, 4.0]]
    assert as_arrays(frame({"a": [1, 2]}))[0].dtype == np.int64
    with pytest.raises(DtypeError, match="column 'b': holds text"):
        as_arrays(frame({"a": [1.5, 2.5], "b": ["x", "y"]}))
    with pytest.raises(DataError, match=r"row 1 .*column 'b': the value is NaN"):
        as_arrays(frame({"a": [1.5, 2.5], "b": [3, None]}))
    if library != "pyarrow":
        assert as_arrays(module.Series([1.5, 2.5]), role="labels")[0].shape == (2,)


def test_other_libraries() -> None:
    torch = pytest.importorskip("torch")
    assert as_arrays(torch.ones(2, 3))[0].shape == (2, 3)
    sparse = pytest.importorskip("scipy.sparse")
    assert as_arrays(sparse.csr_matrix([[0.0, 2.0]]))[0].tolist() == [[0.0, 2.0]]


def test_rows_must_agree() -> None:
    assert same_rows({"features": [np.ones((3, 2)), np.ones(3)], "labels": [np.ones(3)]}) == 3
    with pytest.raises(DataError, match="features have 3 rows but labels have 2"):
        same_rows({"features": [np.ones((3, 2))], "labels": [np.ones(2)]})


def test_batches() -> None:
    def source() -> Any:
        yield [[1.0], [2.0]], [0, 1]
        yield np.ones((2, 1)), np.ones(2), np.ones(2)
        yield np.ones((2, 1), np.float32)

    made = list(batches(source()))
    assert made[0][0][0].tolist() == [[1.0], [2.0]]
    assert made[0][2] is None
    assert made[1][2] is not None
    assert made[2][1] is None
    with pytest.raises(DataError, match="batch 0: has 4 parts"):
        list(batches([(1, 2, 3, 4)]))
    with pytest.raises(DataError, match="features have 2 rows but labels have 1"):
        list(batches([([[1.0], [2.0]], [0])]))


def test_what_is_an_iterable_of_batches() -> None:
    assert is_batches(x for x in ())
    assert not any(map(is_batches, ([1], (1,), {"a": 1}, np.ones(2), 3, "x", None)))
    polars = pytest.importorskip("polars")
    assert not is_batches(polars.DataFrame({"a": [1]}))


def test_one_row_costs_about_a_microsecond() -> None:
    x, names = np.ones((1, 20), np.float32), ("input",)
    best = min(_timed(x, names) for _ in range(20))
    assert best < 6e-6  # 1.1 µs on an idle machine


def _timed(x: np.ndarray, names: tuple[str, ...]) -> float:
    started = time.perf_counter()
    for _ in range(500):
        as_arrays(x, names)
    return (time.perf_counter() - started) / 500
