"""`Layer`: a piece of a network, which owns variables and builds nodes when called on tensors.

A subclass lists its arguments in `__init__` and keeps each as an attribute of the same name, makes its variables in
`build` (once the shapes are known) and its nodes in `call`. From that follow naming, weights, regularizers, saving and
summaries. Defining the class registers it by name, which is the only way a model file can name it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Union

import numpy

from pellucid.core.graph import Tensor, Variable, scope
from pellucid.core.spec import Shape, show_shape
from pellucid.errors import ArgumentError, DtypeError, ShapeError, StateError
from pellucid.nn import activations, initializers, regularizers
from pellucid.nn.construction import Construction, current

Inputs = Union[Tensor, Sequence[Tensor]]

layers: dict[str, type[Layer]] = {}


@dataclass(eq=False)
class Call:
    """One use of a layer: a shared layer has several."""

    layer: Layer
    inputs: tuple[Tensor, ...]
    listed: bool  # whether the layer took its inputs as a list
    outputs: tuple[Tensor, ...] = ()


class Layer:
    """Base of all layers.

    Args: `name`: unique in its network, made from the class where absent; `trainable`: whether training changes the
    weights; `input_shape` / `input_dim`: the shape of one example, for a first layer.
    """

    takes_training: ClassVar[bool]

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        input_shape: Sequence[int | None] | None = None,
        input_dim: int | None = None,
    ) -> None:
        self._name = name
        self.trainable = trainable
        if input_dim is not None:
            if input_shape is not None:
                raise ArgumentError(f"{type(self).__name__}: give input_shape or input_dim, not both")
            input_shape = (input_dim,)
        self.input_shape: Shape | None = None if input_shape is None else tuple(input_shape)
        self.variables: list[Variable] = []
        self.built = False
        self._initial: list[initializers.Initializer] = []
        self._penalties: list[tuple[Variable, regularizers.Regularizer]] = []
        self.activity_regularizer: regularizers.Regularizer | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        layers[cls.__name__] = cls
        cls.takes_training = "training" in inspect.signature(cls.call).parameters

    # What subclasses write

    def build(self, *shapes: Shape) -> None:
        """Make the variables, now that the shapes of the inputs are known (the batch stays `None`)."""

    def call(self, *inputs: Tensor) -> Any:
        """Build the nodes of this layer; a parameter `training`, where there is one, tells training from prediction."""
        raise NotImplementedError

    # What they get

    @property
    def name(self) -> str:
        return self._name or _snake(type(self).__name__)

    @name.setter
    def name(self, value: str) -> None:
        self._name = value

    def add_weight(
        self,
        shape: Sequence[int | None],
        initializer: Any = "glorot_uniform",
        name: str = "weight",
        trainable: bool = True,
        regularizer: Any = None,
        dtype: str = "float32",
    ) -> Variable:
        """A new variable of this layer, filled by an initializer and, with a regularizer, penalised in training."""
        if None in shape:
            raise ShapeError(
                f"layer {self.name}: {name} would have the shape {show_shape(shape)}; "
                "give the input a known size on every axis but the batch"
            )
        start = initializers.get(initializer)
        sizes = tuple(int(size) for size in shape if size is not None)
        variable = Variable(start(sizes).astype(dtype), name, trainable)
        self.variables.append(variable)
        self._initial.append(start)
        penalty = regularizers.get(regularizer)
        if penalty is not None:
            self._penalties.append((variable, penalty))
        return variable

    def initialize(self, draw: Callable[[], int]) -> None:
        """Draw all initial weights anew, with one seed from `draw` for each."""
        for variable, start in zip(self.variables, self._initial, strict=True):
            variable.assign(start(variable.shape, seed=draw()))

    def __call__(self, inputs: Inputs, *more: Tensor, training: bool | None = None) -> Any:
        """Build this layer's nodes on one tensor, or on a list of them."""
        listed = isinstance(inputs, (list, tuple))
        tensors = (*inputs, *more) if listed else (inputs, *more)  # type: ignore[misc]
        for value in tensors:
            if not isinstance(value, Tensor):
                raise ArgumentError(
                    f"layer {self.name} was called on a {type(value).__name__}; layers are called on Input(...) and on "
                    "the outputs of other layers. For values use model.predict(x)"
                )
        call = Call(self, tensors, listed)
        construction = current()
        with scope(self.name), self._located(tensors):
            if not self.built:
                self.build(*(value.shape for value in tensors))
                self.built = True
            options = {"training": construction.training if training is None else training} if self.takes_training else {}
            result = self.call(*tensors, **options)
            call.outputs = result if isinstance(result, tuple) else (result,)
            self._add_penalties(construction, call.outputs)
        for output in call.outputs:
            if output not in tensors:
                output.origin = call
        return result

    @contextmanager
    def _located(self, tensors: Sequence[Tensor]) -> Iterator[None]:
        """Name this layer, and those before it, in errors about shapes and dtypes."""
        try:
            yield
        except (ShapeError, DtypeError) as error:
            if getattr(error, "located", False):
                raise
            before = [f"{value.origin.layer.name} {show_shape(value.shape)}" for value in tensors if value.origin]
            after = f" (after {', '.join(before)})" if before else ""
            located = type(error)(f"layer {self.name}{after}: {error}")
            located.located = True  # type: ignore[union-attr]
            raise located from error

    def _add_penalties(self, construction: Construction, outputs: Sequence[Tensor]) -> None:
        if not construction.training:
            return
        for variable, penalty in self._penalties:
            if variable not in construction.penalised:  # once, however often a layer is shared
                construction.penalised.add(variable)
                construction.penalties.append(penalty(variable.tensor))
        if self.activity_regularizer is not None:
            for output in outputs:
                batch = output.shape[0] or 1
                construction.penalties.append(self.activity_regularizer(output) * (1.0 / batch))

    @property
    def trainable_variables(self) -> list[Variable]:
        return [variable for variable in self.variables if variable.trainable] if self.trainable else []

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

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer, as plain JSON values."""
        return {"name": self.name, **{argument: plain(getattr(self, argument)) for argument in arguments_of(type(self))}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Layer:
        """The layer that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


def plain(value: Any) -> Any:
    """An argument of a layer as a plain JSON value."""
    if hasattr(value, "get_config"):
        return value.get_config()
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return activations.name_of(value) if callable(value) else value


def arguments_of(kind: type) -> list[str]:
    """The names of a class's own arguments, all the way up: each is an attribute of the same name."""
    names: list[str] = []
    for base in kind.__mro__:
        if "__init__" in base.__dict__:
            parameters = inspect.signature(base.__dict__["__init__"]).parameters.values()
            names += [item.name for item in parameters if item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY)]
            if not any(item.kind is item.VAR_KEYWORD for item in parameters):
                break
    return [name for name in dict.fromkeys(names) if name not in {"self", "name", "input_dim"}]


def set_values(variables: Sequence[Variable], values: Sequence[Any], where: str) -> None:
    """Write values into variables, all or none; raises `ShapeError` where numbers or shapes differ."""
    if len(values) != len(variables):
        wanted = ", ".join(f"{variable.name} {show_shape(variable.shape)}" for variable in variables)
        raise ShapeError(f"{where} has {len(variables)} weights ({wanted}), got {len(values)} arrays")
    arrays = [numpy.asarray(value) for value in values]
    for variable, array in zip(variables, arrays, strict=True):
        if array.shape != variable.shape:
            raise ShapeError(
                f"{where}: {variable.name} has the shape {show_shape(variable.shape)}, got {show_shape(array.shape)}"
            )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
