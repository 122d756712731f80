"""Planes through the weights of a network, and its loss at every point of one.

A point of a plane is origin + a·first + b·second, all of them vectors of every trainable weight. The loss is asked of
a copy of the model, so that the model stays as it is; dropout is off and batch normalisation uses its running averages.

Source: Li, Xu, Taylor, Studer, Goldstein, "Visualizing the loss landscape of neural nets", 2018: directions that are
random, each filter's part as long as the filter, and the plane of a run from its principal components.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from pellucid.errors import ArgumentError, NonFiniteError, ShapeError, StateError, UnknownNameError
from pellucid.plot.inputs import Array, names, numbers
from pellucid.plot.waiting import told

_WEIGHT = re.compile(r"(.+)\[([\d, ]*)\]$")


@dataclass(frozen=True)
class Plane:
    """Two directions from a point, with what they are."""

    origin: Array
    first: Array
    second: Array
    labels: tuple[str, str]

    def coordinates(self, vectors: Array) -> Array:
        """Where weights lie, or what is nearest to them in the plane: [points, weights] → [points, 2]."""
        directions = numpy.stack([self.first, self.second], axis=1)
        found: Array = numpy.linalg.lstsq(directions, (vectors - self.origin).T, rcond=None)[0].T
        return found

    def loss(self, loss: Loss, a: Array, b: Array) -> Array:
        """The loss over a grid: [len(b), len(a)]."""
        places = [(i, j) for j in b for i in a]
        found = [loss(self.origin + i * self.first + j * self.second) for i, j in told("loss surface, points", places)]
        return numpy.array(found).reshape(len(b), len(a))


class Loss:
    """The loss of a copy of a model on some examples, as a function of its weights; NaN where it is not finite."""

    def __init__(self, model: Any, x: Any, y: Any) -> None:
        self.copy = twin(model, "sgd")
        self.x, self.y = _once(x), _once(y)

    def __call__(self, vector: Array) -> float:
        put(self.copy, vector)
        try:
            value = float(numpy.ravel(self.copy.evaluate(self.x, self.y))[0])
        except NonFiniteError:
            return float("nan")
        return value if numpy.isfinite(value) else float("nan")


def _once(given: Any) -> Any:
    """Lists become an array once, not at every point; several inputs or outputs stay as they are."""
    several = isinstance(given, (list, tuple)) and any(isinstance(one, numpy.ndarray) for one in given)
    return given if isinstance(given, Mapping) or several else numpy.asarray(given)


def twin(model: Any, optimizer: Any) -> Any:
    """A copy of a compiled model with its own weights, which are equal, and another optimizer."""
    objective = getattr(model, "objective", None)
    if objective is None:
        raise StateError("the model has no loss yet; build it and call model.compile(optimizer=…, loss=…) first")
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    copy.compile(optimizer, list(objective.losses), list(objective.loss_weights), executor=model.executor.name)
    return copy


def weights(model: Any) -> Array:
    """All trainable weights as one vector."""
    if not model.trainable_variables:
        raise ArgumentError("the model has no trainable weights")
    return numpy.concatenate([numpy.ravel(one.value).astype(numpy.float64) for one in model.trainable_variables])


def put(model: Any, vector: Array) -> None:
    """Write a vector into the trainable weights."""
    at = 0
    for variable in model.trainable_variables:
        variable.assign(vector[at : at + variable.value.size].reshape(variable.shape))
        at += variable.value.size


def steps_of(path: Any) -> list[Any]:
    """The weights along a path: those of a `Recorder` or its recording, or the list itself."""
    recording = getattr(path, "recording", path)
    return list(getattr(recording, "weights", recording))


def vectors(model: Any, path: Any) -> Array:
    """A run's weights as [steps, weights]: from a recording, a list of `get_weights()`, or a list of vectors."""
    listed = steps_of(path)
    trainable = {id(one) for one in model.trainable_variables}
    kept = [id(one) in trainable for one in model.variables]
    rows = []
    for item in listed:
        parts = list(item) if isinstance(item, (list, tuple)) and numpy.ndim(item[0]) else [item]
        if len(parts) == len(kept):
            parts = [part for part, keep in zip(parts, kept, strict=True) if keep]
        rows.append(numpy.concatenate([numpy.ravel(part) for part in parts]))
    size = len(weights(model))
    for row in rows:
        if len(row) != size:
            raise ShapeError(f"the path has {len(row)} weights in a step, the model {size}")
    if len(rows) < 2:
        raise ArgumentError(f"a path needs at least two steps, got {len(rows)}")
    return numbers(rows, "path", 2)


