"""Streams, padding, windows and one-hot labels: by hand, as properties, and against Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.data.stream import Stream
from pellucid.errors import ArgumentError, DataError, LabelError
from pellucid.utils import (
    bucket_by_sequence_length,
    next_token_dataset_from_array,
    pad_sequences,
    timeseries_dataset_from_array,
    to_categorical,
)

# Streams


@given(rows=st.integers(0, 50), size=st.integers(1, 20), seed=st.integers(0, 2**32))
def test_each_pass_has_every_row_once(rows: int, size: int, seed: int) -> None:
    stream = Stream(lambda numbers: numbers, rows, size, shuffle=True, seed=seed)
    passes = [[batch.tolist() for batch in stream] for _ in range(2)]
    for batches in passes:
        assert sorted(row for batch in batches for row in batch) == list(range(rows))
        assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)
        assert len(batches) == len(stream)
    again = Stream(lambda numbers: numbers, rows, size, shuffle=True, seed=seed)
    assert passes == [[batch.tolist() for batch in again] for _ in range(2)]
    if rows > 12:
        assert passes[0] != passes[1]


def test_streams() -> None:
    stream = Stream(lambda rows: (rows, -rows), 3, 2, class_names=["a", "b"])
    mapped = stream.map(lambda x, y: (x * 2, y)).map(lambda x, y: x + y)
    assert [batch.tolist() for batch in mapped] == [[0, 1], [2]]
    assert mapped.class_names == ["a", "b"]
    for size in (0, -1, 1.5, True, None):
        with pytest.raises(ArgumentError, match="batch_size"):
            Stream(lambda rows: rows, 3, size)
    for seed in (-1, 0.5, True):
        with pytest.raises(ArgumentError, match="seed"):
            Stream(lambda rows: rows, 3, 1, seed=seed)


# Padding


def test_padding() -> None:
    ragged = [[1], [2, 3], [4, 5, 6]]
    assert pad_sequences(ragged).tolist() == [[0, 0, 1], [0, 2, 3], [4, 5, 6]]
    assert pad_sequences(ragged, 2, padding="post", truncating="post", value=9).tolist() == [[1, 9], [2, 3], [4, 5]]
    assert pad_sequences([]).shape == (0, 0)
    assert pad_sequences([[], []], 2).tolist() == [[0, 0], [0, 0]]
    vectors = pad_sequences([np.ones((1, 2)), np.zeros((0, 2))], 2, dtype="float32")
    assert vectors.tolist() == [[[0, 0], [1, 1]], [[0, 0], [0, 0]]]
    with pytest.raises(ArgumentError, match=r'padding must be "pre" or "post", got .left'):
        pad_sequences(ragged, padding="left")
    with pytest.raises(ArgumentError, match="maxlen"):
        pad_sequences(ragged, maxlen=0)
    with pytest.raises(DataError, match="item 1 is 5, not a sequence"):
        pad_sequences([[1], 5])
    with pytest.raises(DataError, match="item 0 is 'a'"):
        pad_sequences("abc")
    with pytest.raises(DataError, match=r"sequence 1 has steps of shape \[3\] where the first has \[2\]"):
        pad_sequences([np.ones((1, 2)), np.ones((1, 3))])


@given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=6),
    maxlen=st.none() | st.integers(1, 7),
    ends=st.tuples(*[st.sampled_from(["pre", "post"])] * 2),
)
def test_padding_keeps_what_fits(lengths: list[int], maxlen: int | None, ends: tuple[str, str]) -> None:
    found = pad_sequences([range(1, n + 1) for n in lengths], maxlen, padding=ends[0], truncating=ends[1])
    width = max(lengths) if maxlen is None else maxlen
    for n, row in zip(lengths, found.tolist(), strict=True):
        whole = list(range(1, n + 1))
        kept = whole[max(n - width, 0) :] if ends[1] == "pre" else whole[:width]
        zeros = [0] * (width - len(kept))
        assert row == (zeros + kept if ends[0] == "pre" else kept + zeros)


# Windows


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 7)), min_size=1, max_size=40),
    st.sets(st.integers(1, 10), max_size=4),
    st.integers(1, 6),
)
def test_buckets(lengths: list[tuple[int, int]], boundaries: set[int], size: int) -> None:
    """Each pass has every example once, whole, beside its partner, and no longer than the next boundary."""
    rng = np.random.default_rng(0)
    x, y = np.zeros((len(lengths), 10), np.int32), np.zeros((len(lengths), 8), np.int32)
    for row, (first, second) in enumerate(lengths):
        x[row, :first], y[row, :second] = rng.integers(1, 9, first), rng.integers(1, 9, second)
        x[row, :1] = 100 + row  # by which it is known again
    stream = bucket_by_sequence_length((x, y), sorted(boundaries), size, shuffle=True, seed=1)
    orders = []
    for _ in range(2):
        batches = list(stream)
        assert len(batches) == len(stream)
        order = [int(row) - 100 for a, _ in batches for row in a[:, 0]]
        assert sorted(order) == list(range(len(lengths)))
        orders.append(order)
        for a, b in batches:
            rows = a[:, 0] - 100
            longest = max(1, max(map(max, (lengths[row] for row in rows))))
            end = min((one for one in boundaries if one >= longest), default=10)
            assert a.shape == (len(rows), min(end, 10))
            assert len(rows) <= size
            for mine, source in ((a, x), (b, y)):
                whole = np.zeros((len(rows), source.shape[1]), np.int32)
                whole[:, : mine.shape[1]] = mine
                assert (whole == source[rows]).all()
    again = bucket_by_sequence_length((x, y), sorted(boundaries), size, shuffle=True, seed=1).map(lambda a, b: a[:, 0])
    assert [int(row) - 100 for ids in again for row in ids] == orders[0]
    assert len(lengths) < 20 or size > 3 or orders[0] != orders[1]


def test_buckets_that_cannot_be() -> None:
    with pytest.raises(DataError, match=r"as many rows each, got the shapes \[2, 3\], \[3, 3\]"):
        bucket_by_sequence_length((np.zeros((2, 3)), np.zeros((3, 3))), [2])
    with pytest.raises(ArgumentError, match=r"must rise, got \[4, 2\]"):
        bucket_by_sequence_length((np.zeros((2, 3)),), [4, 2])
    with pytest.raises(ArgumentError, match="batch_size"):
        bucket_by_sequence_length((np.zeros((2, 3)),), [2], batch_size=0)


def test_windows_over_a_series() -> None:
    series = np.arange(20.0).reshape(10, 2)
    stream = timeseries_dataset_from_array(series, np.arange(100, 110), 3, sequence_stride=2, sampling_rate=2)
    ((x, y),) = stream
    assert x[:, :, 0].tolist() == [[0, 4, 8], [4, 8, 12], [8, 12, 16]]
    assert y.tolist() == [100, 102, 104]
    (x,) = timeseries_dataset_from_array(np.arange(10), None, 4, start_index=3, end_index=8)
    assert x.tolist() == [[3, 4, 5, 6], [4, 5, 6, 7]]
    ((x, y),) = timeseries_dataset_from_array(np.arange(6), np.arange(6), 6)
    assert (x.tolist(), y.tolist()) == ([[0, 1, 2, 3, 4, 5]], [0])


def test_windows_that_cannot_be() -> None:
    with pytest.raises(DataError, match="5 steps hold no window of 6 steps"):
        timeseries_dataset_from_array(np.arange(5), None, 6)
    with pytest.raises(DataError, match="7 steps with 3 targets hold no window"):
        timeseries_dataset_from_array(np.arange(10), np.arange(3), 2, start_index=3, end_index=None)
    with pytest.raises(ArgumentError, match="start_index 4 to end_index 4 is no part of 5 steps"):
        timeseries_dataset_from_array(np.arange(5), None, 1, start_index=4, end_index=4)
    for name in ("sequence_length", "sequence_stride", "sampling_rate", "batch_size"):
        with pytest.raises(ArgumentError, match=name):
            timeseries_dataset_from_array(np.arange(5), None, **{"sequence_length": 2, name: 0})


@given(
    steps=st.integers(1, 30),
    length=st.integers(1, 6),
    stride=st.integers(1, 4),
    rate=st.integers(1, 3),
    start=st.integers(0, 5),
)
def test_windows_hold_what_they_should(steps: int, length: int, stride: int, rate: int, start: int) -> None:
    if steps - start - (length - 1) * rate < 1:
        return
    data = np.random.default_rng(0).normal(size=steps)
    stream = timeseries_dataset_from_array(data, data, length, stride, rate, 4, shuffle=True, seed=1, start_index=start)
    seen = set()
    for x, y in stream:
        for window, target in zip(x, y, strict=True):
            place = int(np.flatnonzero(data == target)[0])
            assert window.tolist() == data[place : place + (length - 1) * rate + 1 : rate].tolist()
            seen.add(place)
    assert seen == set(range(start, steps - (length - 1) * rate, stride))


def test_windows_against_keras(keras: Any) -> None:
    pytest.importorskip("tensorflow")
    data, targets = np.arange(50), np.arange(50) * 10
    for options in (
        {"sequence_length": 5},
        {"sequence_length": 5, "sequence_stride": 3, "sampling_rate": 2, "batch_size": 4},
        {"sequence_length": 4, "start_index": 7, "end_index": 31, "batch_size": 5},
    ):
        for wanted in (targets, None):
            ours = list(timeseries_dataset_from_array(data, wanted, **options))
            theirs = list(keras.utils.timeseries_dataset_from_array(data, wanted, **options).as_numpy_iterator())
            assert len(ours) == len(theirs)
            for mine, other in zip(ours, theirs, strict=True):
                for a, b in zip(mine, other, strict=True):
                    assert a.tolist() == b.tolist()


@given(count=st.integers(2, 40), length=st.integers(1, 8), stride=st.none() | st.integers(1, 9))
def test_next_tokens(count: int, length: int, stride: int | None) -> None:
    tokens = np.random.default_rng(count).permutation(count)
    if count <= length:
        with pytest.raises(DataError, match="hold no window"):
            next_token_dataset_from_array(tokens, length)
        return
    stream = next_token_dataset_from_array(tokens, length, stride, batch_size=3)
    x, y = (np.concatenate(part) for part in zip(*stream, strict=True))
    first = list(range(0, count - length, stride or length))
    assert x.tolist() == [tokens[place : place + length].tolist() for place in first]
    assert y.tolist() == [tokens[place + 1 : place + length + 1].tolist() for place in first]


def test_tokens_are_not_copied() -> None:
    tokens = np.arange(1000)
    stream = next_token_dataset_from_array(tokens, 10, sequence_stride=1, shuffle=True, seed=0)
    tokens += 5000
    x, y = next(iter(stream))
    assert x.min() >= 5000
    assert (y == x + 1).all()
    assert stream.rows == 990
    with pytest.raises(DataError, match=r"shape \[2, 3\]"):
        next_token_dataset_from_array(np.zeros((2, 3)), 1)


# Labels


def test_one_hot() -> None:
    assert to_categorical([[1], [0]]).tolist() == [[0, 1], [1, 0]]
    assert to_categorical([1], 3).tolist() == [[0, 1, 0]]
    assert to_categorical([[0, 1], [1, 1]]).shape == (2, 2, 2)
    assert to_categorical([], 2).shape == (0, 2)
    for wrong in ([3], [-1], [0.5]):
        with pytest.raises(LabelError, match="is no class of 3; classes are whole numbers from 0 to 2"):
            to_categorical(wrong, 3)
