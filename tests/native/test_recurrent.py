"""The recurrent kernels against their ops in float64: sizes around vectors, tiles and chunks, threads, precisions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from single_kernel import native, to_bfloat16, to_float
from single_kernel import run as run_kernel

from pellucid.core.op import Op
from pellucid.ops.gru import Gru, GruGradient
from pellucid.ops.lstm import Lstm, LstmGradient
from pellucid.ops.simple_rnn import SimpleRnn, SimpleRnnGradient

# (batch, steps, units): one of each; units around a vector (16 numbers) and a tile; more rows than run together
SIZES = [(1, 1, 1), (3, 2, 15), (15, 3, 16), (14, 2, 17), (29, 4, 33), (230, 2, 5), (2, 30, 40)]
KINDS = ["lstm", "gru", "gru before", "simple_rnn"]


def run(kernel: str, attributes: dict[str, Any], arrays: Any, outputs: Any, threads: int = 1) -> list[np.ndarray]:
    return run_kernel(kernel, attributes, [np.array(x, order="C") for x in arrays], outputs, threads)


def op_of(kind: str, **options: Any) -> tuple[Any, Any]:
    """The op and a function from `given` to its derivative."""
    if kind == "lstm":
        return Lstm(**options), lambda given: LstmGradient(given=given, **options)
    if kind == "simple_rnn":
        return SimpleRnn(**options), lambda given: SimpleRnnGradient(given=given, **options)
    options["reset_after"] = kind == "gru"
    return Gru(**options), lambda given: GruGradient(given=given, **options)


def operands(kind: str, b: int, t: int, n: int, extras: bool) -> list[np.ndarray]:
    random = np.random.default_rng(b + t + n)
    gates = {"lstm": 4, "simple_rnn": 1}.get(kind, 3)
    shapes = [(b, t, gates * n), (n, gates * n), *([(3 * n,)] if gates == 3 else []), (b, n)]
    shapes += [(b, n)] if gates == 4 else []
    arrays = [(random.normal(size=shape) * (0.5 if i != 1 else n**-0.5)).astype("f4") for i, shape in enumerate(shapes)]
    if extras:
        arrays.append(random.random((b, t)) < 0.7)
        arrays.append((random.random((b, n)) < 0.5).astype("f4") * 2)
    return arrays


def gradient_operands(kind: str, arrays: list[np.ndarray], outputs: Any, given: tuple[bool, ...]) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    _, u, *rest = arrays
    states = {"lstm": 2, "simple_rnn": 1}.get(kind, 1)
    rest = rest[1:] if kind.startswith("gru") else rest
    kept = {"lstm": 3, "simple_rnn": 1}.get(kind, 2)
    derivatives = [random.normal(size=y.shape).astype("f4") for y, there in zip(outputs, given, strict=True) if there]
    return [u, *rest[:states], *(y.astype("f4") for y in outputs[:kept]), *rest[states:], *derivatives]


def attributes(op: Op) -> dict[str, Any]:
    return {name: [*map(int, v)] if isinstance(v, tuple) else v for name, v in op.attributes.items()}


def exact(op: Op, arrays: list[np.ndarray]) -> Any:
    return op.forward(np, *(x.astype("f8") if x.dtype == np.float32 else x for x in arrays))


def check(op: Op, arrays: list[np.ndarray], threads: int, tolerance: float = 2e-5) -> None:
    wanted = exact(op, arrays)
    outputs = [("float32", y.shape) for y in wanted]
    found = run(op.name, attributes(op), arrays, outputs, threads)
    for got, value in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, value, rtol=tolerance, atol=tolerance)
    again = run(op.name, attributes(op), arrays, outputs, threads)
    assert all(np.array_equal(a, b) for a, b in zip(found, again, strict=True))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("extras", [False, True], ids=["plain", "mask and dropout"])
def test_sizes(kind: str, size: tuple[int, int, int], extras: bool) -> None:
    op, gradient = op_of(kind, reverse=extras)
    arrays = operands(kind, *size, extras)
    check(op, arrays, threads=2)
    outputs = exact(op, arrays)
    for given in ((True,) * len(outputs), tuple(i == len(outputs) - 1 for i in range(len(outputs)))):
        check(gradient(given), gradient_operands(kind, arrays, outputs, given), threads=2)


@pytest.mark.parametrize("threads", [1, 2])
def test_lstm_in_place(threads: int) -> None:
    """Gates over z, dz over gates and met over h are, bit for bit, what they are elsewhere."""
    op, gradient = op_of("lstm")
    arrays = operands("lstm", 33, 3, 33, extras=True)
    shapes: list[Any] = [("float32", y.shape) for y in exact(op, arrays)]
    plain = run(op.name, attributes(op), arrays, shapes, threads)
    onto = run(op.name, attributes(op), arrays, [*shapes[:2], 0, *shapes[3:]], threads)
    back = gradient((True,) * 5)
    given = gradient_operands("lstm", arrays, plain, (True,) * 5)
    shapes = [("float32", y.shape) for y in exact(back, given)]
    plain += run(back.name, attributes(back), given, shapes, threads)
    onto += run(back.name, attributes(back), given, [5, *shapes[1:3], 3], threads)
    assert all(np.array_equal(a, b) for a, b in zip(plain, onto, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_threads_do_not_change_a_bit(kind: str) -> None:
    op, _ = op_of(kind)
    arrays = operands(kind, 64, 8, 48, False)
    outputs = [("float32", y.shape) for y in op.forward(np, *arrays)]
    one, two = (run(op.name, attributes(op), arrays, outputs, threads) for threads in (1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("units", [3, 32, 35])
def test_bfloat16(kind: str, units: int) -> None:
    """Products of pairs, also of an odd number of units: what is rounded is rounded once."""
    op, gradient = op_of(kind)
    arrays = operands(kind, 20, 6, units, False)
    bias = 2 if kind.startswith("gru") else -1
    rounded = [x if i == bias else to_bfloat16(x) for i, x in enumerate(arrays)]
    wide = [x if x.dtype == np.float32 else to_float(x).astype("f4") for x in rounded]
    wanted = exact(op, wide)
    outputs = [("float32" if y.ndim == 2 else "bfloat16", y.shape) for y in wanted]
    for got, value in zip(run(op.name, attributes(op), rounded, outputs, 2), wanted, strict=True):
        np.testing.assert_allclose(to_float(got), value, atol=3e-2)
    given = tuple(i == len(wanted) - 1 for i in range(len(wanted)))
    inputs = [to_bfloat16(x) for x in gradient_operands(kind, wide, wanted, given)]
    derivative = gradient(given)
    expected = exact(derivative, [to_float(x).astype("f4") for x in inputs])
    outputs = [("bfloat16", y.shape) for y in expected]
    for got, value in zip(run(derivative.name, attributes(derivative), inputs, outputs, 2), expected, strict=True):
        np.testing.assert_allclose(to_float(got), value, rtol=2e-2, atol=4e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_that_nobody_wants_may_be_absent(kind: str) -> None:
    op, _ = op_of(kind)
    arrays = operands(kind, 5, 3, 7, True)
    wanted = exact(op, arrays)
    names = {"float32": "float32", "bool": "bool"}
    buffers = [("variable", names[str(x.dtype)], x.shape) for x in arrays] + [("output", "float32", wanted[-1].shape)]
    ids = [-1] * (len(wanted) - 1) + [len(arrays)]
    instruction = (op.name, attributes(op), list(range(len(arrays))), ids)
    lean = native.Plan(buffers, dict(enumerate(arrays)), [instruction], 1)
    lean.run()
    np.testing.assert_allclose(lean.get(len(arrays)), wanted[-1], atol=2e-5)


def test_refusals() -> None:
    arrays = operands("lstm", 2, 3, 4, False)
    outputs = [("float32", y.shape) for y in Lstm().forward(np, *arrays)]
    with pytest.raises(ValueError, match="unknown activation 'gelu'"):
        run("lstm", {"activation": "gelu"}, arrays, outputs)
    with pytest.raises(ValueError, match=r"u \[units, gates\*units\]"):
        run("lstm", {}, [arrays[0], arrays[1][:, :8], *arrays[2:]], outputs)
    with pytest.raises(ValueError, match="an operand is float32"):
        run("lstm", {}, [*arrays[:2], arrays[2][:1], arrays[3]], outputs)
    with pytest.raises(ValueError, match="too many or too few"):
        run("lstm", {}, [*arrays, arrays[2], arrays[2]], outputs)
    x = np.ones(3, np.float32)
    with pytest.raises(ValueError, match="there is no buffer -1"):
        native.Plan([("variable", "float32", (3,))], {0: x}, [("transpose", {"axes": [0]}, [0], [-1])], 1)
