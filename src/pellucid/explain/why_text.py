"""A `Why` as text: the prediction, the baseline, and the largest contributions between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy

from pellucid.explain.numbers import columns, number
from pellucid.explain.why import Share, Why, visible

_SHOWN = 12
_BLOCKS = 7  # of a picture, along its longer side


def render(why: Why) -> str:
    """The whole explanation."""
    head = (
        f"{why.what} is {rounded(why.prediction)}; {why.compared} gives {rounded(why.baseline)}\n"
        f"the difference of {signed(why.prediction - why.baseline)} is made of:"
    )
    parts = [f"{_title(why, share)}{columns(rows_of(share), left=(1, 2, 3))}" for share in why.inputs]
    return "\n\n".join([head, *parts, closing(why)])


def closing(why: Why) -> str:
    """The sum, the gap, and how they were found."""
    total = why.prediction - why.baseline - why.gap
    way = "exact: the network is linear here" if why.method.startswith("weight") else f"over {why.points} points"
    share = number(float(f"{100 * why.gap_share:.2g}"))
    return f"sum {signed(total)}, gap {signed(why.gap)} ({share} %); {why.method}, {way}"


def largest(share: Share, count: int = _SHOWN) -> tuple[list[int], float, int]:
    """The places that contribute most, largest first; the sum of all others, and how many they are. What
    contributes nothing is one of the others, where there are many."""
    flat = share.contributions.ravel()
    ranked = [int(i) for i in numpy.argsort(-abs(flat), kind="stable") if flat[i] or len(flat) <= count]
    return ranked[:count], float(flat[ranked[count:]].sum()), len(flat) - len(ranked[:count])


def regions(share: Share) -> list[tuple[str, float]]:
    """A picture cut into blocks, by how much each contributes."""
    pixels = share.pixels
    size = max(1, -(-max(pixels.shape) // _BLOCKS))
    found = []
    for top in range(0, pixels.shape[0], size):
        for left in range(0, pixels.shape[1], size):
            block = pixels[top : top + size, left : left + size]
            rows, places = (
                f"{a}–{a + n - 1}" if n > 1 else f"{a}" for a, n in zip((top, left), block.shape, strict=True)
            )
            found.append((f"rows {rows}, columns {places}", float(block.sum())))
    return sorted(found, key=lambda item: -abs(item[1]))


def rounded(value: float) -> str:
    """A number with the digits that a reader wants."""
    return number(float(f"{value:.5g}"))


def signed(value: float) -> str:
    """The same with its sign.

    >>> signed(1234.567), signed(-0.5), signed(0.0)
    ('+1,234.6', '−0.5', '+0')
    """
    return rounded(value) if value < 0 else f"+{rounded(value)}"


def _title(why: Why, share: Share) -> str:
    return f"{share.name}\n" if len(why.inputs) > 1 else ""


def rows_of(share: Share) -> list[list[str]]:
    """A head, the largest contributions (of a picture its blocks'), and the sum of all others."""
    if share.form == "picture":
        found = regions(share)
        rows = [[signed(value), name] for name, value in found[:_SHOWN] if value]
        rest = sum(value for _, value in found[_SHOWN:])
        rows += [[signed(rest), f"{len(found) - _SHOWN} other blocks"]] if len(found) > _SHOWN else []
        return [["contribution", "block of the picture"], *rows]
    places, rest, others = largest(share)
    head = ["contribution", share.form.removesuffix("s"), "value", "usual"]
    rows = [
        [signed(float(share.contributions.ravel()[i])), _name(share, i), _cell(share.shown, i), _cell(share.usual, i)]
        for i in places
    ]
    rows += [[signed(rest), f"{others} other{'s' * (others > 1)}", "", ""]] if others else []
    count = 2 if share.form == "tokens" else 4 if share.usual else 3
    return [row[:count] for row in (head, *rows)]


def _name(share: Share, place: int) -> str:
    return f"{visible(share.labels[place])} ({place})" if share.form == "tokens" else share.labels[place]


def _cell(cells: Sequence[str], place: int) -> str:
    return cells[place] if cells else ""
