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
from contextlib import contextmanager, nullcontext
from itertools import chain, count
from typing import Any, ClassVar

from pellucid.core.graph import Tensor, Variable
from pellucid.core.op import registry
from pellucid.core.place import place, scope
from pellucid.core.recompute import recomputed
from pellucid.core.spec import Shape, show_shape
from pellucid.errors import ArgumentError, DtypeError, ModelFileError, ShapeError, StateError, nearest
from pellucid.nn import activations, arguments, regularizers
from pellucid.nn.calling import Call, Parameters, checked_options, masks_of
from pellucid.nn.construction import Construction, current, is_recording, is_replaying
from pellucid.nn.functions import without_numpy
from pellucid.nn.registry import enroll
from pellucid.nn.weights import Weights

Inputs = Tensor | Sequence[Tensor]

layers: dict[str, type[Layer]] = {}


class Layer(Weights):
    """Base of all layers.

    Args: `name`: unique in its network, made from the class where absent; `trainable`: whether training changes the
    weights; `input_shape` / `input_dim`: the shape of one example, for a first layer; `recompute`: in training, compute
    its values again in the backward pass instead of keeping them (called rematerialisation, or checkpointing): less
    memory, for one more forward pass of this layer, and the same results.

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
        recompute: bool = False,
        **unknown: Any,
    ) -> None:
        kind = type(self).__name__
        for argument in unknown:
            raise ArgumentError(
                f"{kind} has no argument {argument!r}{nearest(argument, ['name', *arguments_of(type(self))])}"
            )
        super().__init__()
        self._name: str | None = None
        self.named = False
        if name is not None:
            self.name = name
        self.trainable = trainable
        self.recompute = arguments.flag(kind, "recompute", recompute)
        if input_dim is not None:
            if input_shape is not None:
                raise ArgumentError(f"{kind}: give input_shape or input_dim, not both")
            input_shape = (arguments.whole(kind, "input_dim", input_dim),)
        self.input_shape: Shape | None = (
            None if input_shape is None else arguments.shape(kind, "input_shape", input_shape)
        )
        self.built = False
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

    def add_loss(self, value: Tensor, name: str | None = None) -> None:
        """Inside `call`: add a scalar to what training makes small. Where a model is only asked it counts for nothing.

        With a `name` the history of a model has it, as `NAME_loss`. Raises `ShapeError` for anything but a scalar.
        """
        if not isinstance(value, Tensor) or value.shape != ():
            found = show_shape(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ShapeError(f"add_loss takes a scalar of ops, got {found}; use ops.mean(…)")
        construction = current()
        if construction.training or construction.evaluating:
            construction.penalties.append(value)
            if name is not None:
                construction.shown.setdefault(name, []).append(value)

    def add_update(self, variable: Variable, value: Tensor) -> None:
        """Inside `call`: write a value into a variable after the step. What belongs to training stands in an
        `if training:`. Raises `ShapeError` for a value of another shape."""
        if value.shape != variable.shape or value.dtype != variable.spec.dtype:
            raise ShapeError(f"add_update: {variable!r} cannot take {value.spec}; shapes and dtypes must be equal")
        current().update(variable, value)

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
        again = recomputed() if self.recompute and construction.recomputing else nullcontext()
        with scope(self.name), again, self._located(call.inputs):
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
                self._forget_weights()

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

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer, as plain JSON values."""
        names = arguments_of(type(self))
        for name in names:
            if not hasattr(self, name):
                raise ArgumentError(
                    f"layer {self.name} ({type(self).__name__}) must keep its argument {name!r} as an attribute of "
                    f"that name, self.{name} = {name}, to be saved"
                )
        general = {"name": self.name, "trainable": self.trainable, **({"recompute": True} if self.recompute else {})}
        return {**general, **{name: plain(getattr(self, name)) for name in names}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Layer:
        """The layer that `get_config` described. Its `__init__` need not take what all layers have."""
        parameters = inspect.signature(cls).parameters
        everything = any(item.kind is item.VAR_KEYWORD for item in parameters.values())
        general = [] if everything else ["name", "trainable", "recompute"]
        after = [key for key in general if key in config and key not in parameters]
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
    return [name for name in dict.fromkeys(names) if name not in {"self", "name", "recompute"}]


def _snake(name: str) -> str:
    return re.sub(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", name).lower()  # as Keras does: conv2d, p_re_lu
