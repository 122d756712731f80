"""`Weights`: what a layer is as an owner of variables: its own, and those of the layers that it is made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

import numpy

from pellucid.core.graph import Variable
from pellucid.core.spec import show_shape
from pellucid.errors import DtypeError, ShapeError, StateError
from pellucid.nn import arguments, initializers, regularizers
from pellucid.nn.construction import MAX_WEIGHT, restored

if TYPE_CHECKING:
    from pellucid.nn.layer import Layer


class Weights:
    """The variables of a layer: made, drawn, read and written."""

    name: str
    built: bool

    def __init__(self) -> None:
        self._forget_weights()

    def _forget_weights(self) -> None:
        self._variables: list[Variable] = []
        self._initial: list[initializers.Initializer] = []
        self._penalties: list[tuple[Variable, regularizers.Regularizer]] = []

    def add_weight(
        self,
        shape: Sequence[int | None],
        initializer: Any = "glorot_uniform",
        name: str = "weight",
        trainable: bool = True,
        regularizer: Any = None,
        dtype: str = "float32",
    ) -> Variable:
        """A new variable of this layer, filled by an initializer and, with a regularizer, penalised in training.

        Raises `ShapeError` for an unknown size, and for more than 2³⁰ numbers (4 GiB in float32) before memory is used.
        """
        if None in shape:
            raise ShapeError(
                f"layer {self.name}: {name} would have the shape {show_shape(shape)}; "
                "give the input a known size on every axis but the batch"
            )
        start = initializers.get(initializer)
        sizes = tuple(int(length) for length in shape if length is not None)
        size, what = math.prod(sizes), f"layer {self.name}: {name} {show_shape(shape)}"
        if size > MAX_WEIGHT:
            raise ShapeError(f"{what} would have {size:,} numbers; one weight can have {MAX_WEIGHT:,}")
        restoration = restored()
        if restoration is not None:
            restoration.take(size, what)
            variable = Variable(numpy.zeros(sizes, dtype), name, trainable)
        else:
            variable = Variable(start(sizes).astype(dtype), name, trainable)
        self._variables.append(variable)
        self._initial.append(start)
        penalty = regularizers.get(regularizer)
        if penalty is not None:
            self._penalties.append((variable, penalty))
        return variable

    def initialize(self, draw: Callable[[], int]) -> None:
        """Draw all initial weights anew, with one seed from `draw` for each."""
        for variable, start in zip(self._variables, self._initial, strict=True):
            variable.assign(start(variable.shape, seed=draw()))
        for layer in self.sublayers:
            layer.initialize(draw)

    @property
    def sublayers(self) -> list[Layer]:
        """The layers that this one is made of: its attributes that are layers, or lists of them."""
        values = (value if isinstance(value, (list, tuple)) else (value,) for value in vars(self).values())
        found = dict.fromkeys(value for value in chain.from_iterable(values) if isinstance(value, Weights))
        return cast("list[Layer]", list(found))

    @property
    def variables(self) -> list[Variable]:
        """Its own, then those of the layers that it is made of, each once: Keras's order."""
        return list(dict.fromkeys([*self._variables, *(one for layer in self.sublayers for one in layer.variables)]))

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights. Setting it sets it for the layers that this one is made of, too."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = arguments.flag(type(self).__name__, "trainable", value)
        for layer in self.sublayers:
            layer.trainable = value

    @property
    def trainable_variables(self) -> list[Variable]:
        if not self.trainable:
            return []
        own = [variable for variable in self._variables if variable.trainable]
        return list(dict.fromkeys([*own, *(one for layer in self.sublayers for one in layer.trainable_variables)]))

    def get_weights(self) -> list[numpy.ndarray]:
        """Copies of the variables' values, in Keras's order and layouts."""
        return [variable.value.copy() for variable in self.variables]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Write values into the variables; raises `ShapeError` where their number or shapes differ."""
        if not self.built:
            raise StateError(f"layer {self.name} has no weights yet; build the network first, by Input or input_shape")
        set_values(self.variables, weights, f"layer {self.name}")

    def count_params(self) -> int:
        """Number of weights."""
        return sum(variable.value.size for variable in self.variables)


def set_values(variables: Sequence[Variable], values: Sequence[Any], where: str) -> None:
    """Write values into variables, all or none; raises `ShapeError` where numbers or shapes differ."""
    if len(values) != len(variables):
        wanted = ", ".join(f"{variable.name} {show_shape(variable.shape)}" for variable in variables)
        raise ShapeError(f"{where} has {len(variables)} weights ({wanted}), got {len(values)} arrays")
    arrays = [numpy.asarray(value) for value in values]
    for variable, array in zip(variables, arrays, strict=True):
        if array.dtype.kind not in "fiub":
            raise DtypeError(f"{where}: {variable.name} must be numbers, got {array.dtype}")
        if array.shape != variable.shape:
            raise ShapeError(
                f"{where}: {variable.name} has the shape {show_shape(variable.shape)}, got {show_shape(array.shape)}"
            )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
