"""Recurrent layers: a cell, or several on top of each other, run over the steps of a sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from pellucid import ops
from pellucid.core.graph import Tensor, Variable, tensor
from pellucid.core.spec import Shape, show_shape
from pellucid.errors import ArgumentError, ShapeError, StateError
from pellucid.nn import arguments, regularizers
from pellucid.nn.construction import Construction, current, is_recording
from pellucid.nn.layer import Layer, arguments_of, as_layer
from pellucid.nn.layers.cells import Cell, GRUCell, LSTMCell, SimpleRNNCell
from pellucid.nn.stepping import Stepping


class StackedRNNCells(Layer):
    """Cells on top of each other, as one cell of `RNN`: each takes the output of the one before.

    >>> from pellucid.nn.layers import RNN, Input
    >>> RNN(StackedRNNCells([LSTMCell(4), GRUCell(2)]))(Input((5, 3))).shape
    (None, 2)
    """

    def __init__(self, cells: Sequence[Any], **options: Any) -> None:
        super().__init__(**options)
        if not isinstance(cells, (list, tuple)) or not cells:
            raise ArgumentError(f"StackedRNNCells: cells must be a list of cells, got {cells!r}")
        self.cells = [_cell("StackedRNNCells", cell) for cell in cells]

    def call(self, x: Tensor, *states: Tensor, training: bool = False) -> tuple[Tensor, ...]:
        new: list[Tensor] = []
        for cell in self.cells:
            x, *own = cell(x, *states[len(new) : len(new) + cell.state_count], training=training)
            new += own
        return x, *new


def _cell(owner: str, value: Any) -> Cell:
    cell = as_layer(owner, value)
    if not isinstance(cell, Cell):
        raise ArgumentError(f"{owner} takes LSTMCell, GRUCell, SimpleRNNCell or a list of them, got {cell!r}")
    return cell


class RNN(Layer):
    """A cell, or a list of cells on top of each other, over a sequence. Shapes: [batch, steps, features] → [batch,
    units], or with `return_sequences` [batch, steps, units]; with `return_state` also the last states.

    `go_backwards` takes the steps from the last to the first, and gives outputs in that order. `stateful` begins where
    the batch before ended, row by row, until `reset_states()`. `initial_state` is a list of tensors [batch, units]. A
    step that the mask leaves out keeps the state, which is its output, or 0 in sequences with `zero_output_for_mask`.
    `unroll` is accepted and changes nothing.

    >>> from pellucid.nn.layers import Input
    >>> RNN([LSTMCell(4), LSTMCell(2)], return_sequences=True)(Input(shape=(5, 3))).shape
    (None, 5, 2)
    """

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        activity_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        kind = type(self).__name__
        made = StackedRNNCells(cell) if isinstance(cell, (list, tuple)) else as_layer(kind, cell)
        self.cell = made if isinstance(made, StackedRNNCells) else _cell(kind, made)
        self.return_sequences = arguments.flag(kind, "return_sequences", return_sequences)
        self.return_state = arguments.flag(kind, "return_state", return_state)
        self.go_backwards = arguments.flag(kind, "go_backwards", go_backwards)
        self.stateful = arguments.flag(kind, "stateful", stateful)
        self.unroll = arguments.flag(kind, "unroll", unroll)
        self.zero_output_for_mask = arguments.flag(kind, "zero_output_for_mask", zero_output_for_mask)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.states: list[Variable] = []  # of a stateful layer, once its batch is known; no weights

    @property
    def cells(self) -> list[Cell]:
        return self.cell.cells if isinstance(self.cell, StackedRNNCells) else [self.cell]

    def build(self, shape: Shape) -> None:
        if len(shape) != 3:
            raise ShapeError(
                f"{type(self).__name__} needs [batch, steps, features], got {show_shape(shape)}; give a "
                "recurrent layer before it return_sequences=True, or bring features into steps with a Reshape"
            )
        for cell in self.cells:
            if not cell.built:
                cell.build(shape)
                cell.built = True
            shape = (*shape[:2], cell.units)

    def call(self, x: Tensor, *, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        over_time, last, states = self.run(x, initial_state, mask, training)
        output = last
        if self.return_sequences:
            output = ops.flip(over_time, axis=1) if self.go_backwards else over_time
        return (output, *states) if self.return_state else output

    def run(
        self, x: Tensor, initial_state: Any, mask: Tensor | None, training: bool
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The output over time, each step at its place; the last output; the last states."""
        stepping = current().stepping
        kept = [] if stepping is None else self._kept_states(x, stepping, initial_state)
        first = [state.tensor for state in kept] or self._first_states(x, initial_state)
        states: list[Tensor] = []
        value = x
        for cell in self.cells:
            own = first[len(states) : len(states) + cell.state_count]
            value, new = cell.over(value, own, mask, self.go_backwards, training)
            states += new
        last = states[-self.cells[-1].state_count]
        if stepping is not None:
            for state, after in zip(kept, states, strict=True):
                stepping.update(state, after)
        elif self.stateful and not is_recording():
            current().updates.extend(zip(self.states, states, strict=True))
        if mask is not None and self.zero_output_for_mask:
            value = ops.where(ops.expand_dims(mask, -1), value, 0.0)
        return value, last, states

    # States

    @property
    def _state_sizes(self) -> list[int]:
        return [cell.units for cell in self.cells for _ in range(cell.state_count)]

    def _kept_states(self, x: Tensor, stepping: Stepping, given: Any) -> list[Variable]:
        """The states of a sequence that comes step by step; raises `StateError` where it cannot."""
        if self.go_backwards:
            raise StateError(f"layer {self.name} ({type(self).__name__}) with go_backwards cannot run step by step")
        first = [None for _ in self._state_sizes] if given is None else self._first_states(x, given)
        return [
            stepping.state((x.shape[0], units), f"{self.name}: state {i}", value)
            for i, (units, value) in enumerate(zip(self._state_sizes, first, strict=True))
        ]

    def _first_states(self, x: Tensor, given: Any) -> list[Tensor]:
        sizes = self._state_sizes
        if given is not None:
            values = list(given) if isinstance(given, (list, tuple)) else [given]
            if len(values) != len(sizes) or not all(isinstance(value, Tensor) for value in values):
                raise ShapeError(
                    f"initial_state must be {len(sizes)} tensors [batch, units] of {', '.join(map(str, sizes))} units"
                )
            return values
        batch = x.shape[0]
        if not self.stateful or batch is None:
            # An unknown batch is only recorded, never run: one row stands for all.
            return [tensor(numpy.zeros((batch or 1, units), numpy.float32)) for units in sizes]
        if not self.states:
            zeros = (numpy.zeros((batch, units), numpy.float32) for units in sizes)
            self.states = [Variable(value, f"state_{i}", trainable=False) for i, value in enumerate(zeros)]
        if self.states[0].shape[0] != batch:
            raise ShapeError(
                f"{self.name} is stateful with a batch of {self.states[0].shape[0]}, got one of {batch}; use one "
                "batch_size in fit, evaluate and predict, and numbers of rows that it divides"
            )
        return [variable.tensor for variable in self.states]

    def reset_states(self) -> None:
        """Let a stateful layer begin anew, from zeros."""
        for variable in self.states:
            variable.assign(numpy.zeros(variable.shape, numpy.float32))

    reset_state = reset_states

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """That of the input where the output is a sequence."""
        return mask if self.return_sequences else None

    def _add_penalties(self, construction: Construction, outputs: Sequence[Tensor]) -> None:
        for cell in self.cells:  # which is not called, but run over all steps
            cell._add_penalties(construction, ())
        super()._add_penalties(construction, outputs[:1])


