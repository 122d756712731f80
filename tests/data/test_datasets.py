"""Named data sets: the shipped one, those of the folder that PELLUCID_DATA names, and imitations of the others."""

from __future__ import annotations

import gzip
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from archives import tar

import pellucid
from pellucid.data import datasets
from pellucid.data.downloads import File, GzipFile, listing
from pellucid.errors import ArgumentError, DataError, UnknownNameError


def test_housing() -> None:
    table = datasets.housing()
    assert len(table) == 20_640
    assert table.names[-1] == "ocean_proximity"
    assert int(table["total_bedrooms"].missing.sum()) == 207
    assert datasets.housing_path().name == "housing.csv"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of data sets that is empty, and an empty cache."""
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path))
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "cache"))
    return tmp_path


def put(folder: Path, file: File, raw: bytes, content: bytes | None = None) -> File:
    """The file in the folder, with the checksum of what was put there and an address that leads nowhere."""
    path = folder / file.path
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(raw)
    return replace(file, sha256=hashlib.sha256(raw if content is None else content).hexdigest(), address="file:///no")


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_idx_sets(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = [np.arange(18, dtype=np.uint8).reshape(2, 3, 3), np.arange(2, dtype=np.uint8)] * 2
    known = "_MNIST" if name == "mnist" else "_FASHION"
    files = [
        put(folder, file, gzip.compress(idx(array)), idx(array) if isinstance(file, GzipFile) else None)
        for file, array in zip(getattr(datasets, known), arrays, strict=True)
    ]
    monkeypatch.setattr(datasets, known, files)
    (x, y), (x_test, y_test) = getattr(datasets, name)()
    assert x.tolist() == x_test.tolist() == arrays[0].tolist()
    assert y.tolist() == y_test.tolist() == [0, 1]
    assert x.dtype == y.dtype == np.uint8
    assert x.flags.writeable
    path = folder / files[0].path
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="is damaged"):
        getattr(datasets, name)()
    path.unlink()
    with pytest.raises(DataError, match="cannot be reached"):
        getattr(datasets, name)()


def records(count: int, labels: int) -> bytes:
    return np.random.default_rng(count).integers(0, 256, (count, labels + 3072), dtype=np.uint8).tobytes()


def test_cifar(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {f"cifar-10-batches-bin/data_batch_{number}.bin": records(number, 1) for number in range(1, 6)}
    parts["cifar-10-batches-bin/test_batch.bin"] = records(2, 1)
    monkeypatch.setattr(datasets, "_CIFAR10", put(folder, datasets._CIFAR10, tar(parts)))
    (x, y), (x_test, y_test) = datasets.cifar10()
    assert x.shape == (15, 32, 32, 3)
    assert y.shape == (15, 1)
    assert (x_test.shape, y_test.shape) == ((2, 32, 32, 3), (2, 1))
    record = np.frombuffer(records(2, 1), np.uint8)
    assert y_test[0, 0] == record[0]
    assert x_test[0, 0, 1].tolist() == [record[1 + 1], record[1 + 1024 + 1], record[1 + 2048 + 1]]

    parts = {f"cifar-100-binary/{name}.bin": records(3, 2) for name in ("train", "test")}
    monkeypatch.setattr(datasets, "_CIFAR100", put(folder, datasets._CIFAR100, tar(parts)))
    coarse, fine = (datasets.cifar100(label_mode=mode)[0][1][:, 0] for mode in ("coarse", "fine"))
    stored = np.frombuffer(records(3, 2), np.uint8).reshape(3, -1)
    assert (coarse.tolist(), fine.tolist()) == (stored[:, 0].tolist(), stored[:, 1].tolist())
    with pytest.raises(ArgumentError, match="label_mode"):
        datasets.cifar100("medium")


def test_imdb_reviews(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["train/pos/0_9.txt", "train/pos/1_8.txt", "train/neg/0_1.txt", "test/pos/0_7.txt", "test/neg/0_3.txt"]
    parts = {f"aclImdb/{name}": f"{name} é".encode() for name in [*names, "train/unsup/0_0.txt", "README"]}
    monkeypatch.setattr(datasets, "_IMDB", put(folder, datasets._IMDB, tar(parts)))
    (texts, labels), (texts_test, labels_test) = datasets.imdb_reviews()
    assert texts == [f"{name} é" for name in names[:3]]
    assert labels.tolist() == [1, 1, 0]
    assert (len(texts_test), labels_test.tolist()) == (2, [1, 0])


def test_sentence_polarity_as_an_archive(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    praise, blame = ("".join(f"{word} {i} \n" for i in range(20)) for word in ("touché", "awful"))
    stored = {"positive.txt": praise.encode(), "negative.txt": blame.encode()}
    known = replace(datasets._POLARITY, sha256=hashlib.sha256(listing(stored)).hexdigest())
    monkeypatch.setattr(datasets, "_POLARITY", known)
    raw = tar({f"rt-polaritydata/rt-polarity.{e}": t.encode("latin-1") for e, t in (("pos", praise), ("neg", blame))})
    (folder / known.path).write_bytes(raw)
    (texts, labels), (texts_test, labels_test) = datasets.sentence_polarity()
    assert texts[:3] == ["touché 0", "awful 0", "touché 1"]
    assert labels[:3].tolist() == [1, 0, 1]
    assert texts_test == ["touché 9", "awful 9", "touché 19", "awful 19"]
    assert labels_test.tolist() == [1, 0, 1, 0]
    assert len(texts) == len(labels) == 36


def test_keras_words() -> None:
    assert pellucid.datasets.mnist.load_data is datasets.mnist
    assert datasets.mnist.__doc__.startswith("Handwritten digits")
    for name in datasets.__all__:
        assert getattr(pellucid.datasets, name).__doc__


@pytest.mark.skipif("PELLUCID_DATA" not in os.environ, reason="PELLUCID_DATA names no folder of data sets")
def test_the_files_as_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checksums, shapes and first values of those sets that the folder has."""
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path))
    folder = Path(os.environ["PELLUCID_DATA"])
    if (folder / "tinyshakespeare.txt").exists():
        text = datasets.tiny_shakespeare()
        assert (len(text), len(set(text)), text[:14]) == (1_115_394, 65, "First Citizen:")
    if (folder / "monthly-sunspots.csv").exists():
        months, values = datasets.monthly_sunspots()
        assert len(months) == len(values) == 2820
        assert months[[0, -1]].tolist() == np.array(["1749-01", "1983-12"], "datetime64[M]").tolist()
        assert values[:2].tolist() == [58.0, np.float32(62.6)]
    if (folder / "daily-min-temperatures.csv").exists():
        days, values = datasets.daily_min_temperatures()
        assert (len(days), days[-1], values[0]) == (3650, np.datetime64("1990-12-31"), np.float32(20.7))
    if (folder / "sentiment").exists():
        (texts, labels), (texts_test, labels_test) = datasets.sentence_polarity()
        assert (len(texts), len(texts_test), labels.mean(), labels_test.mean()) == (9596, 1066, 0.5, 0.5)
        assert all(texts)
    if (folder / "translation").exists():
        (english, german), (_, _), (_, test) = datasets.multi30k()
        assert (len(english), len(german), len(test)) == (29_000, 29_000, 1000)
        assert english[0].startswith("Two young, White males")
        assert german[0].startswith("Zwei junge weiße Männer")
    if (folder / "spoken_digits").exists():
        (sounds, labels), (sounds_test, labels_test) = datasets.spoken_digits()
        assert np.bincount(labels).tolist() == [270] * 10
        assert np.bincount(labels_test).tolist() == [30] * 10
        assert (len(sounds), len(sounds_test), sounds[0].dtype) == (2700, 300, np.float32)
        (sounds, labels), (theos, labels_theo) = datasets.spoken_digits(test_speaker="theo")
        assert np.bincount(labels).tolist() == [250] * 10
        assert np.bincount(labels_theo).tolist() == [50] * 10
        quiet, others = (np.median([np.abs(one).max() for one in part]) for part in (theos, sounds))
        assert quiet < 0.1 < others  # he speaks softly
        with pytest.raises(UnknownNameError, match=r"unknown speaker 'tho'; did you mean 'theo'"):
            datasets.spoken_digits(test_speaker="tho")
