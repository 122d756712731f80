"""What training leaves behind: the figures of every epoch."""

from __future__ import annotations

from typing import Any


class History:
    """`history` maps each figure to its values by epoch; `epoch` lists the epochs; `params` says how it was trained."""

    def __init__(self, params: dict[str, Any] | None = None) -> None:
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []
        self.params = params or {}

    def append(self, epoch: int, logs: dict[str, Any]) -> None:
        """Add the figures of one epoch."""
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)

    def __repr__(self) -> str:
        last = ", ".join(f"{name} {show(values[-1])}" for name, values in self.history.items() if values)
        return f"<History: {len(self.epoch)} epochs; {last}>"


def show(value: Any) -> str:
    """A figure in four significant digits.

    >>> show(0.123456), show(31234.5)
    ('0.1235', '3.123e+04')
    """
    return f"{value:.4g}" if isinstance(value, (int, float)) else "…"
