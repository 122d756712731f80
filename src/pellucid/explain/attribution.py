"""Integrated gradients: what each element of one example contributes to a chosen output, beside a baseline.

Along the straight path x(t) = baseline + t·(example - baseline) the output f changes by ∫ ∂f/∂x · (example - baseline)
dt, and element i takes its own part of that integral. The parts add up to f(example) - f(baseline) (completeness); for
a linear network they are weight·(value - baseline). Sundararajan, Taly & Yan 2017.

The path runs where values can change little by little: at float inputs, and where ids, categories and missing numbers
have become floats (behind embeddings, one-hot and other preparation); what contributes there is handed back to the
elements of the inputs. Each piece of the path is cut in two until its part of the integral is what f changes over it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy

from pellucid import ops
from pellucid.core.autodiff import gradients
from pellucid.core.graph import Program, Tensor, order
from pellucid.core.sources import feed
from pellucid.core.spec import known
from pellucid.errors import ArgumentError
from pellucid.execute.program import Executor
from pellucid.nn.calling import Call
from pellucid.nn.construction import Construction, constructing
from pellucid.nn.layers import preprocessing
from pellucid.nn.network import Network, Step

_BATCH, _NUMBERS = 32, 2**22  # points of the path that are computed at once, and numbers in any value of them
_PIECES = 16  # that the path is cut into at first
_POINTS = 8192  # at most
_KEPT = 2**25  # numbers in the derivatives of all pieces that are looked at together
_SHARE = 2e-3  # of the whole change that the pieces may miss together
_FEW = 2048  # elements of an input that are tried one by one, to see which prepared values they change


@dataclass(frozen=True, eq=False)
class Attribution:
    """What each element contributes: one array for each input, in its shape without the batch.

    `points`: how many points of the path were computed. `linear`: whether the derivative is the same all along it.
    """

    contributions: list[numpy.ndarray]
    output: float
    baseline: float
    points: int
    linear: bool

    @property
    def gap(self) -> float:
        """What the contributions miss of f(example) - f(baseline)."""
        return self.output - self.baseline - float(sum(part.sum() for part in self.contributions))


@dataclass(frozen=True, eq=False)
class Entry:
    """A recorded value at which the path runs: an input of floats, or what preparation makes of others."""

    value: Tensor
    source: int  # the place of the input that it is made of
    end: numpy.ndarray  # for the example, without the batch
    start: numpy.ndarray  # for the baseline
    owner: numpy.ndarray | None  # which element of the input each value comes from; none: the one in its place


def attribute(
    network: Network,
    executor: Executor,
    example: Sequence[numpy.ndarray],
    baseline: Sequence[numpy.ndarray],
    chosen: tuple[int, int],
    sign: float = 1.0,
) -> Attribution:
    """What each element of a batch of one contributes to one output: `chosen` is (place of the output, flat index).

    With `sign` -1 the output is a probability p, and 1 - p is explained.
    """
    _need_fresh_states(network)
    entries = _entries(network, executor, example, baseline)
    function = _Function(network, executor, entries, example, chosen)
    sums, ends, points, linear = _integral(function, entries)
    parts = [numpy.zeros(array.shape[1:]) for array in example]
    for entry, total in zip(entries, sums, strict=True):
        parts[entry.source] += _handed_back(total * (entry.end - entry.start), entry, parts[entry.source].shape)
    if sign < 0:
        parts, ends = [-part for part in parts], (1.0 - ends[0], 1.0 - ends[1])
    return Attribution(parts, ends[1], ends[0], points, linear)


def _need_fresh_states(network: Network) -> None:
    """Raise `ArgumentError` where a layer remembers earlier batches, of which the points of a path are none."""
    stateful = next((layer.name for layer in network.layers if getattr(layer, "stateful", False)), None)
    if stateful is not None:
        raise ArgumentError(
            f"layer {stateful} is stateful, so that its output depends on earlier batches; give its weights to a layer "
            "with stateful=False, and explain that"
        )


# Where the path runs


def _entries(
    network: Network, executor: Executor, example: Sequence[numpy.ndarray], baseline: Sequence[numpy.ndarray]
) -> list[Entry]:
    found: list[Entry] = []
    for place, value in enumerate(network.inputs):
        ends = numpy.stack([baseline[place][0], example[place][0]])
        prepared = _prepared(network, value)
        if prepared == [value]:
            start, end = ends.astype(numpy.float64)
            found.append(Entry(value, place, end, start, None))
        elif prepared:
            found += _made_of(network, executor, [array.shape[1:] for array in example], place, prepared, ends)
    if not found:
        raise ArgumentError("no input of the network reaches its output through floats; there is nothing to attribute")
    return found


def _prepared(network: Network, value: Tensor) -> list[Tensor]:
    """The last floats made of an input by preparation alone: of ids by the layer that takes them, of numbers that may
    be missing by the layers in front of the first one with weights. Of other floats they are themselves."""
    users = [step for step in network.steps if value in step.inputs]
    if value.spec.is_float and not any(_fills(step) for step in users):
        return [value]
    raw, used = {value}, set()
    for step in network.steps:
        mine = [one for one in step.inputs if one in raw]
        if not mine:
            continue
        if len(mine) == len(step.inputs) and (not any(one.spec.is_float for one in mine) or _prepares(step)):
            raw.update(step.outputs)
        else:
            used.update(mine)
    used.update(one for one in network.outputs if one in raw)
    return [one for one in raw if one in used and one.spec.is_float]


def _prepares(step: Step) -> bool:
    return isinstance(step, Call) and type(step.layer).__module__ == preprocessing.__name__


def _fills(step: Step) -> bool:
    """Whether a step takes numbers that may be missing."""
    return isinstance(step, Call) and bool(getattr(step.layer, "accepts_missing", False))


def _made_of(
    network: Network,
    executor: Executor,
    shapes: Sequence[tuple[int, ...]],
    place: int,
    prepared: list[Tensor],
    ends: numpy.ndarray,
) -> list[Entry]:
    """Entries behind preparation, with the element of the input that each of their values comes from."""
    shape, given = shapes[place], network.inputs[place]
    by_place = [not given.spec.is_float and value.shape[1 : len(shape) + 1] == given.shape[1:] for value in prepared]
    rows = ends
    if not all(by_place):
        if prod(shape) > _FEW:
            raise ArgumentError(f"input {network.input_names[place]!r} has more than {_FEW} elements that are prepared")
        tried = numpy.repeat(ends[:1], prod(shape), axis=0)
        for element in range(prod(shape)):
            tried[element].flat[element] = ends[1].flat[element]
        rows = numpy.concatenate([ends, tried])
    feeds = [feed((len(rows), *sizes), value.dtype) for value, sizes in zip(network.inputs, shapes, strict=True)]
    with constructing(Construction()):
        built = network.replay(feeds)
    run = executor.compile(Program((feeds[place],), tuple(built[value] for value in prepared)))
    values = run(rows.astype(given.dtype))
    found = []
    for value, array, same in zip(prepared, values, by_place, strict=True):
        wide = array.astype(numpy.float64)
        owner = None if same else _owners(wide, network.input_names[place])
        found.append(Entry(value, place, wide[1], wide[0], owner))
    return found


def _owners(values: numpy.ndarray, name: str) -> numpy.ndarray:
    """Which element alone changes each value; rows: the baseline, the example, then one element changed at a time."""
    changed = values[2:] != values[:1]
    if (changed.sum(axis=0) > 1).any():
        raise ArgumentError(
            f"preparation of the input {name!r} mixes its elements, so their parts cannot be told apart"
        )
    return numpy.asarray(changed.argmax(axis=0))


def _handed_back(parts: numpy.ndarray, entry: Entry, shape: tuple[int, ...]) -> numpy.ndarray:
    """Contributions of an entry's values, summed by the element of the input that they come from."""
    if entry.owner is None:
        return numpy.asarray(parts.reshape(*shape, -1).sum(axis=-1))
    total = numpy.zeros(prod(shape))
    numpy.add.at(total, entry.owner.ravel(), parts.ravel())
    return total.reshape(shape)


