"""Convolutional layers against Keras and PyTorch with copied weights, by hand, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from pellucid.errors import ArgumentError, ShapeError
from pellucid.nn import layers
from pellucid.nn.network import Network

random = numpy.random.default_rng(7)


def floats(*shape: int) -> numpy.ndarray:
    return random.normal(size=shape).astype(numpy.float32)


# (layer's name, its arguments, shape of its input): the same words make ours and Keras's
CASES: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
    ("Conv1D", {"filters": 3, "kernel_size": 3}, (2, 8, 2)),
    ("Conv1D", {"filters": 4, "kernel_size": 3, "padding": "causal", "dilation_rate": 2, "groups": 2}, (2, 7, 4)),
    ("Conv1D", {"filters": 2, "kernel_size": 4, "padding": "causal", "strides": 3}, (2, 7, 1)),
    ("Conv1D", {"filters": 2, "kernel_size": (2,), "strides": 5, "padding": "same", "activation": "tanh"}, (1, 11, 3)),
    ("Conv1D", {"filters": 1, "kernel_size": 1, "use_bias": False}, (1, 1, 1)),
    ("Conv2D", {"filters": 3, "kernel_size": 3, "activation": "relu"}, (2, 6, 5, 2)),
    ("Conv2D", {"filters": 3, "kernel_size": (2, 3), "strides": 2, "padding": "SAME"}, (2, 7, 6, 1)),
    ("Conv2D", {"filters": 2, "kernel_size": (2, 4), "strides": (2, 3), "padding": "same"}, (1, 9, 8, 17)),
    ("Conv2D", {"filters": 6, "kernel_size": 3, "groups": 3, "dilation_rate": (2, 1), "padding": "same"}, (2, 6, 5, 3)),
    ("Conv2D", {"filters": 4, "kernel_size": 2, "strides": 4}, (1, 7, 6, 3)),  # strides larger than the kernel
    ("Conv2D", {"filters": 2, "kernel_size": 5, "padding": "same"}, (1, 1, 1, 3)),
    ("Conv1DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2}, (2, 5, 2)),
    ("Conv1DTranspose", {"filters": 3, "kernel_size": 4, "strides": 3, "padding": "same"}, (2, 5, 2)),
    ("Conv1DTranspose", {"filters": 2, "kernel_size": 2, "strides": 5}, (1, 4, 3)),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}, (2, 4, 3, 2)),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": (4, 2), "strides": (2, 3), "activation": "tanh"}, (2, 3, 4, 2)),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 3, "strides": 3, "output_padding": 1}, (1, 3, 2, 2)),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": (4, 5), "strides": 2, "output_padding": (1, 0),
                         "padding": "same"}, (1, 3, 4, 2)),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 3, "dilation_rate": 2, "use_bias": False}, (1, 3, 4, 2)),
    ("DepthwiseConv1D", {"kernel_size": 3, "depth_multiplier": 2, "padding": "same"}, (2, 6, 3)),
    ("DepthwiseConv2D", {"kernel_size": 3}, (2, 5, 6, 3)),
    ("DepthwiseConv2D", {"kernel_size": (2, 3), "depth_multiplier": 3, "strides": 2, "padding": "same"}, (2, 5, 6, 2)),
    ("DepthwiseConv2D", {"kernel_size": 2, "dilation_rate": 2, "activation": "relu", "use_bias": False}, (1, 5, 6, 17)),
    ("SeparableConv1D", {"filters": 4, "kernel_size": 3, "depth_multiplier": 2, "strides": 2}, (2, 7, 3)),
    ("SeparableConv2D", {"filters": 4, "kernel_size": 3, "padding": "same", "activation": "relu"}, (2, 5, 4, 3)),
    ("SeparableConv2D", {"filters": 2, "kernel_size": 2, "depth_multiplier": 3, "strides": 2}, (1, 5, 4, 2)),
]  # fmt: skip
each_case = pytest.mark.parametrize(
    ("kind", "arguments", "shape"), CASES, ids=[f"{kind}-{i}" for i, (kind, _, _) in enumerate(CASES)]
)


@each_case
def test_equals_keras(kind: str, arguments: dict[str, Any], shape: tuple[int, ...], keras: Any, tools: Any) -> None:
    theirs = getattr(keras.layers, kind)(**arguments)
    tools.check_against_keras(keras, getattr(layers, kind)(**arguments), theirs, floats(*shape), tolerance=1e-5)


@each_case
def test_derivatives_equal_differences(
    kind: str, arguments: dict[str, Any], shape: tuple[int, ...], tools: Any
) -> None:
    x = floats(*shape)
    tools.check_derivatives(tools.as_network(getattr(layers, kind)(**arguments), x), x)


# Against PyTorch: channels first there, and kernels [out, in, height, width]


def to_torch(x: numpy.ndarray) -> Any:
    torch = pytest.importorskip("torch")
    return torch.from_numpy(numpy.ascontiguousarray(numpy.moveaxis(x, -1, 1)))


def from_torch(y: Any) -> numpy.ndarray:
    result: numpy.ndarray = numpy.moveaxis(y.detach().numpy(), 1, -1)
    return result


@pytest.mark.parametrize(("strides", "dilation", "groups"), [(1, 1, 1), (2, 1, 1), (1, 2, 2), ((3, 1), 1, 4)])
def test_conv2d_equals_torch(strides: Any, dilation: int, groups: int, tools: Any) -> None:
    torch = pytest.importorskip("torch")
    x = floats(2, 9, 8, 4)
    layer = layers.Conv2D(8, (3, 2), strides=strides, dilation_rate=dilation, groups=groups)
    network = tools.as_network(layer, x)
    kernel, bias = floats(*layer.kernel.shape), floats(8)
    network.set_weights([kernel, bias])
    theirs = torch.nn.functional.conv2d(
        to_torch(x), torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy()), torch.from_numpy(bias),
        stride=strides, dilation=dilation, groups=groups,
    )  # fmt: skip
    numpy.testing.assert_allclose(tools.run(network, x)[0], from_torch(theirs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("strides", "output_padding"), [(1, 0), (2, 1), (3, 2)])
def test_conv2d_transpose_equals_torch(strides: int, output_padding: int, tools: Any) -> None:
    torch = pytest.importorskip("torch")
    x = floats(2, 4, 5, 3)
    layer = layers.Conv2DTranspose(2, (3, 4), strides=strides, output_padding=output_padding)
    network = tools.as_network(layer, x)
    kernel, bias = floats(3, 4, 2, 3), floats(2)
    network.set_weights([kernel, bias])
    theirs = torch.nn.functional.conv_transpose2d(
        to_torch(x), torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy()), torch.from_numpy(bias),
        stride=strides, output_padding=output_padding,
    )  # fmt: skip
    numpy.testing.assert_allclose(tools.run(network, x)[0], from_torch(theirs), rtol=1e-5, atol=1e-5)


# By hand


def test_conv2d_by_hand(tools: Any) -> None:
    x = numpy.float32([[1, 2, 0], [0, 1, 3], [4, 0, 1]])[None, ..., None]
    network = tools.as_network(layers.Conv2D(1, 2, activation="relu"), x)
    network.set_weights([numpy.float32([[1, 0], [-1, 2]]).reshape(2, 2, 1, 1), [0.5]])
    # Each window times [[1, 0], [-1, 2]], plus 0.5:  1 - 0 + 2·1 = 3 → 3.5;  2 - 1 + 2·3 = 7 → 7.5
    #                                                 0 - 4 + 2·0 = -4 → 0;   1 - 0 + 2·1 = 3 → 3.5
    assert tools.run(network, x)[0][0, ..., 0].tolist() == [[3.5, 7.5], [0.0, 3.5]]


def test_a_causal_output_does_not_see_later_steps(tools: Any) -> None:
    x = floats(1, 10, 2)
    network = tools.as_network(layers.Conv1D(3, 3, padding="causal", dilation_rate=2), x)
    (before,) = tools.run(network, x)
    x[:, 6:] += 1.0
    (after,) = tools.run(network, x)
    assert before.shape == (1, 10, 3)
    assert numpy.array_equal(before[:, :6], after[:, :6])
    assert (before[:, 6:] != after[:, 6:]).all()


def test_transposed_is_the_adjoint(tools: Any) -> None:
    """⟨conv(x), y⟩ = ⟨x, transposed(y)⟩ with one kernel."""
    x, y, kernel = floats(1, 6, 8, 2), floats(1, 3, 4, 5), floats(3, 3, 2, 5)
    forth = tools.as_network(layers.Conv2D(5, 3, strides=2, padding="same", use_bias=False), x)
    back = tools.as_network(layers.Conv2DTranspose(2, 3, strides=2, padding="same", use_bias=False), y)
    forth.set_weights([kernel])
    back.set_weights([kernel])
    (there,), (here,) = tools.run(forth, x), tools.run(back, y)
    assert (there * y).sum() == pytest.approx((x * here).sum(), rel=1e-5)


def test_images_of_whole_numbers_and_an_empty_batch(tools: Any) -> None:
    pixels = random.integers(0, 256, (2, 5, 5, 1)).astype(numpy.int32)
    network = tools.as_network(layers.Conv2D(2, 3), pixels)
    same = tools.as_network(layers.Conv2D(2, 3), pixels.astype(numpy.float32))
    same.set_weights(network.get_weights())
    assert numpy.array_equal(tools.run(network, pixels)[0], tools.run(same, pixels.astype(numpy.float32))[0])
    assert tools.run(network, pixels[:0])[0].shape == (0, 3, 3, 2)


def test_a_sequence_of_any_length(tools: Any) -> None:
    x = layers.Input(shape=(None, 2))
    network = Network(x, layers.Conv1D(3, 2, strides=2, padding="same")(x))
    assert network.outputs[0].shape == (None, None, 3)
    assert tools.run(network, floats(1, 5, 2))[0].shape == (1, 3, 3)
    assert tools.run(network, floats(1, 8, 2))[0].shape == (1, 4, 3)


def test_regularizers_count_every_kernel(tools: Any) -> None:
    x = floats(1, 3, 3, 2)
    layer = layers.SeparableConv2D(
        2, 3, depthwise_regularizer="l2", pointwise_regularizer="l1", bias_regularizer="l2",
        bias_initializer="ones", activity_regularizer="l2",
    )  # fmt: skip
    network = tools.as_network(layer, x)
    (y,) = tools.run(network, x)
    depthwise, pointwise, bias = network.get_weights()
    expected = 0.01 * ((depthwise**2).sum() + abs(pointwise).sum() + (bias**2).sum() + (y**2).sum())
    assert tools.penalty(network, x) == pytest.approx(expected, rel=1e-5)


# Initial weights


@pytest.mark.parametrize(
    ("shape", "fan_in", "fan_out"),
    [((5, 5, 16, 64), 400, 1600), ((3, 32, 48), 96, 144), ((3, 3, 256, 4), 2304, 36)],  # the last is depthwise
)
def test_initial_kernels_spread_by_what_a_unit_sees(shape: tuple[int, ...], fan_in: int, fan_out: int) -> None:
    """Inputs and outputs of one unit, times the window's size: √(6 / (in + out)) at most, deviation √(2 / in)."""
    uniform = layers.Conv2D(1, 1).kernel_initializer(shape, seed=1)
    assert abs(uniform).max() == pytest.approx((6 / (fan_in + fan_out)) ** 0.5, rel=0.01)
    normal = layers.Conv2D(1, 1, kernel_initializer="he_normal").kernel_initializer(shape, seed=1)
    assert normal.std() == pytest.approx((2 / fan_in) ** 0.5, rel=4 / normal.size**0.5)


