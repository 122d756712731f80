"""The course of one `fit`: slices of the executor's loop, between them progress, callbacks, validation and Ctrl-C.

Where nothing has to happen between epochs the executor runs as many as fit into a slice of time, so that a network of a
hundred weights is not slowed down by Python.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from pellucid.core.evaluate import evaluate_nodes
from pellucid.core.graph import Node
from pellucid.core.random import make_key
from pellucid.core.sources import Constant, Feed, Read
from pellucid.errors import LabelError, NonFiniteError
from pellucid.execute.program import Executor, Loop, LoopSpec
from pellucid.train.callbacks import Callback
from pellucid.train.history import History
from pellucid.train.step import Step

SLICE = 0.1  # seconds between two looks of Python at a running loop: progress, Ctrl-C, callbacks of batches

Validate = Callable[[], dict[str, Any]]


class Fitting:
    """One run of training, from its first epoch to its last or to a reason to stop."""

    def __init__(
        self,
        model: Any,
        executor: Executor,
        precision: str,
        steps: Sequence[Step],
        spec: LoopSpec,
        callbacks: Sequence[Callback],
        history: History,
        validate: Validate | None = None,
        validation_freq: int = 1,
        initial_epoch: int = 0,
    ) -> None:
        self.model, self.steps, self.spec, self.callbacks, self.history = model, steps, spec, callbacks, history
        self.validate, self.validation_freq, self.initial_epoch = validate, validation_freq, initial_epoch
        self.loop: Loop = executor.loop(spec, precision)
        self.each_batch = any(callback.watches_batches for callback in callbacks)
        self.each_epoch = bool(callbacks) or validate is not None

    def run(self) -> History:
        """Train; returns the history. Ctrl-C leaves the weights of the last whole step and is raised again."""
        self._tell("on_train_begin")
        began = time.monotonic()
        try:
            while self.loop.epoch < self.spec.first_epoch + self.spec.epochs and not self.model.stop_training:
                if self.each_epoch:
                    self._one_epoch()
                else:
                    self._many_epochs()
        finally:
            self.history.params["seconds"] = self.history.params.get("seconds", 0.0) + time.monotonic() - began
            self.model.steps_trained, self.model.epochs_trained = self.loop.step, self.loop.epoch
        self._tell("on_train_end")
        return self.history

    def _many_epochs(self) -> None:
        status = self.loop.advance(SLICE, self.spec.epochs)
        self._record(self.loop.take_totals())
        self._check(status)

    def _one_epoch(self) -> None:
        epoch = self.initial_epoch + self.loop.epoch - self.spec.first_epoch
        self._tell("on_epoch_begin", epoch)
        status = "time"
        while status == "time":
            if self.each_batch:
                self._tell("on_train_batch_begin", self._batch())
            status = self.loop.advance(0.0 if self.each_batch else SLICE, 1)
            self._check(status)
            if status == "time":
                self._tell(
                    "on_train_batch_end" if self.each_batch else "on_progress", self._batch(), self._partial_logs()
                )
        (totals,) = self.loop.take_totals()
        logs = self.steps[0].logs(totals, self.spec.rows)
        if self.each_batch:
            self._tell("on_train_batch_end", self.spec.steps_per_epoch, logs)
        if self.validate and (epoch + 1) % self.validation_freq == 0:
            logs.update({f"val_{name}": value for name, value in self.validate().items()})
        self.history.append(epoch, logs)
        self._tell("on_epoch_end", epoch, logs)

    def _record(self, totals: numpy.ndarray) -> None:
        for row in totals:
            self.history.append(self.initial_epoch + len(self.history.epoch), self.steps[0].logs(row, self.spec.rows))

    def _batch(self) -> int:
        """Steps of the running epoch that are done."""
        return -(-self.loop.position // self.spec.batch)

    def _partial_logs(self) -> dict[str, Any]:
        return self.steps[0].logs(self.loop.partial_totals(), self.loop.position)

    def _tell(self, event: str, *arguments: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(*arguments)

    def _check(self, status: str) -> None:
        if status == "nonfinite":
            raise self._not_finite()
        if status == "id":
            raise LabelError(
                f"step {self.loop.step}: a whole number in the inputs or labels is outside the rows of the table it chooses "
                "from; give the Embedding a larger input_dim, or the last layer more units"
            )

    # When numbers break

    def _not_finite(self) -> NonFiniteError:
        """Find where the first non-finite value arose, and put back the last good weights."""
        step = self.loop.step - 1
        rows = self.loop.rows(step)
        self.loop.rewind(step)
        where = self._first_broken(step, rows)
        kept = max(step - 1, self.spec.first_step)
        self.loop.rewind(kept)
        epoch = self.initial_epoch + (step - self.spec.first_step) // self.spec.steps_per_epoch
        return NonFiniteError(
            f"the loss became non-finite at step {step + 1} (epoch {epoch + 1}): {where}. "
            f"The weights from before step {kept + 1} are kept. "
            "Likely repairs: a smaller learning rate, clipnorm=1.0 in the optimizer, or scaled inputs and targets"
        )

    def _first_broken(self, step: int, rows: numpy.ndarray) -> str:
        program = next(
            (s.program for s in self.steps if s.program.inputs[0].shape[0] == len(rows)), self.steps[0].program
        )
        arrays = [
            source[rows].astype(value.dtype) for source, value in zip(self.spec.sources, program.inputs, strict=False)
        ]
        feeds = dict(zip(program.inputs, [*arrays, make_key(self.spec.seed, step)], strict=False))
        nodes = program.nodes()
        values = evaluate_nodes(nodes, feeds)
        for node in nodes:
            for output in node.outputs:
                value = values[output]
                if value.dtype.kind == "f" and not numpy.isfinite(value).all():
                    return _describe(node, value, [values[x] for x in node.inputs])
        return (
            "the reference executor finds every value of that step finite, so a rounding overflow in float32 is likely"
        )


def _describe(node: Node, value: numpy.ndarray, inputs: list[numpy.ndarray]) -> str:
    bad = "NaN" if numpy.isnan(value).any() else "infinity"
    if isinstance(node.op, Read):
        return f"the weight {node.op.variable.name} {list(node.op.variable.shape)} was {bad} already"
    if isinstance(node.op, (Feed, Constant)):
        return f"{getattr(node.op, 'label', 'a constant')} holds {bad}"
    layer = "/".join(node.scope) or "the network"
    ranges = ", ".join(f"{numpy.min(x):.4g} to {numpy.max(x):.4g}" for x in inputs if x.size)
    direction = "the gradient of " if node.differentiates else ""
    return f"{bad} first arose in {direction}layer {layer}, operation {node.op.name} on values {ranges}"
