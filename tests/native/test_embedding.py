"""Rows by number, and numbers out of range: refused at run time, never read or written out of bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

native = pytest.importorskip("pellucid._native", reason="the extension is not built")

rng = np.random.default_rng(17)


@pytest.mark.parametrize("row", [(), (1,), (3,), (4, 5), (200,)], ids=str)
@pytest.mark.parametrize("ids_shape", [(), (7,), (6, 5), (0,), (4000,)], ids=str)
def test_take_and_its_adjoint(call: Any, row: tuple[int, ...], ids_shape: tuple[int, ...]) -> None:
    table = rng.standard_normal((11, *row)).astype(np.float32)
    ids = rng.integers(0, 11, ids_shape).astype(np.int32)
    (y,) = call("take", [table, ids], [("float32", ids_shape + row)], threads=2)
    np.testing.assert_array_equal(y, table[ids])

    g = rng.integers(-8, 8, ids_shape + row).astype(np.float32)  # whole numbers: sums are exact in any order
    expected = np.zeros_like(table)
    np.add.at(expected, ids, g)
    (back,) = call("scatter_add", [g, ids], [("float32", table.shape)], threads=2)
    np.testing.assert_array_equal(back, expected)


@pytest.mark.parametrize("bad", [-1, 11, 2**31 - 1, -(2**31)])
def test_ids_out_of_range_fail_the_run_and_the_next_run_is_good(bad: int) -> None:
    table = rng.standard_normal((11, 3)).astype(np.float32)
    g = np.ones((2, 3), np.float32)
    buffers = [("constant", "float32", [11, 3]), ("input", "int32", [2]), ("output", "float32", [2, 3]),
               ("input", "float32", [2, 3]), ("output", "float32", [11, 3])]  # fmt: skip
    plan = native.Plan(buffers, {0: table}, [("take", {}, [0, 1], [2]), ("scatter_add", {}, [3, 1], [4])])
    with pytest.raises(IndexError, match="out of range"):
        plan.call([np.array([1, bad], np.int32), g], [1, 3], [2, 4])
    y, _ = plan.call([np.array([1, 10], np.int32), g], [1, 3], [2, 4])
    np.testing.assert_array_equal(y, table[[1, 10]])


def test_one_hot(call: Any) -> None:
    ids = np.array([[0, 3], [2, -1], [4, 1]], np.int32)
    (y,) = call("one_hot", [ids], [("float32", (3, 2, 4))], depth=4)
    expected = (ids[..., None] == np.arange(4)).astype(np.float32)  # an id out of range has no one
    np.testing.assert_array_equal(y, expected)


def test_wrong_shapes_are_refused() -> None:
    buffers = [("input", "float32", [11, 3]), ("input", "int32", [2]), ("output", "float32", [2, 4])]
    with pytest.raises(ValueError, match="shape of ids"):
        native.Plan(buffers, {}, [("take", {}, [0, 1], [2])])
