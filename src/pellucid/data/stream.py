"""`Stream`: batches that are made when they are asked for, from rows of something that need not be in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError

Rows = NDArray[np.intp]


class Stream:
    """Batches of rows 0 … rows-1, each made by `make` from the numbers of its rows; for `fit`, `evaluate`, `predict`.

    With `shuffle` each pass has an order of its own, which `seed` and the number of the pass fix; without a seed one is
    drawn and kept. The last batch may be shorter.

    >>> squares = Stream(lambda rows: rows**2, rows=5, batch_size=2)
    >>> len(squares), [batch.tolist() for batch in squares]
    (3, [[0, 1], [4, 9], [16]])
    """

    def __init__(
        self,
        make: Callable[[Rows], Any],
        rows: int,
        batch_size: int,
        shuffle: bool = False,
        seed: int | None = None,
        class_names: list[str] | None = None,
        file_paths: list[str] | None = None,
    ) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
            raise ArgumentError(f"batch_size must be a whole number of at least 1, got {batch_size!r}")
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0):
            raise ArgumentError(f"seed must be a whole number of at least 0, got {seed!r}")
        self.make, self.rows, self.batch_size, self.shuffle = make, rows, int(batch_size), shuffle
        self.seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        self.class_names, self.file_paths = class_names, file_paths
        self.passes = 0

    def __len__(self) -> int:
        return -(-self.rows // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        random = np.random.default_rng([self.seed, self.passes]) if self.shuffle else None
        self.passes += 1
        for rows in self.batches(random):
            yield self.make(rows)

    def batches(self, random: np.random.Generator | None) -> Iterable[Rows]:
        """The rows of each batch of one pass, in an order drawn by `random` where there is one."""
        order = np.arange(self.rows)
        if random is not None:
            random.shuffle(order)
        return (order[first : first + self.batch_size] for first in range(0, self.rows, self.batch_size))

    def map(self, function: Callable[..., Any]) -> Stream:
        """The same batches, each changed by a function of its parts, such as `lambda x, y: (x / 255, y)`.

        >>> pairs = Stream(lambda rows: (rows, rows % 2), rows=3, batch_size=3)
        >>> [(x.tolist(), y.tolist()) for x, y in pairs.map(lambda x, y: (x * 10, y))]
        [([0, 10, 20], [0, 1, 0])]
        """

        def make(rows: Rows) -> Any:
            batch = self.make(rows)
            return function(*batch) if isinstance(batch, tuple) else function(batch)

        changed = copy(self)
        changed.make = make
        return changed
