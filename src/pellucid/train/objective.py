"""What training aims at: a loss and metrics for each output, and the optimizer, from what `compile` was given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.errors import ArgumentError, UnknownNameError
from pellucid.nn import losses, metrics, optimizers
from pellucid.nn.arguments import number
from pellucid.nn.losses import Loss
from pellucid.nn.metrics import Metric
from pellucid.nn.network import Network
from pellucid.nn.optimizers import Optimizer


@dataclass
class Objective:
    """One entry per output, in the order of the network's outputs; and the optimizer."""

    losses: list[Loss]
    loss_weights: list[float]
    metrics: list[list[Metric]]
    weighted_metrics: list[list[Metric]]
    optimizer: Optimizer


class Choice:
    """What `compile` was given; `objective` is made from it once the network and its outputs are known.

    Names of losses and optimizers are looked up at once, so that a wrong one is refused by `compile` itself.
    """

    def __init__(self, optimizer: Any, loss: Any, loss_weights: Any, metrics: Any, weighted_metrics: Any) -> None:
        if loss is None:
            raise ArgumentError(
                "compile needs a loss, for example 'mse' for numbers or 'sparse_categorical_crossentropy' for classes"
            )
        self.optimizer = optimizers.get(optimizer)
        self.loss = _each(loss, losses.get)
        self.loss_weights = loss_weights
        self.metrics, self.weighted_metrics = metrics, weighted_metrics

    def objective(self, network: Network) -> Objective:
        """The same for the outputs of a network; raises `ArgumentError` where it does not fit them."""
        names = network.output_names
        chosen = _per_output(self.loss, names, "loss")
        for loss, name in zip(chosen, names, strict=True):
            if loss is None:
                raise ArgumentError(f"compile: output {name!r} has no loss; give one for each of {', '.join(names)}")
        weights = [
            1.0 if weight is None else number("compile", f"the loss weight of {name!r}", weight)
            for weight, name in zip(_per_output(self.loss_weights, names, "loss_weights"), names, strict=True)
        ]
        return Objective(
            chosen,
            weights,
            _metrics(network, chosen, self.metrics, names),
            _metrics(network, chosen, self.weighted_metrics, names),
            self.optimizer,
        )


def _each(given: Any, look_up: Callable[[Any], Any]) -> Any:
    """One thing, or a list or dict of them by output, looked up."""
    if isinstance(given, Mapping) and "class_name" not in given:
        return {name: None if item is None else look_up(item) for name, item in given.items()}
    if isinstance(given, (list, tuple)):
        return [None if item is None else look_up(item) for item in given]
    return look_up(given)


def _per_output(given: Any, names: Sequence[str], what: str) -> list[Any]:
    """One entry per output, from a list, a dict by output name, or one thing for all."""
    if isinstance(given, Mapping):
        for name in given:
            if name not in names:
                raise UnknownNameError(f"output in {what}", name, names)
        return [given.get(name) for name in names]
    if isinstance(given, (list, tuple)):
        if len(given) != len(names):
            raise ArgumentError(f"{what} has {len(given)} entries for {len(names)} outputs ({', '.join(names)})")
        return list(given)
    return [given] * len(names)


def _metrics(network: Network, chosen: Sequence[Loss], given: Any, names: Sequence[str]) -> list[list[Metric]]:
    nested = isinstance(given, (list, tuple)) and any(isinstance(item, (list, tuple)) for item in given)
    if isinstance(given, (list, tuple)) and len(names) == 1 and not nested:
        given = [given]  # for one output, a plain list is its metrics
    found = []
    for items, loss, output in zip(_per_output(given, names, "metrics"), chosen, network.outputs, strict=True):
        listed = items if isinstance(items, (list, tuple)) else [] if items is None else [items]
        found.append([metrics.get(item, loss, output) for item in listed])
    return found
