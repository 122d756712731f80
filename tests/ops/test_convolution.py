"""Convolution worked out by hand, padding by Keras's names, and errors that say what to do."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from pellucid import ops
from pellucid.core.autodiff import gradients
from pellucid.core.evaluate import evaluate
from pellucid.core.graph import Tensor, tensor
from pellucid.core.sources import feed
from pellucid.errors import ShapeError, UnknownNameError
from pellucid.ops.windows import count, explicit_padding


def constant(*numbers: object) -> Tensor:
    return tensor(numpy.array(numbers, numpy.float64))


def flat(x: Tensor) -> list[float]:
    result: list[float] = evaluate([x])[0].ravel().tolist()
    return result


X = ops.reshape(constant(1.0, 2.0, 0.0, 3.0), (1, 4, 1))
W = ops.reshape(constant(2.0, -1.0), (2, 1, 1))


def test_windows_times_the_kernel() -> None:
    # 1·2 - 2 = 0, 2·2 - 0 = 4, 0·2 - 3 = -3
    assert flat(ops.convolution(X, W)) == [0.0, 4.0, -3.0]
    # every second window; every second element under a window: 1·2 - 0 = 2, 2·2 - 3 = 1
    assert flat(ops.convolution(X, W, strides=2)) == [0.0, -3.0]
    assert flat(ops.convolution(X, W, dilation=2)) == [2.0, 1.0]
    # a zero after: 3·2 - 0 = 6; a zero before: 0·2 - 1 = -1
    assert flat(ops.convolution(X, W, padding="same")) == [0.0, 4.0, -3.0, 6.0]
    assert flat(ops.convolution(X, W, padding="causal")) == [-1.0, 0.0, 4.0, -3.0]


def test_derivatives() -> None:
    # of the sum of the three windows: x₀ stands under w₀ alone, x₁ and x₂ under both, x₃ under w₁ alone
    by_x, by_w = gradients(ops.sum(ops.convolution(X, W)), [X, W])
    assert flat(by_x) == [2.0, 1.0, 1.0, -1.0]
    # w₀ meets 1, 2, 0 and w₁ meets 2, 0, 3
    assert flat(by_w) == [3.0, 5.0]


def test_the_adjoint_spreads_each_element_over_its_window() -> None:
    g = ops.reshape(constant(1.0, 10.0), (1, 2, 1))
    # strides of 2 leave the windows apart: 1·[2, -1] and 10·[2, -1]; an element that no window reaches is 0
    assert flat(ops.convolution_input_gradient(g, W, (5,), strides=2)) == [2.0, -1.0, 20.0, -10.0, 0.0]
    # strides of 1 let them overlap: 2, -1 + 20, -10
    assert flat(ops.convolution_input_gradient(g, W, (3,))) == [2.0, 19.0, -10.0]
    # under w₀ stand 1 and 2, under w₁ stand 2 and 0: 1·1 + 2·10 = 21, 2·1 + 0·10 = 2
    assert flat(ops.convolution_kernel_gradient(X[:, :3], g, (2,))) == [21.0, 2.0]


def test_groups_do_not_meet() -> None:
    x = ops.reshape(constant(1.0, 10.0, 2.0, 20.0), (1, 2, 2))  # two steps of two channels
    w = ops.reshape(constant(1.0, 3.0), (1, 1, 2))
    assert flat(ops.convolution(x, w, groups=2)) == [1.0, 30.0, 2.0, 60.0]


@settings(deadline=None, max_examples=200)
@given(some.integers(1, 40), some.integers(1, 7), some.integers(1, 9), some.integers(1, 4))
def test_same_padding_keeps_the_size_over_the_stride(size: int, kernel: int, stride: int, dilation: int) -> None:
    ((before, after),) = explicit_padding("same", (size,), (kernel,), (stride,), (dilation,))
    assert 0 <= before <= after <= before + 1
    assert count(size, kernel, stride, (before, after), dilation) == -(-size // stride)
    fewer = (before, after - 1) if after else None
    assert fewer is None or count(size, kernel, stride, fewer, dilation) < -(-size // stride)
    jax = pytest.importorskip("jax")
    covered = dilation * (kernel - 1) + 1
    assert jax.lax.padtype_to_pads((size,), (covered,), (stride,), "SAME") == [(before, after)]


def test_other_paddings() -> None:
    assert explicit_padding("valid", (9, None), (3, 2), (1, 1), (1, 1)) == ((0, 0), (0, 0))
    assert explicit_padding("causal", (9,), (3,), (2,), (4,)) == ((8, 0),)
    assert explicit_padding("same", (None,), (3,), (2,), (1,)) == ((0, 1),)
    with pytest.raises(UnknownNameError, match="unknown padding 'smae'; did you mean 'same'"):
        explicit_padding("smae", (9,), (3,), (1,), (1,))


def test_an_unknown_batch_and_size() -> None:
    assert ops.convolution(feed((None, None, 9, 2)), feed((3, 3, 2, 4)), strides=2).shape == (None, None, 4, 4)
    assert ops.convolution_input_gradient(feed((None, 3, 4)), feed((2, 5, 4)), (4,)).shape == (None, 4, 5)
    assert ops.convolution_kernel_gradient(feed((None, 4, 5)), feed((None, 3, 4)), (2,)).shape == (2, 5, 4)


@pytest.mark.parametrize(
    ("x", "w", "options", "words"),
    [
        ((1, 4, 9, 1), (5, 5, 1, 2), {}, r"the kernel covers \[5, 5\] but the padded image has only \[4, 9\].*'same'"),
        ((1, 9, 1), (3, 1, 2), {"dilation": 5}, r"covers \[11\] but the padded image has only \[9\].*dilation"),
        ((1, 9, 3), (3, 1, 2), {}, r"the image has 3 channels, its last axis, but the kernel 1"),
        ((1, 9, 4), (3, 1, 2), {"groups": 2}, r"4 channels, its last axis, but the kernel 1 in each of 2 groups"),
        ((1, 9, 3), (3, 1, 2), {"groups": 2}, r"2 groups must divide both the 3 channels and the 2 filters"),
        ((1, 9, 9), (3, 3, 1, 2), {}, r"give the image \[batch, \*spatial, channels\] as many axes as the kernel"),
        ((1, 9, 9, 9, 1), (3, 3, 3, 1, 2), {}, r"it needs an image \[batch, width, channels\]"),
        ((1, 9, 1), (3, 1, 2), {"strides": 0}, r"a whole number from 1 for each of 1 spatial axes"),
        ((1, 9, 9, 1), (3, 3, 1, 2), {"strides": (2,), "padding": "same"}, r"for each of 2 spatial axes, got \(3, 3\)"),
        ((1, 9, 1), (3, 1, 2), {"strides": 0, "padding": ((0, 0),)}, r"strides, dilation and groups from 1"),
        ((1, 9, 1), (3, 1, 2), {"padding": ((0, -1),)}, r"padding from 0"),
    ],
)  # fmt: skip
def test_what_does_not_fit(x: tuple[int, ...], w: tuple[int, ...], options: dict[str, object], words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        ops.convolution(feed(x), feed(w), **options)
