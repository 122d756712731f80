"""Plans: what they refuse, and that no memory plan lets one value overwrite another that is still needed."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

native = pytest.importorskip("pellucid._native", reason="the extension is not built")

SHAPES = [(), (3,), (17,), (4, 3), (8, 17)]


@dataclass
class Program:
    """A list of instructions and, beside it, what NumPy computes for every buffer."""

    buffers: list[tuple[Any, ...]] = field(default_factory=list)
    instructions: list[tuple[str, dict[str, Any], list[int], list[int]]] = field(default_factory=list)
    values: list[np.ndarray] = field(default_factory=list)

    def add(self, kind: str, value: np.ndarray, *of: int) -> int:
        self.buffers.append((kind, "float32", list(value.shape), *of))
        self.values.append(value)
        return len(self.buffers) - 1


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Random sums, products, transposes, totals and views of what came before, some of it kept as output."""
    program = Program()
    for seed in range(draw(st.integers(1, 3))):
        shape = draw(st.sampled_from(SHAPES))
        program.add("input", np.random.default_rng(seed).integers(-4, 5, shape).astype(np.float32))
    for _ in range(draw(st.integers(1, 25))):
        x = draw(st.integers(0, len(program.buffers) - 1))
        a = program.values[x]
        kind = draw(st.sampled_from(["temporary"] * 4 + ["output"]))
        match draw(st.sampled_from(["combine", "combine", "combine", "two", "transpose", "sum", "view"])):
            case "combine":
                others = [i for i, v in enumerate(program.values) if v.shape in (a.shape, ())]
                y = draw(st.sampled_from(others))
                result = program.add(kind, a * np.float32(0.5) - program.values[y])
                steps = ["multiply 2 0 i0", "subtract 3 2 1"]
                program.instructions.append(
                    ("elementwise", {"steps": steps, "outputs": [3], "immediates": [0.5]}, [x, y], [result])
                )
            case "two":
                first, second = program.add(kind, np.maximum(a, 1)), program.add("temporary", a + np.maximum(a, 1))
                steps = ["maximum 1 0 i0", "add 2 0 1"]
                program.instructions.append(
                    ("elementwise", {"steps": steps, "outputs": [1, 2], "immediates": [1]}, [x], [first, second])
                )
            case "transpose":
                result = program.add(kind, a.T.copy())
                axes = list(range(a.ndim))[::-1]
                program.instructions.append(("transpose", {"axes": axes}, [x], [result]))
            case "sum":
                result = program.add(kind, np.asarray(a.sum(), np.float32))
                program.instructions.append(("sum", {"axes": list(range(a.ndim))}, [x], [result]))
            case "view":
                of = program.buffers[x][3] if program.buffers[x][0] == "view" else x
                program.add("view", a.reshape(-1), of)
    # The last value and, through it, a use late in the list.
    last = program.add("output", program.values[-1] + 0)
    program.instructions.append(
        ("elementwise", {"steps": ["add 1 0 i0"], "outputs": [1], "immediates": [0]}, [last - 1], [last])
    )
    return program


@settings(max_examples=300, deadline=None)
@given(programs())
def test_every_output_is_what_numpy_computes(program: Program) -> None:
    plan = native.Plan(program.buffers, {}, program.instructions, 1)
    for repeat in range(2):  # a second run must not depend on what the first one left
        for i, buffer in enumerate(program.buffers):
            if buffer[0] == "input":
                plan.set(i, program.values[i])
        plan.run()
        for i, buffer in enumerate(program.buffers):
            if buffer[0] == "output":
                np.testing.assert_allclose(plan.get(i), program.values[i], rtol=1e-5, atol=1e-3, err_msg=str(repeat))


def chain(length: int) -> Any:
    """x → square → square → … → output, over 1000 numbers."""
    buffers = [("input", "float32", [1000])] + [("temporary", "float32", [1000])] * length
    square = {"steps": ["square 1 0"], "outputs": [1]}
    instructions = [("elementwise", square, [i], [i + 1]) for i in range(length)]
    buffers.append(("output", "float32", [1000]))
    return native.Plan(buffers, {}, [*instructions, ("elementwise", square, [length], [length + 1])])


def test_a_chain_of_elementwise_kernels_needs_the_memory_of_one() -> None:
    assert chain(1).arena_bytes == chain(9).arena_bytes == 4032  # 4000 bytes in units of 64


def test_variables_are_written_in_place_and_constants_are_copied() -> None:
    variable, constant = np.zeros(5, np.float32), np.ones(5, np.float32)
    buffers = [("variable", "float32", [5]), ("constant", "float32", [5])]
    step = ("elementwise", {"steps": ["add 2 0 1"], "outputs": [2]}, [0, 1], [0])
    plan = native.Plan(buffers, {0: variable, 1: constant}, [step])
    constant[:] = 100
    plan.run()
    plan.run()
    np.testing.assert_array_equal(variable, np.full(5, 2))


