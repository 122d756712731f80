"""`Recording`: what a recorder kept of a run, and what can be asked of it: a moment, a comparison, a new start."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy

from pellucid.errors import ArgumentError, ModelFileError
from pellucid.explain.numbers import columns, number
from pellucid.explain.rendered import save
from pellucid.train import modelfile
from pellucid.train.frames import Frame, Frames, Layout, size_text
from pellucid.train.inputs import Examples
from pellucid.train.model import Model
from pellucid.train.saving import from_outside, restore

if TYPE_CHECKING:
    from pellucid.explain.trace import Trace
    from pellucid.plot.diagram import Diagram

_VERSION = 1


@dataclass(frozen=True)
class Epoch:
    """The figures of an epoch, and how many steps had been made at its end."""

    step: int
    figures: dict[str, float]


@dataclass(frozen=True, eq=False)
class Moment:
    """The run after `step` steps: weights by layer, the loss, the model as it was, and what it made of the examples."""

    step: int
    loss: float | None
    model: Model
    examples: Examples | None
    keeps: str

    @cached_property
    def weights(self) -> dict[str, numpy.ndarray]:
        """Every weight, by layer/name."""
        return dict(zip(weight_names(self.model), (one.value for one in self.model.variables), strict=True))

    @cached_property
    def trace(self) -> Trace:
        """What every layer makes of the examples and, where they have labels, the derivatives of their loss."""
        if self.examples is None:
            raise ArgumentError("no examples were recorded; make the recorder with examples=(x, y), or use model.trace")
        return self.model.trace(_given(self.examples.inputs), _given(self.examples.labels))

    def diagram(self, show: str = "weights", row: int = 0, title: str = "") -> Diagram:
        """A picture of the network at this step, with the values of one example."""
        return self.model.diagram(self.trace if self.examples else None, show, row=row, title=title or self._title)

    @property
    def _title(self) -> str:
        return f"After {self.step:,} steps"

    def text(self) -> str:
        """The moment in words: its loss, what is kept, and how large the weights are."""
        rows = [["weight", "shape", "smallest", "mean", "largest"]]
        for name, value in self.weights.items():
            shape = " × ".join(map(str, value.shape)) or "1"
            ends = (value.min(), value.mean(), value.max()) if value.size else ()
            rows.append([name, shape, *(number(float(end)) for end in ends)])
        loss = "" if self.loss is None else f", loss {number(self.loss)} over the steps before"
        return f"{self._title}{loss}; {self.keeps}\n\n{columns(rows, indent='', left=(0, 1))}"

    __str__ = text


@dataclass(frozen=True)
class Change:
    """How far one weight array moved: by its length, relative to its length before, and the element that moved most."""

    weight: str
    relative: float  # ‖after − before‖ / ‖before‖
    mean: float  # of the sizes of all changes
    largest: float
    place: tuple[int, ...]
    before: float
    after: float


@dataclass(frozen=True)
class Comparison:
    """Two steps side by side: every weight array, those that changed most first."""

    first: int
    second: int
    changes: tuple[Change, ...]

    def text(self) -> str:
        """The comparison as a table."""
        rows = [["weight", "moved by", "mean change", "largest change", "where", "from", "to"]]
        for one in self.changes:
            share = "was all zero" if math.isinf(one.relative) else f"{one.relative:.2%}"
            where = f"[{','.join(map(str, one.place))}]"
            rows.append([one.weight, share, number(one.mean), number(one.largest), where, number(one.before),
                         number(one.after)])  # fmt: skip
        head = f"From step {self.first:,} to step {self.second:,}, what changed most first"
        return f"{head}\n\n{columns(rows, indent='', left=(0,))}"

    __str__ = text

    def to_json(self) -> dict[str, Any]:
        """The comparison as plain values."""
        return asdict(self)


@dataclass
class Recording:
    """What was kept of a run: `frames` of weights, optimizer and loss, `examples`, and the figures of its `epochs`.

    >>> import pellucid
    >>> model = pellucid.Sequential([pellucid.Input((1,)), pellucid.layers.Dense(1)], seed=0)
    >>> model.compile("sgd", "mse")
    >>> recorder = pellucid.callbacks.Recorder(every=2)
    >>> history = model.fit([[1.0], [2.0]], [3.0, 5.0], epochs=6, verbose=0, callbacks=recorder)
    >>> recording = recorder.recording
    >>> recording.steps, recording.at(3).step, recording.restore(4).steps_trained
    ([0, 2, 4, 6], 2, 4)
    >>> [change.weight for change in recording.compare(0, 6).changes]
    ['dense/bias', 'dense/kernel']
    """

    description: dict[str, Any]
    frames: Frames
    examples: Examples | None = None
    epochs: list[Epoch] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.frames.kept)

    @property
    def steps(self) -> list[int]:
        """The steps that are kept."""
        return [frame.step for frame in self.frames.kept]

    @property
    def weights(self) -> list[list[numpy.ndarray]]:
        """The weights at each of `steps`, as `get_weights()` gives them: the way that `plot.loss_surface` draws."""
        return [self.frames.weights.unpack(frame.weights, frame.half) for frame in self.frames.kept]

    def at(self, step: int) -> Moment:
        """The kept step nearest to a step, with a model of its own."""
        frame = self._nearest(step)
        return Moment(frame.step, frame.loss, self._model(frame), self.examples, self._keeps(frame))

    def restore(self, step: int) -> Model:
        """A new model as it was at the kept step nearest to a step, to go on from with the same or other settings.

        With the optimizer's state and at the end of an epoch it goes on exactly as the run did; within an epoch it goes
        on with the next one. Without that state, or from float16, it begins near there: `at(step).keeps` says which.
        """
        return self._model(self._nearest(step))

    def compare(self, first: int, second: int) -> Comparison:
        """Which weights changed most between two steps."""
        one, other = self.at(first), self.at(second)
        changes = [_change(name, value, other.weights[name]) for name, value in one.weights.items()
                   if value.size and value.dtype.kind == "f"]  # fmt: skip
        ranked = sorted(changes, key=lambda change: -change.relative)
        return Comparison(one.step, other.step, tuple(ranked))

    def text(self) -> str:
        """What is kept, in words."""
        kept, losses = self.frames.kept, [frame.loss for frame in self.frames.kept if frame.loss is not None]
        apart = "1 step" if self.frames.every == 1 else f"{self.frames.every:,} steps"
        lines = [
            f"Recording of {len(kept)} moments from step {kept[0].step:,} to step {kept[-1].step:,}, "
            f"{apart} apart, {size_text(self.frames.bytes)} of {size_text(self.frames.bound)}",
            f"kept at each: {self._keeps(kept[-1])}",
        ]
        if losses:
            lines.append(f"loss: {number(losses[0])} at first, {number(losses[-1])} in the end")
        if self.examples is not None:
            labels = " with labels" if self.examples.labels else ""
            lines.append(f"examples: {self.examples.rows}{labels}")
        return "\n".join(lines)

    __str__ = __repr__ = text

    def html(self) -> str:
        """A page that opens offline: a bar to scrub through the run, with loss, diagram, weights and answers."""
        from pellucid.plot.film import page_of
        from pellucid.train.filming import film_of

        return page_of(film_of(self))

    def save(self, path: str | Path) -> None:
        """Write the recording to one file: .safetensors, to load again; .html, to look at; .gif, to show."""
        if Path(path).suffix.lower() == ".safetensors":
            modelfile.write(path, *self._contents())
        else:
            save(path, {".html": self.html, ".gif": self._gif}, ".safetensors")

    def _gif(self) -> bytes:
        from pellucid.plot.film import gif_of
        from pellucid.train.filming import film_of

        return gif_of(film_of(self))

    @classmethod
    def load(cls, path: str | Path) -> Recording:
        """The recording of a file; raises `ModelFileError` for anything else."""
        document, arrays = modelfile.read(path)
        with from_outside(path):
            return _from_file(document, arrays)

    # Inside

    def _nearest(self, step: int) -> Frame:
        if not isinstance(step, (int, numpy.integer)) or isinstance(step, bool):
            raise ArgumentError(f"step must be a whole number, got {step!r}")
        return min(self.frames.kept, key=lambda frame: abs(frame.step - step))

    def _keeps(self, frame: Frame) -> str:
        weights = "weights (in float16)" if frame.half else "weights"
        if frame.optimizer is None or self.description["training"] is None:
            return f"{weights} only: the optimizer begins anew"
        return f"{weights} and the optimizer's state"

    def _model(self, frame: Frame) -> Model:
        weights = self.frames.weights.unpack(frame.weights, frame.half)
        state = (
            None
            if frame.optimizer is None or self.frames.optimizer is None
            else self.frames.optimizer.unpack(frame.optimizer)
        )
        training = self.description["training"]
        if training is not None:
            training = {**training, "steps_trained": frame.step, "epochs_trained": frame.epochs}
        model = restore({**self.description, "training": training}, weights, state)[0]
        assert isinstance(model, Model)
        return model

    def _contents(self) -> tuple[dict[str, Any], dict[str, numpy.ndarray]]:
        frames, arrays = self.frames, dict[str, numpy.ndarray]()
        for place, frame in enumerate(frames.kept):
            arrays[f"weights/{place:04d}"] = frame.weights
            if frame.optimizer is not None:
                arrays[f"optimizer/{place:04d}"] = frame.optimizer
        examples = self.examples
        for kind, listed in (("x", examples.inputs), ("y", examples.labels)) if examples else ():
            arrays |= {f"examples/{kind}/{place:02d}": array for place, array in enumerate(listed)}
        document = {
            "recording": _VERSION,
            "model": self.description,
            "every": frames.every,
            "bound": frames.bound,
            "half": frames.half,
            "weights": frames.weights.to_json(),
            "optimizer": None if frames.optimizer is None else frames.optimizer.to_json(),
            "frames": [[one.step, one.epochs, one.loss, one.half] for one in frames.kept],
            "epochs": [[epoch.step, epoch.figures] for epoch in self.epochs],
        }
        return _finite(document), arrays


def _from_file(document: dict[str, Any], arrays: dict[str, numpy.ndarray]) -> Recording:
    """A recording from a file that nobody vouches for: every size is checked against the model's own."""
    kinds: modelfile.Kinds = {
        "recording": int, "model": dict, "every": int, "bound": int, "half": bool, "weights": list,
        "optimizer": (list, type(None)), "frames": list, "epochs": list,
    }  # fmt: skip
    if "recording" not in document:
        raise ModelFileError("it holds a model, not a recording; load it with pellucid.models.load_model")
    found = modelfile.fields(document, kinds, "recording")
    if found["recording"] != _VERSION or not found["frames"]:
        raise ModelFileError(f"the recording has format {found['recording']} and {len(found['frames'])} moments")
    records = [modelfile.fields(dict(zip(("step", "epochs", "loss", "half"), record, strict=True)),
                                {"step": int, "epochs": int, "loss": (float, type(None)), "half": bool}, "frame")
               for record in found["frames"]]  # fmt: skip
    packed = [arrays[f"weights/{place:04d}"] for place in range(len(records))]
    stateful = found["optimizer"] is not None
    states = [arrays[f"optimizer/{place:04d}"] if stateful else None for place in range(len(records))]
    if any(one is not None and (one.dtype != numpy.uint8 or one.ndim != 1) for one in (*packed, *states)):
        raise ModelFileError("the weights of a recording must be flat bytes")
    state = Layout.from_json(found["optimizer"]) if stateful else None
    frames = Frames(Layout.from_json(found["weights"]), state, found["bound"], found["every"], found["half"])
    for record, one, other in zip(records, packed, states, strict=True):
        fits = state is None or (other is not None and len(other) == state.size())
        if len(one) != frames.weights.size(record["half"]) or not fits:
            raise ModelFileError(f"the moment of step {record['step']} does not fit the layout of weights")
        frames.kept.append(Frame(record["step"], record["epochs"], record["loss"], one, other, record["half"]))
    x, y = ([arrays[name] for name in sorted(arrays) if name.startswith(f"examples/{kind}/")] for kind in "xy")
    epochs = [Epoch(int(step), {str(name): float(value) for name, value in figures.items()})
              for step, figures in found["epochs"]]  # fmt: skip
    recording = Recording(found["model"], frames, Examples(x, y, []) if x else None, epochs)
    recording.restore(frames.kept[0].step)  # which finds whether description and numbers belong together
    return recording


