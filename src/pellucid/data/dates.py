"""The few numbers that stand for a date or time: a decimal year, and points on the circles of month, week and day.

A circle of period P is the pair sin(2π·t/P), cos(2π·t/P): December then lies beside January, and 23:59 beside 0:00.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Instants = NDArray[np.datetime64]
Floats = NDArray[np.float64]


def _year(instants: Instants) -> Floats:
    """The decimal year: 2024.5 is the middle of 2024."""
    start = instants.astype("datetime64[Y]")
    following = (start + np.timedelta64(1, "Y")).astype("datetime64[us]")
    begun = start.astype("datetime64[us]")
    share: Floats = (instants - begun) / (following - begun)
    return _floats(start, "Y") + 1970 + share


def _month(instants: Instants) -> Floats:
    """Months since January, over 12."""
    return np.mod(_floats(instants.astype("datetime64[M]"), "M"), 12) / 12


def _weekday(instants: Instants) -> Floats:
    """Days since Monday, over 7; 1970-01-01 was a Thursday."""
    return np.mod(_floats(instants.astype("datetime64[D]"), "D") + 3, 7) / 7


def _hour(instants: Instants) -> Floats:
    """The share of the day that has passed."""
    return np.mod(_floats(instants, "s"), 86_400) / 86_400


def _floats(instants: Instants, unit: Any) -> Floats:
    """Units since 1970, NaN where missing."""
    since: Floats = (instants - np.datetime64(0, unit)) / np.timedelta64(1, unit)
    return since


def _on_circle(wave: Callable[[Floats], Floats], share: Callable[[Instants], Floats]) -> Callable[[Instants], Floats]:
    return lambda instants: wave(2 * np.pi * share(instants))


PARTS: dict[str, Callable[[Instants], Floats]] = {
    "year": _year,
    "month_sin": _on_circle(np.sin, _month),
    "month_cos": _on_circle(np.cos, _month),
    "weekday_sin": _on_circle(np.sin, _weekday),
    "weekday_cos": _on_circle(np.cos, _weekday),
    "hour_sin": _on_circle(np.sin, _hour),
    "hour_cos": _on_circle(np.cos, _hour),
}


def parts_that_vary(instants: Instants) -> tuple[str, ...]:
    """The parts worth a number: year if the days differ, month and hour if they do, weekday if days of the month do."""
    known = instants[~np.isnat(instants)]

    def varies(values: NDArray[np.generic]) -> bool:
        return bool(np.any(values != values[:1]))

    days = known.astype("datetime64[D]")
    day_of_month = days - known.astype("datetime64[M]").astype("datetime64[D]")
    found = {
        "year": varies(days),
        "month": varies(_month(known)),
        "weekday": varies(_weekday(known)) and varies(day_of_month),
        "hour": varies(_hour(known)),
    }
    return tuple(part for part in PARTS if found[part.partition("_")[0]]) or ("year",)
