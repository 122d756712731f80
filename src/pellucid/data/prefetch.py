"""Making items ahead of time, on a thread of their own, while those before are being used."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

import numpy as np

_T = TypeVar("_T")

_AHEAD = 2  # items that wait: one could not make up for one that takes longer than the others
_LOOK = 0.1  # seconds between looks for Ctrl-C, which on Windows interrupts no longer wait
_LEAVE = 1.0  # seconds to wait, at the end, for an item that is being made


@contextmanager
def prefetched(source: Iterable[_T]) -> Iterator[Iterator[_T]]:
    """Iterate over a source on a thread of its own, at most two items ahead of the `with` block.

    Order and number of items are those of the source; arrays in them are copied, as a source may fill the same ones
    again. An error in it is raised here, after the items before it. When the block ends, however it ends, the thread
    makes no further item; it is waited for, though no longer than a second.

    >>> with prefetched(range(3)) as items:
    ...     print(*items)
    0 1 2
    """
    worker = _Worker(source)
    worker.start()
    try:
        yield worker.made()
    finally:
        worker.stop()


class _Worker(threading.Thread, Generic[_T]):
    """Goes through a source as slots in the queue become free."""

    def __init__(self, source: Iterable[_T]) -> None:
        super().__init__(name="pellucid-prefetch", daemon=True)
        self.source = source
        self.queue: SimpleQueue[tuple[bool, Any]] = SimpleQueue()  # (True, item), and last (False, error or None)
        self.free = threading.Semaphore(_AHEAD)
        self.stopped = False
        self.context = copy_context()  # such as NumPy's error state

    def run(self) -> None:
        error = None
        try:
            self.context.run(self._make)
        except BaseException as caught:  # whatever it is, it is the consumer's
            error = caught
        self.queue.put((False, error))

    def _make(self) -> None:
        self.free.acquire()
        if self.stopped:
            return
        for item in self.source:
            self.queue.put((True, _owned(item)))
            self.free.acquire()
            if self.stopped:
                return

    def made(self) -> Iterator[_T]:
        """The items, as they come."""
        while True:
            more, item = self._next()
            if not more:
                if item is not None:
                    raise item
                return
            self.free.release()
            yield item

    def _next(self) -> tuple[bool, Any]:
        while True:
            try:
                return self.queue.get(timeout=_LOOK)
            except Empty:
                continue

    def stop(self) -> None:
        """End the thread after the item that it is making."""
        self.stopped = True
        self.free.release()
        self.join(_LEAVE)


def _owned(item: Any) -> Any:
    """The item with copies of the arrays in it."""
    if type(item) is np.ndarray:
        return item.copy()
    if type(item) in (tuple, list):
        return type(item)(map(_owned, item))
    return {name: _owned(part) for name, part in item.items()} if type(item) is dict else item