# Along the path


class _Function:
    """The chosen output and its derivatives at some points of the path."""

    def __init__(
        self,
        network: Network,
        executor: Executor,
        entries: Sequence[Entry],
        example: Sequence[numpy.ndarray],
        chosen: tuple[int, int],
    ) -> None:
        size = self._size = _points_at_once(network)
        inputs = [
            feed((size, *array.shape[1:]), value.dtype) for array, value in zip(example, network.inputs, strict=True)
        ]
        with constructing(Construction()):
            real = network.replay(inputs)
            given = {}
            for entry in entries:
                stand_in = feed((size, *entry.end.shape), entry.value.dtype, "entry")
                stand_in.mask = real[entry.value].mask
                given[entry.value] = stand_in
            built = network.replay(inputs, given=given)
        place, index = chosen
        output = built[network.outputs[place]]
        flat = ops.reshape(output, (size, prod(known(output.shape[1:]))))
        value = flat[:, index]
        wanted = [given[entry.value] for entry in entries]
        targets = (value, *gradients(ops.sum(value), wanted))
        needed = {node.output for node in order(targets) if node.op.name == "feed"}
        fixed = [(one, array) for one, array in zip(inputs, example, strict=True) if one in needed]
        self._fixed = [numpy.repeat(array, size, axis=0).astype(one.dtype) for one, array in fixed]
        moving = [one for one in wanted if one in needed]
        self._moving = [entry for entry, one in zip(entries, wanted, strict=True) if one in needed]
        self._run = executor.compile(Program((*(one for one, _ in fixed), *moving), targets))
        self.points = 0

    def __call__(self, places: numpy.ndarray) -> tuple[numpy.ndarray, list[numpy.ndarray]]:
        """Outputs [points], and derivatives with respect to each entry [points, …]."""
        values, slopes = [], []
        for first in range(0, len(places), self._size):
            some = places[first : first + self._size]
            t = numpy.resize(some, self._size)
            arrays = [_between(entry, t) for entry in self._moving]
            value, *slope = self._run(*self._fixed, *arrays)
            values.append(value[: len(some)].astype(numpy.float64))
            slopes.append([one[: len(some)] for one in slope])
        self.points += len(places)
        return numpy.concatenate(values), [numpy.concatenate(parts) for parts in zip(*slopes, strict=True)]


