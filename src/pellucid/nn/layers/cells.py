"""The cells of recurrent layers: one step of a sequence, or, inside a recurrent layer, all of them as one op."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, ClassVar

import numpy

from pellucid import ops
from pellucid.core.graph import Tensor, named, tensor
from pellucid.core.spec import Shape, show_shape
from pellucid.errors import ArgumentError, ShapeError
from pellucid.nn import activations, arguments, initializers, regularizers
from pellucid.nn.construction import current
from pellucid.nn.layer import Inputs, Layer
from pellucid.nn.layers.core import as_float
from pellucid.nn.layers.regularization import Dropout
from pellucid.ops import unrolled
from pellucid.ops.recurrent import ACTIVATIONS


class Cell(Layer, registered=False):
    """What cells share: kernel [features, gates·units], recurrent kernel [units, gates·units] and bias [gates·units].

    Called on one step, `h, *states = cell(x, states)` gives its output and the new states. `dropout` acts on features,
    `recurrent_dropout` on the state as it meets the recurrent kernel, each with one draw for all steps and gates of an
    example (Gal & Ghahramani 2016).
    """

    gates: ClassVar[int] = 1
    state_count: ClassVar[int] = 1

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
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        kind = self._owner = options.pop("owner", type(self).__name__)  # the layer that errors name
        super().__init__(**options)
        self.units = arguments.whole(kind, "units", units)
        self.activation = inside(kind, "activation", activation)
        self.use_bias = arguments.flag(kind, "use_bias", use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.dropout = arguments.number(kind, "dropout", dropout, 0.0, 1.0)
        self.recurrent_dropout = arguments.number(kind, "recurrent_dropout", recurrent_dropout, 0.0, 1.0)
        self.seed = arguments.seed(kind, seed)
        self._drop = Dropout(self.dropout, (None, 1, None), self.seed)
        self._drop_state = Dropout(self.recurrent_dropout, seed=self.seed)

    @property
    def state_size(self) -> int | list[int]:
        return self.units if self.state_count == 1 else [self.units] * self.state_count

    @property
    def output_size(self) -> int:
        return self.units

    def build(self, shape: Shape, *states: Shape) -> None:
        wide = self.gates * self.units
        self.kernel = self.add_weight(
            (shape[-1], wide), self.kernel_initializer, "kernel", regularizer=self.kernel_regularizer
        )
        self.recurrent_kernel = self.add_weight(
            (self.units, wide),
            self.recurrent_initializer,
            "recurrent_kernel",
            regularizer=self.recurrent_regularizer,
        )
        if self.use_bias:
            self.bias = self.add_weight(self.bias_shape(), self.first_bias(), "bias", regularizer=self.bias_regularizer)

    def bias_shape(self) -> tuple[int, ...]:
        return (self.gates * self.units,)

    def first_bias(self) -> initializers.Initializer:
        return self.bias_initializer

    def __call__(self, *inputs: Inputs, training: bool | None = None, **options: Any) -> Any:
        parts = (part if isinstance(part, (list, tuple)) else (part,) for part in inputs)
        return super().__call__(*chain.from_iterable(parts), training=training, **options)

    def call(self, x: Tensor, *states: Tensor, training: bool = False) -> tuple[Tensor, ...]:
        if x.rank != 2 or len(states) != self.state_count:
            raise ShapeError(
                f"{type(self).__name__} takes one step [batch, features] and {self.state_count} states, "
                f"got {show_shape(x.shape)} and {len(states)} states"
            )
        _, last = self.over(ops.expand_dims(x, 1), states, None, False, training)
        return last[0], *last

    def over(
        self, x: Tensor, states: Sequence[Tensor], mask: Tensor | None, reverse: bool, training: bool
    ) -> tuple[Tensor, list[Tensor]]:
        """All steps of a sequence [batch, steps, features]: the output over time, and the last states."""
        x = self._drop.call(as_float(x), training)
        z = x @ self.kernel.tensor
        bias = self.input_bias()
        dropout = None
        if training and self.recurrent_dropout:
            shape = (x.shape[0] or 1, self.units)
            dropout = self._drop_state.call(tensor(numpy.ones(shape, numpy.float32)), True)
        return self.steps(z if bias is None else z + bias, states, mask, dropout, reverse)

    def input_bias(self) -> Tensor | None:
        """What is added before the steps."""
        return self.bias.tensor if self.use_bias else None

    def steps(
        self, z: Tensor, states: Sequence[Tensor], mask: Tensor | None, dropout: Tensor | None, reverse: bool
    ) -> tuple[Tensor, list[Tensor]]:
        raise NotImplementedError

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None


def inside(owner: str, argument: str, activation: Any) -> activations.Activation:
    """An activation that steps can compute; `None` is linear. Raises `ArgumentError` for another one."""
    function = activations.get(activation)
    known = {name: activations.get(name) for name in ACTIVATIONS}
    if function not in known.values():
        raise ArgumentError(
            f"{owner}: {argument} must be one of {', '.join(known)} inside the steps, got {activation!r}"
        )
    return function


def _ops() -> Any:
    """The recurrent ops: primitives, or step by step where the construction wants to see each."""
    return unrolled if current().unrolled else ops


class ForgetBias(initializers.Initializer):
    """The bias of a long short-term memory, 1 at the forget gate so that it remembers at first. Jozefowicz 2015."""

    def __init__(self, others: initializers.Initializer) -> None:
        self.others = others

    def __call__(self, shape: Sequence[int], seed: int | None = None) -> numpy.ndarray:
        bias = numpy.array(self.others(shape, seed))
        units = shape[0] // 4
        bias[units : 2 * units] = 1.0
        return bias


class LSTMCell(Cell):
    """A step of the long short-term memory; gates i, f, c, o. Hochreiter & Schmidhuber 1997.

    Formula: i, f, g, o = σ, σ, tanh, σ of x·kernel + h·recurrent_kernel + bias; c' = f⊙c + i⊙g; h' = o⊙tanh(c').

    >>> from pellucid.nn.layers import Input
    >>> h, *states = LSTMCell(4)(Input(shape=(3,)), [Input(shape=(4,)), Input(shape=(4,))])
    >>> h.shape, len(states)
    ((None, 4), 2)
    """

    gates, state_count = 4, 2

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
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            units, activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer,
            kernel_regularizer, recurrent_regularizer, bias_regularizer, dropout, recurrent_dropout, seed, **options,
        )  # fmt: skip
        self.recurrent_activation = inside(self._owner, "recurrent_activation", recurrent_activation)
        self.unit_forget_bias = arguments.flag(self._owner, "unit_forget_bias", unit_forget_bias)

    def first_bias(self) -> initializers.Initializer:
        return ForgetBias(self.bias_initializer) if self.unit_forget_bias else self.bias_initializer

    def steps(
        self, z: Tensor, states: Sequence[Tensor], mask: Tensor | None, dropout: Tensor | None, reverse: bool
    ) -> tuple[Tensor, list[Tensor]]:
        h, c, gates, *last = _ops().lstm(
            z,
            self.recurrent_kernel.tensor,
            states[0],
            states[1],
            mask,
            dropout,
            reverse=reverse,
            activation=activations.name_of(self.activation),
            recurrent_activation=activations.name_of(self.recurrent_activation),
        )
        named(c, "c")
        named(gates, "gates")
        return named(h, "h"), last


class SimpleRNNCell(Cell):
    """A step of the simple recurrent cell. Elman 1990.

    Formula: h' = tanh(x·kernel + h·recurrent_kernel + bias).

    >>> from pellucid.nn.layers import RNN, Input
    >>> RNN(SimpleRNNCell(4))(Input((5, 3))).shape
    (None, 4)
    """

    def steps(
        self, z: Tensor, states: Sequence[Tensor], mask: Tensor | None, dropout: Tensor | None, reverse: bool
    ) -> tuple[Tensor, list[Tensor]]:
        activation = activations.name_of(self.activation)
        h, last = _ops().simple_rnn(
            z, self.recurrent_kernel.tensor, states[0], mask, dropout, reverse=reverse, activation=activation
        )
        return named(h, "h"), [last]


class GRUCell(Cell):
    """A step of the gated recurrent unit; gates z (update), r (reset), h (candidate). Cho et al. 2014.

    Formula: s, r = σ(x·kernel + h·recurrent_kernel + bias); g = tanh(x·kernel + r⊙(h·recurrent_kernel)); h' = s⊙h +
    (1 - s)⊙g. With `reset_after` (as in cuDNN) the bias is [2, 3·units], one for each product; without, the reset gate
    acts before the product: (r⊙h)·recurrent_kernel, and the bias is [3·units].

    >>> from pellucid.nn.layers import RNN, Input
    >>> RNN(GRUCell(4))(Input((5, 3))).shape
    (None, 4)
    """

    gates = 3

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
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            units, activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer,
            kernel_regularizer, recurrent_regularizer, bias_regularizer, dropout, recurrent_dropout, seed, **options,
        )  # fmt: skip
        self.recurrent_activation = inside(self._owner, "recurrent_activation", recurrent_activation)
        self.reset_after = arguments.flag(self._owner, "reset_after", reset_after)

    def bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def input_bias(self) -> Tensor | None:
        return self._bias(0) if self.reset_after and self.use_bias else super().input_bias()

    def _bias(self, which: int) -> Tensor:
        """The bias of the input's product, or of the state's."""
        return self.bias[which]

    def steps(
        self, z: Tensor, states: Sequence[Tensor], mask: Tensor | None, dropout: Tensor | None, reverse: bool
    ) -> tuple[Tensor, list[Tensor]]:
        none = tensor(numpy.zeros(3 * self.units, numpy.float32))
        h, gates, last = _ops().gru(
            z,
            self.recurrent_kernel.tensor,
            self._bias(1) if self.reset_after and self.use_bias else none,
            states[0],
            mask,
            dropout,
            reverse=reverse,
            activation=activations.name_of(self.activation),
            recurrent_activation=activations.name_of(self.recurrent_activation),
            reset_after=self.reset_after,
        )
        named(gates, "gates")
        return named(h, "h"), [last]
