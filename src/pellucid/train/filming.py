"""From a recording to a film: the same diagram, histograms and answers at moments evenly apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from pellucid.explain.colours import INPUT
from pellucid.explain.numbers import number
from pellucid.plot.diagram import draw as draw_diagram
from pellucid.plot.diagram import numbers_of
from pellucid.plot.diagram_items import Numbers
from pellucid.plot.film import Answers, Film, on_one_scale
from pellucid.plot.shapes import Image, unit_range
from pellucid.plot.svg import image_address
from pellucid.train.inputs import Examples
from pellucid.train.model import Model
from pellucid.train.recording import Recording, weight_names

_MOMENTS, _PICTURED = 120, 40  # at most; where the diagram shows pictures, which take room, fewer
_BINS, _WEIGHTS = 41, 12  # of a histogram; histograms
_SIDE, _PLACES = 40, 120  # points of a region along one side, and of a curve
_EXAMPLES, _OUTPUTS = 6, 20
_MARGIN = 0.15  # around the examples, of their spread


def film_of(recording: Recording) -> Film:
    """The film of a recording, at most 120 moments of it."""
    kept = recording.frames.kept
    examples = recording.examples
    model = recording.restore(kept[-1].step)
    last = draw_diagram(model, _numbers(model, examples))
    most = _PICTURED if any(isinstance(shape, Image) for shape in last.sheet.shapes) else _MOMENTS
    moments = [int(i) for i in numpy.unique(numpy.linspace(0, len(kept) - 1, min(len(kept), most)).round())]
    steps = [kept[i].step for i in moments]
    asked = _asked(model, examples)
    sheets, weights, answers = [], [], []
    for step in steps:
        model.set_weights(recording.at(step).model.get_weights())
        sheets.append(draw_diagram(model, _numbers(model, examples), shown=last.shown).sheet)
        weights.append([one.value.copy() for one in model.variables])
        if asked is not None:
            answers.append(numpy.asarray(model.predict(asked.inputs)))
    return Film(
        f"Training of {model.name}",
        _summary(recording, len(steps)),
        tuple(steps),
        tuple(kept[i].loss for i in moments),
        tuple((epoch.step, epoch.figures["val_loss"]) for epoch in recording.epochs if "val_loss" in epoch.figures),
        tuple(on_one_scale(sheets)),
        tuple(_histograms(weight_names(model), weights)),
        None if asked is None else asked.answers(numpy.stack(answers)),
    )


def _summary(recording: Recording, moments: int) -> str:
    kept = recording.frames.kept
    losses = [frame.loss for frame in kept if frame.loss is not None]
    course = f" The loss went from {number(losses[0])} to {number(losses[-1])}." if losses else ""
    return f"{kept[-1].step - kept[0].step:,} steps, shown at {moments} moments.{course}"


def _numbers(model: Model, examples: Examples | None) -> Numbers:
    """What the diagram shows: the first example."""
    if examples is None:
        return Numbers()
    x = [array[:1] for array in examples.inputs]
    return numbers_of(model, model.trace(x if len(x) > 1 else x[0]))


def _histograms(names: Sequence[str], moments: Sequence[Sequence[numpy.ndarray]]) -> list[Any]:
    """Of the largest weight arrays: how many weights lie in each part of the range that they ever have."""
    floats = [i for i, value in enumerate(moments[0]) if value.dtype.kind == "f" and value.size > 1]
    largest = sorted(sorted(floats, key=lambda i: -moments[0][i].size)[:_WEIGHTS])
    found = []
    for i in largest:
        values = [numpy.nan_to_num(moment[i], posinf=0.0, neginf=0.0) for moment in moments]
        reach = max(float(numpy.abs(value).max()) for value in values) or 1.0
        counts = numpy.stack([numpy.histogram(value, _BINS, (-reach, reach))[0] for value in values])
        found.append((names[i], -reach, reach, counts))
    return found


class _Asked:
    """What the network is asked at every moment, and how its answers are shown."""

    def __init__(self, kind: str, inputs: numpy.ndarray, model: Model, examples: Examples, span: Sequence[float] = ()):
        self.kind, self.inputs, self.examples, self.span = kind, inputs, examples, tuple(span)
        self.inner = model.input_names[0]
        self.outer = model.output_names[0]

    @property
    def _labels(self) -> list[Any]:
        return list(self.examples.labels[0]) if self.examples.labels else []

    def answers(self, found: numpy.ndarray) -> Answers:
        """The answers as a film shows them; `found` is [moments, rows, outputs]."""
        found = numpy.nan_to_num(found, posinf=0.0, neginf=0.0)
        x, labels = self.examples.inputs[0], [_label(row) for row in self._labels]
        if self.kind == "examples":
            outputs = found[..., :_OUTPUTS]
            names = tuple(str(i) for i in range(outputs.shape[-1]))
            truths = tuple(f"{label:g}" for label in labels[:_EXAMPLES])
            return Answers("examples", outputs, names=names, truths=truths, pictures=self._pictures())
        points = [(*map(float, row), *labels[i : i + 1]) for i, row in enumerate(x)]
        if self.kind == "curve":
            return Answers("curve", found[..., 0], self.span, tuple(points[:300]), (self.inner, self.outer))
        square = (len(found), _SIDE, _SIDE)
        names = (f"{self.inner}[0]", f"{self.inner}[1]")
        if found.shape[-1] > 1:
            classes, confidence = found.argmax(axis=-1).reshape(square), _confidence(found).reshape(square)
            return Answers("region", classes, self.span, tuple(points[:300]), names, confidence=confidence)
        return Answers("region", found.reshape(square), self.span, tuple(points[:300]), names)

    def _pictures(self) -> tuple[str, ...]:
        """The examples, where they are images of one channel or three, as addresses of pictures."""
        x = self.examples.inputs[0][:_EXAMPLES]
        side = round(x[0].size ** 0.5)
        if x.ndim == 2 and side >= 8 and side * side == x[0].size:
            x = x.reshape(-1, side, side, 1)
        if x.ndim != 4 or x.shape[-1] not in (1, 3):
            return ()
        return tuple(image_address(Image(0, 0, 1, 1, unit_range(one.mean(axis=-1)), INPUT)) for one in x)


def _asked(model: Model, examples: Examples | None) -> _Asked | None:
    """A square of points for two inputs, a line of them for one, else the first examples."""
    alone = len(model.inputs) == len(model.outputs) == 1
    if examples is None or not alone or len(model.outputs[0].shape) != 2:
        return None
    x = examples.inputs[0]
    if x.dtype.kind != "f" and x.ndim == 2:
        x = x.astype(numpy.float32)
    if x.ndim == 2 and x.shape[1] <= 2 and len(x) > 1:
        low, high = x.min(axis=0), x.max(axis=0)
        margin = numpy.where(high > low, _MARGIN * (high - low), 1.0)
        low, high = low - margin, high + margin
        if x.shape[1] == 1:
            line = numpy.linspace(low, high, _PLACES).astype(numpy.float32)
            return _Asked("curve", line, model, examples, (float(low[0]), float(high[0])))
        across, up = (numpy.linspace(low[i], high[i], _SIDE, dtype=numpy.float32) for i in (0, 1))
        grid = numpy.stack(numpy.meshgrid(across, up), axis=-1).reshape(-1, 2)
        return _Asked("region", grid, model, examples, (*map(float, (low[0], high[0], low[1], high[1])),))
    return _Asked("examples", examples.inputs[0][:_EXAMPLES], model, examples)


def _label(row: Any) -> float:
    """A label as one number: a class from its row of 0 and 1."""
    flat = numpy.ravel(row)
    return float(flat.argmax() if flat.size > 1 else flat[0])


def _confidence(found: numpy.ndarray) -> numpy.ndarray:
    """The probability of the class that is chosen; of logits, what softmax makes of them."""
    if found.min() >= 0 and numpy.allclose(found.sum(axis=-1), 1.0, atol=1e-3):
        largest: numpy.ndarray = found.max(axis=-1)
        return largest
    powers = numpy.exp(found - found.max(axis=-1, keepdims=True))
    result: numpy.ndarray = 1.0 / powers.sum(axis=-1)
    return result