class OneCell(RNN, registered=False):
    """What layers share that make their cell themselves: its arguments are theirs."""

    def __init__(self, cell: Cell, **options: Any) -> None:
        super().__init__(cell, **options)
        for argument in arguments_of(type(cell)):
            if argument not in vars(self):
                setattr(self, argument, getattr(cell, argument))

    def get_config(self) -> dict[str, Any]:
        return {name: value for name, value in super().get_config().items() if name != "cell"}


class LSTM(OneCell):
    """The long short-term memory over a sequence. Hochreiter & Schmidhuber 1997; gates and formula as in `LSTMCell`.

    Shapes: [batch, steps, features] → [batch, units], or with `return_sequences` [batch, steps, units]; with
    `return_state` also the last h and c. Weights: kernel [features, 4·units], recurrent kernel [units, 4·units], bias
    [4·units]. Other arguments as in `RNN`. Activations may be tanh, sigmoid, relu, linear or hard_sigmoid.

    >>> from pellucid.nn.layers import Input
    >>> LSTM(4)(Input(shape=(5, 3))).shape
    (None, 4)
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **options: Any,
    ) -> None:
        cell = LSTMCell(
            units, activation, recurrent_activation, use_bias, kernel_initializer, recurrent_initializer,
            bias_initializer, unit_forget_bias, kernel_regularizer, recurrent_regularizer, bias_regularizer, dropout,
            recurrent_dropout, seed, owner=type(self).__name__,
        )  # fmt: skip
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            zero_output_for_mask=zero_output_for_mask,
            activity_regularizer=activity_regularizer,
            **options,
        )


class GRU(OneCell):
    """The gated recurrent unit over a sequence. Cho et al. 2014; gates and formula as in `GRUCell`.

    Shapes: [batch, steps, features] → [batch, units], or with `return_sequences` [batch, steps, units]; with
    `return_state` also the last h. Weights: kernel [features, 3·units], recurrent kernel [units, 3·units], bias [2,
    3·units] (with `reset_after`) or [3·units]. Other arguments as in `RNN`.

    >>> from pellucid.nn.layers import Input
    >>> GRU(4, return_sequences=True)(Input(shape=(5, 3))).shape
    (None, 5, 4)
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        zero_output_for_mask: bool = False,
        **options: Any,
    ) -> None:
        cell = GRUCell(
            units, activation, recurrent_activation, use_bias, kernel_initializer, recurrent_initializer,
            bias_initializer, kernel_regularizer, recurrent_regularizer, bias_regularizer, dropout, recurrent_dropout,
            reset_after, seed, owner=type(self).__name__,
        )  # fmt: skip
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            zero_output_for_mask=zero_output_for_mask,
            activity_regularizer=activity_regularizer,
            **options,
        )


class SimpleRNN(OneCell):
    """The simple recurrent cell over a sequence: hₜ = tanh(xₜ·kernel + hₜ₋₁·recurrent_kernel + bias). Elman 1990.

    Shapes: [batch, steps, features] → [batch, units], or with `return_sequences` [batch, steps, units]; with
    `return_state` also the last h. Weights: kernel [features, units], recurrent kernel [units, units], bias [units].
    Other arguments as in `RNN`.

    >>> from pellucid.nn.layers import Input
    >>> SimpleRNN(4)(Input(shape=(5, 3))).shape
    (None, 4)
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        zero_output_for_mask: bool = False,
        **options: Any,
    ) -> None:
        cell = SimpleRNNCell(
            units, activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer,
            kernel_regularizer, recurrent_regularizer, bias_regularizer, dropout, recurrent_dropout, seed,
            owner=type(self).__name__,
        )  # fmt: skip
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            zero_output_for_mask=zero_output_for_mask,
            activity_regularizer=activity_regularizer,
            **options,
        )
