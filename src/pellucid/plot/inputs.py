"""What plots are given, as arrays: checked, with errors that say what was expected and what there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from pellucid.core.spec import show_shape
from pellucid.errors import ArgumentError, DataError, ShapeError
from pellucid.explain.trace import LayerTrace, Trace
from pellucid.nn.registry import look_up

Array = numpy.ndarray


def numbers(value: Any, what: str, rank: int | None = None) -> Array:
    """An array of finite float64 numbers; raises `DataError` or `ShapeError`, with `what` as its name."""
    try:
        array = numpy.asarray(value, numpy.float64)
    except (TypeError, ValueError):
        raise DataError(f"{what} must be numbers, got {type(value).__name__}") from None
    if rank is not None and array.ndim != rank:
        raise ShapeError(f"{what} must have {rank} axes, got the shape {show_shape(array.shape)}")
    if not array.size:
        raise DataError(f"{what}: there are no values to draw")
    if not numpy.isfinite(array).all():
        count = int((~numpy.isfinite(array)).sum())
        raise DataError(f"{what}: {count} of {array.size} values are NaN or infinite; leave them out first")
    return array


def column(value: Any, what: str) -> Array:
    """One number per row: [rows] or [rows, 1] → [rows]."""
    array = numbers(value, what)
    flat = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if flat.ndim != 1:
        raise ShapeError(f"{what} must be one number per row, got the shape {show_shape(array.shape)}")
    return flat


def labels(value: Any, what: str) -> Array:
    """One class per row, of any kind: [rows] or [rows, 1] → [rows]; rows with a single one → the place of the one."""
    array = numpy.asarray(value)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2 and numpy.isin(array, (0, 1)).all() and (array.sum(1) == 1).all():
        array = array.argmax(1)
    if array.ndim != 1:
        raise ShapeError(f"{what} must be one class per row, got the shape {show_shape(array.shape)}")
    if not len(array):
        raise DataError(f"{what}: there are no rows to draw")
    return array


def same_rows(**arrays: Array) -> None:
    """Raise `ShapeError` unless all have the same number of rows."""
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        raise ShapeError("numbers of rows differ: " + ", ".join(f"{name} {count:,}" for name, count in counts.items()))


def class_names(classes: Sequence[Any] | None, found: Sequence[Any], count: int | None = None) -> list[Any]:
    """The classes: those given, else 0 … count - 1, else those found, in order."""
    if classes is not None:
        return list(classes)
    return list(range(count)) if count is not None else list(found)


def one_of(what: str, name: str, known: Sequence[str]) -> str:
    """The name, if it is known; else `UnknownNameError` with all that are."""
    return look_up(what, {one: one for one in known}, name)


def need(record: object, kind: type, call: str) -> None:
    """Raise `ArgumentError` unless a record is of the kind that a call gives."""
    if not isinstance(record, kind):
        raise ArgumentError(f"give what {call} returns, a {kind.__name__}; got {type(record).__name__}")


def layer_values(source: Any, part: str = "activation") -> dict[str, Array]:
    """Arrays by name: from a mapping of them, of a model its weights, or of a trace a part of every layer.

    `part`: "activation", "gradient" (of the loss with respect to the activation), "weights" or "weight_gradients"
    (without biases), or what a layer calls one of its parts, such as "pre_activation". Layers without it are left out.
    Raises `ArgumentError` where no layer has it, with what there is.
    """
    if isinstance(source, Mapping):
        found = {str(name): numbers(value, str(name)) for name, value in source.items()}
    elif isinstance(source, Trace):
        found = {name: value for layer in source.layers.values() for name, value in _parts(layer, part)}
        if not found:
            there = sorted(
                {"activation", "weights", *(label for layer in source.layers.values() for label in layer.parts)}
            )
            hint = "; model.trace(x, y) with labels y has gradients" if "gradient" in part else ""
            raise ArgumentError(f"no layer of the trace has {part!r}{hint}. There is: {', '.join(there)}")
    elif hasattr(source, "get_weights") and part == "weights":
        found = {name: numbers(one.value, name) for name, one in names(source).items() if len(one.shape) > 1}
    else:
        raise ArgumentError(
            f"{part}: expected arrays by layer name, or a trace from model.trace(x, y), got {type(source).__name__}"
        )
    if not found:
        raise DataError(f"{part}: there are no layers to draw")
    return found


def moments(source: Any, part: str, most: int) -> dict[str, dict[str, Array]]:
    """The same at several moments, by what they are called: from a mapping of sources, or a recording; at "" alone from
    a single source. Of more than `most` moments as many as are spread evenly."""
    recording = getattr(source, "recording", source)
    if hasattr(recording, "at") and hasattr(recording, "steps"):
        chosen = [recording.at(step) for step in _spread(recording.steps, most)]
        return {
            f"step {one.step:,}": layer_values(one.model if part == "weights" else one.trace, part) for one in chosen
        }
    if isinstance(source, Mapping) and source and all(isinstance(one, (Mapping, Trace)) for one in source.values()):
        return {str(when): layer_values(source[when], part) for when in _spread(list(source), most)}
    return {"": layer_values(source, part)}


def _spread(places: list[Any], most: int) -> list[Any]:
    if len(places) <= most:
        return places
    return [places[i] for i in numpy.linspace(0, len(places) - 1, most).round().astype(int)]


def layer_value(source: Any, layer: str | None, part: str, ranks: Sequence[int], shape: str) -> tuple[Array, str]:
    """One array with as many axes as one of `ranks`, and its layer's name: the source itself, or of a trace the first
    layer that fits, unless one is named. `shape` says in words what is wanted."""
    if not isinstance(source, (Trace, Mapping)):
        array = numbers(source, part)
        if array.ndim not in ranks:
            raise ShapeError(f"{part} must have the shape {shape}, got {show_shape(array.shape)}")
        return array, ""
    found = layer_values(source, part)
    fits = {name: value for name, value in found.items() if value.ndim in ranks}
    if not fits:
        shapes = ", ".join(f"{name} {show_shape(value.shape)}" for name, value in found.items())
        raise ShapeError(f"no layer has {part} of the shape {shape}. There is: {shapes}")
    chosen = next(iter(fits)) if layer is None else layer
    return look_up(f"layer with {part} of the shape {shape}", fits, chosen), chosen


def of_example(array: Array, example: int, what: str) -> Array:
    """One example's part of an array with one row per example; raises `ArgumentError` for one that there is not."""
    if not -len(array) <= example < len(array):
        raise ArgumentError(f"{what}: example {example} of {len(array)}, counted from 0 to {len(array) - 1}")
    one: Array = array[example]
    return one


def names(model: Any) -> dict[str, Any]:
    """The trainable weights by layer and name, in their order: "dense/kernel", "dense/bias", …"""
    owners = {id(one): layer.name for layer in model.layers for one in layer.trainable_variables}
    return {f"{owners[id(one)]}/{one.name}": one for one in model.trainable_variables}


def _parts(layer: LayerTrace, part: str) -> list[tuple[str, Array]]:
    if part in ("weights", "weight_gradients"):
        weights: dict[str, Array] = getattr(layer, part)
        return [
            (f"{layer.name}/{name}", numpy.asarray(value, numpy.float64))
            for name, value in weights.items()
            if value.ndim > 1
        ]
    values = {**layer.gates, **layer.values}
    value = layer.gradients.get("activation") if part == "gradient" else values.get(part)
    return [] if value is None else [(layer.name, numpy.asarray(value, numpy.float64))]
