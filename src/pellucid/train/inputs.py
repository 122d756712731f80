"""Between what users pass and what a loop needs: examples with labels and weights, batch sizes, held-out parts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from pellucid.core.graph import Tensor
from pellucid.core.spec import show_shape
from pellucid.data import batches
from pellucid.errors import ArgumentError, DataError, DtypeError, LabelError, ShapeError, nearest
from pellucid.nn.losses import Loss
from pellucid.nn.network import Network
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

    def as_fed(self, feeds: Sequence[Tensor]) -> list[numpy.ndarray]:
        """The same in the dtypes of a step's inputs."""
        return [array.astype(feed.dtype, copy=False) for array, feed in zip(self.arrays, feeds, strict=False)]

    def signature(self, batch: int, training: bool) -> Signature:
        """What a step for these examples depends on."""
        return Signature(
            batch,
            tuple(array.shape[1:] for array in self.inputs),
            tuple(array.shape[1:] for array in self.labels),
            tuple(None if weight is None else weight.shape[1:] for weight in self.weights),
            training,
        )

    def part(self, rows: slice) -> Examples:
        """Some of the rows, without a copy."""
        return Examples(
            [array[rows] for array in self.inputs],
            [array[rows] for array in self.labels],
            [None if weight is None else weight[rows] for weight in self.weights],
        )


# Arguments


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
    size = 32 if given is None else given
    need_count("batch_size", size, least=1)
    return min(int(size), rows)


def sizes(rows: int, batch: int) -> list[int]:
    """The sizes of an epoch's batches: all alike, and a shorter last one where they do not come out even.

    >>> sizes(100, 32), sizes(96, 32)
    ([32, 4], [32])
    """
    rest = rows % batch
    return [batch, rest] if rest and rows > batch else [batch]


