"""What runs together: the kernels that a program becomes, by name and attributes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy
import pytest
from executors import agree, kernels, lowered

from pellucid import ops
from pellucid.core.autodiff import gradients
from pellucid.core.graph import Program, Tensor, Variable
from pellucid.core.place import Group, grouped
from pellucid.core.sources import feed
from pellucid.nn import losses, optimizers
from pellucid.nn.optimizers.moments import adam


def weight(*shape: int) -> Variable:
    values = numpy.random.default_rng(sum(shape)).normal(size=shape)
    return Variable(values.astype(numpy.float32), "w" + "x".join(map(str, shape)))


def numbers(*shape: int) -> numpy.ndarray:
    return numpy.random.default_rng(7).normal(size=shape).astype(numpy.float32)


def attributes(program: Program, kernel: str) -> list[dict[str, Any]]:
    return [found for name, found, *_ in lowered(program).instructions if name == kernel]


def dense_step(loss: str, optimizer: Any, sizes: tuple[int, ...], rows: int = 8) -> Program:
    """One training step of a dense network with relu between its layers."""
    x = h = feed((rows, sizes[0]))
    parameters = []
    for place, (n, m) in enumerate(pairwise(sizes)):
        kernel, bias = weight(n, m), Variable(numpy.zeros(m, numpy.float32), "bias")
        parameters += [kernel, bias]
        h = h @ kernel.tensor + bias.tensor
        if place < len(sizes) - 2:
            h = ops.relu(h)
    sparse = loss.startswith("sparse")
    y = feed((rows,), "int32") if sparse else feed((rows, sizes[-1]))
    value = ops.mean(losses.sparse_categorical_crossentropy(y, h, True)) if sparse else losses.get(loss)(y, h)
    found = gradients(value, [parameter.tensor for parameter in parameters])
    return Program((x, y), (value * float(rows),), tuple(optimizers.get(optimizer).apply(found, parameters)))


def test_a_dense_layer_is_one_product() -> None:
    x = feed((4, 3))
    for function, name in ((ops.relu, "relu"), (ops.tanh, "tanh"), (ops.sigmoid, "sigmoid")):
        program = Program((x,), (function(x @ weight(3, 5).tensor + weight(5).tensor),))
        assert kernels(program) == ["matmul"]
        assert attributes(program, "matmul") == [{"activation": name}]
        agree(program, [numbers(4, 3)])


def test_a_residual_is_added_by_the_product() -> None:
    x = feed((2, 4, 3))
    program = Program((x,), (x + (ops.tanh(x) @ weight(3, 3).tensor + weight(3).tensor),))
    assert kernels(program) == ["elementwise", "matmul"]  # tanh, and everything else
    agree(program, [numbers(2, 4, 3)])
    two = Program((x,), (ops.relu(x @ weight(3, 5).tensor + x @ weight(3, 5).tensor),))
    assert kernels(two) == ["matmul", "matmul"]
    assert attributes(two, "matmul")[1] == {"activation": "relu"}
    agree(two, [numbers(2, 4, 3)])


def gelu_step(read_before: bool) -> Program:
    x, w, b, v = feed((2, 4, 3)), weight(3, 5), weight(5), weight(5, 2)
    h = x @ w.tensor + b.tensor
    loss = ops.mean(ops.square(ops.gelu(h) @ v.tensor)) + (ops.mean(h) if read_before else 0.0)
    parameters = [w, b, v]
    updates = optimizers.get("sgd").apply(gradients(loss, [p.tensor for p in parameters]), parameters)
    return Program((x,), (loss,), tuple(updates))


def test_gelu_and_its_derivative_are_done_by_products() -> None:
    program = gelu_step(False)
    assert not {"gelu", "gelu_gradient"} & set(kernels(program))
    found = attributes(program, "matmul")
    assert [item for item in found if "activation" in item] == [{"activation": "gelu", "derivative": 1}]
    assert [item for item in found if "mask" in item] == [{"mask": "multiply", "transpose_w": 1}]
    assert len([item for item in found if "column_sums" in item]) == 1  # of w and b, over both leading axes
    agree(program, [numbers(2, 4, 3)], runs=3)
    agree(gelu_step(True), [numbers(2, 4, 3)], runs=3)


def test_gelu_that_no_product_makes_is_a_kernel() -> None:
    x = feed((4, 3))
    y = ops.gelu(x)
    (dx,) = gradients(ops.sum(y), [x])
    program = Program((x,), (y, dx))
    assert {"gelu", "gelu_gradient"} <= set(kernels(program))
    agree(program, [numbers(4, 3)])
    approximate = Program((x,), (ops.gelu(x, approximate=True),))
    assert kernels(approximate) == ["elementwise"]
    h = x @ weight(3, 5).tensor
    both = Program((x,), (h, ops.gelu(h)))
    assert kernels(both) == ["matmul", "gelu"]
    agree(both, [numbers(4, 3)])
    alone = Program((x,), (ops.gelu(h),))
    assert attributes(alone, "matmul") == [{"activation": "gelu"}]
    agree(alone, [numbers(4, 3)])


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_one_kernel_each_way(masked: bool, causal: bool) -> None:
    x = feed((2, 5, 12))
    mask = [feed((2, 1, 1, 5), "bool")] if masked else []
    weights, sizes = [weight(12, 6), weight(12, 6), weight(12, 9)], (2, 2, 3)
    q, k, v = (ops.reshape(x @ w.tensor, (2, 5, 3, size)) for w, size in zip(weights, sizes, strict=True))
    y = ops.attention(q, k, v, *mask, causal=causal, scale=0.5)
    loss = ops.mean(ops.square(y))
    updates = optimizers.get("sgd").apply(gradients(loss, [w.tensor for w in weights]), weights)
    program = Program((x, *mask), (loss, y), tuple(updates))
    names = kernels(program)
    assert names.count("attention") == names.count("attention_gradient") == 1
    assert "softmax" not in names
    seen = numpy.array([[0, 1, 1, 0, 1], [0] * 5], bool).reshape(2, 1, 1, 5)  # of the second example, nothing
    agree(program, [numbers(2, 5, 12), *([seen] if masked else [])], runs=2)


def test_attention_to_oneself_without_projections_stays_open_for_its_derivative() -> None:
    """q, k and v are one tensor: its derivative is one sum, of which the kernel gives three parts."""
    x = feed((2, 5, 1, 4))
    y = ops.attention(x, x, x)
    (dx,) = gradients(ops.mean(ops.square(y)), [x])
    assert "attention" in kernels(Program((x,), (y,)))
    assert "attention_gradient" not in kernels(Program((x,), (y, dx)))
    agree(Program((x,), (y, dx)), [numbers(2, 5, 1, 4)])


def test_the_article_network_trains_in_twelve_instructions() -> None:
    program = dense_step("mse", "adam", (1, 10, 5, 1), 32)
    names = kernels(program)
    assert len(names) == 12
    assert {name: names.count(name) for name in set(names)} == {"matmul": 8, "elementwise": 2, "sum": 1, "adam": 1}
    sums = [found for found in attributes(program, "matmul") if found.get("column_sums")]
    masked = [found for found in attributes(program, "matmul") if found.get("mask") == "relu"]
    assert (len(sums), len(masked)) == (3, 2)
    agree(program, [numbers(32, 1), numbers(32, 1)], runs=5)


def test_cross_entropy_is_one_kernel_each_way() -> None:
    program = dense_step("sparse_categorical_crossentropy", "sgd", (6, 5, 3))
    names = kernels(program)
    assert (
        names.count("sparse_categorical_crossentropy") == names.count("sparse_categorical_crossentropy_gradient") == 1
    )
    assert "log_softmax" not in names
    assert "one_hot" not in names
    agree(program, [numbers(8, 6), numpy.arange(8, dtype=numpy.int32) % 3], runs=3)


def test_updates_of_one_weight_are_one_pass_in_place() -> None:
    program = dense_step("mae", "sgd", (3, 2))
    result = lowered(program)
    written = {outputs[0] for kernel, _, _, outputs in result.instructions if kernel == "elementwise"}
    variables = {place for place, buffer in enumerate(result.buffers) if buffer[0] == "variable"}
    assert len(written & variables) >= 2  # kernel and bias
    assert not any(found["steps"] == ["copy 1 0"] for found in attributes(program, "elementwise"))


def test_a_group_that_is_read_inside_stays_open() -> None:
    """Softmax has a kernel, but its sum is read outside: it must be computed."""
    x = feed((3, 4))
    y = ops.softmax(x)
    (total,) = [node.output for node in Program((x,), (y,)).nodes() if node.op.name == "sum"]
    assert "softmax" in kernels(Program((x,), (y,)))
    program = Program((x,), (y, total))
    assert "softmax" not in kernels(program)
    agree(program, [numbers(3, 4)])
    agree(Program((x,), (y, total * 2.0)), [numbers(3, 4)])


def test_a_softmax_over_another_axis_stays_open() -> None:
    x = feed((3, 4))
    program = Program((x,), (ops.softmax(x, axis=0), ops.log_softmax(x, axis=0)))
    assert not {"softmax", "log_softmax"} & set(kernels(program))
    agree(program, [numbers(3, 4)])


def test_softmax_and_two_derivatives_of_it() -> None:
    x = feed((3, 4))
    y = ops.softmax(x)
    (first,) = gradients(ops.sum(ops.square(y)), [x])
    (second,) = gradients(ops.sum(y * numbers(3, 4)), [x])
    program = Program((x,), (first, second))
    assert kernels(program).count("softmax_gradient") == 2
    agree(program, [numbers(3, 4)])


def test_second_derivatives() -> None:
    x = feed((3, 4))
    (first,) = gradients(ops.sum(ops.softmax(x) ** 3.0), [x])
    (second,) = gradients(ops.sum(ops.square(first)), [x])
    agree(Program((x,), (first, second)), [numbers(3, 4)])


def test_only_known_groups_are_fused() -> None:
    """A composite of the user's may have the name of any kernel."""

    x = feed((2, 3))
    group = Group("transpose", {}, (x,))
    with grouped(group):
        y = x * 2.0 + 1.0
    group.outputs = (y,)
    program = Program((x,), (y,))
    assert kernels(program) == ["elementwise"]
    agree(program, [numbers(2, 3)])


