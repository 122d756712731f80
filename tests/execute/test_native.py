"""The native executor against the reference, and what is its own: threads, processes, errors, memory."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from inspect import signature
from typing import Any

import numpy
import pytest
from executors import RandomProgram, agree, both

from pellucid import ops
from pellucid.core.autodiff import gradients
from pellucid.core.graph import Program, Tensor, Variable
from pellucid.core.sources import feed
from pellucid.errors import ArgumentError, DataError, DtypeError, ShapeError
from pellucid.execute import executor
from pellucid.layers import Dense
from pellucid.models import Sequential
from pellucid.ops import composites


def numbers(*shape: int) -> numpy.ndarray:
    return numpy.random.default_rng(5).normal(size=shape).astype(numpy.float32)


# Against the reference


@pytest.mark.parametrize("block", range(10))
def test_random_programs(block: int) -> None:
    for seed in range(40 * block, 40 * block + 40):
        made = RandomProgram(seed)
        agree(made.program(), made.arrays, runs=3, tolerance=1e-4)


@pytest.mark.parametrize("block", range(2))
def test_random_programs_in_bfloat16(block: int) -> None:
    for seed in range(40 * block, 40 * block + 40):
        made = RandomProgram(seed)
        agree(made.program(), made.arrays, runs=2, precision="bfloat16", tolerance=0.3)


COMPOSITES = [
    "mean", "clip", "logsumexp", "softmax", "log_softmax", "leaky_relu", "elu", "selu", "gelu", "silu", "mish",
    "softsign", "hard_sigmoid", "l2_normalize",
]  # fmt: skip


@pytest.mark.parametrize("shape", [(1,), (7,), (1, 1), (3, 1), (33, 17), (2, 3, 5), (130, 67)], ids=str)
@pytest.mark.parametrize("name", COMPOSITES)
def test_composites_and_their_derivatives(name: str, shape: tuple[int, ...]) -> None:
    function = getattr(composites, name)
    x = feed(shape)
    extra = {"clip": (-0.5, 0.8), "leaky_relu": (0.2,), "elu": (1.5,)}.get(name, ())
    assert set(signature(function).parameters)  # it is there, with its own arguments
    y = function(x * 3.0, *extra)
    weights = numpy.random.default_rng(1).normal(size=y.shape).astype(numpy.float32)
    (g,) = gradients(ops.sum(y * weights), [x])
    agree(Program((x,), (y, g)), [numbers(*shape)], tolerance=1e-4)
    agree(Program((x,), (g,)), [numbers(*shape)], tolerance=1e-4)


def test_every_composite_of_ops_is_compared() -> None:
    made = {name for name, item in vars(composites).items() if hasattr(item, "__wrapped__")}
    assert made == set(COMPOSITES)


def test_ids_and_randomness() -> None:
    table, ids, key = Variable(numbers(5, 3), "table"), feed((4,), "int32"), feed((4,), "uint32")
    rows = ops.take(table.tensor, ids)
    noise = ops.random_normal(key, (4, 3), 2)
    (g,) = gradients(ops.sum(rows * noise), [table.tensor])
    program = Program((ids, key), (rows, noise, ops.one_hot(ids, 5)), ((table, table.tensor - 0.1 * g),))
    agree(program, [numpy.array([4, 0, 4, 2], numpy.int32), numpy.array([1, 2, 3, 4], numpy.uint32)], runs=3)


# What a runner takes


def runner(shape: tuple[int, ...] = (3, 2), dtype: str = "float32") -> tuple[Any, Any]:
    x = feed(shape, dtype, "features")
    program = Program((x,), (x + x,))
    return executor("native").compile(program), executor("numpy").compile(program)


@pytest.mark.parametrize("given", [
    numbers(3, 2).astype(numpy.float64), numbers(3, 2).astype(numpy.float16), numbers(2, 3).T, numbers(6, 2)[::2],
    numbers(3, 4)[:, ::-2], numpy.arange(6).reshape(3, 2), numpy.arange(6, dtype=numpy.uint8).reshape(3, 2),
    numpy.arange(6, dtype=numpy.int16).reshape(3, 2), numbers(3, 2) > 0, [[1, 2], [3, 4], [5, 6.5]],
    numpy.broadcast_to(numpy.float32(2), (3, 2)), numbers(3, 2).astype(">f4"),
])  # fmt: skip
def test_arrays_of_any_layout_and_kind(given: Any) -> None:
    native, reference = runner()
    numpy.testing.assert_allclose(native(given)[0], reference(given)[0], rtol=1e-6)


@pytest.mark.parametrize(("given", "error", "message"), [
    ((numbers(2, 3),), ShapeError, r"'features' is float32\[3, 2\], got a value of shape \[2, 3\]"),
    ((numbers(6),), ShapeError, "features"),
    ((numbers(3, 2) * 1j,), DtypeError, "complex"),
    ((numpy.array([["a", "b"]] * 3),), DtypeError, "features"),
    ((), ArgumentError, "1 inputs, got 0"),
    ((numbers(3, 2), numbers(3, 2)), ArgumentError, "1 inputs, got 2"),
])  # fmt: skip
def test_arrays_that_do_not_fit(given: tuple[Any, ...], error: type[Exception], message: str) -> None:
    for run in runner():
        with pytest.raises(error, match=message):
            run(*given)


def test_fractions_are_no_whole_numbers() -> None:
    for run in runner((2,), "int32"):
        with pytest.raises(DtypeError, match="int32"):
            run(numpy.array([1.5, 2.5]))


def test_an_id_out_of_range_is_named_and_changes_nothing() -> None:
    table, ids = Variable(numbers(5, 3), "table"), feed((2,), "int32")
    rows = ops.take(table.tensor, ids)
    (g,) = gradients(ops.sum(ops.square(rows)), [table.tensor])
    program = Program((ids,), (rows,), ((table, table.tensor - g),))
    before = table.value.copy()
    for name in ("numpy", "native"):
        with pytest.raises(DataError):
            executor(name).compile(program)(numpy.array([0, 5]))
        numpy.testing.assert_array_equal(table.value, before)


def test_results_are_the_callers_own() -> None:
    run, _ = runner()
    (first,) = run(numbers(3, 2))
    kept = first.copy()
    run(numbers(3, 2) * 2)
    numpy.testing.assert_array_equal(first, kept)
    first[...] = 0  # writable


# Threads and processes


def network(seed: int = 3, sizes: tuple[int, ...] = (300, 200, 10)) -> Sequential:
    model = Sequential([Dense(m, activation="tanh") for m in sizes[1:]], seed=seed)
    model.compile(optimizer="adam", loss="mse")
    return model


SCRIPT = """
import hashlib, numpy
from pellucid.layers import Dense
from pellucid.models import Sequential
random = numpy.random.default_rng(1)
x, y = random.normal(size=(600, 300)).astype("float32"), random.normal(size=(600, 10)).astype("float32")
model = Sequential([Dense(200, activation="tanh"), Dense(10)], seed=3)
model.compile(optimizer="adam", loss="mse")
losses = model.fit(x, y, batch_size=100, epochs=3, verbose=0).history["loss"]
print(hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest(), *losses)
"""


def run_python(script: str, **environment: str) -> str:
    """What a script prints in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    return subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    ).stdout


