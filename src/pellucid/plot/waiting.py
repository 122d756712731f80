"""`told`: what takes long says how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
_PATIENCE = 4.0  # seconds without a word


def told(what: str, items: Sequence[T]) -> Iterator[T]:
    """The items; every few seconds a line on stderr says how many of them are done and how long the others will take.

    >>> list(told("points", [1, 2]))
    [1, 2]
    """
    began = said = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if done and now - said > _PATIENCE:
            left = (now - began) / done * (len(items) - done)
            print(f"{what}: {done:,} of {len(items):,}, about {left:.0f} s to go", file=sys.stderr, flush=True)
            said = now
        yield item
