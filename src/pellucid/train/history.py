"""What training leaves behind: the figures of every epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

Logs = dict[str, Any]


class History:
    """`history` maps each figure to its values by epoch; `epoch` lists the epochs; `params` says how it was trained.

    Values are plain numbers, or nested lists of them for figures such as a confusion matrix.

    >>> history = History({"epochs": 1})
    >>> history.append(0, {"loss": numpy.float64(0.25)})
    >>> history.history, history
    ({'loss': [0.25]}, <History: 1 epoch; loss 0.25>)
    """

    def __init__(self, params: Logs | None = None) -> None:
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []
        self.params = params or {}

    def append(self, epoch: int, logs: Mapping[str, Any]) -> None:
        """Add the figures of one epoch."""
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(numpy.asarray(value).tolist())

    def __repr__(self) -> str:
        epochs = f"{len(self.epoch)} epoch{'s' * (len(self.epoch) != 1)}"
        return f"<History: {epochs}; {show({name: values[-1] for name, values in self.history.items()})}>"


def show(logs: Mapping[str, Any] | None) -> str:
    """The figures that are single numbers as one line, in four significant digits.

    >>> show({"loss": 0.123456, "mae": 31234.5})
    'loss 0.1235  mae 3.123e+04'
    """
    return "  ".join(f"{name} {value:.4g}" for name, value in (logs or {}).items() if isinstance(value, (int, float)))
