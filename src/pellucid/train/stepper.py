"""`Stepper`: a model that is given a sequence one step at a time, and remembers what it needs of the steps before."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from pellucid.core.evaluate import Values, evaluate_nodes
from pellucid.core.graph import Program, Tensor, Variable, order
from pellucid.core.sources import feed
from pellucid.core.spec import known, show_shape
from pellucid.errors import ArgumentError, DataError, ShapeError, StateError, UnknownNameError
from pellucid.nn import arguments
from pellucid.nn.construction import Construction, constructing
from pellucid.nn.network import Network, name_of
from pellucid.nn.stepping import Stepping

TRIED = 3  # steps on which a new stepper is held against the whole sequence


class Stepper:
    """A model that is given a sequence one step at a time: a step costs what is new, not the whole sequence again.

    The weights are the model's own, so that training goes on to count. Attention must be causal self-attention, or look
    at what is the same at every step, and recurrent layers must run forwards; a model that sees later steps, or mixes
    steps in another way, is refused with `StateError`, which names the layer.

    `context` names inputs that are given whole, to `reset`, before the first step; what the model makes of them alone,
    such as an encoder's output, is computed once.

    >>> from pellucid.models import Sequential
    >>> from pellucid.nn.layers import LSTM, Embedding
    >>> model = Sequential([Embedding(5, 3), LSTM(2, return_sequences=True)])
    >>> model.build((None, 4))
    >>> stepper = model.stepper()
    >>> by_step = [stepper.step([token])[0] for token in (1, 4, 2, 2)]
    >>> bool(numpy.allclose(by_step, model.predict([[1, 4, 2, 2]])[0], atol=1e-6))
    True
    """

    def __init__(
        self, model: Any, batch_size: int = 1, length: int | None = None, context: Collection[str] = ()
    ) -> None:
        self.batch_size = arguments.whole("stepper", "batch_size", batch_size)
        self._fixed, self._inputs = _parted(model, context)
        for value, name in self._inputs.items():
            if value.rank < 2:
                raise StateError(f"the input {name!r} is {value.spec} and has no steps: it must be [batch, steps, …]")
        own = next(iter(self._inputs)).shape[1]
        if length is None and own is None:
            raise ArgumentError("stepper: the model takes sequences of any length; give length=…, the longest to come")
        self.length = arguments.whole("stepper", "length", own if length is None else length)
        self._sequences = _sequences(model, self._fixed, self.length)
        built = _by_step(model, self._fixed, self.batch_size, self.length)
        self._states, self._kept = built.stepping.states, built.kept
        outputs = tuple(built.values[value] for value in model.outputs)
        program = Program((*built.inputs, built.stepping.position), outputs, tuple(built.stepping.updates))
        self._run, *self._openings = [
            model.executor.compile(one, model.precision) for one in (program, *built.openings)
        ]
        self.position = 0
        self._open = False
        if not self._fixed:
            self.reset()

    def reset(self, **context: Any) -> None:
        """Begin a new sequence; with a `context`, one array [batch, …] for each of its inputs."""
        missing = [name for name in self._fixed.values() if name not in context]
        if missing or len(context) > len(self._fixed):
            wanted = ", ".join(self._fixed.values()) or "no context"
            raise ArgumentError(f"reset takes {wanted}, got {', '.join(context) or 'nothing'}")
        for state in self._states:
            state.assign(numpy.zeros(state.shape, state.value.dtype))
        arrays = [self._fitted(context[name], value, name, 1) for value, name in self._fixed.items()]
        for run, given in zip(self._openings, [arrays, []], strict=True):
            self._answer(run, given, "the context")
        self.position, self._open = 0, True

    def resume(self, other: Stepper, rows: Any) -> None:
        """Go on from where another stepper of the same model is, sequence i from its row `rows[i]`."""
        chosen = numpy.asarray(rows)
        if chosen.shape != (self.batch_size,) or not all(0 <= row < other.batch_size for row in chosen):
            raise ShapeError(
                f"rows must be {self.batch_size} numbers from 0 to {other.batch_size - 1}, got {chosen.tolist()}"
            )
        if other is not self or (chosen != numpy.arange(self.batch_size)).any():
            for mine, others in zip(self._kept, other._kept, strict=True):
                mine.assign(others.value[chosen])
        self.position, self._open = other.position, other._open

    def step(self, *inputs: Any) -> Any:
        """The outputs for the next step: of each input [batch, …] without the axis of steps, and so of each output.

        For a network that gives one output for the whole sequence, it is that of the sequence so far. Raises
        `StateError` after the last step, `ShapeError` for inputs that do not fit.
        """
        if self.position == self.length:
            raise StateError(f"all {self.length} steps are done; call reset(), or make a stepper with a larger length")
        if not self._open:
            raise StateError(f"the context is not known yet; call reset({', '.join(self._fixed.values())}) first")
        if len(inputs) != len(self._inputs):
            raise ShapeError(f"step takes {len(self._inputs)} inputs, got {len(inputs)}")
        arrays = [
            self._fitted(given, value, name, 2)[:, None]
            for given, (value, name) in zip(inputs, self._inputs.items(), strict=True)
        ]
        outputs = self._answer(self._run, [*arrays, numpy.int32(self.position)], f"step {self.position}")
        self.position += 1
        given = [y[:, 0] if sequence else y for y, sequence in zip(outputs, self._sequences, strict=True)]
        return given[0] if len(given) == 1 else given

    def _answer(self, run: Any, arrays: list[Any], what: str) -> list[numpy.ndarray]:
        try:
            outputs: list[numpy.ndarray] = run(*arrays)
        except ValueError as error:
            raise DataError(f"{what}: {error}") from error
        return outputs

    def _fitted(self, given: Any, value: Tensor, name: str, axis: int) -> numpy.ndarray:
        """What was given for an input: [batch, …], with the input's axes from `axis` on."""
        array = numpy.asarray(given, value.dtype)
        wanted = (self.batch_size, *value.shape[axis:])
        if array.shape != wanted:
            raise ShapeError(f"the input {name!r} must be {show_shape(wanted)}, got {show_shape(numpy.shape(given))}")
        return array


