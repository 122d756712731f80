"""Between what users pass and what a loop needs: examples with labels and weights, batch sizes, held-out parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from pellucid.core.graph import Tensor
from pellucid.core.spec import show_shape
from pellucid.data import batches
from pellucid.errors import ArgumentError, DataError, LabelError, ShapeError
from pellucid.train.step import Signature


@dataclass
class Examples:
    """Inputs, labels and weights with one row per example."""

    inputs: list[numpy.ndarray]
    labels: list[numpy.ndarray]
    weights: list[numpy.ndarray | None]

    @property
    def rows(self) -> int:
        return len(self.inputs[0])

    @property
    def arrays(self) -> list[numpy.ndarray]:
        """What a loop gathers rows from, in the order of a step's inputs."""
        return [*self.inputs, *self.labels, *(weight for weight in self.weights if weight is not None)]

    def signature(self, batch: int, training: bool) -> Signature:
        """What a step for these examples depends on."""
        return Signature(
            batch,
            tuple(array.shape[1:] for array in self.inputs),
            tuple(array.shape[1:] for array in self.labels),
            tuple(weight is not None for weight in self.weights),
            training,
        )

    def part(self, rows: slice) -> Examples:
        return Examples(
            [array[rows] for array in self.inputs],
            [array[rows] for array in self.labels],
            [None if weight is None else weight[rows] for weight in self.weights],
        )


def need_count(name: str, value: Any, least: int) -> None:
    """Raise `ArgumentError` unless the value is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, numpy.integer)) or value < least:
        raise ArgumentError(f"{name} must be a whole number of at least {least}, got {value!r}")


def batch_size(given: int | str | None, rows: int) -> int:
    """Examples per step: 32 by default, never more than there are; "all" takes the whole set.

    >>> batch_size(None, 100), batch_size("all", 100), batch_size(1, 100)
    (32, 100, 1)
    """
    if given == "all":
        return rows
    if isinstance(given, str):
        raise ArgumentError(f"batch_size must be a whole number or 'all', got {given!r}")
    need_count("batch_size", 32 if given is None else given, least=1)
    return min(32 if given is None else int(given), rows)


def sizes(rows: int, batch: int) -> list[int]:
    """The sizes of an epoch's batches: all alike, and a shorter last one where they do not come out even.

    >>> sizes(100, 32), sizes(96, 32)
    ([32, 4], [32])
    """
    rest = rows % batch
    return [batch, rest] if rest and rows > batch else [batch]


def large_batch(model: Any, rows: int) -> int:
    """A batch for evaluation and prediction: large enough to be quick, small enough to stay in memory."""
    widest = max((math.prod(size or 1 for size in value.shape) for value in (*model.inputs, *model.outputs)), default=1)
    return max(32, min(1024, (1 << 22) // max(widest, 1), rows))


def hold_out(data: Examples, share: float) -> tuple[Examples, Examples]:
    """The examples without their last share, and that share, as Keras does before any shuffling."""
    if not 0.0 < share < 1.0:
        raise ArgumentError(f"validation_split must be between 0 and 1, got {share!r}")
    kept = math.floor(data.rows * (1.0 - share))
    if kept == 0 or kept == data.rows:
        raise DataError(
            f"validation_split={share} of {data.rows} rows leaves one part empty; give more rows or validation_data"
        )
    return data.part(slice(0, kept)), data.part(slice(kept, None))


def fit_shapes(
    arrays: list[numpy.ndarray], inputs: Sequence[Tensor], names: Sequence[str], given: Any
) -> list[numpy.ndarray]:
    """The arrays in the shapes of the network's inputs; raises `ShapeError` naming input, columns and shapes."""
    if len(arrays) != len(inputs):
        raise ShapeError(f"the network has {len(inputs)} inputs ({', '.join(names)}), got {len(arrays)} arrays")
    result = []
    for array, value, name in zip(arrays, inputs, names, strict=True):
        wanted = value.shape[1:]
        if array.ndim == len(wanted) and wanted and wanted[-1] == 1 and array.ndim:
            array = array[..., None]  # one feature per example, given as a flat list
        fits = array.ndim == value.rank and all(w in (None, s) for w, s in zip(wanted, array.shape[1:], strict=True))
        if not fits:
            raise ShapeError(_misfit(array, value, name, given))
        result.append(array)
    return result


def _misfit(array: numpy.ndarray, value: Tensor, name: str, given: Any) -> str:
    wanted, got = show_shape((None, *value.shape[1:])), show_shape(array.shape)
    message = f"input {name!r} takes {wanted} (the first axis is the batch), got {got}"
    columns = getattr(given, "columns", None)
    if columns is not None:
        message += f" with the columns {', '.join(map(str, list(columns)[:40]))}"
    if array.ndim == value.rank == 2 and value.shape[1] is not None:
        extra = array.shape[1] - value.shape[1]
        many = "too many" if extra > 0 else "too few"
        message += (
            f": {abs(extra)} feature{'s' if abs(extra) > 1 else ''} {many}; is the label column still among them?"
            if extra > 0
            else f": {-extra} {many}"
        )
    elif array.ndim == value.rank - 1 and array.shape == value.shape[1:]:
        message += "; this is one example: give a batch of one, x[None]"
    return message


def weights(
    sample_weight: Any, class_weight: Any, labels: Sequence[numpy.ndarray], names: Sequence[str]
) -> list[numpy.ndarray | None]:
    """One array of example weights per output, or `None`; class weights are looked up by label."""
    result: list[numpy.ndarray | None] = [None] * len(labels)
    if sample_weight is not None:
        arrays = batches.as_arrays(sample_weight, names, role="sample weights")
        if len(arrays) not in (1, len(labels)):
            raise ArgumentError(f"sample_weight has {len(arrays)} arrays for {len(labels)} outputs")
        for place in range(len(labels)):
            array = arrays[min(place, len(arrays) - 1)].astype(numpy.float32, copy=False)
            result[place] = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
            if array.ndim > 2 or (array.ndim == 2 and array.shape[1] != 1):
                raise ShapeError(f"sample_weight must have one number per example, got {show_shape(array.shape)}")
    if class_weight:
        if len(labels) != 1:
            raise ArgumentError("class_weight works for a network of one output; use sample_weight for several")
        label = labels[0]
        classes = label.argmax(-1) if label.ndim == 2 and label.shape[1] > 1 else label.reshape(len(label), -1)[:, 0]
        found = numpy.unique(classes)
        for value in class_weight:
            if value not in found:
                raise LabelError(
                    f"class_weight names class {value!r}, which is not among the labels "
                    f"({', '.join(map(str, found[:20]))})"
                )
        by_class = numpy.array([class_weight.get(value, 1.0) for value in found.tolist()], numpy.float32)
        own = by_class[numpy.searchsorted(found, classes)]
        result[0] = own if result[0] is None else own * result[0]
    return result
