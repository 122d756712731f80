"""Examples from files: tables of numbers, arrays, images; and what is said of files that do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.data.examples import read_examples
from pellucid.errors import ArgumentError, DataError, UnknownNameError

DRAW = np.random.default_rng(0)


def csv(folder: Path, header: str, rows: np.ndarray) -> Path:
    lines = [header, *(",".join(map(str, row)) for row in rows.tolist())]
    (folder / "numbers.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "numbers.csv"


def test_a_table_of_numbers_with_its_target(tmp_path: Path) -> None:
    rows = DRAW.integers(0, 9, (5, 3)).astype(float)
    found = read_examples(csv(tmp_path, "a,y,b", rows), {"x": (None, 2)}, "y")
    np.testing.assert_array_equal(found.inputs["x"], rows[:, [0, 2]])
    assert found.truth is not None
    np.testing.assert_array_equal(found.truth, rows[:, 1])
    assert found.columns == ("a", "b")
    one = found.row(3)
    assert one.inputs["x"].tolist() == [rows[3, [0, 2]].tolist()]
    assert one.truth is not None
    assert one.truth.tolist() == [rows[3, 1]]


def test_a_table_of_pixels_and_of_ids(tmp_path: Path) -> None:
    rows = DRAW.integers(0, 9, (4, 6))
    path = csv(tmp_path, "a,b,c,d,e,f", rows)
    np.testing.assert_array_equal(read_examples(path, {"x": (None, 2, 3, 1)}).inputs["x"], rows.reshape(4, 2, 3, 1))
    np.testing.assert_array_equal(read_examples(path, {"ids": (None, None)}).inputs["ids"], rows)


def test_arrays_by_the_names_of_the_inputs(tmp_path: Path) -> None:
    a, b, y = DRAW.normal(size=(4, 2)), DRAW.normal(size=(4, 3)), np.arange(4)
    np.savez(tmp_path / "both.npz", b=b, a=a, y=y)
    found = read_examples(tmp_path / "both.npz", {"a": (None, 2), "b": (None, 3)})
    np.testing.assert_array_equal(found.inputs["b"], b)
    assert found.truth is not None
    assert found.truth.tolist() == [0, 1, 2, 3]
    np.savez(tmp_path / "one.npz", x_test=a, wanted=y)
    found = read_examples(tmp_path / "one.npz", {"input": (None, 2)}, "wanted")
    np.testing.assert_array_equal(found.inputs["input"], a)


def test_one_example_needs_no_row(tmp_path: Path) -> None:
    x = DRAW.normal(size=(3, 2))
    np.save(tmp_path / "x.npy", x)
    np.testing.assert_array_equal(read_examples(tmp_path / "x.npy", {"x": (None, 3, 2)}).row(None).inputs["x"], x[None])
    several = read_examples(tmp_path / "x.npy", {"x": (None, 2)})
    with pytest.raises(ArgumentError, match="there are 3 examples; choose one row, 0 to 2"):
        several.row(None)
    with pytest.raises(ArgumentError, match="row 3: there are 3 examples, counted from 0 to 2"):
        several.row(3)


def test_an_image_in_the_size_of_the_input(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = np.zeros((8, 8), np.uint8)
    pixels[:4] = 200
    image.fromarray(pixels).save(tmp_path / "half.png")
    found = read_examples(tmp_path / "half.png", {"x": (None, 8, 8, 1)}).inputs["x"]
    np.testing.assert_array_equal(found[0, :, :, 0], pixels)
    found = read_examples(tmp_path / "half.png", {"x": (None, 2, 2, 1)}).inputs["x"]
    assert found[0, 0, 0, 0] > 150 > 50 > found[0, 1, 1, 0]
    assert read_examples(tmp_path / "half.png", {"x": (None, 4, 4)}).inputs["x"].shape == (1, 4, 4)
    assert read_examples(tmp_path / "half.png", {"x": (None, 4, 4, 3)}).inputs["x"].shape == (1, 4, 4, 3)
    with pytest.raises(DataError, match=r"half\.png is an image, and input 'x' takes \[16\], no image"):
        read_examples(tmp_path / "half.png", {"x": (None, 16)})


@pytest.mark.parametrize(
    ("inputs", "target", "message"),
    [
        ({"x": (None, 4)}, None, r"has 3 columns \(a, b, y\), and input 'x' takes 4 numbers; if one of them"),
        ({"x": (None, 3)}, "y", r"has 2 columns \(a, b\), and input 'x' takes 3 numbers$"),
        ({"x": (None, 2)}, "z", "unknown column 'z'.* Known: a, b, y"),
        ({"p": (None, 1), "q": (None, 1)}, None, "the network has the inputs p, q; give an .npz file"),
    ],
)
def test_tables_that_do_not_fit(tmp_path: Path, inputs: dict[str, Any], target: str | None, message: str) -> None:
    with pytest.raises((DataError, UnknownNameError), match=message):
        read_examples(csv(tmp_path, "a,b,y", DRAW.normal(size=(4, 3))), inputs, target)


def test_arrays_that_do_not_fit(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.zeros((4, 2)), b=np.zeros((3, 2)))
    with pytest.raises(DataError, match=r"a\.npz has no array for input 'c'; it has: a, b"):
        read_examples(tmp_path / "a.npz", {"a": (None, 2), "c": (None, 2)})
    with pytest.raises(DataError, match=r"different numbers of examples \(a: 4, b: 3\)"):
        read_examples(tmp_path / "a.npz", {"a": (None, 2), "b": (None, 2)})
    with pytest.raises(UnknownNameError, match=r"unknown array 'y'.* Known: a, b"):
        read_examples(tmp_path / "a.npz", {"a": (None, 2), "b": (None, 2)}, "y")
    np.save(tmp_path / "x.npy", np.zeros((4, 5)))
    with pytest.raises(DataError, match=r"shape \[4, 5\] does not fit input 'x', whose examples are \[3\]"):
        read_examples(tmp_path / "x.npy", {"x": (None, 3)})
    with pytest.raises(DataError, match=r"x\.npy has no true values"):
        read_examples(tmp_path / "x.npy", {"x": (None, 5)}, "y")
    with pytest.raises(DataError, match=r"none\.npy does not exist"):
        read_examples(tmp_path / "none.npy", {"x": (None, 5)})


def test_files_that_would_run_code_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(DataError, match=r"x\.npy cannot be read as arrays of NumPy"):
        read_examples(tmp_path / "x.npy", {"x": (None,)})
    (tmp_path / "y.npz").write_bytes(b"no zip")
    with pytest.raises(DataError, match=r"y\.npz cannot be read"):
        read_examples(tmp_path / "y.npz", {"x": (None,)})