def large_batch(network: Network, rows: int) -> int:
    """A batch for evaluation and prediction: large enough to be quick, small enough to stay in memory."""
    values = (*network.inputs, *network.outputs)
    widest = max((math.prod(size or 1 for size in value.shape) for value in values), default=1)
    return max(32, min(1024, (1 << 22) // max(widest, 1), rows))


def as_stream(x: Any, y: Any) -> Iterable[Any] | None:
    """`x` as an iterable of batches `(x, y)`, where it is one; a list is, if its items are tuples and there is no y.

    >>> as_stream([[1.0], [2.0]], [0, 1]) is None, as_stream([([[1.0]], [0])], None)
    (True, [([[1.0]], [0])])
    """
    if y is not None or x is None:
        return None
    listed = isinstance(x, list) and bool(x) and all(type(item) is tuple and len(item) in (2, 3) for item in x)
    source: Iterable[Any] | None = x if listed or batches.is_batches(x) else None
    return source


def length(source: Any) -> int | None:
    """How many batches one pass over an iterable has, where it says so.

    >>> length([([[1.0]], [0])]), length(iter([])) is None
    (1, True)
    """
    return len(source) if hasattr(source, "__len__") else None


def refuse_for_batches(**options: Any) -> None:
    """Raise `ArgumentError` for an option that only arrays can have."""
    for name, value in options.items():
        if value is not None:
            raise ArgumentError(
                f"{name} is for arrays; an iterable of batches decides that itself: it gives (x, y) or "
                "(x, y, sample_weight)" + (", and validation_data" * (name == "validation_split"))
            )


def refuse_for_arrays(**options: Any) -> None:
    """Raise `ArgumentError` for an option that only iterables of batches can have."""
    for name, value in options.items():
        if value is not None:
            raise ArgumentError(
                f"{name} is for iterables of batches; an epoch of arrays is every row once: leave it out"
            )


# Data


def hold_out(data: Examples, share: float) -> tuple[Examples, Examples]:
    """The examples without their last share, and that share, as Keras does before any shuffling."""
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0.0 < share < 1.0:
        raise ArgumentError(f"validation_split must be between 0 and 1, got {share!r}")
    kept = math.floor(data.rows * (1.0 - share))
    if kept == 0 or kept == data.rows:
        raise DataError(
            f"validation_split={share} of {data.rows} rows leaves one part empty; give more rows or validation_data"
        )
    return data.part(slice(0, kept)), data.part(slice(kept, None))


def labels(y: Any, losses: Sequence[Loss], outputs: Sequence[Tensor], names: Sequence[str]) -> list[numpy.ndarray]:
    """The labels of each output, checked against its loss; raises `LabelError` and others where they do not fit."""
    arrays = batches.as_arrays(y, names, role="labels")
    if len(arrays) != len(outputs):
        raise LabelError(
            f"the network has {len(outputs)} outputs ({', '.join(names)}), got {len(arrays)} arrays of labels"
        )
    for loss, array, output, name in zip(losses, arrays, outputs, names, strict=True):
        loss.check(array, output, name)
    return [in_known_kind(array, loss.label_dtype) for array, loss in zip(arrays, losses, strict=True)]


def in_known_kind(array: numpy.ndarray, wanted: str) -> numpy.ndarray:
    """The array in a dtype whose rows the loop can gather into the wanted one; most are left as they are."""
    if wanted == "int32" and array.dtype.kind == "f":
        return array.astype(numpy.int32)  # known to be whole by now
    wider = {"int8": "int32", "int16": "int32", "uint16": "int32", "uint32": "int64", "uint64": "float64"}
    dtype = numpy.dtype(wider.get(array.dtype.name, array.dtype.newbyteorder("=")))
    return array.astype(dtype, copy=False)


def fit_inputs(
    arrays: list[numpy.ndarray], inputs: Sequence[Tensor], names: Sequence[str], given: Any
) -> list[numpy.ndarray]:
    """The arrays in shapes and kinds that the network takes; raises errors that name input, columns and shapes."""
    if len(arrays) != len(inputs):
        raise ShapeError(f"the network has {len(inputs)} inputs ({', '.join(names)}), got {len(arrays)} arrays")
    result = []
    for place, (array, value, name) in enumerate(zip(arrays, inputs, names, strict=True)):
        wanted = value.shape[1:]
        if array.ndim == value.rank - 1 and wanted[-1] == 1:
            array = array[..., None]  # one feature per example, given as a flat list
        elif array.ndim == value.rank + 1 and array.shape[-1] == 1:
            array = array[..., 0]  # one id per example, given as a column
        fits = array.ndim == value.rank and all(w in (None, s) for w, s in zip(wanted, array.shape[1:], strict=True))
        if not fits:
            raise ShapeError(_misfit(array, value, name, _given(given, place, name)))
        if value.dtype == "int32":
            _need_ids(array, name)
        result.append(in_known_kind(array, value.dtype))
    return result


def _given(given: Any, place: int, name: str) -> Any:
    """What the user passed for one input."""
    if isinstance(given, Mapping):
        return given[name]
    return given[place] if isinstance(given, (list, tuple)) and place < len(given) else given


def _misfit(array: numpy.ndarray, value: Tensor, name: str, given: Any) -> str:
    wanted, got = show_shape((None, *value.shape[1:])), show_shape(array.shape)
    message = f"input {name!r} takes {wanted} (the first axis is the batch), got {got}"
    columns = list(map(str, getattr(given, "columns", ())))
    if columns:
        message += f" with the columns {', '.join(columns[:40])}{', …' * (len(columns) > 40)}"
    if array.ndim == value.rank == 2 and value.shape[1] is not None:
        extra = array.shape[1] - value.shape[1]
        message += f": {abs(extra)} feature{'s' * (abs(extra) > 1)} too {'many' if extra > 0 else 'few'}"
        message += "; is the label column still among them?" * (extra > 0) + "; give all columns" * (extra < 0)
    elif array.ndim == value.rank - 1 and array.shape == value.shape[1:]:
        message += "; this is one example: give a batch of one, x[None]"
    else:
        message += "; reshape the data, or change the network's Input"
    return message


def _need_ids(array: numpy.ndarray, name: str) -> None:
    """Whole numbers that fit into int32, which ids are; others would be cut to wrong ones in silence."""
    if array.dtype.kind == "b" or array.dtype.name in ("int8", "int16", "int32", "uint8", "uint16"):
        return
    wrong = ~((array >= -(2**31)) & (array < 2**31) & (array == numpy.floor(array)))
    if wrong.any():
        place = tuple(int(i) for i in numpy.argwhere(wrong)[0])
        raise DtypeError(
            f"input {name!r}, row {place[0]} (counted from 0): {array[place]} is no id; this input takes whole numbers "
            "below 2³¹, numbered from 0"
        )


# Weights


def weights(
    sample_weight: Any,
    class_weight: Mapping[int, float] | None,
    labels: Sequence[numpy.ndarray],
    losses: Sequence[Loss],
    names: Sequence[str],
) -> list[numpy.ndarray | None]:
    """One array of example weights per output, or `None`: [rows], or [rows, steps] for sequences.

    Class weights are looked up by label.
    """
    result: list[numpy.ndarray | None] = [None] * len(labels)
    if sample_weight is not None:
        given = zip(_by_output(sample_weight, names), labels, strict=True)
        result = [None if one is None else _one_each(one, label) for one, label in given]
    if class_weight:
        if len(labels) != 1:
            raise ArgumentError("class_weight works for a network of one output; use sample_weight for several")
        by_class = _class_weights(class_weight, labels[0], sparse=losses[0].label_dtype == "int32")
        batches.same_rows({"labels": labels, "sample weights": [one for one in result if one is not None]})
        result[0] = by_class if result[0] is None else _times(by_class, result[0])
    return result


def _by_output(given: Any, names: Sequence[str]) -> list[numpy.ndarray | None]:
    """What was given by output; one array alone counts for all outputs."""
    if isinstance(given, Mapping):
        unknown = next((str(name) for name in given if name not in names), None)
        if unknown is not None:
            raise ArgumentError(f"sample_weight: the network has no output {unknown!r}{nearest(unknown, names)}")
        some = {name: batches.as_arrays(value, role="sample weights")[0] for name, value in given.items()}
        return [some.get(name) for name in names]
    arrays = batches.as_arrays(given, role="sample weights")
    if len(arrays) not in (1, len(names)):
        raise ArgumentError(f"sample_weight has {len(arrays)} arrays for {len(names)} outputs ({', '.join(names)})")
    return [*arrays] if len(arrays) == len(names) else [arrays[0]] * len(names)


def _one_each(array: numpy.ndarray, label: numpy.ndarray) -> numpy.ndarray:
    flat = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if flat.shape[1:] != label.shape[1 : flat.ndim] or not flat.ndim:
        raise ShapeError(
            f"sample_weight must have one number per example, or one for each of its labels {show_shape(label.shape)}, "
            f"got {show_shape(array.shape)}"
        )
    return flat.astype(numpy.float32, copy=False)


def _times(a: numpy.ndarray, b: numpy.ndarray) -> numpy.ndarray:
    """Weights of examples times weights of their steps."""
    axes = max(a.ndim, b.ndim)
    a, b = (one.reshape(*one.shape, *(1,) * (axes - one.ndim)) for one in (a, b))
    product: numpy.ndarray = a * b
    return product


def _class_weights(class_weight: Mapping[int, float], label: numpy.ndarray, sparse: bool) -> numpy.ndarray:
    """The weight of each label's class; classes that are not named weigh 1. Labels are classes, or one-hot."""
    for name, weight in class_weight.items():
        if isinstance(name, bool) or not isinstance(name, (int, numpy.integer)) or name < 0:
            raise LabelError(
                f"class_weight names the class {name!r}; classes are whole numbers from 0, as in the labels"
            )
        if not isinstance(weight, (int, float, numpy.number)) or not math.isfinite(weight):
            raise ArgumentError(f"class_weight gives class {name} the weight {weight!r}; give a finite number")
    if label.ndim > 1 and label.shape[-1] == 1:
        label = label[..., 0]
    classes = label if sparse or label.ndim == 1 else label.argmax(-1)
    found, places = numpy.unique(classes, return_inverse=True)
    by_class = numpy.array([class_weight.get(value, 1.0) for value in found.tolist()], numpy.float32)
    return by_class[places.reshape(classes.shape)]