Inputs = dict[Tensor, str]  # inputs of a model, with their names


def _parted(model: Network, context: Collection[str]) -> tuple[Inputs, Inputs]:
    """The inputs that are given whole, and those that come step by step; raises for names that are none."""
    names = dict(zip(model.inputs, model.input_names, strict=True))
    for name in context:
        if name not in names.values():
            raise UnknownNameError("input", name, names.values())
    fixed = {value: name for value, name in names.items() if name in context}
    for value, name in fixed.items():
        if None in value.shape[1:]:
            raise StateError(f"the input {name!r} is {value.spec}; as a context it needs a known size on every axis")
    if len(fixed) == len(names):
        raise ArgumentError("stepper: one input at least must come step by step, and be no context")
    return fixed, {value: name for value, name in names.items() if value not in fixed}


@dataclass(frozen=True, eq=False)
class Built:
    """A network built for one step at a time. `values`: all of them, by those that were recorded."""

    inputs: list[Tensor]
    stepping: Stepping
    values: dict[Tensor, Tensor]
    given: Collection[Tensor]  # the recorded values that the context alone makes
    openings: tuple[Program, Program]  # run before the first step: from the context, and from what that made

    @property
    def kept(self) -> list[Variable]:
        """All that is remembered: [batch, …] each."""
        opened = [variable for program in self.openings for variable, _ in program.updates]
        return list(dict.fromkeys([*self.stepping.states, *opened]))


def _by_step(model: Network, fixed: Inputs, batch: int, length: int) -> Built:
    """Build the network for one step, and what comes before the first."""
    stepping = Stepping(length, feed((), "int32", "position"))
    stepped = [value for value in model.inputs if value not in fixed]
    inputs = {value: feed((batch, 1, *value.shape[2:]), value.dtype, "step") for value in stepped}
    whole = {value: feed((batch, *value.shape[1:]), value.dtype, name) for value, name in fixed.items()}
    given, context = _opened(model, whole, stepping)
    values = _replayed(model, {**whole, **inputs}, stepping, given)
    second = tuple(stepping.begins)
    openings = (Program(tuple(whole.values()), (), context), Program((), (), second))
    return Built(list(inputs.values()), stepping, values, given.keys(), openings)