def of_weights(model: Any, two: Sequence[str]) -> Plane:
    """The plane of two weights, such as "dense/kernel[0,1]" and "dense/bias[1]"; the others stay as they are.

    Its coordinates are the values of the two weights.
    """
    if len(two) != 2 or isinstance(two, str):
        raise ArgumentError(f"a plane has two weights, such as ('dense/kernel[0,0]', 'dense/bias[0]'); got {two!r}")
    places = [_place(model, name) for name in two]
    if places[0] == places[1]:
        raise ArgumentError(f"the two weights of a plane must differ, got {two[0]} twice")
    origin = weights(model)
    first, second = numpy.zeros_like(origin), numpy.zeros_like(origin)
    origin[places] = 0.0
    first[places[0]] = second[places[1]] = 1.0
    return Plane(origin, first, second, (two[0], two[1]))


def all_two(model: Any) -> Plane:
    """The plane of a model that has two weights in all: its loss surface is whole."""
    found = [
        f"{name}[{','.join(map(str, at))}]" for name, one in names(model).items() for at in numpy.ndindex(one.shape)
    ]
    return of_weights(model, found)


def _place(model: Any, name: str) -> int:
    """Where a single weight stands in the vector."""
    known = names(model)
    match = _WEIGHT.match(name)
    at = 0
    for found, variable in known.items():
        if match is not None and found == match[1]:
            index = tuple(int(number) for number in match[2].split(",") if number.strip())
            if len(index) != len(variable.shape) or any(i >= n for i, n in zip(index, variable.shape, strict=True)):
                last = ",".join(str(size - 1) for size in variable.shape)
                raise ArgumentError(
                    f"{name}: {found} has the shape {variable.shape}, so its last weight is {found}[{last}]"
                )
            return at + int(numpy.ravel_multi_index(index, variable.shape))
        at += variable.value.size
    raise UnknownNameError("weight", name, [f"{one}[{','.join('0' * len(known[one].shape))}]" for one in known])


def random(model: Any, seed: int) -> Plane:
    """Two random directions from the model's weights, filter by filter as long as the filter (Li et al. 2018).

    A filter is what leads to one unit: all of a weight with the same place on its last axis. Biases stay as they are.
    """
    generator = numpy.random.default_rng(seed)
    first, second = _filters(model, generator), _filters(model, generator)
    if not first.any():
        raise ArgumentError("random directions need a weight with two axes or more that is not zero; name two weights")
    return Plane(weights(model), first, second, ("first random direction", "second random direction"))


def _filters(model: Any, generator: numpy.random.Generator) -> Array:
    parts = []
    for variable in model.trainable_variables:
        value = variable.value.astype(numpy.float64)
        part = numpy.zeros_like(value)
        if value.ndim > 1:
            axes = tuple(range(value.ndim - 1))
            part = generator.standard_normal(value.shape)
            part *= numpy.sqrt((value**2).sum(axes) / (part**2).sum(axes))
        parts.append(part.ravel())
    return numpy.concatenate(parts)


def of_paths(paths: Sequence[Array]) -> Plane:
    """The plane through the end of the first path in which the paths spread most: their two principal components."""
    origin = paths[0][-1]
    spread = numpy.concatenate(paths) - origin
    _, sizes, directions = numpy.linalg.svd(spread, full_matrices=False)
    if len(sizes) < 2:
        raise ArgumentError("the plane of a path needs at least two weights and three steps")
    shares = sizes**2 / max(float((sizes**2).sum()), 1e-300)
    ends = spread[0] @ directions[:2].T
    first, second = directions[:2] * numpy.where(ends > 0, -1.0, 1.0)[:, None]  # runs go to the right, and up
    shown = [
        f"{word} principal direction ({share:.0%})" for word, share in zip(("first", "second"), shares[:2], strict=True)
    ]
    return Plane(origin, first, second, (shown[0], shown[1]))