def test_a_sum_that_is_read_before_the_product_stays_apart() -> None:
    x, g = feed((6, 3)), feed((6, 4))
    totals = ops.sum(g, axis=0)
    later = ops.transpose(x) @ (g * 1.0) * totals  # the product's own reader needs the sum
    agree(Program((x, g), (totals, later)), [numbers(6, 3), numbers(6, 4)])
    sums = ops.sum(g, axis=0)
    chained = ops.transpose(x * ops.sum(sums)) @ g  # the product needs the sum itself
    agree(Program((x, g), (sums, chained)), [numbers(6, 3), numbers(6, 4)])


def test_adam_updates_that_depend_on_each_other_stay_apart() -> None:
    rates = [Variable(numpy.array(rate, numpy.float32), "rate").tensor for rate in (0.1, 0.1, 0.001)]
    settings = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "weight_decay": 0.0}
    first, second = weight(3, 4), weight(3, 4)
    states = [[Variable(numpy.zeros((3, 4), numpy.float32), "state") for _ in range(2)] for _ in range(2)]
    for late in (True, False):
        new = adam(first.tensor, first.tensor, *(s.tensor for s in states[0]), *rates, **settings)
        gradient = second.tensor - new[0] if late else second.tensor
        other = adam(second.tensor, gradient, *(s.tensor for s in states[1]), *rates, **settings)
        variables = [first, *states[0], second, *states[1]]
        program = Program((), (), tuple(zip(variables, (*new, *other), strict=True)))
        assert kernels(program).count("adam") == (2 if late else 1)
        agree(program, runs=4)


