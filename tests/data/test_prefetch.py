"""Prefetching: order, errors, how far ahead, how it ends, and that making and using do overlap."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from pellucid.data.prefetch import prefetched


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "pellucid-prefetch"]


def test_items_come_in_order_from_another_thread() -> None:
    def source() -> Iterator[tuple[int, str]]:
        for number in range(100):
            yield number, threading.current_thread().name

    with prefetched(source()) as items:
        assert list(items) == [(number, "pellucid-prefetch") for number in range(100)]
    assert not workers()
    with prefetched([]) as items:
        assert list(items) == []


def test_an_error_comes_after_the_items_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise FileNotFoundError("pictures/cat.png")

    found = []
    with pytest.raises(FileNotFoundError, match=r"pictures/cat\.png"), prefetched(source()) as items:
        found.extend(items)  # extends by what comes before the error
    assert found == [1, 2]
    assert not workers()


def test_an_error_in_making_the_iterator() -> None:
    class Broken:
        def __iter__(self) -> Iterator[int]:
            raise OSError("no such folder")

    with pytest.raises(OSError, match="no such folder"), prefetched(Broken()) as items:
        list(items)


def test_at_most_two_are_made_ahead() -> None:
    made = 0

    def source() -> Iterator[int]:
        nonlocal made
        while True:
            made += 1
            yield made

    with prefetched(source()) as items:
        for used in range(1, 6):
            assert next(items) == used
            time.sleep(0.02)
            assert made == used + 2
    assert not workers()


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, ValueError])
def test_leaving_early_ends_the_thread(error: type[BaseException] | None) -> None:
    def leave() -> None:
        with prefetched(iter(int, 1)) as items:
            next(items)
            if error:
                raise error

    if error:
        with pytest.raises(error):
            leave()
    else:
        leave()
    assert not workers()


def test_a_slow_source_does_not_hold_the_end_up() -> None:
    release = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        release.wait(20)
        yield 2

    began = time.monotonic()
    with prefetched(source()) as items:
        next(items)
    assert time.monotonic() - began < 5
    (thread,) = workers()
    release.set()
    thread.join(5)
    assert not thread.is_alive()


def test_a_source_may_fill_one_array_again_and_again() -> None:
    def source() -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        x = np.zeros(3)
        for number in range(10):
            x[:] = number
            yield x, {"y": x}

    with prefetched(source()) as items:
        for number, (x, rest) in enumerate(items):
            assert (x == number).all()
            assert (rest["y"] == number).all()


def test_the_context_is_the_callers() -> None:
    source = (np.ones(1) / np.zeros(1) for _ in range(1))
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError), prefetched(source) as items:
        next(items)


def test_making_and_using_overlap() -> None:
    meeting = threading.Barrier(2, timeout=20)  # breaks unless an item is made while the one before is used

    def source() -> Iterator[int]:
        yield 0
        for number in range(1, 6):
            meeting.wait()
            yield number

    with prefetched(source()) as items:
        for number in items:
            if number < 5:
                meeting.wait()