def test_call_converts_what_arrays_hold() -> None:
    buffers = [("input", "float32", [3]), ("output", "float32", [3])]
    plan = native.Plan(buffers, {}, [("elementwise", {"steps": ["copy 1 0"], "outputs": [1]}, [0], [1])])
    for dtype in ("float32", "float64", "uint8", "int32", "int64", "bool"):
        (y,) = plan.call([np.array([0, 1, 1], dtype)], [0], [1])
        np.testing.assert_array_equal(y, np.float32([0, 1, 1]))
    assert y.dtype == np.float32


def test_profile_names_every_instruction() -> None:
    timings = chain(2).profile(3)
    assert [name for name, _, _ in timings] == ["elementwise"] * 3
    assert "steps=[square 1 0]" in timings[0][1]
    assert all(seconds > 0 for _, _, seconds in timings)


def test_calls_from_several_threads_wait_for_each_other() -> None:
    plan = chain(3)
    wrong: list[float] = []

    def work(value: float) -> None:
        x = np.full(1000, value, np.float32)
        for _ in range(200):
            (y,) = plan.call([x], [0], [4])
            if not np.all(y == np.float32(value) ** 16):
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(value,)) for value in (1.0, 2.0, 0.5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


COPY = ("elementwise", {"steps": ["copy 1 0"], "outputs": [1]})
FLOATS = ("input", "float32", [3])


@pytest.mark.parametrize(
    ("buffers", "instructions", "message"),
    [
        ([("register", "float32", [3])], [], "unknown kind"),
        ([("input", "float64", [3])], [], "unknown dtype"),
        ([("input", "float32", [-1])], [], "negative or too large"),
        ([("input", "float32", [2**31, 2**31, 2**31])], [], "negative or too large"),
        ([("variable", "float32", [3])], [], "needs an array"),
        ([FLOATS, ("view", "float32", [4], 0)], [], "another dtype or number of elements"),
        ([("view", "float32", [4], 7)], [], "not one with memory"),
        ([FLOATS], [("cosine", {}, [0], [0])], 'unknown kernel "cosine"'),
        ([FLOATS], [(*COPY, [0], [5])], "no buffer 5"),
        ([FLOATS], [(*COPY, [9], [0])], "no buffer 9"),
        ([FLOATS, FLOATS], [(*COPY, [0], [1])], "not written by instructions"),
        ([FLOATS, ("temporary", "float32", [3])], [(*COPY, [1], [1])], "read before it is written"),
        ([("output", "float32", [3])], [("transpose", {"axes": [0]}, [0], [0])], "both input and output"),
        ([FLOATS, ("output", "float32", [3])], [(*COPY, [0], [1, 1])], "written twice"),
        ([FLOATS, ("output", "float32", [3])], [("transpose", {"axes": {}}, [0], [1])], "attribute axes must be"),
    ],
)
def test_malformed_plans_are_refused(buffers: list[Any], instructions: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        native.Plan(buffers, {}, instructions)


def test_unfit_arrays_are_refused() -> None:
    plan = chain(1)
    with pytest.raises(ValueError, match=r"\[3\] where \[1000\]"):
        plan.set(0, np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="C-contiguous"):
        plan.set(0, np.zeros(2000, np.float32)[::2])
    with pytest.raises(ValueError, match="format"):
        plan.set(0, np.zeros(1000, np.complex64))
    with pytest.raises(ValueError, match="C-contiguous"):
        plan.set(0, [0.0] * 1000)
    with pytest.raises(ValueError, match="not an input"):
        plan.set(1, np.zeros(1000, np.float32))
    with pytest.raises(ValueError, match="no buffer 44"):
        plan.get(44)
    with pytest.raises(ValueError, match="as many arrays"):
        plan.call([], [0], [1])
    ids = native.Plan([("input", "int32", [2])], {}, [])
    with pytest.raises(ValueError, match="float32 cannot become int32"):
        ids.set(0, np.zeros(2, np.float32))
    frozen = np.zeros(3, np.float32)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="writable"):
        native.Plan([("variable", "float32", [3])], {0: frozen}, [])
    with pytest.raises(ValueError, match=r"float32\[3\], its array int32\[3\]"):
        native.Plan([("variable", "float32", [3])], {0: np.zeros(3, np.int32)}, [])
    with pytest.raises(ValueError, match="threads"):
        native.Plan([], {}, [], 0)
