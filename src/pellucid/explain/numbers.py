"""Numbers as readers like them, and columns of them, in text."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Sequence

_ABOVE = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float) -> str:
    """About five digits, thousands apart, and powers of ten as they are written by hand: 352,100, −0.038214, 1·10⁻⁷.

    >>> number(352100.4), number(-0.0382142), number(2.0), number(1e-7), number(float("nan"))
    ('352,100', '−0.038214', '2', '1·10⁻⁷', 'NaN')
    """
    digits, exponent = scientific(value)
    return digits if exponent is None else powered(digits, exponent)


def powered(digits: str, exponent: int) -> str:
    """Digits times a power of ten.

    >>> powered("−2.5", -9)
    '−2.5·10⁻⁹'
    """
    return f"{digits}·10{str(exponent).translate(_ABOVE)}"


def scientific(value: float) -> tuple[str, int | None]:
    """The digits of a number as readers like them, and the power of ten beside them where it is very small or large.

    >>> scientific(-2.5e-9), scientific(0.5)
    (('−2.5', -9), ('0.5', None))
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "−∞" if value < 0 else "∞", None
    size = abs(value)
    if size >= 100_000:
        text = f"{value:,.0f}" if size < 1e12 else f"{value:.5g}"
    elif size >= 1000:
        text = f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"
    else:
        text = f"{value + 0.0:,.5g}"  # + 0.0: no minus zero
    digits, _, exponent = text.partition("e")
    return digits.replace("-", "−"), int(exponent) if exponent else None


def columns(rows: Iterable[Sequence[str]], indent: str = "   ", left: Container[int] = (0,), widest: int = 200) -> str:
    """Rows of cells below each other; the columns at `left` are flush left, the others flush right.

    A cell longer than `widest` pushes what follows it aside, in its own row only.
    """
    cells = list(rows)
    widths = [min(widest, max(map(len, column))) for column in zip(*cells, strict=True)]
    lines = (
        [
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in cells
    )
    return "\n".join((indent + "  ".join(line)).rstrip() for line in lines)
