"""The times of one thing over its rounds, and which of them were disturbed by other work on the machine."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

BUSY = 0.1  # the share of the processors taken by others from which on a round counts as disturbed
ENOUGH = 3  # calm rounds, for the disturbed ones not to count


@dataclass(kw_only=True)
class Times:
    """Seconds by the clock, seconds of the processors, and the share that others took of them, round by round."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)

    def add(self, seconds: float, cpu_seconds: float, other: float) -> None:
        self.seconds.append(seconds)
        self.cpu_seconds.append(cpu_seconds)
        self.others.append(other)

    @property
    def calm(self) -> list[float]:
        """The seconds of the rounds that nothing disturbed."""
        return [seconds for seconds, other in zip(self.seconds, self.others, strict=True) if other <= BUSY]

    @property
    def counted(self) -> list[float]:
        """The calm rounds where there are enough of them, else all."""
        return self.calm if len(self.calm) >= ENOUGH else self.seconds

    @property
    def median(self) -> float:
        return median(self.counted)

    @property
    def best(self) -> float:
        return min(self.seconds)


def quotient(above: Times, below: Times) -> tuple[float, float]:
    """How many times as long, by medians and by best rounds."""
    return above.median / below.median, above.best / below.best


class OtherWork:
    """What share of the processors others have taken since this was made (Linux; elsewhere none is seen)."""

    def __init__(self) -> None:
        self.began, self.busy = time.monotonic(), _busy()

    def share(self, own: float) -> float:
        """The share, when this process and its children used so many seconds of the processors."""
        capacity = (time.monotonic() - self.began) * (os.cpu_count() or 1)
        return max(0.0, _busy() - self.busy - own) / capacity


def wait_for_calm(seconds: float) -> None:
    """Return when others leave the processors alone, or after so many seconds; our own processes must be idle."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        others = OtherWork()
        time.sleep(0.2)
        if others.share(own=0.0) <= BUSY:
            return


def _busy() -> float:
    """Seconds that all processors together have worked since the system started; 0 where it does not tell."""
    try:
        first = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    except OSError:
        return 0.0
    user, nice, system, _idle, _wait, interrupts, soft, steal = (int(ticks) for ticks in first[1:9])
    return (user + nice + system + interrupts + soft + steal) / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    """Seconds of the processors that this process and its ended children have used."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
