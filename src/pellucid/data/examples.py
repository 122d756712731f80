"""Examples from a file, for a network whose inputs are known: a table of numbers, arrays of NumPy, an image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.core.spec import Shape, show_shape
from pellucid.data import cells
from pellucid.data.read import read
from pellucid.data.table import Table
from pellucid.errors import ArgumentError, DataError, UnknownNameError

Array = NDArray[Any]
_IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
_COLOURS = {1: "grayscale", 3: "rgb", 4: "rgba"}
_LABELS = "y"  # the array of an .npz that has the true values, unless told


@dataclass(frozen=True, eq=False)
class Examples:
    """One array for each input, by name; the true values, and the names of the columns, where the file has them."""

    inputs: dict[str, Array]
    truth: Array | None = None
    columns: tuple[str, ...] = ()

    def __len__(self) -> int:
        return min(len(array) for array in self.inputs.values())

    def row(self, place: int | None) -> Examples:
        """One of them, as a batch of one; raises `ArgumentError` where there are several and none is chosen."""
        count = len(self)
        if place is None and count != 1:
            raise ArgumentError(f"there are {count:,} examples; choose one row, 0 to {count - 1:,}")
        at = place or 0
        if not 0 <= at < count:
            raise ArgumentError(f"row {at}: there are {count:,} examples, counted from 0 to {count - 1:,}")
        truth = None if self.truth is None else self.truth[at : at + 1]
        return Examples({name: array[at : at + 1] for name, array in self.inputs.items()}, truth, self.columns)


def read_examples(path: str | Path, inputs: dict[str, Shape], target: str | None = None) -> Examples:
    """The examples in a file. `inputs` are the shapes of the network's inputs by name, the batch first.

    A table (CSV, TSV, JSON lines, Parquet) has one column for each number of the one input, in its order, besides the
    columns `target`; `.npy` has the array of the one input, `.npz` one array for each input by its name (of one input
    any name), and the true values as `target`, else as `y`; an image file is one example of the size of the input, its
    pixels 0 to 255.

    Raises `DataError` and `UnknownNameError` that say what there is.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(folder + "/x.npy", np.zeros((5, 2)))
    ...     read_examples(folder + "/x.npy", {"x": (None, 2)}).inputs["x"].shape
    (5, 2)
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (*_IMAGES, ".npy", ".npz"):
        return _of_table(read(path), inputs, target)
    if not path.is_file():
        raise DataError(f"{path} does not exist")
    if suffix == ".npz":
        return _of_arrays(path, inputs, target)
    if target is not None:
        raise DataError(f"{path.name} has no true values; keep them beside the inputs in an .npz file, or in a table")
    (name, shape) = _only(path, inputs)
    array = _image(path, name, shape) if suffix in _IMAGES else _load(path)
    return Examples({name: _batch(path, name, array, shape)})


def _of_table(table: Table, inputs: dict[str, Shape], target: str | None) -> Examples:
    name, shape = _only(Path(table.name), inputs)
    if target is not None and target not in table.columns:
        raise UnknownNameError("column", target, table.names)
    columns = tuple(column for column in table.names if column != target)
    open_size = None in shape[1:]
    count = len(columns) if open_size else math.prod(size for size in shape[1:] if size is not None)
    if len(columns) != count:
        hint = "" if target else "; if one of them is the true value, name it as the target"
        named = ", ".join(columns[:8]) + ", …" * (len(columns) > 8)
        raise DataError(
            f"{table.name} has {len(columns)} columns ({named}), and input {name!r} takes {count} numbers{hint}"
        )
    values = np.stack([cells.numbers(table, table[column]) for column in columns], axis=-1)
    array = values if open_size else values.reshape(len(values), *(size or 1 for size in shape[1:]))
    truth = None if target is None else cells.numbers(table, table[target])
    return Examples({name: array}, truth, columns)


def _of_arrays(path: Path, inputs: dict[str, Shape], target: str | None) -> Examples:
    arrays = _load(path)
    labels = target if target is not None else _LABELS if _LABELS not in inputs else None
    if target is not None and target not in arrays:
        raise UnknownNameError("array", target, arrays)
    truth = arrays.pop(labels, None) if labels is not None else None
    if len(inputs) == 1 and len(arrays) == 1:
        arrays = dict(zip(inputs, arrays.values(), strict=True))
    missing = next((name for name in inputs if name not in arrays), None)
    if missing is not None:
        raise DataError(f"{path.name} has no array for input {missing!r}; it has: {', '.join(arrays) or 'none'}")
    found = {name: _batch(path, name, arrays[name], shape) for name, shape in inputs.items()}
    sizes = {name: len(array) for name, array in found.items()} | ({} if truth is None else {"target": len(truth)})
    if len(set(sizes.values())) > 1:
        counts = ", ".join(f"{name}: {size:,}" for name, size in sizes.items())
        raise DataError(f"{path.name}: its arrays have different numbers of examples ({counts})")
    return Examples(found, truth)


def _load(path: Path) -> Any:
    """An array, or a dict of arrays; nothing that could run code."""
    try:
        found = np.load(path, allow_pickle=False)
        return {name: found[name] for name in found.files} if isinstance(found, np.lib.npyio.NpzFile) else found
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read as arrays of NumPy: {error}") from None


def _image(path: Path, name: str, shape: Shape) -> Array:
    """An image in the size and the colours that the input takes."""
    from pellucid.data.images import read_image

    channels = shape[3] if len(shape) == 4 else 1
    if len(shape) not in (3, 4) or channels not in _COLOURS:
        raise DataError(f"{path.name} is an image, and input {name!r} takes {show_shape(shape[1:])}, no image")
    height, width = shape[1:3]
    size = (height, width) if height is not None and width is not None else None
    pixels = read_image(path, size, _COLOURS[channels])
    return pixels if len(shape) == 4 else pixels[..., 0]


def _only(path: Path, inputs: dict[str, Shape]) -> tuple[str, Shape]:
    if len(inputs) != 1:
        raise DataError(
            f"{path.name} holds one array, and the network has the inputs {', '.join(inputs)}; give an .npz file with "
            "an array for each, by these names"
        )
    return next(iter(inputs.items()))


def _batch(path: Path, name: str, array: Array, shape: Shape) -> Array:
    """Examples, or one example without the batch; raises `DataError` for another shape."""
    for found in (array, array[None]):
        if found.ndim == len(shape) and all(b in (None, a) for a, b in zip(found.shape[1:], shape[1:], strict=True)):
            return found
    wanted: Sequence[int | None] = shape[1:]
    raise DataError(
        f"{path.name}: an array of shape {show_shape(array.shape)} does not fit input {name!r}, whose examples are "
        f"{show_shape(wanted)}"
    )
