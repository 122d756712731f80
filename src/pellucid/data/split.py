"""Splitting rows into a training and a test part: by a seed, the same everywhere, in proportion to the classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError, DataError
from .table import Table

Rows = NDArray[np.int64]


def split(
    table: Table | int, test_size: float | int = 0.2, seed: int = 0, stratify: NDArray[Any] | None = None
) -> tuple[Rows, Rows]:
    """The rows of the training and of the test part, each ascending.

    `test_size` is a share in (0, 1) or a number of rows. With `stratify`, one class per row, each class is divided in
    that proportion (largest remainders first) and leaves at least one row for training. The order comes from Philox
    keyed by `seed`, whose stream NumPy keeps stable. Raises `DataError` when either part would be empty.

    >>> train, test = split(10, test_size=0.3, seed=1)
    >>> len(train), len(test)
    (7, 3)
    """
    rows = table if isinstance(table, int) else len(table)
    count = _test_rows(rows, test_size)
    if not 0 <= seed < 2**64:
        raise ArgumentError(f"seed must be an integer from 0 to 2⁶⁴−1, found {seed}")
    keys = np.random.Philox(key=seed).random_raw(rows)
    if stratify is None:
        order = np.argsort(keys, kind="stable")
        return np.sort(order[count:]), np.sort(order[:count])
    classes = np.asarray(stratify).reshape(-1)
    if len(classes) != rows:
        raise DataError(f"stratify has {len(classes):,} entries for {rows:,} rows; give one class per row")
    _, codes, sizes = np.unique(classes, return_inverse=True, return_counts=True)
    quotas = _quotas(sizes, count)
    order = np.lexsort((keys, codes))  # by class, in random order within each
    rank = np.arange(rows) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    tested = rank < np.repeat(quotas, sizes)
    if not tested.any():
        raise DataError(
            f"each of the {len(sizes)} classes has one row only, so none can be held out; give more "
            "rows, or do not stratify"
        )
    return np.sort(order[~tested]), np.sort(order[tested])


def _test_rows(rows: int, test_size: float | int) -> int:
    whole = isinstance(test_size, (int, np.integer)) and not isinstance(test_size, bool)
    if not (test_size >= 1 if whole else 0 < test_size < 1):
        raise ArgumentError(f"test_size must be a share between 0 and 1 or a number of rows, found {test_size!r}")
    count = int(test_size) if whole else max(1, round(rows * test_size))
    if rows - count < 1:
        raise DataError(f"{rows} row{'s' * (rows != 1)} cannot give {count} to the test part; give more rows")
    return count


def _quotas(sizes: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """How many rows of each class to test: proportional, adding up to `count` where the classes allow it."""
    exact = sizes * (count / sizes.sum())
    quotas: NDArray[np.intp] = np.minimum(np.floor(exact).astype(np.intp), sizes - 1)
    while (short := count - int(quotas.sum())) > 0 and (open_to := np.flatnonzero(quotas < sizes - 1)).size:
        best = open_to[np.argsort(-(exact - quotas)[open_to], kind="stable")[:short]]
        quotas[best] += 1
    return quotas
