"""What plots are given, as arrays: checked, with errors that say what was expected and what there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from pellucid.core.spec import show_shape
from pellucid.errors import ArgumentError, DataError, ShapeError
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


def layer_values(source: Any, part: str = "activation") -> dict[str, Array]:
    """Arrays by layer: from a mapping of them, or of a `Trace` each layer's activation, a part of it by label, or, as
    "gradient", the gradient of the loss with respect to its activation. Layers without it are left out.

    Raises `ArgumentError` where no layer has it, with what there is.
    """
    if isinstance(source, Mapping):
        found = {str(name): numpy.asarray(value, numpy.float64) for name, value in source.items()}
    elif hasattr(source, "layers") and isinstance(source.layers, Mapping):
        found = {name: value for name, layer in source.layers.items() if (value := _of_layer(layer, part)) is not None}
        if not found:
            there = sorted({label for layer in source.layers.values() for label in layer.parts})
            hint = "; call model.trace(x, y) with labels y to have gradients" if part == "gradient" else ""
            raise ArgumentError(f"no layer of the trace has {part!r}{hint}. There is: activation, {', '.join(there)}")
    else:
        raise ArgumentError(
            f"expected arrays by layer name, or a trace from model.trace(x), got {type(source).__name__}"
        )
    if not found:
        raise DataError("there are no layers to draw")
    return found


def layer_value(source: Any, layer: str | None, part: str, rank: int, shape: str) -> Array:
    """One array of `rank` axes: the source itself, or a layer of a `Trace` (the first that fits, unless named)."""
    if not hasattr(source, "layers") and not isinstance(source, Mapping):
        return numbers(source, part, rank)
    found = layer_values(source, part)
    fits = {name: value for name, value in found.items() if value.ndim == rank}
    if not fits:
        shapes = ", ".join(f"{name} {show_shape(value.shape)}" for name, value in found.items())
        raise ShapeError(f"no layer has {part} of shape {shape}. There is: {shapes}")
    chosen = next(iter(fits)) if layer is None else layer
    return numbers(look_up("layer", fits, chosen), chosen, rank)


def _of_layer(layer: Any, part: str) -> Array | None:
    if part == "activation":
        value = layer.activation
    elif part == "gradient":
        value = (layer.gradients or {}).get("activation")
    else:
        value = layer.parts.get(part)
    return None if value is None else numpy.asarray(value, numpy.float64)