@pytest.mark.parametrize("name", ["glorot_uniform", "he_normal"])
def test_initial_kernels_spread_as_keras_does(name: str, keras: Any) -> None:
    theirs = numpy.asarray(keras.initializers.get(name)((3, 3, 32, 48)))
    ours = layers.Conv2D(48, 3, kernel_initializer=name).kernel_initializer((3, 3, 32, 48), seed=1)
    assert ours.std() == pytest.approx(theirs.std(), rel=6 / ours.size**0.5)
    assert abs(ours).max() == pytest.approx(abs(theirs).max(), rel=0.01)


# What is refused


@pytest.mark.parametrize(
    ("make", "shape", "words"),
    [
        (lambda: layers.Conv2D(2, 3), (28, 28), r"channels is missing.*x\[..., None\].*Reshape\(\(28, 28, 1\)\)"),
        (lambda: layers.Conv1D(2, 3), (28,), r"channels is missing.*Reshape\(\(28, 1\)\)"),
        (lambda: layers.SeparableConv2D(2, 3), (28, 28), r"channels is missing"),
        (lambda: layers.Conv2DTranspose(2, 3), (4, 28, 28, 1), r"needs \[batch, height, width, channels\]"),
        (lambda: layers.Conv2D(2, 3), (784,), r"needs \[batch, height, width, channels\], got \[\?, 784\].*Reshape"),
        (
            lambda: layers.Conv2D(2, 5),
            (4, 9, 1),
            r"kernel covers \[5, 5\] but the padded image has only \[4, 9\].*same",
        ),
        (lambda: layers.Conv1D(2, 3, dilation_rate=4), (8, 1), r"covers \[9\].*only \[8\]"),
        (lambda: layers.Conv2D(4, 3, groups=2), (9, 9, 3), r"groups=2 must divide the 3 channels"),
        (lambda: layers.Conv2D(2, 3), (9, 9, None), r"known number of channels"),
        (lambda: layers.Conv2DTranspose(2, 3), (None, 9, 1), r"needs known sizes"),
        (lambda: layers.Conv1DTranspose(2, 2, strides=2, padding="same", output_padding=0), (1, 1), r"leaves nothing"),
    ],
)
def test_inputs_that_do_not_fit(make: Any, shape: tuple[int | None, ...], words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        make()(layers.Input(shape=shape))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: layers.Conv2D(0, 3), "filters must be a whole number of at least 1"),
        (lambda: layers.Conv2D(4, (3, 3, 3)), "kernel_size must be a whole number, or 2 of them"),
        (lambda: layers.Conv1D(4, (3, 3)), "kernel_size must be a whole number, got"),
        (lambda: layers.Conv2D(4, 3, strides=0), "strides must be a whole number of at least 1"),
        (lambda: layers.Conv2D(4, 3, padding="causal"), "unknown padding of Conv2D 'causal'"),
        (lambda: layers.Conv2D(4, 3, padding=1), "unknown padding of Conv2D 1"),
        (lambda: layers.Conv2D(4, 3, groups=3), "groups=3 must divide filters=4"),
        (lambda: layers.Conv2D(4, 3, data_format="channels_first"), r"channels stand last.*Permute\(\(2, 3, 1\)\)"),
        (lambda: layers.Conv1D(4, 3, data_format="NWC"), "must be 'channels_last'"),
        (lambda: layers.Conv2DTranspose(4, 3, strides=2, output_padding=2), "must be less than strides=2"),
        (lambda: layers.DepthwiseConv2D(3, depth_multiplier=0), "depth_multiplier must be a whole number"),
        (lambda: layers.Conv2D(4, 3, kernel_initialiser="zeros"), "did you mean 'kernel_initializer'"),
    ],
)
def test_arguments_that_cannot_be(make: Any, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        make()
