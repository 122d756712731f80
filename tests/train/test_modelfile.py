"""The model file's container: round trips, damage, refusals while writing, checked fields.

Oracles: the safetensors library reads what we write; the golden file was written once and is never rewritten.
"""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pellucid.errors import ModelFileError
from pellucid.train import modelfile

GOLDEN = Path(__file__).parent / "golden" / "container-v1.safetensors"
DTYPES = ["float32", "float64", "int32", "int64", "uint8", "uint32", "bool"]
DOCUMENT: dict[str, Any] = {
    "architecture": {"layers": [{"name": "dense", "units": 3}], "shape": [None, 2]},
    "history": {"loss": [0.5, math.inf, -math.inf], "epochs": 2**63},
    "labels": ["Äpfel", "苹果", "🍎", "a\tb\x00"],
    "flags": [True, False, None, -0.0, 1e-300, 0],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def example_arrays() -> dict[str, np.ndarray]:
    arrays = {dtype: np.arange(6).reshape(2, 3).astype(dtype) for dtype in DTYPES}
    arrays["dense/kernel"] = np.array([[1.5, -0.0], [np.nan, np.inf]], np.float32)
    return {**arrays, "scalar": np.array(7, np.int32), "empty": np.zeros((0, 4), np.float32)}


def assert_same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert sorted(first) == sorted(second)
    for name, array in first.items():
        assert (array.dtype, array.shape) == (second[name].dtype, second[name].shape)
        assert array.tobytes() == second[name].tobytes()


# Round trips


def test_round_trip(path: Path) -> None:
    modelfile.write(path, DOCUMENT, example_arrays())
    document, arrays = modelfile.read(path)
    assert document == DOCUMENT
    assert math.copysign(1, document["flags"][3]) == -1
    assert_same(arrays, example_arrays())
    assert all(array.flags.writeable and array.flags.aligned for array in arrays.values())


def test_nan_in_the_document(path: Path) -> None:
    modelfile.write(path, {"loss": [math.nan]}, {})
    assert math.isnan(modelfile.read(path)[0]["loss"][0])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda part: st.lists(part, max_size=4) | st.dictionaries(st.text(max_size=8), part, max_size=4),
    max_leaves=10,
)
names = st.from_regex(r"[a-zA-Zäß0-9_. :-]{1,8}(/[a-z_0-9]{1,8}){0,2}", fullmatch=True).filter(
    lambda name: name.split("/")[0] not in (".", "..")
)
any_array = st.sampled_from(DTYPES).flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, min_side=0)))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    document=st.dictionaries(st.text(max_size=8), json_values, max_size=4),
    arrays=st.dictionaries(names, any_array, max_size=4),
)
def test_any_content_round_trips(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, Any], arrays: dict[str, np.ndarray]
) -> None:
    path = tmp_path_factory.getbasetemp() / "round.safetensors"
    modelfile.write(path, document, arrays)
    loaded, back = modelfile.read(path)
    assert loaded == document
    assert_same(back, arrays)


def test_any_layout_in_memory_is_stored_row_major(path: Path) -> None:
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    odd = {"fortran": np.asfortranarray(base), "view": base[::2, ::-3], "big": base.astype(">f4")}
    modelfile.write(path, {}, odd)
    for name, array in modelfile.read(path)[1].items():
        np.testing.assert_array_equal(array, odd[name])


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    arrays = example_arrays()
    modelfile.write(tmp_path / "a", DOCUMENT, arrays)
    modelfile.write(tmp_path / "b", dict(reversed(DOCUMENT.items())), dict(reversed(arrays.items())))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_safetensors_library_reads_it(path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    modelfile.write(path, DOCUMENT, example_arrays())
    assert_same(library.load_file(path), example_arrays())


def test_golden_file() -> None:
    document, arrays = modelfile.read(GOLDEN)
    assert document == {
        "architecture": {"class": "Sequential", "layers": [{"activation": "relu", "class": "Dense", "units": 2}]},
        "history": {"loss": [0.5, math.inf]},
        "labels": ["Apfel", "Birne 🍐"],
    }
    expected = {
        "dense/kernel": np.array([[1.5, -2.0], [0.25, 3.0], [-0.0, 1e-8]], np.float32),
        "dense/bias": np.array([0.0, np.inf], np.float32),
        "normalization/mean": np.array([1.0, 2.0, 3.0]),
        "normalization/count": np.array(42, np.int64),
        "vocabulary": np.array([3, 1, 2], np.int32),
        "seed": np.array([1, 2**32 - 1], np.uint32),
        "bytes": np.array([0, 255], np.uint8),
        "mask": np.array([True, False, True]),
    }
    assert_same(arrays, expected)


# Damage


def test_every_truncation_is_found(path: Path) -> None:
    whole = GOLDEN.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelFileError):
            modelfile.read(path)


