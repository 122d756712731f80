"""Pooling, padding, cropping and resizing layers against Keras, PyTorch and hand-worked cases."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from pellucid import ops
from pellucid.core.autodiff import gradients
from pellucid.core.evaluate import evaluate
from pellucid.core.sources import feed
from pellucid.errors import ArgumentError, ShapeError
from pellucid.nn import layers

random = numpy.random.default_rng(8)


def floats(*shape: int) -> numpy.ndarray:
    return random.normal(size=shape).astype(numpy.float32)


# (layer's name, its arguments, the shape of its input): the same words make ours and Keras's
CASES: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
    *(
        (kind, arguments, shape)
        for kind in ("MaxPooling2D", "AveragePooling2D")
        for arguments, shape in [
            ({"pool_size": 2}, (2, 6, 8, 3)),
            ({"pool_size": (2, 2)}, (1, 7, 5, 17)),
            ({"pool_size": 3, "strides": 2, "padding": "same"}, (2, 8, 7, 4)),
            ({"pool_size": (2, 3), "strides": (1, 2), "padding": "SAME"}, (2, 5, 6, 2)),
            ({"pool_size": 2, "strides": 3}, (2, 8, 9, 3)),
            ({"pool_size": 5, "padding": "same"}, (2, 1, 1, 3)),
            ({"pool_size": 1}, (2, 1, 1, 3)),
            ({"pool_size": (4, 4)}, (3, 4, 4, 2)),
        ]
    ),
    *(
        (kind, arguments, shape)
        for kind in ("MaxPooling1D", "AveragePooling1D")
        for arguments, shape in [
            ({"pool_size": 2}, (2, 9, 3)),
            ({"pool_size": 3, "strides": 1, "padding": "same"}, (2, 5, 4)),
            ({"pool_size": 2, "strides": 3, "padding": "same"}, (2, 1, 17)),
        ]
    ),
    *((kind, {"keepdims": kept}, (3, 5, 4)) for kind in ("GlobalMaxPooling1D", "GlobalAveragePooling1D")
      for kept in (False, True)),
    *((kind, {"keepdims": kept}, (3, 5, 2, 4)) for kind in ("GlobalMaxPooling2D", "GlobalAveragePooling2D")
      for kept in (False, True)),
    ("ZeroPadding1D", {}, (2, 3, 4)),
    ("ZeroPadding1D", {"padding": (0, 2)}, (2, 3, 4)),
    ("ZeroPadding2D", {}, (2, 3, 4, 2)),
    ("ZeroPadding2D", {"padding": 2}, (1, 1, 1, 2)),
    ("ZeroPadding2D", {"padding": (0, 2)}, (2, 3, 4, 1)),
    ("ZeroPadding2D", {"padding": ((1, 0), (2, 3))}, (2, 3, 4, 2)),
    ("Cropping1D", {}, (2, 5, 4)),
    ("Cropping1D", {"cropping": 2}, (2, 5, 4)),
    ("Cropping1D", {"cropping": (0, 3)}, (2, 5, 4)),
    ("Cropping2D", {}, (2, 5, 4, 3)),
    ("Cropping2D", {"cropping": 1}, (2, 5, 4, 3)),
    ("Cropping2D", {"cropping": (2, 1)}, (2, 5, 4, 3)),
    ("Cropping2D", {"cropping": ((0, 2), (1, 0))}, (2, 5, 4, 3)),
    ("UpSampling1D", {}, (2, 3, 4)),
    ("UpSampling1D", {"size": 3}, (2, 1, 4)),
    ("UpSampling2D", {}, (2, 3, 4, 3)),
    ("UpSampling2D", {"size": (1, 3)}, (2, 1, 2, 17)),
    ("UpSampling2D", {"interpolation": "bilinear"}, (2, 3, 4, 3)),
    ("UpSampling2D", {"size": (3, 2), "interpolation": "bilinear"}, (2, 1, 5, 2)),
    ("Resizing", {"height": 5, "width": 3}, (2, 4, 7, 3)),
    ("Resizing", {"height": 9, "width": 4, "interpolation": "nearest"}, (2, 4, 7, 3)),
    ("Resizing", {"height": 4, "width": 4, "crop_to_aspect_ratio": True}, (2, 6, 9, 2)),
    ("Resizing", {"height": 6, "width": 4, "crop_to_aspect_ratio": True}, (2, 5, 9, 2)),
    ("CenterCrop", {"height": 3, "width": 4}, (2, 6, 7, 2)),
    ("CenterCrop", {"height": 3, "width": 8}, (2, 6, 7, 2)),
]  # fmt: skip
every_case = pytest.mark.parametrize(
    ("kind", "arguments", "shape"), CASES, ids=[f"{kind}-{i}" for i, (kind, _, _) in enumerate(CASES)]
)


@every_case
def test_equals_keras(kind: str, arguments: dict[str, Any], shape: tuple[int, ...], keras: Any, tools: Any) -> None:
    theirs = getattr(keras.layers, kind)(**arguments)
    tools.check_against_keras(keras, getattr(layers, kind)(**arguments), theirs, floats(*shape))


@every_case
def test_derivatives_equal_differences(
    kind: str, arguments: dict[str, Any], shape: tuple[int, ...], tools: Any
) -> None:
    x = floats(*shape)
    tools.check_derivatives(tools.as_network(getattr(layers, kind)(**arguments), x), x)


@every_case
def test_an_unknown_batch_and_an_empty_one(
    kind: str, arguments: dict[str, Any], shape: tuple[int, ...], tools: Any
) -> None:
    layer = getattr(layers, kind)(**arguments)
    symbolic = layer(layers.Input(shape=shape[1:])).shape
    network = tools.as_network(layer, numpy.zeros(shape, numpy.float32))
    for batch in (0, 1, 4):
        (y,) = tools.run(network, floats(batch, *shape[1:]))
        assert (None, *y.shape[1:]) == symbolic
        assert y.shape[0] == batch


def test_second_names() -> None:
    """Keras's short names are the same classes."""
    for short, long in (("MaxPool", "MaxPooling"), ("AvgPool", "AveragePooling")):
        for rank in ("1D", "2D"):
            assert getattr(layers, short + rank) is getattr(layers, long + rank)
            assert getattr(layers, f"Global{short}{rank}") is getattr(layers, f"Global{long}{rank}")


