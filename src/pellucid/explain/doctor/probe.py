"""`Probe`: what the checks of networks look at, measured inside an opened network's graph.

Of every layer only statistics leave the graph (the largest output of each unit, the share of flat outputs, norms of
gradients), so that many rows cost no more memory than a step of training. A probe can look again after more training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy

from pellucid import ops
from pellucid.core.graph import Program, Tensor, order
from pellucid.core.sources import Read
from pellucid.execute.program import Executor
from pellucid.explain.doctor.data import Array
from pellucid.explain.opened import Opened, OpenLayer
from pellucid.nn.losses.origin import activation_of

BENT = ("relu", "sigmoid", "tanh")
_FLAT = {"sigmoid": (0.5, 0.48), "tanh": (0.0, 0.96)}  # middle, and how far from it the slope is below 8 % of its most


@dataclass(frozen=True, eq=False)
class Arriving:
    """What arrives at a first layer with weights: of each feature the size √mean(x²), the least and the largest."""

    layer: str
    names: tuple[str, ...]  # of the features, where they are known
    size: Array
    least: Array
    largest: Array


@dataclass(frozen=True, eq=False)
class Activity:
    """The outputs of a bent activation: each unit's largest, and the share where a bounded one is flat."""

    layer: str
    activation: str
    largest: Array
    flat: float


@dataclass(frozen=True)
class Slope:
    """The loss's gradient at a layer: its norm at the outputs, its size and that of the weights in the kernel."""

    layer: str
    at_outputs: float
    at_kernel: float
    kernel: float


@dataclass(frozen=True, eq=False)
class NetworkView:
    """A network in the state it is in, on some rows of data."""

    rows: int
    arriving: tuple[Arriving, ...]
    activities: tuple[Activity, ...]
    slopes: tuple[Slope, ...]  # in the order of computation
    spread: Mapping[str, float]  # of each output: the largest standard deviation of one of its values over rows
    scale: Mapping[str, float]  # of each output: √mean(ŷ²)
    loss: float  # on these rows
    guess: float | None  # the loss of always giving the labels' average, where it is known
    varied: bool  # whether the rows of the inputs differ
    trained: bool
    broken_weights: tuple[str, ...]

    @property
    def has_learned(self) -> bool:
        """Whether training has made the loss less than half of what guessing costs."""
        return self.trained and (self.guess is None or self.loss < 0.5 * self.guess)


