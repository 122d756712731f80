"""Sequences: padding to one length, batches of about one length, windows over a time series and for what comes next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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


class Buckets(Stream):
    """Batches in which all rows are of one bucket; with `shuffle` rows are drawn anew within their buckets."""

    def __init__(
        self, make: Callable[[Rows], Any], buckets: list[Rows], batch_size: int, shuffle: bool, seed: int | None
    ) -> None:
        super().__init__(make, sum(map(len, buckets)), batch_size, shuffle, seed)
        self.buckets = buckets

    def __len__(self) -> int:
        return sum(-(-len(bucket) // self.batch_size) for bucket in self.buckets)

    def batches(self, random: np.random.Generator | None) -> Iterable[Rows]:
        orders = [bucket if random is None else random.permutation(bucket) for bucket in self.buckets]
        size = self.batch_size
        parts = [order[first : first + size] for order in orders for first in range(0, len(order), size)]
        return parts if random is None else [parts[i] for i in random.permutation(len(parts))]


def bucket_by_sequence_length(
    sequences: Sequence[NDArray[Any]],
    bucket_boundaries: Sequence[int],
    batch_size: int = 32,
    shuffle: bool = False,
    seed: int | None = None,
) -> Stream:
    """Batches of rows of about one length, so that little time is spent on padding: tuples of arrays, one of each.

    `sequences` are arrays with one row each for every example, such as sentences and their translations, int
    [rows, length], filled up with 0 at the end. An example belongs to the first boundary that holds the longest of its
    rows, or to a last bucket without one; a batch has examples of one bucket, cut to its boundary. As there are no more
    lengths than buckets, few programs are made for them. `map` makes of a batch what a network needs.

    >>> english, german = np.array([[5, 6, 0, 0], [7, 8, 9, 4]]), np.array([[3, 0, 0], [3, 2, 0]])
    >>> [(x.tolist(), y.tolist()) for x, y in bucket_by_sequence_length((english, german), [2])]
    [([[5, 6]], [[3, 0]]), ([[7, 8, 9, 4]], [[3, 2, 0]])]
    """
    arrays = [np.asarray(array) for array in sequences]
    if not arrays or any(array.ndim != 2 or len(array) != len(arrays[0]) for array in arrays):
        raise DataError(
            "bucket_by_sequence_length needs arrays [rows, length] with as many rows each, got the shapes "
            f"{', '.join(str(list(array.shape)) for array in arrays) or 'of none'}"
        )
    boundaries = list(bucket_boundaries)
    for boundary in boundaries:
        _need_positive("bucket_boundaries", boundary)
    if boundaries != sorted(set(boundaries)):
        raise ArgumentError(f"bucket_boundaries must rise, got {boundaries}")
    lengths = np.max([_lengths(array) for array in arrays], axis=0)
    places = np.searchsorted(boundaries, lengths)
    ends = [*boundaries, max(array.shape[1] for array in arrays)]

    def make(rows: Rows) -> Any:
        return tuple(array[rows, : ends[places[rows[0]]]] for array in arrays)

    buckets = [np.flatnonzero(places == place) for place in range(len(ends))]
    return Buckets(make, [bucket for bucket in buckets if len(bucket)], batch_size, shuffle, seed)


def _lengths(array: NDArray[Any]) -> NDArray[Any]:
    """How long each row is without the zeros at its end."""
    found: NDArray[Any] = array.shape[1] - np.argmax(np.c_[array[:, ::-1] != 0, np.ones(len(array), bool)], axis=1)
    return found


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
