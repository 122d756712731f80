"""Sequences: padding to one length, windows over a time series, and windows for predicting what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..errors import ArgumentError, DataError
from .stream import Rows, Stream


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: DTypeLike = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> NDArray[Any]:
    """Sequences of different lengths as one array, with `value` where they are too short.

    Shapes: n sequences [length, ...] → [n, maxlen, ...]; `maxlen` is the longest length unless given. `padding` and
    `truncating` say at which end: "pre" or "post". Raises `DataError` for items that are no sequences, or differ in
    more than their length.

    >>> pad_sequences([[1], [2, 3], [4, 5, 6]], maxlen=2).tolist()
    [[0, 1], [2, 3], [5, 6]]
    """
    for name, end in (("padding", padding), ("truncating", truncating)):
        if end not in ("pre", "post"):
            raise ArgumentError(f'{name} must be "pre" or "post", got {end!r}')
    if maxlen is not None and maxlen < 1:
        raise ArgumentError(f"maxlen must be at least 1, got {maxlen}")
    for place, sequence in enumerate(sequences):
        if not hasattr(sequence, "__len__") or isinstance(sequence, str):
            raise DataError(f"item {place} is {sequence!r:.40}, not a sequence; give a list of lists or of arrays")
    arrays = [np.asarray(sequence, dtype) for sequence in sequences]
    shape = next((array.shape[1:] for array in arrays if len(array)), ())
    length = max(map(len, arrays), default=0) if maxlen is None else maxlen
    result = np.full((len(arrays), length, *shape), value, dtype)
    for place, array in enumerate(arrays):
        if len(array) and array.shape[1:] != shape:
            raise DataError(
                f"sequence {place} has steps of shape {list(array.shape[1:])} where the first has {list(shape)}; only "
                "lengths may differ"
            )
        kept = array[-length:] if truncating == "pre" else array[:length]
        if len(kept):
            result[place, slice(len(kept)) if padding == "post" else slice(length - len(kept), None)] = kept
    return result


def timeseries_dataset_from_array(
    data: ArrayLike,
    targets: ArrayLike | None,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
) -> Stream:
    """Windows over a series, in batches [batch, sequence_length, ...], with the target that belongs to each window.

    Window i holds `data[p], data[p + sampling_rate], …`, where `p = start_index + i·sequence_stride`, and its target is
    `targets[p]`: to predict the step after the window, give `targets=data[sequence_length:]`. Only data from
    `start_index` up to, not including, `end_index` are used. Without targets a batch is the windows alone. The data are
    not copied; a batch is gathered when it is asked for.

    >>> series = np.arange(10)
    >>> x, y = next(iter(timeseries_dataset_from_array(series, series[3:], sequence_length=3, batch_size=2)))
    >>> x.tolist(), y.tolist()
    ([[0, 1, 2], [1, 2, 3]], [3, 4])
    """
    values, wanted = np.asarray(data), None if targets is None else np.asarray(targets)
    for name, number in (
        ("sequence_length", sequence_length),
        ("sequence_stride", sequence_stride),
        ("sampling_rate", sampling_rate),
    ):
        _need_positive(name, number)
    start, end = start_index or 0, len(values) if end_index is None else end_index
    if not 0 <= start < end <= len(values):
        raise ArgumentError(f"from start_index {start} to end_index {end} is no part of {len(values)} steps")
    count = end - start - (sequence_length - 1) * sampling_rate
    if wanted is not None:
        count = min(count, len(wanted) - start)
    if count < 1:
        raise DataError(
            f"{end - start} steps{'' if wanted is None else f' with {len(wanted)} targets'} hold no window of "
            f"{sequence_length} steps with sampling_rate={sampling_rate}; give a longer series or a shorter window"
        )
    offsets = np.arange(sequence_length) * sampling_rate

    def windows(rows: Rows) -> Any:
        first = start + rows * sequence_stride
        x = values[first[:, None] + offsets]
        return x if wanted is None else (x, wanted[first])

    return Stream(windows, -(-count // sequence_stride), batch_size, shuffle, seed)


def next_token_dataset_from_array(
    tokens: ArrayLike,
    sequence_length: int,
    sequence_stride: int | None = None,
    batch_size: int = 128,
    shuffle: bool = False,
    seed: int | None = None,
) -> Stream:
    """Windows over one long row of tokens, with the token that follows each: batches `(x, y)` [batch, sequence_length].

    `y` is `x` moved on by one, so that a language model learns from every place of a window. Windows begin
    `sequence_stride` tokens apart: as far as they are long unless given, so that each token is predicted once a pass.
    With `sequence_stride=1` and `shuffle` they begin anywhere. The tokens are not copied.

    >>> x, y = next(iter(next_token_dataset_from_array(np.arange(10), sequence_length=4)))
    >>> x.tolist(), y.tolist()
    ([[0, 1, 2, 3], [4, 5, 6, 7]], [[1, 2, 3, 4], [5, 6, 7, 8]])
    """
    values, stride = np.asarray(tokens), sequence_length if sequence_stride is None else sequence_stride
    _need_positive("sequence_length", sequence_length)
    _need_positive("sequence_stride", stride)
    if values.ndim != 1 or len(values) <= sequence_length:
        raise DataError(
            f"tokens of shape {list(values.shape)} hold no window of {sequence_length} and one token more; give one "
            "longer row, or a smaller sequence_length"
        )
    offsets = np.arange(sequence_length + 1)

    def windows(rows: Rows) -> Any:
        both = values[(rows * stride)[:, None] + offsets]
        return both[:, :-1], both[:, 1:]

    return Stream(windows, (len(values) - sequence_length - 1) // stride + 1, batch_size, shuffle, seed)


def _need_positive(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ArgumentError(f"{name} must be a whole number of at least 1, got {value!r}")
