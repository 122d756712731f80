"""Ctrl-C between steps: a press during a step takes effect once the step is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def whole_steps() -> Iterator[None]:
    """Hold Ctrl-C back inside this block, so that no step is left half done; a second press is not held back.

    Only Python's main thread is told of signals; in other threads this does nothing.
    """
    previous = signal.getsignal(signal.SIGINT)
    if not callable(previous) or threading.current_thread() is not threading.main_thread():
        yield
        return
    presses: list[tuple[int, FrameType | None]] = []

    def hold(number: int, frame: FrameType | None) -> None:
        presses.append((number, frame))
        if len(presses) > 1:
            previous(number, frame)

    signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        if len(presses) == 1:
            previous(*presses[0])
