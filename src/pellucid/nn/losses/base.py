"""`Loss`: how wrong predictions are, as one number to descend on; and what all loss functions share.

A loss function takes labels and predictions, tensors or arrays, and gives one value per example: the mean over the last
axis. A `Loss` object adds weights and the reduction over the batch, and can check labels before training starts.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy

from pellucid.core.graph import Tensor, TensorLike, composite, tensor
from pellucid.core.spec import show_shape
from pellucid.errors import ArgumentError, ShapeError
from pellucid.nn import functions
from pellucid.nn.layer import _snake as snake
from pellucid.nn.losses import checks
from pellucid.nn.registry import Configured
from pellucid.ops import cast, expand_dims, maximum, mean, reshape, squeeze, sum, where

EPSILON = 1e-7  # Keras's: probabilities are kept this far from 0 and 1 where no logits are known

REDUCTIONS = ("sum_over_batch_size", "sum", "none", None)


class Loss(Configured):
    """Base of all losses. `reduction`: `sum_over_batch_size` (the mean), `sum`, or `none` for one value per example.

    >>> from pellucid.losses import MeanSquaredError
    >>> MeanSquaredError(reduction="none")([[1.0], [2.0]], [[1.0], [5.0]]).numpy()
    array([0., 9.], dtype=float32)
    """

    label_dtype = "float32"

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = None) -> None:
        if reduction not in REDUCTIONS:
            raise ArgumentError(f"{type(self).__name__}: reduction must be one of {REDUCTIONS}, got {reduction!r}")
        self.reduction, self.name = reduction, name or snake(type(self).__name__)

    def arguments(self) -> dict[str, Any]:
        return {**super().arguments(), "name": self.name}

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """One value per example."""
        raise NotImplementedError

    def __call__(self, y_true: TensorLike, y_pred: TensorLike, sample_weight: TensorLike | None = None) -> Tensor:
        """Σ value·weight / number of values, or as `reduction` says. Steps that the predictions' mask leaves out are
        neither added nor counted.
        """
        mask = y_pred.mask if isinstance(y_pred, Tensor) else None
        values = self.call(as_tensor(y_true), as_tensor(y_pred))
        if not values.rank and not (sample_weight is None and mask is None):
            raise ShapeError(
                f"loss {self.name} gives one number for the whole batch, which leaves sample weights and masks without "
                "effect; give one value per example, as in ops.mean(…, axis=-1)"
            )
        if sample_weight is not None:
            values = values * spread(sample_weight, values)
        if mask is not None:
            values = where(spread(mask, values, "the mask") > 0.0, values, 0.0)
        if self.reduction == "sum_over_batch_size":
            return mean(values) if mask is None else mean(values) * (float(mask.spec.size) / counted(mask))
        return sum(values) if self.reduction == "sum" else values

    def check(self, labels: numpy.ndarray, output: Tensor, name: str) -> None:
        """Refuse labels, shapes and activations that cannot work; raises `LabelError`, `ShapeError` or `ArgumentError`.

        `output` is the network's output and `name` the layer that makes it, for the message.
        """
        where = f"loss {self.name} on output {name!r}"
        checks.check_numbers(labels, where)
        checks.check_units(output, where)
        self.check_fit(labels, output, where)

    def check_fit(self, labels: numpy.ndarray, output: Tensor, where: str) -> None:
        """What one kind of loss needs; by default labels of the output's shape."""
        checks.check_shape(labels, output, where)