def _points_at_once(network: Network) -> int:
    """As many as keep every value of the network in bounds."""
    widest = max(prod(size or 1 for size in value.shape[1:]) for step in network.steps for value in step.outputs)
    return max(1, min(_BATCH, _NUMBERS // max(widest, 1)))


def _between(entry: Entry, t: numpy.ndarray) -> numpy.ndarray:
    weight = t.reshape(-1, *(1,) * entry.end.ndim)
    return numpy.asarray((1 - weight) * entry.start + weight * entry.end, numpy.float32)


def _integral(
    function: _Function, entries: Sequence[Entry]
) -> tuple[list[numpy.ndarray], tuple[float, float], int, bool]:
    """The mean derivative along the path for each entry; f at both ends; points; whether the derivative never changes.

    By the midpoint rule. Over each piece the change of f is known, so its error is too: the pieces with the largest
    errors are cut in two, until all errors together are small.
    """
    edges = numpy.linspace(0.0, 1.0, _PIECES + 1)
    values, ends = function(edges)
    low, high, below, above = edges[:-1], edges[1:], values[:-1], values[1:]
    change = abs(values[-1] - values[0])
    allowed = _SHARE * max(change, 1e-3 * max(abs(values[0]), abs(values[-1])))
    sums = [numpy.zeros(entry.end.shape) for entry in entries]
    linear = True
    most = max(_PIECES, _KEPT // max(sum(entry.end.size for entry in entries), 1)) // 2
    while len(low):
        middle = (low + high) / 2
        at, slopes = function(middle)
        width = high - low
        found = width * sum(
            (slope * (entry.end - entry.start)).reshape(len(low), -1).sum(axis=1)
            for slope, entry in zip(slopes, entries, strict=True)
        )
        linear = linear and all(_same(slope, end) for slope, end in zip(slopes, ends, strict=True))
        errors = abs(found - (above - below))
        done = _small(errors, allowed, min(most, (_POINTS - function.points) // 2))
        allowed -= float(errors[done].sum())
        for total, slope in zip(sums, slopes, strict=True):
            total += numpy.tensordot(width[done], slope[done], axes=1)
        cut = ~done
        low, high, below, above = (
            numpy.concatenate(pair)
            for pair in (
                (low[cut], middle[cut]), (middle[cut], high[cut]), (below[cut], at[cut]), (at[cut], above[cut]),
            )
        )  # fmt: skip
    return sums, (float(values[0]), float(values[-1])), function.points, linear


def _small(errors: numpy.ndarray, allowed: float, most: int) -> numpy.ndarray:
    """Which pieces can be left: all where their errors are few enough, else those that take up half of what may be, and
    all but the `most` with the largest errors."""
    if errors.sum() <= allowed:
        return numpy.ones(len(errors), bool)
    ranked = numpy.argsort(errors, kind="stable")
    small = numpy.zeros(len(errors), bool)
    small[ranked] = numpy.cumsum(errors[ranked]) <= allowed / 2
    small[ranked[: max(len(errors) - max(most, 0), 0)]] = True
    return small


def _same(slopes: numpy.ndarray, ends: numpy.ndarray) -> bool:
    """Whether the derivatives are those at the beginning of the path, up to rounding."""
    size = float(abs(ends).max())
    return bool((abs(slopes - ends[:1]) <= 1e-5 * size).all())
