"""Activation functions with their derivatives."""

from __future__ import annotations

from typing import Any

import numpy

from pellucid.core.autodiff import gradients
from pellucid.core.evaluate import evaluate
from pellucid.core.graph import Tensor, tensor
from pellucid.errors import ArgumentError
from pellucid.nn import activations
from pellucid.ops import sum as sum_
from pellucid.plot.figure import BLUE, INK, ORANGE, PALE, Axes, axes, dress, short, styled

_POINTS = 801
_JUMP = 0.2  # of the whole height, between two neighbouring points: the function is broken there


@styled
def activation(
    function: Any, ax: Axes | None = None, low: float = -5.0, high: float = 5.0, derivative: bool = True
) -> Axes:
    """Draw an activation function and its derivative, which backpropagation finds (no differences are taken).

    `function`: a name, or a function of a tensor made of `pellucid.ops`. One that mixes its inputs, such as softmax,
    is shown for the first of three, the others being 0: y = f(x, 0, 0)₁.
    Raises `UnknownNameError` for another name, with all that are known.

    >>> activation("sigmoid").get_title("left")
    'sigmoid: its slope is between 0.006648 and 0.25'
    """
    if not low < high:
        raise ArgumentError(f"low must be less than high, got {low} and {high}")
    apply = activations.get(function)
    name = function if isinstance(function, str) else getattr(function, "__name__", "activation")
    x = numpy.linspace(low, high, _POINTS)
    y, slope, mixes = _values(apply, x)
    ax = axes(ax, (5.2, 3.6))
    ax.axhline(0, color=PALE, linewidth=0.8, zorder=1)
    ax.axvline(0, color=PALE, linewidth=0.8, zorder=1)
    ax.plot(x, _broken(y), color=BLUE, linewidth=2.4, label=f"{name}(x)")
    if derivative:
        ax.plot(x, _broken(slope), color=ORANGE, linestyle=(0, (5, 1.6)), label="its derivative")
        ax.legend(loc="best", labelcolor=INK)
    dress(ax, _title(name, slope), "x, the first of three inputs (the others are 0)" if mixes else "x", "y", "both")
    return ax


def _title(name: str, slope: numpy.ndarray) -> str:
    low, high = (short(value, 4) for value in (slope.min(), slope.max()))
    return f"{name}: its slope is {low} everywhere" if low == high else f"{name}: its slope is between {low} and {high}"


def _values(apply: activations.Activation, x: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray, bool]:
    """The function and its derivative at every point, and whether the other inputs matter."""
    others = numpy.zeros((len(x), 2))
    given = tensor(numpy.column_stack([x, others]))
    try:
        y = apply(given)
    except TypeError as error:
        raise ArgumentError(f"the function must be made of pellucid.ops, not of NumPy or math: {error}") from error
    if not isinstance(y, Tensor) or y.shape != given.shape:
        raise ArgumentError(f"an activation gives a tensor of its input's shape, {given.spec}; this one gave {y!r}")
    first = y[..., :1]
    slope = gradients(sum_(first), [given])[0]
    changed = apply(tensor(numpy.column_stack([x, others + 1.0])))
    value, other, derived = evaluate([y, changed, slope])
    return value[:, 0], derived[:, 0], not numpy.array_equal(value[:, 0], other[:, 0])


def _broken(y: numpy.ndarray) -> numpy.ndarray:
    """The values with a gap where they jump, so that no line is drawn that the function does not have."""
    y = y.copy()
    jumps = numpy.abs(numpy.diff(y)) > _JUMP * max(float(numpy.ptp(y)), 1e-12)
    y[1:][jumps] = numpy.nan
    return y
