"""Where values lie: updates in place and aside, outputs of every origin, whole numbers, bfloat16."""

from __future__ import annotations

import numpy
import pytest
from executors import agree, both, kernels, lowered

from pellucid import ops
from pellucid.core.graph import Program, Tensor, Variable
from pellucid.core.sources import feed
from pellucid.errors import ExecutorError
from pellucid.execute import executor
from pellucid.execute.lowering import lower


def floats(*values: float, name: str = "v") -> Variable:
    return Variable(numpy.array(values, numpy.float32), name)


def scalar(value: float, name: str = "s") -> Variable:
    return Variable(numpy.array(value, numpy.float32), name)


def numbers(*shape: int) -> numpy.ndarray:
    return numpy.random.default_rng(11).normal(size=shape).astype(numpy.float32)


# Updates


def test_variables_change_places() -> None:
    for a, b in ((floats(1, 2), floats(3, 4)), (scalar(1), scalar(2))):
        agree(Program((), (), ((a, b.tensor), (b, a.tensor))), runs=3)
        agree(Program((), (a.tensor, b.tensor), ((a, b.tensor * 2.0), (b, a.tensor + 1.0))), runs=3)
        agree(Program((), (), ((a, b.tensor * 2.0), (b, a.tensor + 1.0))), runs=3)


def test_three_variables_go_round() -> None:
    a, b, c = floats(1, 2), floats(3, 4), floats(5, 6)
    agree(Program((), (), ((a, b.tensor), (b, c.tensor), (c, a.tensor + b.tensor))), runs=4)


def test_one_value_for_several_variables() -> None:
    a, b, c = floats(1, 2), floats(3, 4), Variable(numpy.ones((2, 1), numpy.float32), "c")
    new = a.tensor + b.tensor
    agree(Program((), (new,), ((a, new), (b, new), (c, ops.reshape(new, (2, 1))))), runs=3)
    agree(Program((), (), ((a, new), (b, new), (c, ops.reshape(new, (2, 1))))), runs=3)


def test_an_update_from_given_values() -> None:
    x = feed((2,))
    a, b, c = floats(1, 2), floats(3, 4), floats(5, 6)
    known = ops.stop_gradient(ops.square(numpy.array([7, 8], numpy.float32)))
    agree(Program((x,), (), ((a, x), (b, known), (c, c.tensor))), [numbers(2)], runs=2)


def test_the_old_value_is_read_after_the_new_one_is_made() -> None:
    a = floats(1, 2, 3)
    new = a.tensor * 2.0
    total = ops.sum(new)  # forces the update to be computed first
    late = ops.exp(a.tensor * total * 0.01)
    agree(Program((), (late, total), ((a, new),)), runs=3)


def test_an_update_that_reads_itself_in_another_shape() -> None:
    a = Variable(numpy.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], numpy.float32), "a")
    row = Variable(numpy.array([[1, 2, 3]], numpy.float32), "row")
    agree(Program((), (), ((a, a.tensor + ops.transpose(a.tensor)),)), runs=2)
    agree(Program((), (), ((a, a.tensor * 0.5 + a[:1]),)), runs=2)
    agree(Program((), (), ((row, row.tensor + ops.reshape(ops.reshape(row.tensor, (3, 1)) * 2.0, (1, 3))),)), runs=2)
    first = Variable(numpy.array([2.0], numpy.float32), "first")
    agree(Program((), (), ((first, ops.broadcast_to(first.tensor, (1,)) * first.tensor),)), runs=3)


def test_updates_in_place_need_no_copy() -> None:
    a, b = floats(1, 2), floats(3, 4)
    result = lowered(Program((), (), ((a, a.tensor + b.tensor), (b, b.tensor * 0.5))))
    kinds = {result.buffers[place][0] for *_, outputs in result.instructions for place in outputs}
    assert kinds == {"variable"}
    assert len(result.instructions) == 2


# Outputs


