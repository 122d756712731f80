"""Splits are partitions, repeatable, and in proportion to the classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.data.read import read
from pellucid.data.split import split
from pellucid.errors import ArgumentError, DataError


@settings(deadline=None, derandomize=True)
@given(st.integers(2, 200), st.floats(0.01, 0.6), st.integers(0, 2**64 - 1))
def test_a_split_is_a_partition(rows: int, share: float, seed: int) -> None:
    train, test = split(rows, share, seed)
    assert sorted([*train, *test]) == list(range(rows))
    assert len(test) == max(1, round(rows * share))
    again = split(rows, share, seed)
    assert np.array_equal(train, again[0])
    assert np.array_equal(test, again[1])


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 5), min_size=8, max_size=120), st.floats(0.1, 0.5), st.integers(0, 9))
def test_each_class_is_divided_in_proportion(classes: list[int], share: float, seed: int) -> None:
    labels = np.array(classes)
    if np.unique(labels, return_counts=True)[1].max() == 1:
        return
    train, test = split(len(labels), share, seed, stratify=labels)
    assert sorted([*train, *test]) == list(range(len(labels)))
    assert set(labels[train]) == set(labels)
    for value in set(classes):
        exact = share * classes.count(value)
        assert abs(np.sum(labels[test] == value) - exact) < 1.5 + len(set(classes))
    singles = sum(classes.count(value) == 1 for value in set(classes))
    if not singles:
        assert len(test) == max(1, round(len(labels) * share))


def test_the_split_of_a_seed_never_changes() -> None:
    """Written down once: saved experiments depend on it."""
    assert split(10, 0.3, seed=1)[1].tolist() == FROZEN
    assert split(read({"a": list(range(10))}), 3, seed=1)[1].tolist() == FROZEN


FROZEN = [2, 3, 5]


def test_proportions() -> None:
    labels = np.repeat([0, 1], [900, 100])
    _, test = split(1000, 0.2, stratify=labels)
    assert np.bincount(labels[test]).tolist() == [180, 20]


@pytest.mark.parametrize("size", [0, 1.0, -0.5, 1.5, True, 0.0, -3])
def test_bad_sizes(size: float) -> None:
    with pytest.raises(ArgumentError, match="test_size"):
        split(10, size)


def test_too_few_rows() -> None:
    with pytest.raises(DataError, match="1 row cannot give 1"):
        split(1)
    with pytest.raises(DataError, match="10 rows cannot give 10"):
        split(10, 10)
    with pytest.raises(DataError, match="one row only"):
        split(3, 0.3, stratify=np.arange(3))
    with pytest.raises(DataError, match="2 entries for 3 rows"):
        split(3, 0.3, stratify=np.arange(2))
    with pytest.raises(ArgumentError, match="seed"):
        split(10, seed=-1)
