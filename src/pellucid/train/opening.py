"""Opening a model: its network built anew on some examples, with the loss, its derivatives and the coming update."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy

from pellucid.core.graph import Tensor, order
from pellucid.core.random import make_key
from pellucid.data import batches
from pellucid.errors import ArgumentError
from pellucid.explain.opened import Opened, derivatives_of, layers_of, openable
from pellucid.train.step import Signature, by_outputs, make_forward, make_goal

if TYPE_CHECKING:
    from pellucid.train.model import Model


def open_model(
    model: Model,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    training: bool = False,
    unrolled: bool = False,
    outputs: bool = False,
) -> Opened:
    """The network of a model on these examples; with labels also the loss and its derivatives.

    With `training` it is opened as the next step of `fit` would use it on them: dropout draws as it will, and `updates`
    are what the optimizer will write. `unrolled`: with every step of a recurrent layer as values of their own.
    `outputs`: with the derivative of the loss by outputs that cross-entropy passes over, to read the sums behind them.
    """
    model.need_built()
    if training and y is None:
        raise ArgumentError("a step of training needs labels; give y beside x")
    if y is None:
        arrays = model.inputs_of(x)
        rows = batches.same_rows({"features": arrays})
        signature = Signature(rows, tuple(one.shape[1:] for one in arrays))
        inputs, made, construction = make_forward(model, signature, unrolled)
        layers = layers_of(construction.calls, order(made))
        feeds = _feeds(model, [*inputs, *construction.keys], arrays)
        return Opened(_named(model.input_names, inputs), _named(model.output_names, made), layers, feeds)
    data = model.examples(x, y, sample_weight)
    objective = model.need_objective()
    if training:
        objective.optimizer.build(model.trainable_variables)
    goal = make_goal(model, objective, data.signature(data.rows, training), unrolled)
    layers = layers_of(goal.construction.calls, order([goal.loss, *goal.outputs]))
    parameters = model.trainable_variables
    weights = [parameter.tensor for parameter in parameters]
    derivatives = derivatives_of(goal.loss, [goal.loss, *openable(goal.loss, goal.inputs, layers), *weights])
    if outputs:
        derivatives = {**dict(zip(goal.outputs, by_outputs(model, objective, goal), strict=True)), **derivatives}
    updates = tuple(goal.construction.updates)
    if training:
        updates = (*objective.optimizer.apply([derivatives[weight] for weight in weights], parameters), *updates)
    return Opened(
        _named(model.input_names, goal.inputs),
        _named(model.output_names, goal.outputs),
        layers,
        _feeds(model, goal.feeds, data.as_fed(goal.feeds)),
        tuple(goal.labels),
        goal.loss,
        derivatives,
        updates,
    )


def _named(names: list[str], values: Sequence[Tensor]) -> dict[str, Tensor]:
    return dict(zip(names, values, strict=True))


def _feeds(model: Model, feeds: Sequence[Tensor], arrays: list[numpy.ndarray]) -> dict[Tensor, numpy.ndarray]:
    """What is fed; the random key, where a layer draws, is that of the coming step."""
    keys = [make_key(model.seed, model.steps_trained)] * (len(feeds) - len(arrays))
    return dict(zip(feeds, [*arrays, *keys], strict=True))
