"""Folders of texts, images and sounds: files, labels, splits and pixels, by hand and against Keras; broken files."""

from __future__ import annotations

import struct
import wave
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.errors import ArgumentError, DataError, UnknownNameError
from pellucid.utils import (
    audio_dataset_from_directory,
    image_dataset_from_directory,
    read_image,
    text_dataset_from_directory,
)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Seven texts of the class `b`, three of `a`, one of them deeper, and files that are no texts."""
    for name in [*(f"b/{i}.txt" for i in range(7)), "a/0.txt", "a/1.TXT", "a/deep/2.txt", ".hidden/x.txt", "b/x.csv"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name} é", encoding="utf-8")
    return tmp_path


def read(folder: Path, **options: Any) -> Any:
    return text_dataset_from_directory(folder, verbose=False, **options)


def test_texts_and_labels(texts: Path, capsys: pytest.CaptureFixture) -> None:
    stream = text_dataset_from_directory(texts, shuffle=False, batch_size=4)
    assert capsys.readouterr().out == "Found 10 files belonging to 2 classes.\n"
    assert stream.class_names == ["a", "b"]
    batches = list(stream)
    assert [len(x) for x, _ in batches] == [4, 4, 2]
    assert batches[0][0].tolist() == ["a/0.txt é", "a/1.TXT é", "a/deep/2.txt é", "b/0.txt é"]
    assert batches[0][1].tolist() == [0, 0, 0, 1]
    assert batches[0][1].dtype == np.int32
    assert stream.file_paths[2] == str(texts / "a" / "deep" / "2.txt")


def test_forms_of_labels(texts: Path) -> None:
    options = {"shuffle": False, "batch_size": 10}
    ((_, y),) = read(texts, label_mode="binary", **options)
    assert (y.tolist(), y.dtype) == ([[0]] * 3 + [[1]] * 7, np.float32)
    ((_, y),) = read(texts, label_mode="categorical", class_names=["b", "a"], **options)
    assert y.tolist() == [[1, 0]] * 7 + [[0, 1]] * 3
    (x,) = read(texts, label_mode=None, max_length=3, **options)
    assert x.tolist() == ["a/0", "a/1", "a/d", *(f"b/{i}" for i in range(7))]
    (x,) = read(texts / "b", labels=None, max_length=3, **options)
    assert x.tolist() == [f"b/{i}" for i in range(7)]
    ((_, y),) = read(texts / "b", labels=[5, 6, 7, 5, 6, 7, 5], **options)
    assert y.tolist() == [5, 6, 7, 5, 6, 7, 5]


def test_passes_and_splits(texts: Path) -> None:
    first, again = (read(texts, seed=3, batch_size=10) for _ in range(2))
    passes = [[x.tolist() for x, _ in first] for _ in range(2)]
    assert passes == [[x.tolist() for x, _ in again] for _ in range(2)]
    assert passes[0] != passes[1]
    assert Counter(passes[0][0]) == Counter(passes[1][0])
    for x, y in first:
        assert [name.startswith("b") for name in x] == y.tolist()
    options = {"seed": 3, "validation_split": 0.3}
    training, validation = read(texts, subset="both", **options)
    assert (training.rows, validation.rows) == (7, 3)
    assert sorted(training.file_paths + validation.file_paths) == sorted(first.file_paths)
    assert read(texts, subset="training", **options).file_paths == training.file_paths
    assert read(texts, subset="validation", **options).file_paths == validation.file_paths


def test_refusals(texts: Path) -> None:
    (texts / "empty").mkdir()
    for options, kind, message in [
        ({"label_mode": "one_hot"}, UnknownNameError, "label_mode"),
        ({"labels": "names"}, ArgumentError, "labels must be"),
        ({"labels": [1, 2]}, ArgumentError, "2 labels were given for the 11 files"),
        ({"labels": None, "class_names": ["a"]}, ArgumentError, "class_names go with"),
        ({"class_names": ["a", "c"]}, ArgumentError, "'c', which is no folder"),
        ({"label_mode": "binary"}, ArgumentError, "there are 3"),
        ({"subset": "test"}, UnknownNameError, "subset"),
        ({"subset": "training"}, ArgumentError, "go together"),
        ({"validation_split": 0.2}, ArgumentError, "go together"),
        ({"validation_split": 1.0, "subset": "both", "seed": 1}, ArgumentError, "between 0 and 1"),
        ({"validation_split": 0.2, "subset": "both"}, ArgumentError, "needs a seed"),
        ({"validation_split": 0.01, "subset": "validation", "seed": 1}, DataError, "no files for validation"),
        (
            {"class_names": ["empty"]},
            DataError,
            r"has no files for use that end in \.txt, each in the folder of its class",
        ),
        ({"batch_size": 0}, ArgumentError, "batch_size"),
        ({"seed": -1}, ArgumentError, "seed must be"),
    ]:
        with pytest.raises(kind, match=message):
            read(texts, **options)
    with pytest.raises(DataError, match="is no folder"):
        read(texts / "absent")
    (texts / "a" / "0.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"0\.txt cannot be read as UTF-8 text"):
        list(read(texts, class_names=["a"]))


# Images


@pytest.fixture
def image() -> Callable[..., Any]:
    return pytest.importorskip("PIL.Image").fromarray


def pixels(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def test_images(tmp_path: Path, image: Callable[..., Any]) -> None:
    for name, seed in (("cat", 1), ("dog", 2)):
        (tmp_path / name).mkdir()
        for number, ending in enumerate(("png", "bmp", "jpg")):
            image(pixels(6, 8, seed=seed)).save(tmp_path / name / f"{number}.{ending}")
    stream = image_dataset_from_directory(tmp_path, image_size=(6, 8), shuffle=False, batch_size=4, verbose=False)
    (x, y), (rest, _) = stream
    assert (x.shape, x.dtype, rest.shape) == ((4, 6, 8, 3), np.float32, (2, 6, 8, 3))
    assert (x[0] == pixels(6, 8, seed=1)).all()
    assert (x[1] == x[0]).all()
    assert (x[3] == pixels(6, 8, seed=2)).all()
    assert y.tolist() == [0, 0, 0, 1]
    assert next(iter(image_dataset_from_directory(tmp_path, image_size=5, verbose=False)))[0].shape == (6, 5, 5, 3)
    model = pellucid.Sequential([pellucid.layers.Flatten(input_shape=(6, 8, 3)), pellucid.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(stream.map(lambda x, y: (x / 255, y)), epochs=2, verbose=0)
    assert model.predict(stream).shape == (6, 1)


def test_colours_and_sizes(tmp_path: Path, image: Callable[..., Any]) -> None:
    colours = pixels(4, 6, 4)
    image(colours).save(tmp_path / "rgba.png")
    assert (read_image(tmp_path / "rgba.png", color_mode="rgba") == colours).all()
    assert (read_image(tmp_path / "rgba.png") == colours[..., :3]).all()
    grey = read_image(tmp_path / "rgba.png", color_mode="grayscale")
    np.testing.assert_allclose(grey[..., 0], colours[..., :3] @ [0.299, 0.587, 0.114], atol=1)
    deep = np.arange(24, dtype=np.uint16).reshape(4, 6) * 2700
    image(deep).save(tmp_path / "deep.png")
    assert (read_image(tmp_path / "deep.png", color_mode="grayscale")[..., 0] == deep >> 8).all()
    nearest = read_image(tmp_path / "rgba.png", (8, 12), interpolation="nearest")
    assert (nearest[::2, ::2] == colours[..., :3]).all()
    halves = read_image(tmp_path / "rgba.png", (2, 3), interpolation="area").astype(float)
    np.testing.assert_allclose(halves, colours[..., :3].reshape(2, 2, 3, 2, 3).mean((1, 3)), atol=1)
    cropped = read_image(tmp_path / "rgba.png", (4, 4), interpolation="nearest", crop_to_aspect_ratio=True)
    assert (cropped == colours[:, 1:5, :3]).all()
    tall = read_image(tmp_path / "rgba.png", (2, 6), interpolation="nearest", crop_to_aspect_ratio=True)
    assert (tall == colours[1:3, :, :3]).all()


def test_images_that_cannot_be_read(tmp_path: Path, image: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cat").mkdir()
    path = tmp_path / "cat" / "broken.png"
    image(pixels(50, 50)).save(path)
    whole = path.read_bytes()
    model = pellucid.Sequential([pellucid.layers.Flatten(input_shape=(5, 5, 3)), pellucid.layers.Dense(1)])
    model.compile("sgd", "mse")
    stream = image_dataset_from_directory(tmp_path, image_size=5, verbose=False)
    for content in (b"", b"no image", whole[:300], whole[:40] + b"\0" * 60 + whole[100:]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"broken\.png is no image that can be read"):
            model.fit(stream, verbose=0)
    for options in ({"color_mode": "rgbx"}, {"interpolation": "cubic"}):
        with pytest.raises(UnknownNameError):
            image_dataset_from_directory(tmp_path, **options)
        with pytest.raises(UnknownNameError):
            read_image(path, **options)
    with pytest.raises(ArgumentError, match="image_size"):
        image_dataset_from_directory(tmp_path, image_size=(0, 5))
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(DataError, match=r"pip install 'pellucid\[image\]'"):
        image_dataset_from_directory(tmp_path)


def test_images_against_keras(keras: Any, tmp_path: Path, image: Callable[..., Any]) -> None:
    pytest.importorskip("tensorflow")
    for number in range(20):
        folder = tmp_path / "abc"[number % 3]
        folder.mkdir(exist_ok=True)
        image(pixels(4, 5, seed=number)).save(folder / f"{number}.png")
    options: dict[str, Any] = {"image_size": (8, 10), "seed": 7, "validation_split": 0.3, "verbose": False}
    for subset in ("training", "validation"):
        ours = image_dataset_from_directory(tmp_path, subset=subset, **options)
        theirs = keras.utils.image_dataset_from_directory(tmp_path, subset=subset, **options)
        assert ours.file_paths == theirs.file_paths
    options = {"image_size": (8, 10), "shuffle": False, "verbose": False, "label_mode": "categorical"}
    ((x, y),) = image_dataset_from_directory(tmp_path, **options)
    ((keras_x, keras_y),) = keras.utils.image_dataset_from_directory(tmp_path, **options).as_numpy_iterator()
    assert (y == keras_y).all()
    np.testing.assert_allclose(x, keras_x, atol=1.01)  # ours are rounded to whole numbers, by row and by column


# Sounds


def record(path: Path, samples: list[int], rate: int = 8000, channels: int = 1) -> None:
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as writer:
        writer.setparams((channels, 2, rate, 0, "NONE", ""))
        writer.writeframes(struct.pack(f"<{len(samples)}h", *samples))


def test_sounds(tmp_path: Path) -> None:
    record(tmp_path / "no" / "0.wav", [2**14, -(2**15)])
    record(tmp_path / "yes" / "0.wav", [2**13] * 3)
    record(tmp_path / "yes" / "1.wav", [0, 2**14, 2**14, 2**14], channels=2)
    stream = audio_dataset_from_directory(tmp_path, shuffle=False, verbose=False)
    ((x, y),) = stream
    assert x[..., 0].tolist() == [[0.5, -1, 0], [0.25, 0.25, 0.25], [0.25, 0.5, 0]]
    assert (y.tolist(), x.shape) == ([0, 1, 1], (3, 3, 1))
    ((x, _),) = audio_dataset_from_directory(tmp_path, output_sequence_length=1, shuffle=False, verbose=False)
    assert x[..., 0].tolist() == [[0.5], [0.25], [0.25]]
    record(tmp_path / "yes" / "2.wav", [0], rate=16_000)
    with pytest.raises(DataError, match=r"2\.wav has 16000 samples a second where 8000 are expected"):
        list(audio_dataset_from_directory(tmp_path, sampling_rate=8000, verbose=False))
    with pytest.raises(DataError, match="samples a second where"):
        list(audio_dataset_from_directory(tmp_path, verbose=False))
    (tmp_path / "yes" / "2.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"2\.wav is no WAV file"):
        list(audio_dataset_from_directory(tmp_path, verbose=False))