class Probe:
    """The measurements as one program over an opened network; `look` runs it on the weights of the moment."""

    def __init__(
        self,
        opened: Opened,
        executor: Executor,
        precision: str = "float32",
        names: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._opened, self._names = opened, names or {}
        layers = list(opened.layers.values())
        self._arriving = [(layer, layer.inputs[0]) for layer in layers if _is_first(layer)]
        self._bent = [(layer, name) for layer in _apart(layers) if (name := _bend(layer)) in BENT]
        known = opened.derivatives
        self._sloped = [
            (layer, kernel)
            for layer in _apart(layers)
            if (kernel := _kernel(layer)) is not None and kernel in known and layer.output in known
        ]
        wanted = [part for _, x in self._arriving for part in _sizes(x)]
        wanted += [part for layer, name in self._bent for part in _activity(layer.output, name)]
        wanted += [part for layer, kernel in self._sloped for part in self._slope(layer, kernel)]
        wanted += [part for output in opened.outputs.values() for part in _spread(output)]
        assert opened.loss is not None, "a probe needs labels"
        wanted.append(opened.loss)
        self._run = executor.compile(Program(tuple(opened.feeds), tuple(wanted)), precision)
        arrays = [array for tensor, array in opened.feeds.items() if tensor in opened.inputs.values()]
        self._varied = any(bool((array != array[:1]).any()) for array in arrays)
        self.rows = len(arrays[0])

    def look(self, trained: bool, guess: float | None) -> NetworkView:
        """What there is to see now; `guess` is the loss of always giving the labels' average."""
        values = iter(self._run(*self._opened.feeds.values()))
        arriving = [
            Arriving(layer.name, self._feature_names(x), numpy.sqrt(next(values)), next(values), next(values))
            for layer, x in self._arriving
        ]
        activities = [Activity(layer.name, name, next(values), float(next(values))) for layer, name in self._bent]
        slopes = [
            Slope(layer.name, *(float(numpy.sqrt(float(next(values)))) for _ in range(3))) for layer, _ in self._sloped
        ]
        measured = [(name, float(next(values)) ** 0.5, float(next(values)) ** 0.5) for name in self._opened.outputs]
        weights = {
            f"{layer.name}/{name}": variable.value
            for layer in self._opened.layers.values()
            for name, variable in layer.weights.items()
        }
        return NetworkView(
            self.rows,
            tuple(arriving),
            tuple(activities),
            tuple(slopes),
            {name: spread for name, spread, _ in measured},
            {name: scale for name, _, scale in measured},
            float(next(values)),
            guess,
            self._varied,
            trained,
            tuple(name for name, value in weights.items() if not numpy.isfinite(value).all()),
        )

    def _slope(self, layer: OpenLayer, kernel: Tensor) -> list[Tensor]:
        derivatives = self._opened.derivatives
        parts = [derivatives[layer.output], derivatives[kernel], kernel]
        squared = [ops.square(part) for part in parts]
        return [ops.sum(squared[0]), ops.mean(squared[1]), ops.mean(squared[2])]

    def _feature_names(self, x: Tensor) -> tuple[str, ...]:
        """The names of the features, where a layer takes an input as it came."""
        for name, value in self._opened.inputs.items():
            if x is value:
                return tuple(self._names.get(name, ()))
        return ()


def _kernel(layer: OpenLayer) -> Tensor | None:
    """The layer's first trained matrix or stack of filters."""
    for name, variable in layer.weights.items():
        if name.split("@")[0] == "kernel" and variable.trainable:
            return variable.tensor
    return None


def _is_first(layer: OpenLayer) -> bool:
    """Whether a layer multiplies data by weights that nothing learned has touched before."""
    x = layer.inputs[0]
    if _kernel(layer) is None or not x.spec.is_float or x.rank < 2:
        return False
    return not any(isinstance(node.op, Read) and node.op.variable.trainable for node in order([x]))


def _apart(layers: Sequence[OpenLayer]) -> list[OpenLayer]:
    """Layers whose output is not also that of a layer inside of them."""
    seen: set[Tensor] = set()
    return [layer for layer in layers if layer.output not in seen and not seen.add(layer.output)]  # type: ignore[func-returns-value]


def _bend(layer: OpenLayer) -> str:
    """What a layer's output was made by; a change of shape does not count twice what a layer before has made."""
    return "" if layer.output.node.op.name == "reshape" else activation_of(layer.output)


def _all_but_last(x: Tensor) -> tuple[int, ...]:
    return tuple(range(x.rank - 1))


def _sizes(x: Tensor) -> list[Tensor]:
    axes = _all_but_last(x)
    return [ops.mean(ops.square(x), axis=axes), ops.min(x, axis=axes), ops.max(x, axis=axes)]


def _activity(y: Tensor, activation: str) -> list[Tensor]:
    """The largest output of each unit, and the share of outputs on the flat parts of the curve."""
    largest = ops.max(y, axis=_all_but_last(y))
    if activation not in _FLAT:
        return [largest, ops.mean(ops.cast(ops.less_equal(y, 0.0), "float32"))]
    middle, reach = _FLAT[activation]
    return [largest, ops.mean(ops.cast(ops.greater(ops.absolute(y - middle), reach), "float32"))]


def _spread(y: Tensor) -> list[Tensor]:
    """The largest variance over rows, and the mean square."""
    apart = y - ops.mean(y, axis=0, keepdims=True)
    return [ops.max(ops.mean(ops.square(apart), axis=0)), ops.mean(ops.square(y))]
