"""`Layer`: a piece of a network, which owns variables and builds nodes when called on tensors.

A subclass lists its arguments in `__init__` and keeps each as an attribute of the same name, makes its variables in
`build` (once the shapes are known) and its nodes in `call`. From that follow naming, weights, regularizers, saving and
summaries. Defining the class registers it by name, which is the only way a model file can name it.
"""

from __future__ import annotations

import inspect
import math
import re
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, count
from typing import Any, ClassVar

import numpy

from pellucid.core.graph import Tensor, Variable, place, scope
from pellucid.core.op import registry
from pellucid.core.spec import Shape, show_shape
from pellucid.errors import ArgumentError, DtypeError, ModelFileError, ShapeError, StateError, nearest
from pellucid.nn import activations, arguments, initializers, regularizers
from pellucid.nn.calling import Call, Parameters, checked_options, masks_of
from pellucid.nn.construction import MAX_WEIGHT, Construction, current, is_recording, is_replaying, restored
from pellucid.nn.functions import without_numpy
from pellucid.nn.registry import enroll

Inputs = Tensor | Sequence[Tensor]

layers: dict[str, type[Layer]] = {}


class Layer:
    """Base of all layers.

    Args: `name`: unique in its network, made from the class where absent; `trainable`: whether training changes the
    weights; `input_shape` / `input_dim`: the shape of one example, for a first layer.

    >>> class Double(Layer):
    ...     def call(self, x):
    ...         return x + x
    >>> from pellucid.nn.layers import Input
    >>> Double()(Input((3,))).shape
    (None, 3)
    """

    parameters: ClassVar[Parameters]
    supports_masking: bool = False  # whether outputs get the mask of `compute_mask`: true of a class that writes one

    # What subclasses write. `build(*shapes)` makes the variables, now that the shapes of the inputs are known (the
    # batch stays `None`); `call(*tensors)` builds the nodes. A parameter `training` of it is told which it is, `mask`
    # gets the mask of the input (a list of masks where the inputs are listed), `query_mask` that of the input `query`.
    # Whatever else is given by keyword stands after a `*`. Layers kept as attributes are part of the layer.
    build: Callable[..., None]
    call: Callable[..., Any]

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        input_shape: Sequence[int | None] | None = None,
        input_dim: int | None = None,
        **unknown: Any,
    ) -> None:
        kind = type(self).__name__
        for argument in unknown:
            raise ArgumentError(
                f"{kind} has no argument {argument!r}{nearest(argument, ['name', *arguments_of(type(self))])}"
            )
        self._name: str | None = None
        self.named = False
        if name is not None:
            self.name = name
        self.trainable = trainable
        if input_dim is not None:
            if input_shape is not None:
                raise ArgumentError(f"{kind}: give input_shape or input_dim, not both")
            input_shape = (arguments.whole(kind, "input_dim", input_dim),)
        self.input_shape: Shape | None = (
            None if input_shape is None else arguments.shape(kind, "input_shape", input_shape)
        )
        self.built = False
        self._variables: list[Variable] = []
        self._initial: list[initializers.Initializer] = []
        self._penalties: list[tuple[Variable, regularizers.Regularizer]] = []
        self.activity_regularizer: regularizers.Regularizer | None = None

    def __init_subclass__(cls, registered: bool = True, **options: Any) -> None:
        super().__init_subclass__(**options)
        if not registered:
            return  # what a family of layers shares
        if not hasattr(cls, "call"):
            raise ArgumentError(f"{cls.__name__}: a layer needs a method call(self, x), which builds its output of ops")
        enroll("layer", layers, cls)
        cls.parameters = Parameters.of(cls.call)
        cls.supports_masking = cls.supports_masking or cls.compute_mask is not Layer.compute_mask

    @property
    def name(self) -> str:
        return self._name or _snake(type(self).__name__)

    @name.setter
    def name(self, value: str) -> None:
        if not isinstance(value, str) or not value:
            raise ArgumentError(f"{type(self).__name__}: name must be a text, got {value!r}")
        self._name, self.named = value, True

    def name_apart(self, taken: Collection[str]) -> None:
        """Take a name that is free: the present one, or the class's with the first number that makes it so."""
        base = _snake(type(self).__name__)
        candidates = chain([self.name, base], (f"{base}_{number}" for number in count(1)))
        self._name = next(name for name in candidates if name not in taken)

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

    def add_loss(self, value: Tensor) -> None:
        """Inside `call`: add a scalar to what training makes small. Where a model is only asked it counts for nothing.

        Raises `ShapeError` for anything but a scalar.
        """
        if not isinstance(value, Tensor) or value.shape != ():
            found = show_shape(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ShapeError(f"add_loss takes a scalar of ops, got {found}; use ops.mean(…)")
        construction = current()
        if construction.training or construction.evaluating:
            construction.penalties.append(value)

    def add_update(self, variable: Variable, value: Tensor) -> None:
        """Inside `call`: write a value into a variable after the step. What belongs to training stands in an
        `if training:`. Raises `ShapeError` for a value of another shape."""
        if value.shape != variable.shape or value.dtype != variable.spec.dtype:
            raise ShapeError(f"add_update: {variable!r} cannot take {value.spec}; shapes and dtypes must be equal")
        current().update(variable, value)

    def initialize(self, draw: Callable[[], int]) -> None:
        """Draw all initial weights anew, with one seed from `draw` for each."""
        for variable, start in zip(self._variables, self._initial, strict=True):
            variable.assign(start(variable.shape, seed=draw()))
        for layer in self.sublayers:
            layer.initialize(draw)

    def __call__(self, *inputs: Inputs, training: bool | None = None, **options: Any) -> Any:
        """Build this layer's nodes on one tensor or several, or on a list of them.

        `options` are keyword arguments of `call`: tensors, plain settings, or lists of them. With `training` this use
        of the layer trains (or does not), whatever the network does.
        """
        if "_variables" not in vars(self):
            raise StateError(f"{type(self).__name__}: its __init__ must call super().__init__(**options) first")
        listed = bool(inputs) and isinstance(inputs[0], (list, tuple))
        first, *more = inputs or ((),)
        kept = checked_options(options, self.parameters, f"layer {self.name} ({type(self).__name__})")
        tensors = self._tensors((*first, *more) if listed or not inputs else inputs, kept)
        if training is not None and self.parameters.training:
            kept["training"] = arguments.flag(self.name, "training", training)
        call = Call(self, tensors, listed, kept)
        construction = current()
        given = {**self.parameters.masks(tensors, listed), **kept}
        if is_recording():
            given.pop("training", None)  # only shapes matter, and what is random would have to know the batch
        elif self.parameters.training:
            given.setdefault("training", construction.training)
        with scope(self.name), self._located(call.inputs):
            if not self.built:
                self._build(tensors)
            with without_numpy():
                result = self.call(*tensors, **given)
            outputs = tuple(result) if isinstance(result, (tuple, list)) else (result,)
            self._check_outputs(outputs)
            self._add_penalties(construction, outputs)
            call.outputs = outputs = self._masked(call, outputs, given.get("mask"))
            call.path = place().scope
        for output in outputs:
            if output not in tensors:
                output.origin = call
        construction.calls.append(call)
        return outputs if isinstance(result, (tuple, list)) else outputs[0]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the outputs, or a list of them, from the inputs (a list where they are listed) and their mask."""
        return mask

    def _masked(self, call: Call, outputs: Sequence[Tensor], mask: Any) -> tuple[Tensor, ...]:
        """The outputs with their masks. What comes out unchanged gets a node of its own, to be recorded by."""
        mask = masks_of(call.tensors, call.listed) if mask is None else mask
        masks: list[Tensor | None] = []
        if self.supports_masking:
            found = self.compute_mask(list(call.tensors) if call.listed else call.tensors[0], mask)
            masks = list(found) if isinstance(found, (list, tuple)) else [found]
        elif mask is not None and "mask" not in self.parameters.options and not is_replaying():
            warnings.warn(
                f"layer {self.name} ({type(self).__name__}) does not know masks: the layers after it, and the loss, "
                "will take padding for data",
                stacklevel=3,
            )
        masks += [None] * (len(outputs) - len(masks))
        made = []
        for output, own in zip(outputs, masks, strict=False):
            given = output in call.tensors
            if given and (not is_replaying() or output.mask is not own):
                output = _copy(output)
            if output.mask is None:
                output.mask = own
            made.append(output)
        return tuple(made)

    def _tensors(self, values: Sequence[Any], options: dict[str, Any]) -> tuple[Tensor, ...]:
        """The inputs by place, those given by name too; raises an error where they are not tensors, or not as many."""
        for value in values:
            if not isinstance(value, Tensor):
                raise ArgumentError(self._called_on(value))
        tensors = self.parameters.by_place(values, options)
        self._count_inputs(tensors)
        return tensors

    def _called_on(self, value: object) -> str:
        return (
            f"layer {self.name} was called on a {type(value).__name__}; layers are called on Input(…) and on the "
            "outputs of other layers. For values use model.predict(x)"
        )

    def _count_inputs(self, tensors: Sequence[Tensor]) -> None:
        least, most = self.parameters.least, self.parameters.most
        if not least <= len(tensors) <= most:
            wanted = f"{least}" if least == most else f"at least {least}" if most == math.inf else f"{least} to {most}"
            inputs = "inputs" if max(least, 0 if most == math.inf else most) > 1 else "input"
            repair = "; join them first, as in Concatenate()([a, b])" if most == 1 and tensors else ""
            raise ShapeError(
                f"layer {self.name} ({type(self).__name__}) takes {wanted} {inputs}, got {len(tensors)}{repair}"
            )

    def _check_outputs(self, outputs: Sequence[Any]) -> None:
        for value in outputs:
            if not isinstance(value, Tensor):
                forgot = "; is its return missing?" if value is None else "; build it with pellucid.ops"
                raise DtypeError(f"call must give tensors, got {type(value).__name__}{forgot}")

    def _build(self, tensors: Sequence[Tensor]) -> None:
        """Make the variables, all or none."""
        try:
            if hasattr(self, "build"):
                self.build(*(value.shape for value in tensors))
            self.built = True
        finally:
            if not self.built:
                self._variables, self._initial, self._penalties = [], [], []

    @contextmanager
    def _located(self, tensors: Sequence[Tensor]) -> Iterator[None]:
        """Name this layer, and those before it, in errors about shapes and dtypes."""
        try:
            yield
        except (ShapeError, DtypeError) as error:
            if getattr(error, "located", False):
                raise
            before = [f"{value.origin.layer.name} {show_shape(value.shape)}" for value in tensors if value.origin]
            before = before or [f"input {show_shape(value.shape)}" for value in tensors]
            after = f" (after {', '.join(before)})" if before else ""
            located = type(error)(f"layer {self.name}{after}: {error}")
            located.located = True  # type: ignore[union-attr]
            raise located from error

    def _add_penalties(self, construction: Construction, outputs: Sequence[Tensor]) -> None:
        if not (construction.training or construction.evaluating):
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
    def sublayers(self) -> list[Layer]:
        """The layers that this one is made of: its attributes that are layers, or lists of them."""
        values = (value if isinstance(value, (list, tuple)) else (value,) for value in vars(self).values())
        return list(dict.fromkeys(value for value in chain.from_iterable(values) if isinstance(value, Layer)))

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

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer, as plain JSON values."""
        names = arguments_of(type(self))
        for name in names:
            if not hasattr(self, name):
                raise ArgumentError(
                    f"layer {self.name} ({type(self).__name__}) must keep its argument {name!r} as an attribute of "
                    f"that name, self.{name} = {name}, to be saved"
                )
        return {"name": self.name, "trainable": self.trainable, **{name: plain(getattr(self, name)) for name in names}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Layer:
        """The layer that `get_config` described. Its `__init__` need not take `name` and `trainable`."""
        parameters = inspect.signature(cls).parameters
        everything = any(item.kind is item.VAR_KEYWORD for item in parameters.values())
        after = [] if everything else [key for key in ("name", "trainable") if key in config and key not in parameters]
        layer = cls(**{key: value for key, value in config.items() if key not in after})
        for key in after:
            setattr(layer, key, config[key])
        return layer

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


def _copy(value: Tensor) -> Tensor:
    """The same value, made by a node of its own."""
    options: dict[str, Any] = {"dtype": value.dtype}
    copy: Tensor = registry["cast"](**options)(value)
    return copy


def plain(value: Any) -> Any:
    """An argument of a layer as a plain JSON value."""
    if isinstance(value, Layer):
        return {"class_name": type(value).__name__, "config": value.get_config()}
    if hasattr(value, "get_config"):
        return value.get_config()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return activations.name_of(value) if callable(value) else value


def as_layer(owner: str, value: Any) -> Layer:
    """A layer as it is, or made from `{"class_name": …, "config": {…}}`; raises `ArgumentError` for anything else."""
    if isinstance(value, Layer):
        return value
    if isinstance(value, dict) and value.keys() == {"class_name", "config"}:
        name = value["class_name"]
        if name not in layers:
            raise ModelFileError(
                f"{owner} has a layer of the class {str(name)[:100]!r}, which is not known here; "
                "if it is one of your own, define or import it before loading"
            )
        return layers[name].from_config(value["config"])
    raise ArgumentError(f"{owner} needs a layer, such as Dense(3), got {value!r}")


def arguments_of(kind: type) -> list[str]:
    """The names of a class's own arguments, all the way up: each is an attribute of the same name."""
    names: list[str] = []
    for base in kind.__mro__:
        if "__init__" in base.__dict__:
            parameters = inspect.signature(base.__dict__["__init__"]).parameters.values()
            own = [item.name for item in parameters if item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY)]
            names += [name for name in own if not (base is Layer and name == "input_dim")]  # it becomes input_shape
            if not any(item.kind is item.VAR_KEYWORD for item in parameters) or base is Layer:
                break
    return [name for name in dict.fromkeys(names) if name not in {"self", "name"}]


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


def _snake(name: str) -> str:
    return re.sub(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", name).lower()  # as Keras does: conv2d, p_re_lu
