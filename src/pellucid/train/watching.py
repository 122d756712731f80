"""`Doctor`: a callback that watches training and warns of what goes wrong, within a fixed share of its time."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pellucid.errors import ArgumentError
from pellucid.train.callback import Callback
from pellucid.train.history import Logs

if TYPE_CHECKING:
    from pellucid.explain.doctor import Finding
    from pellucid.explain.doctor.probe import Probe
    from pellucid.train.inputs import Examples

_FIRST_LOOK = {"course": 0.005, "network": 0.15}  # seconds that are reckoned for a look before one was timed
_AT_THE_END = ("D402", "D404", "D405")  # what may still come right


class Doctor(Callback):
    """Look at loss, activations and gradients while training runs, and warn of each fault once, with code and repair.

    It looks when it can: looking takes at most `share` of the time of training so far, so that a fit of some seconds
    is watched at its ends and a long one many times a minute. `findings` has what was found. Of batches that come from
    an iterable, only the loss by epoch is watched.

    >>> Doctor().findings
    []
    """

    def __init__(self, share: float = 0.015) -> None:
        if not isinstance(share, (int, float)) or not share > 0:
            raise ArgumentError(f"Doctor: share must be a number above 0, got {share!r}")
        import pellucid.train.diagnosing  # noqa: F401 - now, so that it takes no time of training

        self.share = float(share)
        self.findings: list[Finding] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._began, self._spent = time.perf_counter(), 0.0
        self._cost = dict(_FIRST_LOOK)
        self._losses: list[float] = []
        self._held: list[float] = []
        self._probe: Probe | None = None
        self._guess: float | None = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        figures = logs or {}
        if "loss" in figures:
            self._losses.append(float(figures["loss"]))
        if "val_loss" in figures:
            self._held.append(float(figures["val_loss"]))
        self._look("course", self._course)
        self._look("network", self._network)

    def on_progress(self, done: int, logs: Logs | None = None) -> None:
        self._look("network", self._network)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._look("course", lambda: self._course(at_end=True))
        self._look("network", self._network)
        self._probe = None

    def _look(self, kind: str, look: Callable[[], Iterable[Finding]]) -> None:
        """Look if there is time for it, and warn of what was not seen before."""
        began = time.perf_counter()
        if self._spent + self._cost[kind] > self.share * (began - self._began):
            return
        from pellucid.explain.doctor.faults import without_consequences

        found = without_consequences([*look(), *self.findings])
        took = time.perf_counter() - began
        self._spent, self._cost[kind] = self._spent + took, took
        known = {(finding.code, finding.where) for finding in self.findings}
        for finding in found:
            if (finding.code, finding.where) not in known:
                self.findings.append(finding)
                warnings.warn(finding.line(), stacklevel=_outside())

    @property
    def _examples(self) -> Examples | None:
        """The data, where all are in memory and a single network with a loss is trained on them, not by a `Trainer`."""
        found: Examples | None = self.params.get("examples") if hasattr(self.model, "need_objective") else None
        return found

    def _course(self, at_end: bool = False) -> list[Finding]:
        from pellucid.explain.doctor.course import COURSE, CourseView
        from pellucid.train.diagnosing import guess

        if not self._losses:
            return []
        examples = self._examples
        if self._guess is None and examples is not None:
            self._guess = guess(self.model, examples)
        optimizer = getattr(self.model, "optimizer", None)  # a Trainer has one for each of its updates
        view = CourseView(
            self._losses,
            self._held,
            rate=None if optimizer is None else float(optimizer.learning_rate),
            batch=self.params.get("batch_size"),
            steps_each=self.params.get("steps"),
            rows=None if examples is None else examples.rows,
            guess=self._guess,
        )
        return [finding for finding in COURSE.examine(view) if at_end or finding.code not in _AT_THE_END]

    def _network(self) -> list[Finding]:
        from pellucid.explain.doctor.network import NETWORK
        from pellucid.train.diagnosing import guess, probe_of

        examples = self._examples
        if examples is None:
            return []
        if self._probe is None:
            self._probe, self._guess = probe_of(self.model, examples), guess(self.model, examples)
        return NETWORK.examine(self._probe.look(trained=bool(self._losses), guess=self._guess))


def _outside() -> int:
    """How many calls lie between here and the program that trains, so that a warning names its line."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("pellucid."):
        frame, level = frame.f_back, level + 1
    return level
