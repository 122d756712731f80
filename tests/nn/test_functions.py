"""Losses, metrics and activations of the user's own: registered by name, and refused clearly where they do not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest

import pellucid
from pellucid import ops
from pellucid.core.evaluate import evaluate
from pellucid.core.graph import tensor
from pellucid.errors import ArgumentError, DtypeError, ShapeError, UnknownNameError
from pellucid.nn import activations, losses, metrics, optimizers, regularizers
from pellucid.nn.losses import Loss, OwnLoss
from pellucid.nn.metrics import OwnMetric
from pellucid.nn.registry import own

Y = numpy.float32([[1, 2], [3, 4], [5, 6]])
P = numpy.float32([[1, 0], [3, 3], [4, 8]])


@pytest.fixture(autouse=True)
def nothing_stays_registered() -> Iterator[None]:
    before = dict(own)
    yield
    own.clear()
    own.update(before)


def row_error(y_true: Any, y_pred: Any) -> Any:
    return ops.sum(ops.absolute(y_true - y_pred), axis=-1)


def values(loss: Any, *given: Any) -> Any:
    return evaluate([loss(*given)])[0]


def test_one_value_per_example() -> None:
    """Rows err by 2, 1 and 3; weighted 1, 0, 2 that is 2 + 6 over three examples, and over a weight of 3."""
    weights = numpy.float32([1, 0, 2])
    assert values(OwnLoss(row_error), Y, P) == pytest.approx(6 / 3)
    assert values(OwnLoss(row_error), Y, P, weights) == pytest.approx(8 / 3)
    assert OwnMetric(row_error)(Y, P) == pytest.approx(6 / 3)
    assert OwnMetric(row_error)(Y, P, weights) == pytest.approx(8 / 3)
    assert OwnLoss(row_error).name == OwnMetric(row_error).name == "row_error"


def test_masked_steps_do_not_count() -> None:
    prediction = tensor(P[None])
    prediction.mask = tensor(numpy.array([[True, False, True]]))
    assert values(OwnLoss(row_error), Y[None], prediction) == pytest.approx((2 + 3) / 2)


def test_one_number_for_the_batch_is_a_loss_without_weights() -> None:
    loss = OwnLoss(lambda y, p: ops.mean(ops.square(y - p)))
    assert values(loss, Y, P) == pytest.approx(((Y - P) ** 2).mean())
    with pytest.raises(ShapeError, match=r"one value per example.*axis=-1"):
        values(loss, Y, P, numpy.ones(3, numpy.float32))
    with pytest.raises(ShapeError, match=r"one value per example.*axis=-1"):
        OwnMetric(lambda y, p: ops.mean(y - p))(Y, P)


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda y, p: None, DtypeError, "NoneType; is its return missing"),
        (lambda y, p: 3.0, DtypeError, "float; build it with pellucid.ops"),
        (lambda y, p: numpy.tanh(p), DtypeError, "NumPy's functions take no tensors; use those of pellucid.ops"),
        (lambda y, p: numpy.mean(y - p), DtypeError, "use pellucid.ops, not NumPy"),
        (lambda y, p: ops.mean(y - p, axis=0), ShapeError, r"\[2\] for predictions of shape \[3, 2\]"),
        (lambda y, p: p @ p, ShapeError, "<lambda>.*inner sizes 2 and 3"),
    ],
)
@pytest.mark.parametrize("kind", [OwnLoss, OwnMetric])
def test_what_does_not_fit_is_refused(
    kind: Callable[..., Any], function: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        kind(function)(Y, P)


@pytest.mark.parametrize("kind", [OwnLoss, OwnMetric])
def test_a_function_of_something_else_is_refused_at_once(kind: Callable[..., Any]) -> None:
    with pytest.raises(ArgumentError, match=r"function of \(y_true, y_pred\)"):
        kind(lambda y: y)
    pellucid.register(row_error)
    with pytest.raises(UnknownNameError, match="of your own 'row_eror'; did you mean 'row_error'"):
        kind("row_eror")


def test_registered_functions_are_given_and_saved_by_name() -> None:
    with pytest.raises(ArgumentError, match=r"@pellucid\.register"):
        OwnLoss(row_error).get_config()
    pellucid.register(row_error)
    loss = losses.get("row_error")
    assert loss == losses.get(row_error) == losses.get(loss.get_config())
    metric = metrics.get("row_error", losses.get("mse"), tensor(P))
    assert metric == metrics.get(metric.get_config(), losses.get("mse"), tensor(P)) == OwnMetric(row_error)

    @pellucid.register
    def cubed(x: Any) -> Any:
        return x**3.0

    assert activations.get("cubed") is cubed
    assert activations.name_of(cubed) == "cubed"


def test_names_that_are_taken() -> None:
    for name in ("mse", "relu", "accuracy_of_nothing"):
        function = lambda y, p: y  # noqa: E731
        function.__name__ = name
        if name == "accuracy_of_nothing":
            assert pellucid.register(function) is function
            continue
        with pytest.raises(ArgumentError, match=f"{name!r} is a name of Pellucid's own"):
            pellucid.register(function)
    with pytest.raises(ArgumentError, match="name of its own"):
        pellucid.register(lambda y, p: y)


def test_the_same_module_may_define_a_name_again_and_another_not() -> None:
    def again(y: Any, p: Any) -> Any:
        return y

    pellucid.register(row_error)
    again.__name__ = "row_error"
    pellucid.register(again)
    assert losses.get("row_error").function is again
    pellucid.register(row_error)
    again.__module__ = "elsewhere"
    with pytest.raises(
        ArgumentError, match=r"'row_error' already, in .*test_functions; give that of elsewhere another"
    ):
        pellucid.register(again)


def test_classes_of_a_family_are_registered_too() -> None:
    @pellucid.register
    class Power(Loss):
        def __init__(self, exponent: float = 3.0, **options: Any) -> None:
            super().__init__(**options)
            self.exponent = exponent

        def call(self, y_true: Any, y_pred: Any) -> Any:
            return ops.mean(ops.absolute(y_true - y_pred) ** self.exponent, axis=-1)

    assert losses.get(Power(2.5).get_config()) == Power(2.5)
    for get in (regularizers.get, optimizers.get):
        with pytest.raises(UnknownNameError, match="Power"):
            get(Power().get_config())
