"""The times of one thing over its rounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median


@dataclass(kw_only=True)
class Times:
    """Seconds by the clock, and of the processors, round by round."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)

    def add(self, seconds: float, cpu_seconds: float) -> None:
        self.seconds.append(seconds)
        self.cpu_seconds.append(cpu_seconds)

    @property
    def median(self) -> float:
        return median(self.seconds)

    @property
    def best(self) -> float:
        return min(self.seconds)


def quotient(above: Times, below: Times) -> tuple[float, float]:
    """How many times as long, by medians and by best rounds."""
    return above.median / below.median, above.best / below.best
