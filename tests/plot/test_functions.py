"""Activation functions: values and derivatives beside formulas written out."""

from __future__ import annotations

import numpy
import pytest

from pellucid import ops, plot
from pellucid.errors import ArgumentError, UnknownNameError
from pellucid.nn.activations import ACTIVATIONS


def drawn(function: object) -> list[numpy.ndarray]:
    """x, y and the slope, with the gaps that stand for jumps."""
    ax = plot.activation(function)
    y, slope = ax.lines[-2:]
    return [y.get_xdata(), y.get_ydata(), slope.get_ydata()]


def test_sigmoid_and_tanh() -> None:
    x, y, slope = drawn("sigmoid")
    s = 1 / (1 + numpy.exp(-x))
    numpy.testing.assert_allclose(y, s, atol=1e-12)
    numpy.testing.assert_allclose(slope, s * (1 - s), atol=1e-12)
    x, y, slope = drawn("tanh")
    numpy.testing.assert_allclose(slope, 1 / numpy.cosh(x) ** 2, atol=1e-12)


def test_softmax_is_the_share_of_the_first_of_three() -> None:
    x, y, slope = drawn("softmax")
    share = numpy.exp(x) / (numpy.exp(x) + 2)
    numpy.testing.assert_allclose(y, share, atol=1e-12)
    numpy.testing.assert_allclose(slope, share * (1 - share), atol=1e-12)
    assert "others are 0" in plot.activation("softmax").get_xlabel()


def test_no_line_is_drawn_across_a_jump() -> None:
    _, y, slope = drawn("relu")
    assert numpy.isfinite(y).all()
    assert numpy.isnan(slope).sum() == 1
    assert set(slope[numpy.isfinite(slope)]) == {0.0, 1.0}
    assert numpy.isnan(drawn("step")[1]).sum() == 1


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_derivative_is_that_of_the_curve(name: str) -> None:
    x, y, slope = drawn(name)
    if name == "straight_through_step":  # its derivative is a choice, not that of the step
        return
    middle = (slope[1:] + slope[:-1]) / 2
    smooth = (
        numpy.isfinite(middle)
        & numpy.isfinite(numpy.diff(y))
        & (numpy.abs(numpy.diff(slope)) < 0.05 * (1 + numpy.abs(middle)))
    )
    assert smooth.sum() > 700
    numpy.testing.assert_allclose((numpy.diff(y) / numpy.diff(x))[smooth], middle[smooth], rtol=1e-3, atol=1e-3)


def test_a_function_of_ones_own() -> None:
    x, y, slope = drawn(lambda x: ops.square(x) * 0.5)
    numpy.testing.assert_allclose(y, x * x / 2)
    numpy.testing.assert_allclose(slope, x)


def test_what_does_not_suit_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'relu'"):
        plot.activation("rleu")
    with pytest.raises(ArgumentError, match="low must be less than high"):
        plot.activation("relu", low=2, high=-2)
    with pytest.raises(ArgumentError, match="gives a tensor of its input's shape"):
        plot.activation(lambda x: ops.sum(x))
    with pytest.raises(ArgumentError, match=r"made of pellucid\.ops"):
        plot.activation(numpy.tanh)
