"""Named data sets: the shipped one, MNIST from a folder, and clear errors for what is absent or damaged."""

from __future__ import annotations

import gzip
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from pellucid.data import datasets
from pellucid.errors import DataError


def test_housing() -> None:
    table = datasets.housing()
    assert len(table) == 20_640
    assert table.names[-1] == "ocean_proximity"
    assert int(table["total_bedrooms"].missing.sum()) == 207
    assert datasets.housing_path().name == "housing.csv"


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with four IDX files of a few bytes, and no network."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    digests = {}
    for name in datasets._MNIST:
        sizes = [2, 3, 3] if "images" in name else [2]
        data = np.arange(int(np.prod(sizes)), dtype=np.uint8).tobytes()
        content = bytes([0, 0, 8, len(sizes)]) + np.array(sizes, ">u4").tobytes() + data
        (folder / name).write_bytes(gzip.compress(content))
        digests[name] = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(datasets, "_MNIST", digests)
    monkeypatch.setattr(datasets, "_MNIST_ADDRESS", tmp_path.as_uri() + "/remote/")
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_mnist_from_a_folder(tiny: Path) -> None:
    (x, y), (x_test, y_test) = datasets.mnist()
    assert x.shape == x_test.shape == (2, 3, 3)
    assert y.tolist() == y_test.tolist() == [0, 1]
    assert x.dtype == np.uint8
    assert x[1, 0].tolist() == [9, 10, 11]
    assert x.flags.writeable


def test_mnist_is_fetched_into_the_cache(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.move(tiny / "mnist", tiny / "remote")
    datasets.mnist()
    assert len(list((tiny / "cache" / "pellucid" / "mnist").iterdir())) == 4
    shutil.rmtree(tiny / "remote")
    monkeypatch.delenv("PELLUCID_DATA")
    datasets.mnist()


def test_mnist_absent_and_damaged(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tiny / "mnist" / "train-images-idx3-ubyte.gz"
    good = path.read_bytes()
    for bad in (good[:-9], gzip.compress(b"something else"), b"no gzip at all"):
        path.write_bytes(bad)
        with pytest.raises(DataError, match="is damaged"):
            datasets.mnist()
    path.unlink()
    with pytest.raises(DataError, match="cannot be reached"):
        datasets.mnist()
    monkeypatch.delenv("PELLUCID_DATA")
    with pytest.raises(DataError, match="PELLUCID_DATA is not set"):
        datasets.mnist()
    (tiny / "remote").mkdir()
    (tiny / "remote" / path.name).write_bytes(b"not it")
    with pytest.raises(DataError, match="not the data set"):
        datasets.mnist()