def run_script(threads: int) -> tuple[str, list[float]]:
    digest, *losses = run_python(SCRIPT, PELLUCID_THREADS=str(threads)).split()
    return digest, [float(loss) for loss in losses]


def test_bit_identical_at_equal_threads_and_equal_within_rounding_at_others() -> None:
    one, two = run_script(1), run_script(2)
    assert run_script(1) == one
    assert run_script(2) == two
    numpy.testing.assert_allclose(one[1], two[1], rtol=1e-4)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_trains() -> None:
    x, y = numbers(400, 300), numbers(400, 10)
    model = network()
    model.fit(x, y, batch_size=200, epochs=2, verbose=0)  # workers exist now
    expected = network()
    expected.fit(x, y, batch_size=200, epochs=4, verbose=0)
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        code = 1
        try:
            model.fit(x, y, batch_size=200, epochs=2, verbose=0)
            same = zip(model.get_weights(), expected.get_weights(), strict=True)
            code = 0 if all(numpy.array_equal(a, b) for a, b in same) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_several_threads_predict_on_one_model() -> None:
    model = network(sizes=(64, 512, 8))
    batches = [numbers(32, 64) * scale for scale in range(8)]
    model.fit(batches[1], numbers(32, 8), epochs=1, verbose=0)
    expected = [model.predict(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(model.predict, batches * 20))
    for place, result in enumerate(found):
        numpy.testing.assert_array_equal(result, expected[place % 8])


# Memory


def test_a_plan_goes_with_its_program() -> None:
    native = executor("native")
    a = Variable(numbers(3), "a")
    program = Program((), (a.tensor * 2.0,))
    compiled = native.compile(program)
    assert native.compile(program) is compiled
    watched = weakref.ref(compiled), weakref.ref(program)
    del compiled, program
    gc.collect()
    assert [item() for item in watched] == [None, None]


def test_a_model_goes_with_its_plans() -> None:
    x, y = numbers(20, 4), numbers(20, 2)

    def used() -> weakref.ref[Any]:
        model = network(sizes=(4, 3, 2))
        model.fit(x, y, epochs=2, verbose=0, validation_split=0.2)
        model.predict(x)
        return weakref.ref(model.variables[0])

    watched = [used() for _ in range(3)]
    gc.collect()
    assert [item() for item in watched] == [None] * 3


MANY_MODELS = """
import gc, os, numpy
from pellucid.layers import Dense
from pellucid.models import Sequential

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

x, y = numpy.ones((64, 256), numpy.float32), numpy.ones((64, 1), numpy.float32)
for count in range(200):
    model = Sequential([Dense(128), Dense(1)])
    model.compile(optimizer="adam", loss="mse")
    model.fit(x, y, verbose=0)
    if count == 50:
        gc.collect()
        before = resident()
gc.collect()
print(resident() - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_memory_stays_over_many_models() -> None:
    assert int(run_python(MANY_MODELS)) < 20e6  # 149 models of 0.4 MB with their optimizers, were they kept: 60 MB


def test_equal_results_before_and_after_a_change_of_weights() -> None:
    model = network(sizes=(5, 4, 2))
    x = numbers(3, 5)
    model.fit(x, numbers(3, 2), verbose=0)
    model.predict(x)
    model.set_weights([w * 2 for w in model.get_weights()])
    h = x
    for kernel, bias in zip(model.get_weights()[::2], model.get_weights()[1::2], strict=True):
        h = numpy.tanh(h @ kernel + bias)
    numpy.testing.assert_allclose(model.predict(x), h, rtol=1e-5, atol=1e-6)


def test_outputs_do_not_depend_on_what_ran_before() -> None:
    """Temporaries share memory: nothing may be read before it is written."""
    x = feed((40, 30))
    h: Tensor = x
    for place in range(6):
        h = ops.tanh(h @ Variable(numbers(30, 30) * (place + 1) * 0.1, "w").tensor) + ops.sum(h, axis=0) * 0.01
    first, second = both(Program((x,), (h, ops.softmax(h))), [numbers(40, 30)], runs=3)
    for a, b in zip(first, second, strict=True):
        numpy.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)
