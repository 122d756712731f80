"""A convolutional network's step: what runs together, where bfloat16 stays, and images gathered from whole numbers."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from executors import agree, both, kernels, lowered

from pellucid import Input, Sequential, layers, ops
from pellucid.core.autodiff import gradients
from pellucid.core.graph import Program, Variable
from pellucid.core.sources import feed
from pellucid.nn import losses


def weight(*shape: int) -> Variable:
    values = numpy.random.default_rng(sum(shape)).normal(size=shape) * 0.3
    return Variable(values.astype(numpy.float32), "w" + "x".join(map(str, shape)))


def numbers(*shape: int) -> numpy.ndarray:
    return numpy.random.default_rng(7).normal(size=shape).astype(numpy.float32)


def step(rows: int = 3) -> Program:
    """Two convolutions with relu, each pooled, and a dense layer; the derivatives of all weights are its outputs."""
    x, labels = feed((rows, 8, 8, 1)), feed((rows,), "int32")
    first, second, last = weight(3, 3, 1, 5), weight(3, 3, 5, 6), weight(24, 4)
    biases = [weight(5), weight(6), weight(4)]
    h = ops.max_pool(ops.relu(ops.convolution(x, first.tensor, padding="same") + biases[0].tensor), (2, 2))
    h = ops.max_pool(ops.relu(ops.convolution(h, second.tensor, padding="same") + biases[1].tensor), (2, 2))
    y = ops.reshape(h, (rows, 24)) @ last.tensor + biases[2].tensor
    value = ops.mean(losses.sparse_categorical_crossentropy(labels, y, True))
    parameters = [first, second, last, *biases]
    return Program((x, labels), (value, *gradients(value, [parameter.tensor for parameter in parameters])))


def named(program: Program, kernel: str) -> list[dict[str, Any]]:
    return [attributes for name, attributes, *_ in lowered(program).instructions if name == kernel]


LABELS = numpy.array([0, 3, 1], numpy.int32)


def test_a_step_runs_each_convolution_in_one_pass() -> None:
    program = step()
    agree(program, [numbers(3, 8, 8, 1), LABELS])
    assert "elementwise" not in kernels(program)[:5]
    assert [made["activation"] for made in named(program, "convolution")] == ["relu", "relu"]
    assert [made["bias_sums"] for made in named(program, "convolution_kernel_gradient")] == [1, 1]
    assert [made["mask"] for made in named(program, "max_pool_gradient")] == ["relu", "relu"]
    assert len(named(program, "convolution_input_gradient")) == 1  # nobody asks for the image's derivative
    assert kernels(program).count("sum") == 1  # of the losses


def test_relu_before_a_convolution_masks_its_gradient() -> None:
    x, w = feed((2, 6, 7, 3)), weight(3, 3, 3, 3)
    first = ops.relu(ops.convolution(x, w.tensor, padding="same"))
    y = ops.convolution(first, w.tensor, strides=2)
    program = Program((x,), tuple(gradients(ops.sum(ops.square(y)), [x])))
    agree(program, [numbers(2, 6, 7, 3)], tolerance=2e-4)
    masks = [made.get("mask") for made in named(program, "convolution_input_gradient")]
    assert masks == ["relu", None]
    assert [name for name in kernels(program) if name == "elementwise"] == ["elementwise"]  # that of the squares


def test_a_mask_of_something_else_stays_outside_pooling() -> None:
    x, other = feed((2, 4, 4, 3)), feed((2, 4, 4, 3))
    pooled = ops.max_pool(x, (2, 2))
    (g,) = gradients(ops.sum(ops.square(pooled)), [x])
    program = Program((x, other), (g * ops.step(other),))
    agree(program, [numbers(2, 4, 4, 3), numbers(2, 4, 4, 3)[::-1].copy()])
    assert "mask" not in named(program, "max_pool_gradient")[0]


def test_a_transposed_convolution_takes_bias_and_activation() -> None:
    x, w, bias = feed((2, 3, 4, 3)), weight(3, 3, 5, 3), weight(5)
    y = ops.tanh(ops.convolution_input_gradient(x, w.tensor, (7, 9), strides=2) + bias.tensor)
    program = Program((x,), (y,))
    assert kernels(program) == ["convolution_input_gradient"]
    agree(program, [numbers(2, 3, 4, 3)])


def test_images_stay_in_bfloat16_from_product_to_product() -> None:
    program = step()
    result = lowered(program, "bfloat16")
    made: dict[str, list[str]] = {}
    for kernel, _, _, outputs in result.instructions:
        made.setdefault(kernel, []).append(result.buffers[outputs[0]][1])
    assert result.buffers[result.inputs[0]][1] == "bfloat16"
    for kernel in ("convolution", "max_pool", "max_pool_gradient", "convolution_input_gradient"):
        assert set(made[kernel]) == {"bfloat16"}, kernel
    expected, actual = both(program, [numbers(3, 8, 8, 1), LABELS], precision="bfloat16")
    for x, y in zip(expected, actual, strict=True):
        numpy.testing.assert_allclose(y, x, atol=0.05 * max(1.0, float(numpy.abs(x).max())))


def test_what_is_read_in_float32_too_stays_so() -> None:
    x, w = feed((2, 6, 6, 3)), weight(3, 3, 3, 3)
    y = ops.convolution(x, w.tensor)
    program = Program((x,), (y, ops.convolution(y, w.tensor)))  # an output is float32
    result = lowered(program, "bfloat16")
    first = next(outputs for kernel, _, _, outputs in result.instructions if kernel == "convolution")
    assert result.buffers[first[0]][1] == "float32"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_training_gathers_images(dtype: str, precision: str) -> None:
    """Rows of images, whole numbers or not, with a last batch that is shorter."""
    rng = numpy.random.default_rng(3)
    labels = rng.integers(0, 2, 50).astype(numpy.int32)
    images = (rng.integers(0, 3, (50, 9, 9, 1)) + 2 * labels[:, None, None, None]).astype(dtype)
    found = []
    for executor in ("numpy", "native"):
        model = Sequential(
            [
                Input((9, 9, 1)), layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(),
                layers.Conv2D(5, 2, strides=2, padding="same"), layers.Flatten(), layers.Dense(2),
            ],
            seed=1,
        )  # fmt: skip
        loss = losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, executor=executor, precision="float32" if executor == "numpy" else precision)
        found.append(model.fit(images, labels, batch_size=16, epochs=8, verbose=0).history["loss"])
    numpy.testing.assert_allclose(found[1], found[0], rtol=1e-4 if precision == "float32" else 0.05)
    assert found[1][-1] < found[1][0]