def test_max_pooling_by_hand(tools: Any) -> None:
    x = numpy.float32([[1, 5, 2], [4, 3, 9], [7, 8, 6]]).reshape(1, 3, 3, 1)
    y = tools.run(tools.as_network(layers.MaxPooling2D(2, strides=1), x), x)[0]
    assert y.ravel().tolist() == [5, 9, 8, 9]
    average = tools.run(tools.as_network(layers.AveragePooling2D(2, padding="same"), x), x)[0]
    # windows: [1, 5, 4, 3], [2, 9] beyond the right border, [7, 8] beyond the lower one, [6] alone
    assert average.ravel().tolist() == [3.25, 5.5, 7.5, 6.0]


def test_the_first_of_equal_maxima_takes_the_whole_derivative() -> None:
    x = feed((1, 4, 1))
    (dx,) = gradients(ops.sum(ops.max_pool(x, (2,), (1,))), [x])
    (found,) = evaluate([dx], {x: numpy.float32([3, 3, 3, 1]).reshape(1, 4, 1)})
    assert found.ravel().tolist() == [1, 1, 1, 0]


@pytest.mark.parametrize("pooling", ["max_pool", "average_pool"])
@pytest.mark.parametrize(("window", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 3, 0)])
def test_equals_torch(pooling: str, window: int, stride: int, padding: int) -> None:
    torch = pytest.importorskip("torch")
    array = random.normal(size=(2, 9, 8, 5))
    x = feed(array.shape, "float64")
    y = getattr(ops, pooling)(x, (window,) * 2, (stride,) * 2, ((padding, padding),) * 2)
    leaf = torch.tensor(array.transpose(0, 3, 1, 2), requires_grad=True)
    options = {} if pooling == "max_pool" else {"count_include_pad": False}
    function = getattr(torch.nn.functional, {"max_pool": "max_pool2d", "average_pool": "avg_pool2d"}[pooling])
    theirs = function(leaf, window, stride, padding, **options)
    adjoint = random.normal(size=y.shape)
    theirs.backward(torch.tensor(adjoint.transpose(0, 3, 1, 2)))
    (dx,) = gradients(ops.sum(y * adjoint), [x])
    got = evaluate([y, dx], {x: array})
    for ours, other in zip(got, (theirs.detach(), leaf.grad), strict=True):
        numpy.testing.assert_allclose(ours, other.numpy().transpose(0, 2, 3, 1), rtol=1e-12, atol=1e-12)