def test_outputs_of_every_origin() -> None:
    x = feed((2, 3))
    a = Variable(numbers(2, 3), "a")
    y = x + a.tensor
    known = ops.square(numpy.array([[1, 2, 3]], numpy.float32))
    outputs = (x, a.tensor, known, y, y, ops.reshape(y, (3, 2)), ops.reshape(a.tensor, (6,)), ops.reshape(x, (1, 6)))
    agree(Program((x,), outputs, ((a, y),)), [numbers(2, 3)], runs=2)
    agree(Program((x,), outputs, ((a, a.tensor * 0.5),)), [numbers(2, 3)], runs=2)


def test_outputs_without_any_computation() -> None:
    agree(Program((), ()))
    agree(Program((), (floats(1, 2).tensor,)))
    x = feed((2,), "int32")
    agree(Program((x,), (x, ops.reshape(x, (1, 2)))), [numpy.array([2**30 + 1, -(2**31)], numpy.int32)])
    key = feed((4,), "uint32")
    agree(Program((key,), (key,)), [numpy.array([0, 1, 2**31 + 1, 2**32 - 1], numpy.uint32)])
    flags = feed((3,), "bool")
    agree(Program((flags,), (flags, ops.logical_not(flags))), [numpy.array([True, False, True])])


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 4)])
def test_no_elements(shape: tuple[int, ...]) -> None:
    x = feed(shape)
    a = Variable(numpy.zeros(shape, numpy.float32), "a")
    outputs: tuple[Tensor, ...] = (
        x,
        ops.tanh(x) * 2.0 + a.tensor,
        ops.sum(x),
        ops.sum(x, axis=0),
        ops.reshape(x, (-1,)),
    )
    outputs += (ops.concatenate([x, x], -1), ops.transpose(x), ops.broadcast_to(x, (2, *shape)))
    if len(shape) > 1:
        outputs += (ops.softmax(x) if shape[-1] else x, ops.transpose(x) @ x if len(shape) == 2 else x)
    agree(Program((x,), outputs, ((a, x + 1.0),)), [numpy.zeros(shape, numpy.float32)], runs=2)


def test_scalars() -> None:
    x = feed(())
    a = scalar(0.5)
    y = ops.exp(x) * a.tensor
    agree(Program((x,), (y, x, ops.reshape(y, (1, 1)), ops.sum(y), y > 0.0), ((a, a.tensor + x),)), [numbers()], runs=3)


# Whole numbers


EDGES = numpy.array([0, 1, -1, 2**24 + 1, -(2**24) - 1, 2**31 - 1, -(2**31), 2**31 - 2, 123456789], numpy.int32)


def test_whole_numbers_are_exact() -> None:
    x, y = feed((9,), "int32"), feed((9, 1), "int32")
    z = x * 3 - y
    outputs = (
        x + y, x - y, x * y, ops.maximum(x, y), ops.minimum(x, y), ops.negative(x), z,
        x < y, x <= y, x > y, x >= y, ops.equal(x, y), ops.not_equal(x, y),
        ops.where(x < y, x, y), ops.where(ops.logical_and(x > 3, y > 5), z, 2**24 + 1), x + (2**31 - 1),
        ops.cast(x, "float32"), ops.cast(x, "bool"), ops.cast(x > y, "int32"), ops.cast(z + 1, "float32") * 0.5,
        ops.concatenate([x, x]), ops.broadcast_to(y, (9, 4)), ops.transpose(x + y), ops.reshape(x + y, (81,)),
    )  # fmt: skip
    with numpy.errstate(over="ignore"):
        agree(Program((x, y), outputs), [EDGES, EDGES[::-1].reshape(9, 1)])


def test_a_long_run_still_counts() -> None:
    """int32 beside float32 in one kernel: 2²⁴ + 1 is no float32."""
    count = Variable(numpy.array(2**24 - 2, numpy.int32), "count")
    time = ops.cast(count.tensor, "float32") + 1.0
    program = Program((), (time * 0.5, ops.cast(count.tensor + 1, "float32")), ((count, count.tensor + 1),))
    assert kernels(program).count("elementwise") == 2  # a conversion of what is made in the cell needs a store
    agree(program, runs=5)
    assert int(count.value) == 2**24 + 3
    count.assign(2**31 - 3)
    agree(program, runs=2)
    assert int(count.value) == 2**31 - 1


