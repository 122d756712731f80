"""Activations by name, against Keras and by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy
import pytest

import pellucid
from pellucid import ops
from pellucid.core.autodiff import gradients
from pellucid.core.evaluate import evaluate
from pellucid.core.graph import tensor
from pellucid.core.sources import feed
from pellucid.errors import ArgumentError, UnknownNameError
from pellucid.nn import activations
from pellucid.nn.layers import LeakyReLU

X = numpy.concatenate([numpy.linspace(-6, 6, 49), [-40, 40, -0.0]]).astype(numpy.float32).reshape(4, 13)
OURS_ALONE = {"step", "straight_through_step"}


def values(name: str, x: numpy.ndarray) -> numpy.ndarray:
    return activations.get(name)(tensor(x)).numpy()


@pytest.mark.parametrize("name", sorted(set(activations.ACTIVATIONS) - OURS_ALONE))
def test_equals_keras(name: str, keras: Any) -> None:
    expected = numpy.asarray(keras.activations.get(name)(X))
    numpy.testing.assert_allclose(values(name, X), expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("relu", {"negative_slope": 0.3}),
        ("relu", {"negative_slope": 0.3, "max_value": 2.0, "threshold": 1.0}),
        ("leaky_relu", {"negative_slope": 0.7}),
        ("elu", {"alpha": 0.4}),
        ("gelu", {"approximate": True}),
        ("softmax", {"axis": 0}),
        ("log_softmax", {"axis": 0}),
    ],
)
def test_parameters_equal_keras_s(name: str, arguments: dict[str, Any], keras: Any) -> None:
    expected = numpy.asarray(getattr(keras.activations, name)(X, **arguments))
    mine = activations.ACTIVATIONS[name](tensor(X), **arguments).numpy()
    numpy.testing.assert_allclose(mine, expected, rtol=2e-5, atol=2e-6)


def test_by_hand() -> None:
    one = {name: float(values(name, numpy.float32([1.0, -2.0]))[0]) for name in activations.ACTIVATIONS}
    two = {name: float(values(name, numpy.float32([1.0, -2.0]))[1]) for name in activations.ACTIVATIONS}
    e = math.e
    assert one["sigmoid"] == pytest.approx(e / (1 + e))
    assert one["gelu"] == pytest.approx(0.5 * (1 + math.erf(math.sqrt(0.5))))
    assert one["mish"] == pytest.approx(math.tanh(math.log(1 + e)))
    assert one["softmax"] == pytest.approx(1 / (1 + math.exp(-3)))
    assert two["log_softmax"] == pytest.approx(-3 - math.log(1 + math.exp(-3)))
    assert two["leaky_relu"] == pytest.approx(-0.4)
    assert two["elu"] == pytest.approx(math.exp(-2) - 1)
    assert two["selu"] == pytest.approx(1.0507009873554805 * 1.6732632423543772 * (math.exp(-2) - 1))
    assert two["hard_sigmoid"] == pytest.approx(1 / 6)
    assert two["softsign"] == pytest.approx(-2 / 3)
    assert two["swish"] == pytest.approx(-2 / (1 + math.exp(2)))


def test_the_two_steps_differ_in_their_derivative_alone() -> None:
    x = numpy.float32([-2, -1, -0.5, 0, 0.5, 1, 2])
    chosen = {"step": [0] * 7, "straight_through_step": [0, 1, 1, 1, 1, 1, 0]}
    for name, expected in chosen.items():
        assert values(name, x).tolist() == [0, 0, 0, 0, 1, 1, 1]
        fed = feed(x.shape)
        (found,) = gradients(ops.sum(activations.get(name)(fed)), [fed])
        assert evaluate([found], {fed: x})[0].tolist() == expected


def test_get_and_name_of() -> None:
    assert activations.get(None) is activations.linear
    assert activations.name_of(activations.get("swish")) == "silu"
    assert activations.name_of(activations.get(ops.relu)) == "relu"
    assert activations.name_of(activations.get(ops.tanh)) == "tanh"
    for name, function in activations.ACTIVATIONS.items():
        assert activations.get(activations.name_of(function)) is activations.get(name)
    with pytest.raises(UnknownNameError, match=r"unknown activation 'sigmod'; did you mean 'sigmoid'"):
        activations.get("sigmod")
    with pytest.raises(ArgumentError, match="is a layer, not a function"):
        activations.get(LeakyReLU())
    with pytest.raises(ArgumentError, match="a name or a function"):
        activations.get(3)


def test_every_name_is_an_attribute_too() -> None:
    for name, function in activations.ACTIVATIONS.items():
        assert getattr(pellucid.activations, name) is function