def test_a_value_read_in_another_shape_leaves_the_pass() -> None:
    x = feed((1,))
    y = ops.tanh(x)
    agree(Program((x,), (ops.exp(ops.reshape(y, ())) + x,)), [numbers(1)])
    agree(Program((x,), (ops.reshape(y, ()) * y,)), [numbers(1)])
    agree(Program((x,), (ops.reshape(ops.reshape(y, (1, 1)) * 2.0, (1,)) + ops.reshape(y, ()) + x,)), [numbers(1)])
    agree(Program((x,), (ops.sum(y) * x, ops.reshape(y, ()) * y)), [numbers(1)])


def test_one_adam_reads_a_parameter_as_the_derivative_of_another() -> None:
    """d(p·q)/dp = q: p's update must see q as it was."""
    p, q = weight(4), weight(4)
    q.assign(p.value[::-1])
    found = gradients(ops.sum(p.tensor * q.tensor), [p.tensor, q.tensor])
    program = Program((), (), tuple(optimizers.Adam(0.1).apply(found, [p, q])))
    assert kernels(program).count("adam") == 1
    agree(program, runs=3)


def test_adam_beside_the_old_value() -> None:
    """An output shows the parameter as it was before the step."""
    p, q = weight(5), weight(5)
    found = gradients(ops.sum(ops.square(p.tensor) + p.tensor * q.tensor), [p.tensor, q.tensor])
    program = Program((), (p.tensor, ops.reshape(q.tensor, (1, 5))), tuple(optimizers.Adam(0.1).apply(found, [p, q])))
    agree(program, runs=3)


