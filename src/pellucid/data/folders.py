"""Streams of the files in a folder where each class has a folder of its own. Texts are read here, images in `images`,
sounds in `audio`.

Arguments, order of files, labels and split are those of Keras's `…_dataset_from_directory`: a seed holds out the same
files there and here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError, DataError, UnknownNameError, nearest
from .labels import to_categorical
from .stream import Rows, Stream

Labels = NDArray[np.int32]

_LABEL_MODES = ("binary", "categorical", "int")
_SUBSETS = ("both", "training", "validation")


@dataclass(frozen=True)
class Listing:
    """The files that were found, in order, with a label each (or none), and the names of the classes."""

    paths: list[str]
    labels: Labels | None
    class_names: list[str] | None

    def part(self, rows: slice) -> Listing:
        """Some of the files."""
        return replace(self, paths=self.paths[rows], labels=None if self.labels is None else self.labels[rows])


@dataclass(frozen=True)
class Folder:
    """What all kinds of files have in common: the arguments that say which files there are, and how they come."""

    directory: str | os.PathLike[str]
    labels: str | Sequence[int] | None
    label_mode: str | None
    class_names: Sequence[str] | None
    batch_size: int
    shuffle: bool
    seed: int | None
    validation_split: float | None
    subset: str | None
    follow_links: bool
    verbose: bool

    def stream(self, endings: Sequence[str], read: Callable[[list[str]], Any]) -> Any:
        """The stream of what `read` makes of some paths, with labels; two streams for `subset="both"`."""
        self._check()
        seed = int(np.random.SeedSequence().generate_state(1)[0]) if self.seed is None else self.seed
        found = self._shuffled(self._found(tuple(endings)), seed)
        if self.label_mode == "binary" and found.class_names is not None and len(found.class_names) != 2:
            raise ArgumentError(f'label_mode="binary" is for two classes; there are {len(found.class_names)}')
        parts = self._parts(found)
        for purpose, part in parts.items():
            if not part.paths:
                raise DataError(
                    f"{os.fspath(self.directory)} has no files for {purpose} that end in {', '.join(endings)}"
                    + (", each in the folder of its class" * (self.labels == "inferred"))
                )
        streams = [self._stream(part, read, seed) for part in parts.values()]
        return tuple(streams) if len(streams) > 1 else streams[0]

    def _check(self) -> None:
        if not Path(self.directory).is_dir():
            raise DataError(f"{os.fspath(self.directory)} is no folder; correct the path")
        if self.label_mode is not None and self.label_mode not in _LABEL_MODES:
            raise UnknownNameError("label_mode", self.label_mode, _LABEL_MODES)
        if isinstance(self.labels, str) and self.labels != "inferred":
            raise ArgumentError(f'labels must be "inferred", None, or a number for each file, got {self.labels!r}')
        if self.class_names is not None and self.labels != "inferred":
            raise ArgumentError('class_names go with labels="inferred" alone: they are names of folders')
        if self.subset is not None and self.subset not in _SUBSETS:
            raise UnknownNameError("subset", self.subset, _SUBSETS)
        if (self.subset is None) != (self.validation_split is None):
            raise ArgumentError("validation_split and subset go together: give both or neither")
        if self.validation_split is not None and not 0 < self.validation_split < 1:
            raise ArgumentError(f"validation_split must be between 0 and 1, got {self.validation_split}")
        if self.seed is not None and not 0 <= self.seed < 2**32:
            raise ArgumentError(f"seed must be from 0 to 2³²-1, got {self.seed}")
        if self.validation_split is not None and self.shuffle and self.seed is None:
            raise ArgumentError(
                "validation_split with shuffle needs a seed: without one the two subsets would share files"
            )

    def _found(self, endings: tuple[str, ...]) -> Listing:
        directory = os.fspath(self.directory)
        if self.labels != "inferred":
            paths = list(self._walk(directory, endings))
            if self.labels is None or self.label_mode is None:
                return Listing(paths, None, None)
            labels = np.array(self.labels, np.int32)
            if labels.shape != (len(paths),):
                raise ArgumentError(f"{len(self.labels)} labels were given for the {len(paths)} files in {directory}")
            return Listing(paths, labels, [str(label) for label in np.unique(labels)])
        folders = sorted(e.name for e in os.scandir(directory) if e.is_dir() and not e.name.startswith("."))
        names = folders if self.class_names is None else list(self.class_names)
        absent = next((name for name in names if name not in folders), None)
        if absent is not None:
            raise ArgumentError(
                f"class_names has {absent!r}, which is no folder in {directory}{nearest(absent, folders)}"
            )
        paths, counts = [], []
        for name in names:
            inside = list(self._walk(os.path.join(directory, name), endings))
            paths += inside
            counts.append(len(inside))
        if self.label_mode is None:
            return Listing(paths, None, None)
        return Listing(paths, np.repeat(np.arange(len(names), dtype=np.int32), counts), names)

    def _walk(self, directory: str, endings: tuple[str, ...]) -> Iterator[str]:
        """The files below a folder, sorted by folder and then by name."""
        for folder, _, names in sorted(os.walk(directory, followlinks=self.follow_links)):
            yield from (os.path.join(folder, name) for name in sorted(names) if name.lower().endswith(endings))

    def _shuffled(self, found: Listing, seed: int) -> Listing:
        """In the order that Keras's seed gives; on top of it each pass has an order of its own."""
        if self.verbose:
            classes = "" if found.class_names is None else f" belonging to {len(found.class_names)} classes"
            print(f"Found {len(found.paths)} files{classes}.")
        if not self.shuffle:
            return found
        order = np.arange(len(found.paths))
        np.random.RandomState(seed).shuffle(order)
        labels = None if found.labels is None else found.labels[order]
        return replace(found, paths=[found.paths[row] for row in order], labels=labels)

    def _parts(self, found: Listing) -> dict[str, Listing]:
        """The files by what they are for; the last ones are held out for validation."""
        if self.validation_split is None:
            return {"use": found}
        first = len(found.paths) - int(self.validation_split * len(found.paths))
        parts = {"training": found.part(slice(first)), "validation": found.part(slice(first, None))}
        return {purpose: part for purpose, part in parts.items() if self.subset in (purpose, "both")}

    def _stream(self, files: Listing, read: Callable[[list[str]], Any], seed: int) -> Stream:
        labels = self._encoded(files)

        def make(rows: Rows) -> Any:
            x = read([files.paths[row] for row in rows])
            return x if labels is None else (x, labels[rows])

        return Stream(make, len(files.paths), self.batch_size, self.shuffle, seed, files.class_names, files.paths)

    def _encoded(self, files: Listing) -> NDArray[Any] | None:
        if files.labels is None or self.label_mode == "int":
            return files.labels
        if self.label_mode == "binary":
            return files.labels[:, None].astype(np.float32)
        return to_categorical(files.labels, len(files.class_names or ()))


def text_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: str | Sequence[int] | None = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int = 32,
    max_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    verbose: bool = True,
) -> Any:
    """Batches of texts, one from each `.txt` file, and their labels: a `Stream`, or two with `subset="both"`.

    `directory` has a folder for each class, or `labels` a number for each file in order of paths. Texts are UTF-8, cut
    to `max_length` characters. Labels are int32 numbers [batch]; float32 [batch, 1] with `label_mode="binary"`;
    one-hot [batch, classes] with `"categorical"`; None gives the texts alone. `map` a `TextVectorization` over the
    stream before it is used to train. Raises `DataError` with the name of a file that cannot be read.

    >>> training = text_dataset_from_directory("letters", batch_size=16)  # doctest: +SKIP
    """

    def read(paths: list[str]) -> NDArray[np.object_]:
        return np.array([_text(path)[:max_length] for path in paths], object)

    folder = Folder(
        directory, labels, label_mode, class_names, batch_size, shuffle, seed, validation_split, subset, follow_links,
        verbose,
    )  # fmt: skip
    return folder.stream([".txt"], read)


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as UTF-8 text: {error}") from None
