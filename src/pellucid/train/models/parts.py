"""The networks that a model is made of, checked; and the random numbers that one makes examples of."""

from __future__ import annotations

from typing import Any

import numpy

from pellucid.core.spec import known
from pellucid.errors import ArgumentError, StateError
from pellucid.nn import arguments, initializers
from pellucid.nn.layer import as_layer
from pellucid.train.model import Model


def part(owner: object, role: str, given: Any, outputs: int | None = 1, inputs: int | None = 1) -> Model:
    """A network called by its role unless it has a name, or made from a file's description of it.

    It has so many inputs and outputs, `None` for any number. Raises `ArgumentError` for what is no such model,
    `StateError` for one that is not built.
    """
    kind = type(owner).__name__
    network = as_layer(kind, given) if isinstance(given, dict) else given
    if not isinstance(network, Model):
        raise ArgumentError(f"{kind}: the {role} must be a model, such as Sequential([…]), got {given!r}")
    if not network.built:
        raise StateError(f"{kind}: the {role} is not built; let it begin with Input(shape=…)")
    for what, wanted, found in (("input", inputs, network.inputs), ("output", outputs, network.outputs)):
        if wanted not in (None, len(found)):
            raise ArgumentError(f"{kind}: the {role} must have {wanted} {what}{'s' * (wanted != 1)}, got {len(found)}")
    if not network.named:
        network.name = role
    return network


def noise(network: Model, count: int, seed: int | None) -> numpy.ndarray:
    """Inputs of N(0, 1) for a network, [count, …]: by a seed, or others at every call."""
    count = arguments.whole("generate", "count", count)
    random = numpy.random.default_rng(initializers.next_seed() if seed is None else seed)
    return random.standard_normal((count, *known(network.inputs[0].shape[1:])), numpy.float32)
