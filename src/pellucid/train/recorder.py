"""`Recorder`: the flight recorder of training, a callback that keeps a model's numbers at chosen steps.

Weights, optimizer and loss are kept as they are; what the examples make of them (values of every layer, derivatives) is
computed when it is asked for, from the weights of the step: nothing is lost, and training does not wait for it.
"""

from __future__ import annotations

from typing import Any

import numpy

from pellucid.data import batches
from pellucid.errors import ArgumentError, StateError
from pellucid.train.callback import Callback
from pellucid.train.frames import Frames, Layout, memory_size, size_text
from pellucid.train.history import Logs
from pellucid.train.inputs import Examples
from pellucid.train.recording import Epoch, Recording
from pellucid.train.saving import description

_PARTS = 100  # of a run, at whose borders a frame is taken
_SMALL = 10_000  # weights of a network whose frames cost next to nothing
_LEAST = 40  # steps between two frames of a larger one, each of which takes about as long as two steps
_FEWEST = 25  # parts of a run that is too short for that to be felt


class Recorder(Callback):
    """Keeps weights, optimizer and loss at every `every`-th step, and examples to see what they did there.

    `every`: steps between two frames; by default a hundredth of the run; of networks above 10,000 weights 40 at
    least, unless the run is so short that it would have fewer than 25 moments.
    `examples`: x, or (x, y), a few rows whose values and gradients can be seen at each frame. `memory`: a bound, such
    as "64 MB"; when it is full every second frame goes, the first and the latest stay. `optimizer=False` keeps no state
    of the optimizer: more frames, but training cannot go on from one as it was. `half=True`: older weights are kept in
    float16 (three digits) before any frame goes.

    >>> import pellucid
    >>> model = pellucid.Sequential([pellucid.Input((1,)), pellucid.layers.Dense(1)], seed=0)
    >>> model.compile("sgd", "mse")
    >>> recorder = Recorder(every=10, examples=([[4.0]], [9.0]))
    >>> history = model.fit([[1.0], [2.0]], [3.0, 5.0], epochs=40, verbose=0, callbacks=recorder)
    >>> recorder.recording.steps
    [0, 10, 20, 30, 40]
    >>> recorder.recording.at(40).trace["dense"].activation.shape
    (1, 1)
    """

    def __init__(
        self,
        every: int | None = None,
        examples: Any = None,
        memory: str | int = "64 MB",
        optimizer: bool = True,
        half: bool = False,
    ) -> None:
        if every is not None and not (isinstance(every, (int, numpy.integer)) and every >= 1):
            raise ArgumentError(f"Recorder: every must be a whole number of steps from 1, got {every!r}")
        self.every, self.examples, self.memory = every, examples, memory_size(memory)
        self.optimizer, self.half = optimizer, half
        self._recording: Recording | None = None

    @property
    def recording(self) -> Recording:
        """What has been kept so far."""
        if self._recording is None:
            raise StateError("nothing is recorded yet; give the recorder to fit: callbacks=recorder")
        return self._recording

    # Events

    def on_train_begin(self, logs: Logs | None = None) -> None:
        model = self.model
        model.optimizer.build(model.trainable_variables)
        self._weights, self._state = model.variables, model.optimizer.variables
        examples = self._examples()
        taken = sum(array.nbytes for array in examples.arrays) if examples else 0
        frames = Frames(
            Layout.of(self._weights),
            Layout.of(self._state) if self.optimizer else None,
            self.memory - taken,
            int(self.every or self._usual()),
            self.half,
        )
        self._recording = Recording(description(model), frames, examples)
        self._begin, self._made, self._total = model.steps_trained, 0, 0.0  # of the running epoch
        self._steps, self._sum = 0, 0.0  # since the last frame
        self._take()
        self.halts_at = model.steps_trained + 1  # whose loss is that of the weights at the start

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._begin, self._made, self._total = self.model.steps_trained, 0, 0.0

    def halt(self, logs: Logs | None = None) -> None:
        self._count(logs)
        self._take()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._count(logs)
        figures = {name: float(value) for name, value in (logs or {}).items() if numpy.ndim(value) == 0}
        self.recording.epochs.append(Epoch(self.model.steps_trained, figures))
        if self.model.stop_training:  # before others put better weights back
            self._take(last=True)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._take(last=True)
        self.halts_at = None

    # Frames

    def _usual(self) -> int:
        steps = int((self.params.get("steps") or 0) * self.params["epochs"])  # 0: not known
        if self.model.count_params() <= _SMALL:
            return max(steps // _PARTS, 1)
        return max(steps // _PARTS, min(_LEAST, steps // _FEWEST or 1) if steps else _LEAST)

    def _count(self, logs: Logs | None) -> None:
        """Add the losses of the steps since the last look, which the epoch's mean so far tells."""
        made = self.model.steps_trained - self._begin
        total = float((logs or {}).get("loss", numpy.nan)) * made
        self._steps, self._sum = self._steps + made - self._made, self._sum + total - self._total
        self._made, self._total = made, total
        first = self.recording.frames.kept[0]
        if first.loss is None:
            first.loss = self._mean()

    def _mean(self) -> float | None:
        """The mean loss since the last frame, if there is one."""
        mean = self._sum / self._steps if self._steps else numpy.nan
        return float(mean) if numpy.isfinite(mean) else None

    def _take(self, last: bool = False) -> None:
        model, frames = self.model, self.recording.frames
        step = model.steps_trained
        there = bool(frames.kept) and frames.kept[-1].step == step
        if not there and frames.add(step, model.epochs_trained, self._mean(), self._weights, self._state, last):
            self._steps, self._sum = 0, 0.0
        self.halts_at = frames.next_step(step)

    def _examples(self) -> Examples | None:
        if self.examples is None:
            return None
        given = self.examples if isinstance(self.examples, tuple) else (self.examples,)
        if len(given) > 2:
            raise ArgumentError(f"Recorder: examples must be x or (x, y), got a tuple of {len(given)}")
        if len(given) == 2:
            data: Examples = self.model.examples(*given)
        else:
            data = Examples(self.model.inputs_of(given[0]), [], [])
        batches.same_rows({"examples": data.inputs})
        size = sum(array.nbytes for array in data.arrays)
        if size > self.memory // 4:
            raise ArgumentError(
                f"Recorder: {data.rows:,} examples take {size_text(size)}, more than a quarter of the memory; "
                "give fewer"
            )
        return Examples([array.copy() for array in data.inputs], [array.copy() for array in data.labels], [])
