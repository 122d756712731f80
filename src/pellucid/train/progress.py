"""How training is shown: a bar on a terminal, one line per epoch everywhere else, nothing when told to be quiet."""

from __future__ import annotations

import os
import sys
import time
from typing import Any, TextIO

from pellucid.errors import ArgumentError
from pellucid.train.callback import Callback
from pellucid.train.history import Logs, show


def progress(verbose: Any, epochs: int, steps: int | None, file: TextIO | None = None) -> Display | None:
    """The display for `verbose`: 0 none, 2 a line per epoch, 1 and "auto" a bar on a terminal and lines elsewhere."""
    stream = sys.stdout if file is None else file
    if verbose not in (0, 1, 2, "auto"):
        raise ArgumentError(f"verbose must be 0, 1, 2 or 'auto', got {verbose!r}")
    if not verbose:
        return None
    animated = verbose != 2 and stream.isatty() and os.environ.get("TERM") != "dumb"
    return Bar(stream, epochs, steps) if animated else Lines(stream, epochs)


class Display(Callback):
    """Base of what shows training; `close` gives the terminal back, however training ends."""

    def close(self) -> None:
        """Give the terminal back."""


class Lines(Display):
    """One line per epoch, without control characters."""

    def __init__(self, stream: TextIO, epochs: int) -> None:
        self.stream, self.epochs = stream, epochs

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.stream.write(f"Epoch {epoch + 1}/{self.epochs}  {time.monotonic() - self.began:.1f}s  {show(logs)}\n")
        self.stream.flush()


class Bar(Display):
    """A bar for the running epoch, which stays as a line once the epoch has ended.

    Epochs of less than half a second are shown in passing, twenty times a second, and only the last one stays.
    """

    def __init__(self, stream: TextIO, epochs: int, steps: int | None) -> None:
        self.stream, self.epochs, self.steps = stream, epochs, steps
        self.live: Any = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        self.text = Text
        self.live = Live(console=Console(file=self.stream), auto_refresh=False, transient=True)
        self.live.start()
        self.shown = 0.0

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch, self.began = epoch, time.monotonic()

    def on_progress(self, done: int, logs: Logs | None = None) -> None:
        now = time.monotonic()
        if now - self.shown < 0.05:
            return
        start = f"Epoch {self.epoch + 1}/{self.epochs}"
        if self.steps is None:  # an iterable does not tell how long it is
            self._update(f"{start} {done} batches  {now - self.began:.0f}s  {show(logs)}")
            return
        share = done / self.steps
        bar = "━" * round(24 * share) + "╺" + "─" * (24 - round(24 * share))
        left = (now - self.began) * (1 - share) / max(share, 1e-9)
        self._update(f"{start} {bar} {done}/{self.steps}  {left:.0f}s left  {show(logs)}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        now = time.monotonic()
        line = f"Epoch {epoch + 1}/{self.epochs}  {now - self.began:.1f}s  {show(logs)}"
        if epoch + 1 == self.epochs or self.model.stop_training or now - self.began > 0.5:
            self.live.console.print(self.text(line))
        elif now - self.shown > 0.05:
            self._update(line)

    def close(self) -> None:
        if self.live is not None:
            self.live.stop()
            self.live = None

    def _update(self, line: str) -> None:
        self.shown = time.monotonic()
        self.live.update(self.text(line, overflow="ellipsis", no_wrap=True), refresh=True)