def test_second_derivative_of_max_pool() -> None:
    """Through the square of a derivative, as in a penalty on gradients; with overlapping windows and padding."""
    array, weights = random.normal(size=(1, 4, 3, 2)), random.normal(size=(1, 2, 2, 2))
    x = feed(array.shape, "float64")
    y = ops.max_pool(x * x, (3, 2), (2, 2), ((1, 0), (0, 1)))
    (first,) = gradients(ops.sum(y * weights), [x])
    penalty = ops.sum(first * first)
    (second,) = gradients(penalty, [x])
    direction, step = random.normal(size=array.shape), 1e-6
    above, below = (evaluate([penalty], {x: array + sign * step * direction})[0] for sign in (1, -1))
    (found,) = evaluate([second], {x: array})
    assert (found * direction).sum() == pytest.approx((above - below) / (2 * step), rel=1e-7)


def test_average_over_what_a_mask_keeps() -> None:
    layer = layers.GlobalAveragePooling1D()
    x, mask = feed((3, 4, 2)), feed((3, 4), "bool")
    array = random.normal(size=(3, 4, 2)).astype(numpy.float32)
    kept = numpy.array([[True, True, False, False], [True] * 4, [False] * 4])
    (y,) = evaluate([layer.call(x, mask)], {x: array, mask: kept})
    numpy.testing.assert_allclose(y, [array[0, :2].mean(0), array[1].mean(0), [0, 0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (lambda: layers.MaxPooling2D(3), (2, 5, 3), r"MaxPooling2D|max_pool.*window of 3 is larger than an axis of 2"),
        (lambda: layers.AveragePooling1D(4), (3, 2), r"window of 4 is larger than an axis of 3; .*padding='same'"),
        (lambda: layers.MaxPooling2D(), (5, 3), r"MaxPooling2D needs \[batch, height, width, channels\]"),
        (lambda: layers.GlobalMaxPooling1D(), (5,), r"GlobalMaxPooling1D needs \[batch, steps, channels\]"),
        (lambda: layers.Cropping1D(3), (6, 2), r"Cropping1D: cropping \(3, 3\) leaves nothing of an axis of 6"),
        (lambda: layers.Cropping2D((1, 4)), (6, 8, 2), r"Cropping2D: cropping \(4, 4\) leaves nothing"),
    ],
)
def test_shapes_that_do_not_fit(make: Any, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        make()(layers.Input(shape=shape))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.MaxPooling2D(data_format="channels_first"), "Permute"),
        (lambda: layers.MaxPooling2D(0), "pool_size must be a whole number of at least 1"),
        (lambda: layers.MaxPooling2D((2, 2, 2)), "pool_size must be a whole number, or 2 of them"),
        (lambda: layers.AveragePooling1D(2, padding="causal"), "causal"),
        (lambda: layers.ZeroPadding2D((1, 2, 3)), r"\(top, bottom\)"),
        (lambda: layers.ZeroPadding1D(-1), "at least 0"),
        (lambda: layers.Cropping2D(((1, 2, 3), 1)), r"\(before, after\)"),
        (lambda: layers.UpSampling1D(0), "at least 1"),
        (lambda: layers.UpSampling2D(2, interpolation="bicubic"), "bicubic"),
        (lambda: layers.Resizing(0, 3), "at least 1"),
        (lambda: layers.GlobalMaxPooling1D(keepdims=1), "keepdims must be True or False"),
    ],
)
def test_arguments_that_do_not_fit(make: Any, message: str) -> None:
    with pytest.raises((ArgumentError, ValueError), match=message):
        make()
