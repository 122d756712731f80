"""Evaluation with NumPy alone: for each node in order, `forward`. Obvious on purpose; every executor is held to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from pellucid.core.graph import Node, Tensor, order
from pellucid.core.sources import Constant, Feed, Read
from pellucid.core.spec import show_shape
from pellucid.errors import DtypeError, GraphError, PellucidError, ShapeError

Values = dict[Tensor, numpy.ndarray]


def evaluate(outputs: Sequence[Tensor], feeds: Mapping[Tensor, Any] | None = None) -> list[numpy.ndarray]:
    """The values of some tensors, given those of the feeds behind them.

    Raises `GraphError` where a feed has no value, `ShapeError` or `DtypeError` where its value does not fit it.

    >>> from pellucid.core.sources import feed
    >>> x = feed((2,), name="x")
    >>> evaluate([x * 3.0], {x: numpy.float32([1, 2])})
    [array([3., 6.], dtype=float32)]
    """
    values = evaluate_nodes(order(outputs), feeds or {})
    return [values[output] for output in outputs]


def evaluate_nodes(nodes: Sequence[Node], feeds: Mapping[Tensor, Any], wide: bool = False) -> Values:
    """The values of every tensor of the nodes, which stand in topological order; `wide`: all floats in float64."""
    values: Values = {}
    with numpy.errstate(all="ignore"):
        for node in nodes:
            results = _results(node, values, feeds, wide)
            values.update(zip(node.outputs, map(_widened, results) if wide else results, strict=True))
    return values


def _results(node: Node, values: Values, feeds: Mapping[Tensor, Any], wide: bool) -> Sequence[numpy.ndarray]:
    if isinstance(node.op, Feed):
        if node.output not in feeds:
            raise GraphError(f"no value is given for the input {node.op.label!r}")
        return (fed(node.op, feeds[node.output]),)
    if isinstance(node.op, Read):
        return (node.op.variable.value,)
    if isinstance(node.op, Constant):
        return (node.op.value,)
    arrays = [values[value] for value in node.inputs]
    if wide and node.op.name == "cast" and node.output.spec.is_float:
        return (arrays[0],)  # a cast to float32 would round
    return forward(node, arrays)


def _widened(array: numpy.ndarray) -> numpy.ndarray:
    return array.astype(numpy.float64) if array.dtype == numpy.float32 else array


def fed(op: Feed, value: Any) -> numpy.ndarray:
    """What is fed, as an array of the feed's dtype; raises `ShapeError` or `DtypeError` where it does not fit."""
    array = numpy.asarray(value)
    wanted = op.spec
    if array.ndim != wanted.rank or any(b not in (None, a) for a, b in zip(array.shape, wanted.shape, strict=True)):
        raise ShapeError(f"the input {op.label!r} is {wanted}, got a value of shape {show_shape(array.shape)}")
    if not numpy.can_cast(array.dtype, wanted.dtype, "same_kind"):
        raise DtypeError(f"the input {op.label!r} is {wanted}, got {array.dtype}; convert the array first")
    return array.astype(wanted.dtype, copy=False)


def forward(node: Node, arrays: list[numpy.ndarray]) -> Sequence[numpy.ndarray]:
    """The outputs of one node; an error names the layer."""
    try:
        result = node.op.forward(numpy, *arrays)
    except PellucidError as error:
        if not node.scope:
            raise
        raise type(error)(f"layer {'/'.join(node.scope)}: {error}") from error
    return result if isinstance(result, tuple) else (numpy.asarray(result),)
