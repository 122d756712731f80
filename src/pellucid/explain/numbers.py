"""Numbers as readers like them, and columns of them, in text."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Sequence


def number(value: float) -> str:
    """About five digits, thousands apart: 352,100 or −0.038214.

    >>> number(352100.4), number(-0.0382142), number(2.0), number(float("nan"))
    ('352,100', '−0.038214', '2', 'NaN')
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "−∞" if value < 0 else "∞"
    size = abs(value)
    if size >= 100_000:
        text = f"{value:,.0f}" if size < 1e12 else f"{value:.4e}"
    elif size >= 1000:
        text = f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"
    else:
        text = f"{value + 0.0:,.5g}"  # + 0.0: no minus zero
    return f"−{text[1:]}" if text.startswith("-") else text


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