def test_a_mask_by_something_else_than_a_step_is_not_the_products() -> None:
    x = feed((4, 3))
    product = x @ weight(3, 3).tensor
    program = Program((x,), (product * ops.sigmoid(x),))
    assert kernels(program) == ["matmul", "elementwise"]
    agree(program, [numbers(4, 3)])


def test_a_product_read_twice_keeps_its_own_value() -> None:
    x = feed((4, 3))
    product = x @ weight(3, 3).tensor
    for outputs in ((ops.relu(product), product), (ops.relu(product), ops.tanh(product)), (product + product,)):
        program = Program((x,), outputs)
        assert "activation" not in attributes(program, "matmul")[0]
        agree(program, [numbers(4, 3)])


def test_long_chains_are_cut() -> None:
    x = feed((5,))
    y = x
    for _ in range(150):
        y = ops.tanh(y) + 0.01
    program = Program((x,), (y,))
    assert 6 <= len(kernels(program)) <= 10
    agree(program, [numbers(5)])


def test_constants_are_folded() -> None:
    x = feed((2, 3))
    known = ops.exp(ops.broadcast_to(ops.sum(ops.square(numbers(3)) * 2.0), (2, 3)))
    program = Program((x,), (x * 1.0 + known,))
    assert kernels(program) == ["elementwise"]
    agree(program, [numbers(2, 3)])


def test_group_norm_takes_relu() -> None:
    """Forward and backward are one kernel each; axes other than the last stay open."""
    x, w, gamma, beta = feed((3, 6, 5, 2)), weight(3, 3, 2, 6), weight(6), weight(6)

    def step(axis: int) -> Program:
        y = ops.convolution(x, w.tensor, padding="same")
        y = y if axis == -1 else ops.transpose(y, (0, 3, 1, 2))
        y = ops.relu(ops.group_norm(y, gamma.tensor, beta.tensor, groups=3, axis=axis))
        loss = ops.sum(ops.square(y))
        return Program((x,), (loss, *gradients(loss, [x, *(variable.tensor for variable in (w, gamma, beta))])))

    program, arrays = step(-1), [numbers(3, 6, 5, 2)]
    assert attributes(program, "group_norm") == [{"groups": 3, "epsilon": 1e-3, "activation": "relu"}]
    assert attributes(program, "group_norm_gradient") == [{"groups": 3}]
    agree(program, arrays, runs=2, tolerance=1e-4)
    agree(program, arrays, precision="bfloat16", tolerance=0.1)
    assert "group_norm" not in kernels(step(1))
    agree(step(1), arrays, tolerance=1e-4)


def test_what_nobody_needs_is_not_computed() -> None:
    x = feed((2, 3))
    y = ops.tanh(x)
    (g,) = gradients(ops.sum(y), [x])
    unused = ops.exp(x) @ weight(3, 2).tensor
    assert unused.shape == (2, 2)
    assert "matmul" not in kernels(Program((x,), (g,)))


def normalized_convolution(after: Callable[[Tensor], Tensor]) -> tuple[Program, list[numpy.ndarray]]:
    """A step through a convolution, a batch normalisation whose averages move, and something after."""
    x, w = feed((3, 6, 5, 2)), weight(3, 3, 2, 4)
    gamma, beta, average = weight(4), weight(4), Variable(numpy.zeros(4, numpy.float32), "moving_mean")
    y, mean, _ = ops.batch_norm(ops.convolution(x, w.tensor, padding="same"), gamma.tensor, beta.tensor)
    moved = average.tensor * 0.9 + mean * 0.1
    loss = ops.sum(ops.square(after(y)))
    found = gradients(loss, [x, *(variable.tensor for variable in (w, gamma, beta))])
    return Program((x,), (loss, *found), ((average, moved),)), [numbers(3, 6, 5, 2)]


def test_batch_norm_takes_relu() -> None:
    program, arrays = normalized_convolution(ops.relu)
    assert attributes(program, "batch_norm")[0]["activation"] == "relu"
    agree(program, arrays, runs=2, tolerance=1e-4)
    agree(program, arrays, runs=2, precision="bfloat16", tolerance=0.1)


def test_batch_norm_keeps_what_others_read() -> None:
    for after in (ops.tanh, lambda y: ops.relu(y) + y, lambda y: ops.relu(ops.reshape(y, (9, 10, 4)))):
        program, arrays = normalized_convolution(after)
        assert "activation" not in attributes(program, "batch_norm")[0]
        agree(program, arrays, tolerance=1e-4)
