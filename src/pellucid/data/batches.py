"""What `fit`, `evaluate` and `predict` accept, as arrays: lists, NumPy, frames, several inputs, iterables of batches.

float64 and float16 become float32; integers and booleans stay what they are. Arrays that already fit are passed on
without a copy: one-row `predict` goes through here, so the common case costs about a microsecond.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, DtypeError, LabelError, nearest

Array = NDArray[Any]
Batch = tuple[list[Array], list[Array] | None, Array | None]

_FLOAT32 = np.dtype(np.float32)
_PLAIN = (bool, int, float, str, bytes, np.generic, type(None))


def as_arrays(
    x: object, names: Sequence[str] | None = None, role: str = "features", allow_missing: bool = False
) -> list[Array]:
    """One array per input, in the order of `names`.

    A dict gives inputs by name; a tuple, or a list of arrays, gives several by position; anything else is one input.
    `role` ("features", "labels", "sample weights") is for messages. Raises `DataError` (`LabelError` for labels) at
    NaN or infinity, naming row and column (`allow_missing` lets NaN pass), at empty arrays, at several inputs where
    one is expected, and `DtypeError` at text and objects.

    >>> as_arrays([[1.0, 2.0], [3.0, 4.0]])[0].dtype
    dtype('float32')
    """
    if (
        type(x) is np.ndarray
        and x.dtype is _FLOAT32
        and (names is None or len(names) == 1)
        and x.flags.c_contiguous
        and x.size
        and math.isfinite(np.vdot(x, x))  # a sum of squares is finite only if all its terms are
    ):
        return [x]
    if isinstance(x, Mapping):
        if names is None:
            return [_as_array(value, f"{role} '{key}'", role, allow_missing) for key, value in x.items()]
        unknown = next((str(key) for key in x if key not in names), None)
        if unknown is not None:
            raise DataError(f"{role}: the network has no input '{unknown}'{nearest(unknown, names)}")
        lacking = next((name for name in names if name not in x), None)
        if lacking is not None:
            raise DataError(f"{role}: the input '{lacking}' is not given{nearest(lacking, map(str, x))}")
        return [_as_array(x[name], f"{role} '{name}'", role, allow_missing) for name in names]
    if _is_several(x, names):
        parts = list(x)  # type: ignore[call-overload]
        if names is not None and len(parts) != len(names):
            raise DataError(f"{role}: {len(parts)} arrays given where {len(names)} are expected ({', '.join(names)})")
        labels = names or [str(i) for i in range(len(parts))]
        return [_as_array(p, f"{role} '{n}'", role, allow_missing) for p, n in zip(parts, labels, strict=True)]
    if names is not None and len(names) > 1:
        raise DataError(
            f"{role}: one array given where {len(names)} are expected ({', '.join(names)}); give a dict by "
            "name or a tuple"
        )
    return [_as_array(x, role, role, allow_missing)]


def same_rows(groups: Mapping[str, Sequence[Array]]) -> int:
    """The number of rows that all arrays share; raises `DataError` naming two that differ.

    >>> same_rows({"features": [np.zeros((3, 2))], "labels": [np.zeros(3)]})
    3
    """
    first, rows = "", -1
    for name, arrays in groups.items():
        for array in arrays:
            if rows < 0:
                first, rows = name, len(array)
            elif len(array) != rows:
                raise DataError(f"{first} have {rows:,} rows but {name} have {len(array):,}; give one for each row")
    return rows


def is_batches(x: object) -> bool:
    """Is it an iterable of batches (a generator, a data loader) rather than data itself?"""
    if isinstance(x, (np.ndarray, list, tuple, Mapping, *_PLAIN)) or hasattr(x, "__array__"):
        return False
    from .frames import is_frame

    return isinstance(x, Iterable) and not is_frame(x)


def batches(
    source: Iterable[object], inputs: Sequence[str] | None = None, outputs: Sequence[str] | None = None
) -> Iterator[Batch]:
    """Each batch, given as `x`, `(x, y)` or `(x, y, weights)`, as features, labels or None, sample weights or None."""
    for number, batch in enumerate(source):
        parts = tuple(batch) if isinstance(batch, (tuple, list)) else (batch,)
        if not 1 <= len(parts) <= 3:
            raise DataError(f"batch {number}: has {len(parts)} parts; give (features, labels, sample weights)")
        x, y, weights = (*parts, None, None)[:3]
        features = as_arrays(x, inputs)
        labels = None if y is None else as_arrays(y, outputs, "labels")
        weight = None if weights is None else as_arrays(weights, None, "sample weights")[0]
        groups: dict[str, list[Array]] = {"features": features, "labels": labels or []}
        same_rows(groups | {"sample weights": [weight] if weight is not None else []})
        yield features, labels, weight


def _is_several(x: object, names: Sequence[str] | None) -> bool:
    if isinstance(x, tuple):
        return not all(isinstance(part, _PLAIN) for part in x)
    if not isinstance(x, list) or not x or (names is not None and len(names) == 1):
        return False
    return all(hasattr(part, "__array__") and np.ndim(part) > 0 for part in x)


def _as_array(x: object, place: str, role: str, allow_missing: bool) -> Array:
    columns: Sequence[str] | None = None
    if not isinstance(x, (np.ndarray, list, tuple)):
        x, columns = _from_other(x, place)
    try:
        array = np.asarray(x)
    except (ValueError, TypeError) as error:
        if isinstance(x, (list, tuple)) and len({np.shape(row) for row in _rows(x)}) > 1:
            lengths = [np.shape(row) for row in _rows(x)]
            odd = next(i for i, length in enumerate(lengths) if length != lengths[0])
            raise DataError(
                f"{place}: row {odd} has shape {list(lengths[odd])} where row 0 has {list(lengths[0])}; "
                "rows must be equally long"
            ) from None
        raise DataError(f"{place}: cannot become an array ({error})") from None
    return checked(array, place, role, allow_missing, columns)


def _rows(x: Sequence[Any]) -> list[Any]:
    return [row if isinstance(row, _PLAIN) else np.asarray(row, object) for row in x]


def _from_other(x: object, place: str) -> tuple[object, Sequence[str] | None]:
    """An array-like of another library as an array, with its column names if it is a frame."""
    from .frames import is_frame, read_frame

    if is_frame(x):
        table = read_frame(x)
        for column in table.columns.values():
            if column.holds in ("text", "datetime"):
                raise DtypeError(
                    f"{place}, column '{column.name}': holds {column.holds}, not numbers; encode it, or train from the "
                    "table as a whole"
                )
        arrays = [_with_gaps(column.values, column.missing) for column in table.columns.values()]
        one = not (hasattr(x, "columns") or hasattr(x, "column_names"))  # a series
        return (arrays[0] if one else np.stack(arrays, axis=1)), table.names
    if hasattr(x, "toarray"):  # scipy's sparse matrices
        return x.toarray(), None
    if hasattr(x, "__array__") or isinstance(x, Sequence):
        return x, None
    if isinstance(x, (int, float)):
        raise DataError(f"{place}: one number given; give an array with one row per example, such as [[{x}]]")
    raise DtypeError(f"{place}: cannot use {type(x).__name__}; give an array, a list, or a frame")


def _with_gaps(values: Array, missing: Array) -> Array:
    return np.where(missing, np.nan, values) if missing.any() and values.dtype.kind != "f" else values


def checked(
    array: Array, place: str, role: str = "features", allow_missing: bool = False, columns: Sequence[str] | None = None
) -> Array:
    """The array with a dtype that engines take, once it is not empty, not text, and finite."""
    failure = LabelError if role == "labels" else DataError
    if array.ndim == 0:
        raise failure(f"{place}: one value given; give an array with one row per example, such as [[{array}]]")
    if array.size == 0:
        raise failure(f"{place}: empty, shape {list(array.shape)}; give at least one row")
    kind = array.dtype.kind
    if kind in "OUST":
        array = _from_objects(array, place, role)
        kind = array.dtype.kind
    if kind in "iub":
        return _in_memory(array, array.dtype, place)
    if kind != "f":
        raise DtypeError(f"{place}: dtype {array.dtype} cannot be used; give real numbers")
    with np.errstate(over="ignore"):
        made = _in_memory(array, _FLOAT32, place)
    if not math.isfinite(np.vdot(made, made)):
        wrong = ~(np.isfinite(made) | np.isnan(made)) if allow_missing else ~np.isfinite(made)
        if wrong.any():
            index = np.argwhere(wrong)[0].tolist()
            value = array[tuple(index)]
            what = "NaN" if np.isnan(value) else "infinite" if np.isinf(value) else f"{value:.4g}, beyond float32"
            raise failure(f"{place}, {_spot(index, columns)}: the value is {what}; correct it or leave the row out")
    return made


def _in_memory(array: Array, dtype: np.dtype[Any], place: str) -> Array:
    """The array as one piece of memory, which a view need not be; raises `DataError` where there is not enough."""
    try:
        return np.ascontiguousarray(array, dtype)
    except MemoryError:
        shape = ", ".join(f"{size:,}" for size in array.shape)
        raise DataError(
            f"{place}: [{shape}] in {dtype} would take {array.size * dtype.itemsize / 2**30:,.1f} GiB, more than there "
            "is; give fewer rows at a time, or an iterable of batches, which are made as they are needed"
        ) from None


def _from_objects(array: Array, place: str, role: str) -> Array:
    """Numbers kept as objects become float32; text is refused with the repair."""
    if array.dtype.kind == "O":
        known = [cell for cell in array.ravel() if cell is not None]
        if all(isinstance(cell, (bool, int, float, np.number, np.bool_)) for cell in known):
            return array.astype(np.float64)
        text = next((cell for cell in known if not isinstance(cell, (bool, int, float, np.number, np.bool_))), None)
    else:
        text = array.ravel()[0]
    index = np.argwhere(array == text)[0].tolist() if isinstance(text, (str, bytes)) else [0]
    shown = repr(str(text) if isinstance(text, str) else text)[:40]
    if role == "labels":
        raise LabelError(
            f"{place}, {_spot(index, None)}: {shown} is text, which this loss cannot compare with numbers; number the "
            "classes 0, 1, … or use a cross-entropy loss with as many outputs as classes"
        )
    raise DtypeError(
        f"{place}, {_spot(index, None)}: {shown} is not a number; turn text into numbers "
        "(pellucid.layers.TextVectorization), or train from the table as a whole"
    )


def _spot(index: list[int], columns: Sequence[str] | None) -> str:
    row = f"row {index[0]} (counted from 0)"
    if len(index) == 1:
        return row
    if columns is not None:
        return f"{row}, column '{columns[index[1]]}'"
    return f"{row}, column {index[1]}" if len(index) == 2 else f"{row}, position {index[1:]}"
