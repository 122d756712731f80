"""`Bidirectional`: a recurrent layer run from both ends of a sequence."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

from pellucid import ops
from pellucid.core.graph import Tensor
from pellucid.core.spec import Shape
from pellucid.errors import ArgumentError, ShapeError
from pellucid.nn.layer import Layer, as_layer
from pellucid.nn.layers.recurrent import RNN

MERGES: dict[str | None, Callable[[list[Tensor]], Any]] = {
    "sum": lambda values: reduce(ops.add, values),
    "mul": lambda values: reduce(ops.multiply, values),
    "ave": lambda values: reduce(ops.add, values) / float(len(values)),
    "concat": lambda values: ops.concatenate(values, axis=-1),
    None: tuple,
}


class Bidirectional(Layer):
    """A recurrent layer run from the start and, with weights of its own, from the end. Schuster & Paliwal 1997.

    The outputs are merged by `merge_mode`: "concat", "sum", "mul", "ave", or None for both. Without `backward_layer` it
    is a copy of `layer` that goes the other way. With `return_state` the states of both follow; `initial_state` is a
    list of both's states. In sequences with a mask, outputs of steps that do not count are 0.

    >>> from pellucid.nn.layers import LSTM, Input
    >>> Bidirectional(LSTM(4, return_sequences=True))(Input(shape=(5, 3))).shape
    (None, 5, 8)
    """

    def __init__(
        self, layer: Any, merge_mode: str | None = "concat", backward_layer: Any = None, **options: Any
    ) -> None:
        super().__init__(**options)
        if merge_mode not in MERGES:
            raise ArgumentError(f"Bidirectional: merge_mode must be sum, mul, ave, concat or None, got {merge_mode!r}")
        self.merge_mode = merge_mode
        self.forward_layer = _copy(_recurrent(layer), "forward")
        if backward_layer is None:
            self.backward_layer = _copy(_recurrent(layer), "backward", go_backwards=not self.forward_layer.go_backwards)
        else:
            self.backward_layer = _recurrent(backward_layer)
        self._check_pair()
        self.return_sequences, self.return_state = self.forward_layer.return_sequences, self.forward_layer.return_state
        for own in self._both:
            own.zero_output_for_mask = own.return_sequences

    @property
    def layer(self) -> RNN:
        return self.forward_layer

    @property
    def _both(self) -> tuple[RNN, RNN]:
        return self.forward_layer, self.backward_layer

    def _check_pair(self) -> None:
        one, other = self._both
        if one.go_backwards == other.go_backwards:
            raise ArgumentError("Bidirectional: one of the two layers must have go_backwards=True, and one not")
        for name in ("return_sequences", "return_state", "stateful"):
            if getattr(one, name) != getattr(other, name):
                raise ArgumentError(f"Bidirectional: {name} of layer and backward_layer must be the same")

    def build(self, shape: Shape) -> None:
        for layer in self._both:
            if not layer.built:
                layer.build(shape)
                layer.built = True

    def call(self, x: Tensor, *, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        given: list[Any] = [None, None]
        if initial_state is not None:
            count = sum(cell.state_count for cell in self.forward_layer.cells)
            if not isinstance(initial_state, (list, tuple)) or len(initial_state) != 2 * count:
                raise ShapeError(f"initial_state must be {2 * count} tensors, the states of both directions")
            given = [initial_state[:count], initial_state[count:]]
        outputs, states = [], []
        for layer, own in zip(self._both, given, strict=True):
            over_time, last, new = layer.run(x, own, mask, training)
            if layer.return_sequences and self.forward_layer.go_backwards:
                over_time = ops.flip(over_time, axis=1)
            outputs.append(over_time if layer.return_sequences else last)
            states += new if layer.return_state else []
        merged = MERGES[self.merge_mode](outputs)
        return (*merged, *states) if self.merge_mode is None else (merged, *states) if states else merged

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """That of the input where the output is a sequence."""
        if not self.return_sequences:
            return None
        return [mask, mask] if self.merge_mode is None else mask

    def _add_penalties(self, construction: Any, outputs: Any) -> None:
        for layer in self._both:  # which are not called, but run
            layer._add_penalties(construction, ())
        super()._add_penalties(construction, outputs)

    def reset_states(self) -> None:
        """Let stateful layers begin anew, from zeros."""
        for layer in self._both:
            layer.reset_states()

    reset_state = reset_states


def _recurrent(value: Any) -> RNN:
    layer = as_layer("Bidirectional", value)
    if not isinstance(layer, RNN):
        raise ArgumentError(f"Bidirectional takes a recurrent layer, such as LSTM(3), got {layer!r}")
    return layer


def _copy(layer: RNN, way: str, **changes: Any) -> RNN:
    """An equal layer with weights of its own."""
    name = layer.name.removeprefix(f"{way}_")
    config = {**layer.get_config(), "name": f"{way}_{name}", **changes}
    copy = type(layer).from_config(config)
    assert isinstance(copy, RNN)
    return copy
