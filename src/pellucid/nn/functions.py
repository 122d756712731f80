"""Losses, metrics and activations that users write themselves: known by name once registered, checked when called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from pellucid.core.graph import Tensor
from pellucid.core.spec import show_shape
from pellucid.errors import ArgumentError, DtypeError, PellucidError, ShapeError
from pellucid.nn.registry import enroll, look_up, own

Own = TypeVar("Own", bound=Callable[..., Any])


def register(function: Own) -> Own:
    """Make a loss, metric or activation of your own known by its name, so that models with it can be saved and loaded.

    A function may then be given by name, too; of losses, metrics, regularizers and optimizers it can also be a class.
    (A class of layers is registered by being defined.) A model file holds the name alone: where the model is loaded,
    the function must be registered again, by importing or defining it. Raises `ArgumentError` for a name that is taken.

    >>> from pellucid import ops
    >>> @register
    ... def cubic_error(y_true, y_pred):
    ...     return ops.mean(ops.absolute(y_true - y_pred) ** 3, axis=-1)
    >>> from pellucid.nn import losses
    >>> losses.get("cubic_error").get_config()["config"]["function"]
    'cubic_error'
    """
    from pellucid.nn.activations import ACTIVATIONS
    from pellucid.nn.losses import LOSSES
    from pellucid.nn.metrics import METRICS

    name = getattr(function, "__name__", "")
    if not callable(function) or not name.isidentifier():
        raise ArgumentError(f"register takes a function with a name of its own (def my_loss …), got {function!r}")
    if any(name in known for known in (ACTIVATIONS, LOSSES, METRICS)):
        raise ArgumentError(f"register: {name!r} is a name of Pellucid's own; choose another one")
    enroll("registered name", own, function)
    return function


def name_of(function: Callable[..., Any], what: str) -> str:
    """The name under which a function is registered; raises `ArgumentError` where it is not."""
    name = getattr(function, "__name__", "")
    if own.get(name) is not function:
        raise ArgumentError(
            f"{what} is a function of your own with no registered name, which cannot be saved; write "
            "@pellucid.register above its def"
        )
    return name


def as_function(kind: str, function: Callable[..., Any] | str) -> Callable[..., Any]:
    """A function as it is, or that of a registered name; raises `UnknownNameError`, or `ArgumentError` unless it takes
    labels and predictions."""
    if isinstance(function, str):
        known: dict[str, Callable[..., Any]] = {name: value for name, value in own.items() if named(name)}
        return look_up(f"{kind} of your own", known, function)
    try:
        inspect.signature(function).bind("y_true", "y_pred")
    except TypeError as error:
        raise ArgumentError(f"a {kind} is a function of (y_true, y_pred): {function!r} has {error}") from error
    return function


def call_own(function: Callable[..., Any], what: str, y_true: Tensor, y_pred: Tensor) -> Tensor:
    """One value per example, or one for the whole batch, from a function of labels and predictions; raises where it
    gives anything else."""
    try:
        with without_numpy():
            values = function(y_true, y_pred)
    except PellucidError as error:
        raise type(error)(f"{what}: {error}") from error
    if not isinstance(values, Tensor):
        forgot = "; is its return missing?" if values is None else "; build it with pellucid.ops"
        raise DtypeError(f"{what} must give a tensor, got {type(values).__name__}{forgot}")
    if values.rank and values.shape[0] != y_pred.shape[0]:
        raise ShapeError(
            f"{what} gives {show_shape(values.shape)} for predictions of shape {show_shape(y_pred.shape)}; "
            "it must give one value per example: reduce the other axes, as in ops.mean(…, axis=-1)"
        )
    return values


def named(name: str) -> Callable[..., Any] | None:
    """The registered function of a name, if there is one."""
    found = own.get(name)
    return None if isinstance(found, type) else found


@contextmanager
def without_numpy() -> Iterator[None]:
    """Say what to use instead where code of the user's own gives a tensor to a function of NumPy's."""
    try:
        yield
    except TypeError as error:
        if "__array_ufunc__" not in str(error):
            raise
        raise DtypeError("NumPy's functions take no tensors; use those of pellucid.ops") from error