def test_every_flipped_byte_is_found(path: Path) -> None:
    whole = GOLDEN.read_bytes()
    chance = random.Random(7)
    for i in range(2000):
        damaged = bytearray(whole)
        position = i if i < len(whole) else chance.randrange(len(whole))
        damaged[position] ^= 1 << chance.randrange(8) if i % 2 else chance.randrange(1, 256)
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError):
            modelfile.read(path)


def test_inserted_and_removed_bytes_are_found(path: Path) -> None:
    whole = GOLDEN.read_bytes()
    chance = random.Random(8)
    for _ in range(300):
        position, count = chance.randrange(len(whole)), chance.randrange(1, 20)
        for damaged in (
            whole[:position] + chance.randbytes(count) + whole[position:],
            whole[:position] + whole[position + count :],
        ):
            path.write_bytes(damaged)
            with pytest.raises(ModelFileError):
                modelfile.read(path)


# Content that cannot be stored


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"layers": [{"units": {1, 2}}]}, r"document\.layers\[0\]\.units is a set"),
        ({"a": np.float32(1)}, r"document\.a is a float32"),
        ({"a": b"x"}, r"document\.a is a bytes"),
        ({1: "a"}, "the key 1"),
        ({"__float__": 1}, "__float__"),
        ({"a": 2**64}, "64 bits"),
        ({"a": "\ud800"}, "surrogate"),
        ({"\ud800": 1}, "surrogate"),
        (deep(65), "nested deeper than 64"),
        ([], "must be a dict"),
        ({"a": "x" * (17 << 20)}, "too many"),
        ({"a": ["é"] * 1_500_000}, "too many"),
    ],
)
def test_documents_that_cannot_be_stored(path: Path, document: Any, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        modelfile.write(path, document, {})
    assert not path.exists()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"w": np.zeros(2, np.float16)}, "'w' has dtype float16"),
        ({"w": np.array([object()])}, "'w' has dtype object"),
        ({"w": np.array(["a"])}, "'w' has dtype"),
        ({"": np.zeros(2)}, "name must be"),
        ({"__metadata__": np.zeros(2)}, "name must be"),
        ({"../w": np.zeros(2)}, "path"),
        ({"w" * 257: np.zeros(2)}, "name must be"),
        ({3: np.zeros(2)}, "name must be"),
        ({f"w{i}": np.zeros(0) for i in range(10_001)}, "at most 10,000"),
    ],
)
def test_arrays_that_cannot_be_stored(path: Path, arrays: Any, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        modelfile.write(path, {}, arrays)
    assert not path.exists()


def test_limits_themselves_can_be_stored(path: Path) -> None:
    arrays = {f"w{i}": np.zeros(1, np.uint8) for i in range(modelfile.MAX_ARRAYS)}
    modelfile.write(path, deep(64), arrays)
    assert modelfile.read(path)[0] == deep(64)


def test_a_hundred_thousand_categories_can_be_stored(path: Path) -> None:
    categories = [f"2024-01-01 12:30:{i:06d}, Zürich" for i in range(100_000)]
    modelfile.write(path, {"categories": categories}, {})
    assert modelfile.read(path)[0]["categories"] == categories


# Checked reading of documents


def test_fields_returns_the_object() -> None:
    layer = {"name": "dense", "units": 4, "rate": 1, "seed": None}
    kinds = {"name": str, "units": int, "rate": float, "seed": (int, type(None))}
    assert modelfile.fields(layer, kinds, "model.layers[0]") is layer


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], r"^model is a list; expected an object with name, units$"),
        ({"name": "a"}, r"^model\.units is missing$"),
        ({"name": "a", "units": 1, "nmae": 2}, r"^model has an unknown key 'nmae'; did you mean 'name'\?"),
        ({"name": 1, "units": 1}, r"^model\.name is a int; expected str$"),
        ({"name": "a", "units": True}, r"^model\.units is a bool; expected int or None$"),
        ({"name": "a", "units": 1.0}, r"^model\.units is a float; expected int or None$"),
    ],
)
def test_fields_names_the_fault(value: object, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        modelfile.fields(value, {"name": str, "units": (int, type(None))}, "model")


def test_the_header_is_plain_json(path: Path) -> None:
    modelfile.write(path, {"a": 1}, {"w": np.zeros(3, np.float32)})
    raw = path.read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    assert header["w"] == {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}
    assert json.loads(header["__metadata__"]["pellucid"]) == {"a": 1}
