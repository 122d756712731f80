"""How training is shown: a bar on a terminal, one line per epoch everywhere else, nothing when told to be quiet."""

from __future__ import annotations

import os
import sys
import time
from typing import Any, TextIO

from pellucid.train.callbacks import Callback, Logs
from pellucid.train.history import show


def progress(verbose: Any, epochs: int, steps: int | None, file: TextIO | None = None) -> Display | None:
    """The display for `verbose`: 0 none, 2 a line per epoch, 1 and "auto" a bar on a terminal and lines elsewhere."""
    stream = sys.stdout if file is None else file
    if verbose in (0, False):
        return None
    animated = verbose in (1, True, "auto") and stream.isatty() and os.environ.get("TERM") != "dumb"
    return Bar(stream, epochs, steps) if animated else Lines(stream, epochs)


class Display(Callback):
    """Base of what shows training; `close` gives the terminal back, however training ends."""

    def close(self) -> None:
        pass


class Lines(Display):
    """One line per epoch, without control characters."""

    def __init__(self, stream: TextIO, epochs: int) -> None:
        self.stream, self.epochs = stream, epochs

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.stream.write(f"Epoch {epoch + 1}/{self.epochs}  {time.monotonic() - self.began:.1f}s  {figures(logs)}\n")
        self.stream.flush()


class Bar(Display):
    """A bar for the running epoch, which stays as a line once the epoch has ended."""

    def __init__(self, stream: TextIO, epochs: int, steps: int | None) -> None:
        self.stream, self.epochs, self.steps = stream, epochs, steps or 1
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

    def on_progress(self, batch: int, logs: Logs | None = None) -> None:
        done = batch / self.steps
        bar = "━" * round(24 * done) + "╺" + "─" * (24 - round(24 * done))
        left = (time.monotonic() - self.began) * (1 - done) / max(done, 1e-9)
        self._update(
            f"Epoch {self.epoch + 1}/{self.epochs} {bar} {batch}/{self.steps}  {left:.0f}s left  {figures(logs)}"
        )

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        line = f"Epoch {epoch + 1}/{self.epochs}  {time.monotonic() - self.began:.1f}s  {figures(logs)}"
        last = epoch + 1 == self.epochs or self.model.stop_training
        if last or time.monotonic() - self.shown > 0.05:  # an epoch of milliseconds need not be seen
            self.shown = time.monotonic()
            if last or time.monotonic() - self.began > 0.5:
                self.live.console.print(self.text(line))
            else:
                self._update(line)

    def close(self) -> None:
        if self.live is not None:
            self.live.stop()
            self.live = None

    def _update(self, line: str) -> None:
        self.live.update(self.text(line, overflow="ellipsis", no_wrap=True), refresh=True)


def figures(logs: Logs | None) -> str:
    """The figures of a line: `loss 0.1234  accuracy 0.9`."""
    return "  ".join(f"{name} {show(value)}" for name, value in (logs or {}).items() if isinstance(value, (int, float)))
