"""Checks of what layers and initializers are given, made when the object is made and not when it is used."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy

from pellucid.errors import ArgumentError

LARGEST = 3.4028234663852886e38  # of float32, in which networks compute


def whole(owner: str, name: str, value: Any, least: int = 1) -> int:
    """A whole number of at least `least`; raises `ArgumentError`.

    >>> whole("Dense", "units", 0)
    Traceback (most recent call last):
    ...
    pellucid.errors.ArgumentError: Dense: units must be a whole number of at least 1, got 0
    """
    if isinstance(value, (int, numpy.integer)) and not isinstance(value, bool) and value >= least:
        return int(value)
    raise ArgumentError(f"{owner}: {name} must be a whole number of at least {least}, got {value!r}")


def number(owner: str, name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite number from `low` to `high`; raises `ArgumentError`."""
    fits = isinstance(value, (int, float, numpy.integer, numpy.floating)) and not isinstance(value, bool)
    if fits and abs(value) <= LARGEST and low <= value <= high:
        return float(value)
    bounds = {
        (False, False): "",
        (True, False): f" of at least {low:g}",
        (False, True): f" of at most {high:g}",
        (True, True): f" from {low:g} to {high:g}",
    }[low > -math.inf, high < math.inf]
    raise ArgumentError(f"{owner}: {name} must be a finite number{bounds}, got {value!r}")


def flag(owner: str, name: str, value: Any) -> bool:
    """True or False; raises `ArgumentError`."""
    if isinstance(value, (bool, numpy.bool_)):
        return bool(value)
    raise ArgumentError(f"{owner}: {name} must be True or False, got {value!r}")


def seed(owner: str, value: Any) -> int | None:
    """A whole number from 0 to 2⁶⁴-1, or `None`; raises `ArgumentError`."""
    if value is None:
        return None
    if whole(owner, "seed", value, 0) >= 2**64:
        raise ArgumentError(f"{owner}: seed must be below 2**64, got {value!r}")
    return int(value)


def axes(owner: str, name: str, value: Any) -> tuple[int, ...]:
    """One axis or several, as a tuple; raises `ArgumentError`."""
    several = value if isinstance(value, (list, tuple)) else (value,)
    for axis in several:
        if not isinstance(axis, (int, numpy.integer)) or isinstance(axis, bool):
            raise ArgumentError(f"{owner}: {name} must be a whole number or several, got {value!r}")
    if len(set(several)) != len(several):
        raise ArgumentError(f"{owner}: {name} names an axis twice: {value!r}")
    return tuple(int(axis) for axis in several)


def shape(owner: str, name: str, value: Any) -> tuple[int | None, ...]:
    """Sizes of at least 1, `None` where unknown; raises `ArgumentError`."""
    if isinstance(value, (int, numpy.integer)) and not isinstance(value, bool):
        raise ArgumentError(f"{owner}: {name} must be a tuple such as ({value},), got {value!r}")
    if not isinstance(value, (list, tuple)):
        raise ArgumentError(f"{owner}: {name} must be a tuple of sizes, got {value!r}")
    for size in value:
        if size is not None and (not isinstance(size, (int, numpy.integer)) or isinstance(size, bool) or size < 1):
            raise ArgumentError(
                f"{owner}: every size in {name} must be at least 1, or None where unknown, got {value!r}"
            )
    return tuple(None if size is None else int(size) for size in value)


def numbers(owner: str, name: str, value: Any) -> float | list[Any]:
    """A finite number, or a nested list of them from a list or an array; raises `ArgumentError`."""
    try:
        array = numpy.asarray(value, dtype=float)
    except (TypeError, ValueError, OverflowError) as error:
        raise ArgumentError(f"{owner}: {name} must be a number or a list of numbers, got {value!r}") from error
    if isinstance(value, (bool, str)) or not (numpy.abs(array) <= LARGEST).all():
        raise ArgumentError(f"{owner}: {name} must be finite numbers, got {value!r}")
    result: float | list[Any] = array.tolist()
    return result


def columns(owner: str, name: str, value: Any) -> tuple[int, ...]:
    """Places of columns, counted from 0, each once; raises `ArgumentError`."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ArgumentError(f"{owner}: {name} must be a list of columns' places, got {value!r}")
    places = tuple(whole(owner, name, place, 0) for place in value)
    if len(set(places)) != len(places):
        raise ArgumentError(f"{owner}: {name} names a column twice: {value!r}")
    return places