def _given(arrays: list[numpy.ndarray]) -> Any:
    """Arrays as a user gives them: one alone, several as a list, none as None."""
    return (arrays[0] if len(arrays) == 1 else arrays) if arrays else None


def weight_names(model: Model) -> list[str]:
    """The names of a model's variables, by layer; the second of a name is name@2."""
    names: list[str] = []
    by_variable = {id(one): f"{layer.name}/{one.name}" for layer in model.layers for one in layer.variables}
    for variable in model.variables:
        name = by_variable.get(id(variable), variable.name)
        count = sum(other.split("@")[0] == name for other in names)
        names.append(f"{name}@{count + 1}" if count else name)
    return names


def _change(name: str, before: numpy.ndarray, after: numpy.ndarray) -> Change:
    moved = after.astype(numpy.float64) - before
    place = tuple(map(int, numpy.unravel_index(int(numpy.abs(moved).argmax()), moved.shape)))
    length, size = float(numpy.linalg.norm(before)), float(numpy.linalg.norm(moved))
    relative = size / length if length else (math.inf if size else 0.0)
    return Change(name, relative, float(numpy.abs(moved).mean()), float(moved[place]), place, float(before[place]),
                  float(after[place]))  # fmt: skip


def _finite(document: dict[str, Any]) -> dict[str, Any]:
    """The document without what JSON has no word for: figures that are not finite are left out."""
    epochs = [[step, {name: value for name, value in figures.items() if math.isfinite(value)}]
              for step, figures in document["epochs"]]  # fmt: skip
    return {**document, "epochs": epochs}
