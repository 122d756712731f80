"""How a layer is called: tensors by place, keyword arguments of its `call`, and the masks that travel with tensors.

Keyword arguments are tensors (an initial state, a mask), lists of them, or plain settings such as
`use_causal_mask=True`. A call keeps them, so that the network can be replayed, saved and shown with them. A mask says
which steps of a sequence count (True) and which are padding; it belongs to a tensor and is no argument unless given.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy

from pellucid.core.graph import Tensor, tensor
from pellucid.errors import ArgumentError, nearest

if TYPE_CHECKING:
    from pellucid.nn.layer import Layer

PLAIN = (bool, int, float, str, type(None))


@dataclass(eq=False)
class Call:
    """One use of a layer: a shared layer has several."""

    layer: Layer
    tensors: tuple[Tensor, ...]
    listed: bool  # whether the layer took its tensors as a list
    options: dict[str, Any]  # keyword arguments: tensors, plain values, nested lists of them
    outputs: tuple[Tensor, ...] = ()
    path: tuple[str, ...] = ()  # the names of the layers that it stands in, its own last

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """All tensors that go in, those among the keyword arguments last."""
        return (*self.tensors, *_tensors_in(list(self.options.values())))

    def replay(self, built: Mapping[Tensor, Tensor], training: bool) -> Any:
        """The same use of the layer on other tensors; a `training` that was given stays."""

        def now(value: Any) -> Any:
            return built.get(value, value) if isinstance(value, Tensor) else value

        tensors = [now(value) for value in self.tensors]
        options = {"training": training, **{name: changed(value, now) for name, value in self.options.items()}}
        return self.layer(tensors, **options) if self.listed else self.layer(*tensors, **options)


def changed(value: Any, change: Callable[[Any], Any]) -> Any:
    """A keyword argument with every value in its lists changed."""
    return [changed(item, change) for item in value] if isinstance(value, list) else change(value)


def _tensors_in(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _tensors_in(item)


@dataclass(frozen=True)
class Parameters:
    """What the `call` of a layer takes: `inputs` are tensors by place, `options` everything else."""

    inputs: tuple[str, ...]
    least: int
    most: float
    options: frozenset[str]
    training: bool

    @classmethod
    def of(cls, call: Callable[..., Any]) -> Parameters:
        """Read from the signature: inputs come by place, but for `training`, `mask` and what ends in `_mask`."""
        parameters = list(inspect.signature(call).parameters.values())[1:]  # without self
        names = [item.name for item in parameters if item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD)]
        inputs = [
            item
            for item in parameters
            if item.kind in (item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD)
            and item.name not in ("training", "mask")
            and not item.name.endswith("_mask")
        ]
        several = any(item.kind is item.VAR_POSITIONAL for item in parameters)
        return cls(
            tuple(item.name for item in inputs),
            sum(item.default is item.empty for item in inputs),
            math.inf if several else len(inputs),
            frozenset(names) - {"training"} - {item.name for item in inputs},
            "training" in names,
        )

    def by_place(self, tensors: Sequence[Tensor], options: dict[str, Any]) -> tuple[Tensor, ...]:
        """The tensors with those that were given by the name of an input; takes them out of `options`."""
        found = list(tensors)
        for name in self.inputs[len(found) :]:
            if isinstance(options.get(name), Tensor):
                found.append(options.pop(name))
        return tuple(found)

    def masks(self, tensors: Sequence[Tensor], listed: bool) -> dict[str, Any]:
        """The arguments that carry the masks of the inputs: `mask`, of the first input or of a list; `NAME_mask`."""
        found = {f"{name}_mask": value.mask for name, value in zip(self.inputs, tensors, strict=False)}
        found["mask"] = masks_of(tensors, listed)
        return {name: mask for name, mask in found.items() if name in self.options}


def masks_of(tensors: Sequence[Tensor], listed: bool) -> Any:
    """The mask of the first tensor, or of a list the masks of all; `None` where there are none."""
    masks = [value.mask for value in tensors]
    if listed:
        return masks if any(mask is not None for mask in masks) else None
    return masks[0] if masks else None


def checked_options(options: Mapping[str, Any], parameters: Parameters, where: str) -> dict[str, Any]:
    """Keyword arguments as a call keeps them; raises `ArgumentError` for an unknown one, or one that cannot be kept."""
    kept = {}
    for name, value in options.items():
        known = (*parameters.inputs, *sorted(parameters.options))
        if name not in known:
            raise ArgumentError(f"{where} takes no argument {name!r} when it is called{nearest(name, known)}")
        kept[name] = _kept(value, f"{where}: {name}")
    return {name: value for name, value in kept.items() if value is not None}


def _kept(value: Any, where: str) -> Any:
    if isinstance(value, (Tensor, *PLAIN)):
        return value
    if isinstance(value, (list, tuple)):
        return [_kept(item, where) for item in value]
    if isinstance(value, numpy.generic):
        return value.item()
    if isinstance(value, numpy.ndarray):
        return tensor(value)
    raise ArgumentError(f"{where} must be a tensor, a plain value or a list of these, got {type(value).__name__}")