def test_whole_and_real_steps_share_a_kernel() -> None:
    count = Variable(numpy.array(2**24 + 1, numpy.int32), "count")
    rate = scalar(0.5)
    new = rate.tensor * (ops.cast(count.tensor, "float32") * 1e-8 + 1.0)
    program = Program((), (), ((rate, new), (count, count.tensor + 1)))
    assert kernels(program) == ["elementwise"]
    agree(program, runs=4)


def test_order_of_uint32_is_refused() -> None:
    x = feed((4,), "uint32")
    agree(Program((x,), (x + x, ops.equal(x, x))), [numpy.array([1, 2**31, 2**32 - 1, 7], numpy.uint32)])
    with pytest.raises(ExecutorError, match=r"'less' of uint32"):
        executor("native").compile(Program((x,), (x < x,)))


# What the engine lacks


def test_an_op_without_a_kernel_is_named() -> None:
    x = feed((2, 3))
    program = Program((x,), (ops.softmax(x),))
    with pytest.raises(ExecutorError, match=r"no kernel for 'max'.*executor='numpy'"):
        lower(program, {"elementwise", "sum"})
    with pytest.raises(ExecutorError, match="float64"):
        executor("native").compile(Program((y := feed((2,), "float64"),), (ops.exp(y),)))


# bfloat16


def dtypes(program: Program) -> dict[str, list[str]]:
    result = lowered(program, "bfloat16")
    found: dict[str, list[str]] = {"input": [result.buffers[place][1] for place in result.inputs]}
    for kernel, _, _, outputs in result.instructions:
        found.setdefault(kernel, []).append(result.buffers[outputs[0]][1])
    return found


def test_what_products_alone_read_is_stored_in_bfloat16() -> None:
    x = feed((4, 8))
    hidden = ops.relu(x @ Variable(numbers(8, 16), "w").tensor)
    program = Program((x,), (hidden @ Variable(numbers(16, 2), "w").tensor,))
    found = dtypes(program)
    assert found["input"] == ["bfloat16"]
    assert found["matmul"] == ["bfloat16", "float32"]
    assert found["elementwise"] == ["bfloat16"] * 2  # the weights, converted
    agree(program, [numbers(4, 8)], precision="bfloat16", tolerance=0.15)


def test_what_others_read_stays_in_float32() -> None:
    """An autoencoder's input is its target too, and must not be rounded for the loss."""
    x = feed((4, 8))
    w = Variable(numbers(8, 8) * 0.0, "w")
    program = Program((x,), (ops.sum(ops.square(x @ w.tensor - x)),))
    assert dtypes(program)["input"] == ["float32"]
    expected, actual = both(program, [numbers(4, 8)], precision="bfloat16")
    numpy.testing.assert_allclose(actual[0], expected[0], rtol=1e-6)
    hidden = ops.relu(x @ w.tensor)
    program = Program((x,), (ops.max(hidden, axis=0), hidden @ w.tensor))  # a maximum takes float32 only
    assert dtypes(program)["matmul"] == ["float32", "float32"]
    program = Program((x,), (hidden, hidden @ w.tensor))  # an output is float32
    assert dtypes(program)["matmul"] == ["float32", "float32"]


def test_products_over_leading_axes_in_bfloat16() -> None:
    x, w = feed((2, 1, 3, 4)), feed((5, 4, 2))
    agree(Program((x, w), (x @ w, ops.tanh(x) @ w)), [numbers(2, 1, 3, 4), numbers(5, 4, 2)])
    agree(
        Program((x, w), (x @ w, ops.tanh(x) @ w)), [numbers(2, 1, 3, 4), numbers(5, 4, 2)],
        precision="bfloat16", tolerance=0.1,
    )  # fmt: skip
