"""`Stepper`: a model that is given a sequence one step at a time, and remembers what it needs of the steps before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from pellucid.core.evaluate import evaluate_nodes
from pellucid.core.graph import Program, Tensor, order
from pellucid.core.sources import feed
from pellucid.core.spec import known
from pellucid.errors import ArgumentError, DataError, ShapeError, StateError
from pellucid.nn import arguments
from pellucid.nn.construction import Construction, constructing
from pellucid.nn.network import Network, name_of
from pellucid.nn.stepping import Stepping

TRIED = 3  # steps on which a new stepper is held against the whole sequence


class Stepper:
    """A model that is given a sequence one step at a time: a step costs what is new, not the whole sequence again.

    The weights are the model's own, so that training goes on to count. Attention must be causal self-attention and
    recurrent layers must run forwards; a model that sees later steps, or mixes steps in another way, is refused with
    `StateError`, which names the layer.

    >>> from pellucid.models import Sequential
    >>> from pellucid.nn.layers import LSTM, Embedding
    >>> model = Sequential([Embedding(5, 3), LSTM(2, return_sequences=True)])
    >>> model.build((None, 4))
    >>> stepper = model.stepper()
    >>> by_step = [stepper.step([token])[0] for token in (1, 4, 2, 2)]
    >>> bool(numpy.allclose(by_step, model.predict([[1, 4, 2, 2]])[0], atol=1e-6))
    True
    """

    def __init__(self, model: Any, batch_size: int = 1, length: int | None = None) -> None:
        self.batch_size = arguments.whole("stepper", "batch_size", batch_size)
        for value, name in zip(model.inputs, model.input_names, strict=True):
            if value.rank < 2:
                raise StateError(f"the input {name!r} is {value.spec} and has no steps: it must be [batch, steps, …]")
        own = model.inputs[0].shape[1]
        if length is None and own is None:
            raise ArgumentError("stepper: the model takes sequences of any length; give length=…, the longest to come")
        self.length = arguments.whole("stepper", "length", own if length is None else length)
        self.position = 0
        self._inputs: list[Tensor] = list(model.inputs)
        self._sequences = _sequences(model, self.length)
        inputs, stepping, built = _by_step(model, self.batch_size, self.length)
        self._states = stepping.states
        outputs = tuple(built[value] for value in model.outputs)
        program = Program((*inputs, stepping.position), outputs, tuple(stepping.updates))
        self._run = model.executor.compile(program, model.precision)

    def reset(self) -> None:
        """Begin a new sequence."""
        self.position = 0
        for state in self._states:
            state.assign(numpy.zeros(state.shape, state.value.dtype))

    def step(self, *inputs: Any) -> Any:
        """The outputs for the next step: of each input [batch, …] without the axis of steps, and so of each output.

        For a network that gives one output for the whole sequence, it is that of the sequence so far. Raises
        `StateError` after the last step, `ShapeError` for inputs that do not fit.
        """
        if self.position == self.length:
            raise StateError(f"all {self.length} steps are done; call reset(), or make a stepper with a larger length")
        if len(inputs) != len(self._inputs):
            raise ShapeError(f"step takes {len(self._inputs)} inputs, got {len(inputs)}")
        arrays = [self._fitted(given, value) for given, value in zip(inputs, self._inputs, strict=True)]
        try:
            outputs = self._run(*arrays, numpy.int32(self.position))
        except ValueError as error:
            raise DataError(f"step {self.position}: {error}") from error
        self.position += 1
        given = [y[:, 0] if sequence else y for y, sequence in zip(outputs, self._sequences, strict=True)]
        return given[0] if len(given) == 1 else given

    def _fitted(self, given: Any, value: Tensor) -> numpy.ndarray:
        array = numpy.asarray(given, value.dtype)[:, None]
        if array.shape != (self.batch_size, 1, *value.shape[2:]):
            wanted = (self.batch_size, *value.shape[2:])
            raise ShapeError(f"step needs an input of shape {list(wanted)}, got {list(numpy.shape(given))}")
        return array


def _by_step(model: Network, batch: int, length: int) -> tuple[list[Tensor], Stepping, dict[Tensor, Tensor]]:
    """The network built for one step: its inputs, what its layers keep, and all values, by those that were recorded."""
    stepping = Stepping(length, feed((), "int32", "position"))
    inputs = [
        feed((batch, 1, *value.shape[2:]), value.dtype, name)
        for value, name in zip(model.inputs, model.input_names, strict=True)
    ]
    return inputs, stepping, _replayed(model, inputs, stepping)


def _replayed(model: Network, inputs: list[Tensor], stepping: Stepping | None = None) -> dict[Tensor, Tensor]:
    try:
        with constructing(Construction(stepping=stepping)):
            return model.replay(inputs)
    except ShapeError as error:
        raise StateError(f"the model cannot run step by step: {error}") from error


def _sequences(model: Network, length: int) -> list[bool]:
    """Which outputs have steps; raises `StateError` where single steps and the whole sequence disagree."""
    steps = min(length, TRIED)
    inputs = [feed((1, steps, *value.shape[2:]), value.dtype) for value in model.inputs]
    whole = _replayed(model, inputs)
    nodes, arrays = order(whole.values()), [_tried(value) for value in inputs]
    try:
        expected = evaluate_nodes(nodes, dict(zip(inputs, arrays, strict=True)))
    except DataError:  # a table of a single row
        arrays = [array if value.spec.is_float else array * 0 for value, array in zip(inputs, arrays, strict=True)]
        expected = evaluate_nodes(nodes, dict(zip(inputs, arrays, strict=True)))
    single, stepping, built = _by_step(model, 1, steps)
    nodes = order([*built.values(), *(value for _, value in stepping.updates)])
    found = []
    for i in range(steps):
        feeds = {x: array[:, i : i + 1] for x, array in zip(single, arrays, strict=True)}
        values = evaluate_nodes(nodes, {**feeds, stepping.position: numpy.int32(i)})
        found.append({recorded: numpy.array(values[value]) for recorded, value in built.items()})
        for state, value in stepping.updates:
            state.assign(values[value])
    for step in model.steps:
        for value in step.outputs:
            if not _agree(expected[whole[value]], [values[value] for values in found]):
                raise StateError(
                    f"the model cannot run step by step: {name_of(step)} sees later steps, or mixes steps; "
                    "attention must be causal, and other layers must keep steps apart or run forwards"
                )
    return [_is_sequence(expected[whole[value]], found[0][value]) for value in model.outputs]


def _tried(value: Tensor) -> numpy.ndarray:
    """Normal numbers, or the ids 1 and 0 by turns."""
    shape = known(value.shape)
    if value.spec.is_float:
        return numpy.random.default_rng(0).normal(size=shape).astype(value.dtype)
    ids: numpy.ndarray = 1 - numpy.indices(shape)[1] % 2
    return ids.astype(value.dtype)


def _is_sequence(whole: numpy.ndarray, single: numpy.ndarray) -> bool:
    return whole.ndim > 1 and single.shape == (*whole.shape[:1], 1, *whole.shape[2:]) and whole.shape != single.shape


def _agree(whole: numpy.ndarray, by_step: Sequence[numpy.ndarray]) -> bool:
    """Whether steps give the parts of a sequence, or in the end the one value of the whole."""
    if _is_sequence(whole, by_step[0]):
        return numpy.allclose(whole, numpy.concatenate(by_step, axis=1), rtol=1e-3, atol=1e-4)
    return whole.shape == by_step[-1].shape and numpy.allclose(whole, by_step[-1], rtol=1e-3, atol=1e-4)