class OwnLoss(Loss):
    """A function of labels and predictions as a loss: itself, or the name under which it is registered.

    It gives one value per example. One for the whole batch will do where no example has a weight or a mask.

    >>> from pellucid import ops
    >>> fourth = OwnLoss(lambda y_true, y_pred: ops.mean(ops.power(y_pred - y_true, 4.0), axis=-1))
    >>> float(fourth([[0.0]], [[2.0]]))
    16.0
    """

    def __init__(
        self,
        function: Callable[..., Tensor] | str,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        self.function = functions.as_function("loss", function)
        super().__init__(reduction, name or getattr(self.function, "__name__", "loss"))

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return functions.call_own(self.function, f"loss {self.name}", y_true, y_pred)

    def arguments(self) -> dict[str, Any]:
        return {**super().arguments(), "function": functions.name_of(self.function, f"the loss {self.name}")}

    def check_fit(self, labels: numpy.ndarray, output: Tensor, where: str) -> None:
        """The function decides what it takes."""


def loss_function(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Make a function of labels and predictions a composite that takes arrays too and matches their shapes first."""
    expand = composite(function)
    names = list(inspect.signature(function).parameters)[2:]

    @wraps(function)
    def call(y_true: TensorLike, y_pred: TensorLike, *values: Any, **attributes: Any) -> Tensor:
        attributes = {**dict(zip(names, values, strict=False)), **attributes}
        result = expand(*matched(y_true, y_pred, function.__name__), **attributes)
        assert isinstance(result, Tensor)
        return result

    return call


def as_tensor(value: Any) -> Tensor:
    """A tensor as it is; lists and numbers as float32 or int32; arrays in their own kind of number.

    >>> as_tensor([1, 2]).shape
    (2,)
    """
    if isinstance(value, Tensor):
        return value
    array = numpy.asarray(value)
    if array.dtype.kind == "f" and not isinstance(value, (numpy.ndarray, numpy.generic)):
        array = array.astype(numpy.float32)
    return tensor(array if array.dtype.kind == "f" or array.dtype.kind == "b" else array.astype(numpy.int32))


def as_float(value: Any) -> Tensor:
    """The same, whole numbers and truth values as float32."""
    result = as_tensor(value)
    return result if result.spec.is_float else cast(result, "float32")


def matched(y_true: TensorLike, y_pred: TensorLike, where: str) -> tuple[Tensor, Tensor]:
    """Labels and predictions in the predictions' dtype and one shape: [n] beside [n, 1] gets the axis it lacks.

    >>> truth, guess = matched([1.0, 2.0], [[1.5], [2.5]], "mse")
    >>> truth.shape, guess.shape
    ((2, 1), (2, 1))
    """
    p = as_float(y_pred)
    t = cast(as_tensor(y_true), p.dtype)
    if t.rank == p.rank - 1 and p.shape[-1] == 1:
        t = expand_dims(t, -1)
    elif p.rank == t.rank - 1 and t.shape[-1] == 1:
        p = expand_dims(p, -1)
    if t.rank != p.rank or any(a != b and None not in (a, b) for a, b in zip(t.shape, p.shape, strict=True)):
        raise ShapeError(
            f"{where}: labels have the shape {show_shape(t.shape)}, predictions {show_shape(p.shape)}; make them equal"
        )
    return t, p


def counted(mask: Tensor) -> Tensor:
    """How many steps a mask lets count; 1 where it lets none."""
    return maximum(sum(cast(mask, "float32")), 1.0)


def spread(weight: TensorLike, values: Tensor, what: str = "sample_weight") -> Tensor:
    """Weights in the dtype of the values, with as many axes: one weight per example counts for all its values.

    >>> spread([1.0, 2.0], as_tensor([[0.1, 0.2], [0.3, 0.4]])).shape
    (2, 1)
    """
    w = cast(as_float(weight), values.dtype)
    while w.rank > values.rank and w.shape[-1] == 1:
        w = squeeze(w, -1)
    if w.rank > values.rank or any(a not in (1, b) for a, b in zip(w.shape, values.shape, strict=False)):
        raise ShapeError(
            f"{what} of shape {show_shape(w.shape)} does not fit values of shape {show_shape(values.shape)}; "
            "it needs one entry per example, or per step of a sequence"
        )
    return reshape(w, (*w.shape, *(1,) * (values.rank - w.rank))) if w.rank < values.rank else w