def _opened(
    model: Network, whole: dict[Tensor, Tensor], stepping: Stepping
) -> tuple[dict[Tensor, Tensor], tuple[tuple[Variable, Tensor], ...]]:
    """What the network makes of the context alone, by what was recorded; what a step needs of it is read from
    variables, and the updates that fill these come second."""
    alone = set(whole)
    for step in model.steps:
        if alone.issuperset(step.inputs):
            alone.update(step.outputs)
    used = [value for step in model.steps if not alone.issuperset(step.inputs) for value in step.inputs]
    needed = [value for value in dict.fromkeys([*used, *model.outputs]) if value in alone]
    if not needed:
        return whole, ()
    built = Network(list(whole), needed).replay(list(whole.values()))
    updates: list[tuple[Variable, Tensor]] = []

    def kept(value: Tensor) -> Tensor:
        variable = Variable(numpy.zeros(known(value.shape), value.dtype), "context", trainable=False)
        updates.append((variable, value))
        return variable.tensor

    for value in needed:
        mask = built[value].mask
        built[value] = kept(built[value])
        built[value].mask = None if mask is None else kept(mask)
    return built, tuple(updates)


def _replayed(
    model: Network,
    inputs: dict[Tensor, Tensor],
    stepping: Stepping | None = None,
    given: dict[Tensor, Tensor] | None = None,
) -> dict[Tensor, Tensor]:
    try:
        with constructing(Construction(stepping=stepping)):
            return model.replay([inputs[value] for value in model.inputs], given=given)
    except ShapeError as error:
        raise StateError(f"the model cannot run step by step: {error}") from error


def _sequences(model: Network, fixed: Inputs, length: int) -> list[bool]:
    """Which outputs have steps; raises `StateError` where single steps and the whole sequence disagree."""
    steps = min(length, TRIED)
    inputs = {
        value: feed((1, *value.shape[1:]) if value in fixed else (1, steps, *value.shape[2:]), value.dtype)
        for value in model.inputs
    }
    whole = _replayed(model, inputs)
    nodes, arrays = order(whole.values()), {value: _tried(x) for value, x in inputs.items()}
    try:
        expected = evaluate_nodes(nodes, {inputs[value]: array for value, array in arrays.items()})
    except DataError:  # a table of a single row
        arrays = {value: array if value.spec.is_float else array * 0 for value, array in arrays.items()}
        expected = evaluate_nodes(nodes, {inputs[value]: array for value, array in arrays.items()})
    built = _by_step(model, fixed, 1, steps)
    feeds: dict[Tensor, Any] = dict(zip(built.openings[0].inputs, map(arrays.get, fixed), strict=True))
    for program in built.openings:
        _write(program.updates, evaluate_nodes(program.nodes(), feeds))
    stepped = [array for value, array in arrays.items() if value not in fixed]
    made = {recorded: value for recorded, value in built.values.items() if recorded not in built.given}
    nodes = order([*made.values(), *(value for _, value in built.stepping.updates)])
    found = []
    for i in range(steps):
        feeds = {x: array[:, i : i + 1] for x, array in zip(built.inputs, stepped, strict=True)}
        values = evaluate_nodes(nodes, {**feeds, built.stepping.position: numpy.int32(i)})
        found.append({recorded: numpy.array(values[value]) for recorded, value in made.items()})
        _write(built.stepping.updates, values)
    for step in model.steps:
        for value in step.outputs:
            if value in made and not _agree(expected[whole[value]], [values[value] for values in found]):
                raise StateError(
                    f"the model cannot run step by step: {name_of(step)} sees later steps, or mixes steps; "
                    "attention must be causal, and other layers must keep steps apart or run forwards"
                )
    return [value in made and _is_sequence(expected[whole[value]], found[0][value]) for value in model.outputs]


def _write(updates: Sequence[tuple[Variable, Tensor]], values: Values) -> None:
    for variable, value in updates:
        variable.assign(values[value])


def _tried(value: Tensor) -> numpy.ndarray:
    """Normal numbers, or the ids 1 and 0 by turns."""
    shape = known(value.shape)
    if value.spec.is_float:
        return numpy.random.default_rng(0).normal(size=shape).astype(value.dtype)
    ids: numpy.ndarray = 1 - numpy.arange(math.prod(shape)).reshape(shape) % 2
    return ids.astype(value.dtype)


def _is_sequence(whole: numpy.ndarray, single: numpy.ndarray) -> bool:
    return whole.ndim > 1 and single.shape == (*whole.shape[:1], 1, *whole.shape[2:]) and whole.shape != single.shape


def _agree(whole: numpy.ndarray, by_step: Sequence[numpy.ndarray]) -> bool:
    """Whether steps give the parts of a sequence, or in the end the one value of the whole."""
    if _is_sequence(whole, by_step[0]):
        return numpy.allclose(whole, numpy.concatenate(by_step, axis=1), rtol=1e-3, atol=1e-4)
    return whole.shape == by_step[-1].shape and numpy.allclose(whole, by_step[-1], rtol=1e-3, atol=1e-4)
