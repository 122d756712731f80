"""The executor `xla`: programs compiled through JAX, on a GPU or TPU where JAX has one, else on the processor.

A program becomes one pure function of state (its variables), inputs and key, compiled whole, training step included.
The loop keeps state and data on the device, scans over several steps in one call, and writes the variables back when
Python is to look at them. State and batches are flat lists of arrays with the examples along their first axis, and
random numbers a function of the key alone: what sharding over devices needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import jax
import numpy
from jax import lax
from jax import numpy as jnp

from pellucid.core import random
from pellucid.core.evaluate import fed
from pellucid.core.graph import Array, Node, Program, Tensor, Variable, variables_of
from pellucid.core.sources import Constant, Feed, Read
from pellucid.core.spec import known
from pellucid.core.verify import verify
from pellucid.errors import ArgumentError, DataError
from pellucid.execute.loop import Outputs, PythonLoop
from pellucid.execute.placement import HALF
from pellucid.execute.program import ENDLESS, LoopSpec, Status
from pellucid.ops.embedding import ScatterAdd, Take

MOST_STEPS = 64  # of one call
CALL = 5e7  # elements that the steps of one call may go through: some tens of milliseconds, so that Ctrl-C is heard

OUTSIDE = "an id or label is outside the rows of its table"

# inputs, state → outputs, new state, whether an id was out of range
Function = Callable[[Sequence[Array], Sequence[Array]], tuple[list[Array], list[Array], Array]]


def pure(program: Program, variables: Sequence[Variable], half: bool) -> Function:
    """A program as a function of its inputs and of the values of its variables, for JAX to compile."""
    nodes, feeds, targets, updates = program.nodes(), program.inputs, program.outputs, program.updates
    place = {variable: i for i, variable in enumerate(variables)}  # and not the program, which would keep itself alive

    def function(inputs: Sequence[Array], state: Sequence[Array]) -> tuple[list[Array], list[Array], Array]:
        values: dict[Tensor, Array] = dict(zip(feeds, inputs, strict=True))
        bad = jnp.asarray(False)
        for node in nodes:
            if isinstance(node.op, Read):
                values[node.output] = state[place[node.op.variable]]
            elif isinstance(node.op, Constant):
                values[node.output] = jnp.asarray(node.op.value)
            elif not isinstance(node.op, Feed):
                operands = [values[value] for value in node.inputs]
                bad = bad | _outside(node, operands)
                values.update(zip(node.outputs, _apply(node, operands, half), strict=True))
        new = list(state)
        for variable, value in updates:
            new[place[variable]] = values[value]
        return [values[output] for output in targets], new, bad

    return function


def _apply(node: Node, operands: list[Array], half: bool) -> Sequence[Array]:
    """The outputs of a node; in half precision the operands of products are rounded to bfloat16."""
    multiplied = HALF[node.op.name].multiplied if half and node.op.name in HALF else ()
    for i in multiplied:
        if i < len(operands) and operands[i].dtype == jnp.float32:
            operands[i] = operands[i].astype(jnp.bfloat16)
    if multiplied and len({value.dtype for value in operands if jnp.issubdtype(value.dtype, jnp.floating)}) > 1:
        operands = [value.astype(jnp.float32) if value.dtype == jnp.bfloat16 else value for value in operands]
    result = node.op.xla(jnp, lax, *operands)
    results = result if isinstance(result, tuple) else (result,)
    return [value.astype(output.dtype) for value, output in zip(results, node.outputs, strict=True)]


def _outside(node: Node, operands: Sequence[Array]) -> Array:
    """Whether an id is outside its table, which XLA itself would let pass."""
    if isinstance(node.op, Take):
        table, ids = operands
        rows = len(table)
    elif isinstance(node.op, ScatterAdd):
        ids, rows = operands[1], node.op.rows
    else:
        return jnp.asarray(False)
    return jnp.any((ids < 0) | (ids >= rows))


def several(function: Function, dtypes: Sequence[str]) -> Any:
    """Steps of a function, for JAX to compile: from sources, rows [steps, batch], keys [steps, 4] and state to the
    outputs of all steps, the new state, and whether an id was out of range."""

    def run(sources: list[Array], rows: Array, keys: Array, state: list[Array]) -> Any:
        def step(carry: tuple[list[Array], Array], at: tuple[Array, Array]) -> Any:
            before, any_bad = carry
            chosen, key = at
            inputs = [source[chosen] for source in sources]
            inputs = [*inputs, key][: len(dtypes)]
            outputs, after, bad = function([x.astype(dtype) for x, dtype in zip(inputs, dtypes, strict=True)], before)
            return (after, any_bad | bad), outputs

        start = (state, jnp.asarray(False))
        if len(rows) == 1:  # no loop around a single step: XLA computes some things more slowly inside one
            (after, bad), outputs = step(start, (rows[0], keys[0]))
            return [output[None] for output in outputs], after, bad
        (after, bad), outputs = lax.scan(step, start, (rows, keys))
        return outputs, after, bad

    return run


class State:
    """The values of variables on the device; those that others have written since are read anew."""

    def __init__(self) -> None:
        self._values: dict[Variable, tuple[int, Array]] = {}  # with the version of the variable
        self._newer: set[Variable] = set()  # here than in the variable itself

    def read(self, variables: Sequence[Variable]) -> list[Array]:
        for variable in variables:
            if variable not in self._values or self._values[variable][0] != variable.version:
                self._values[variable] = variable.version, jnp.array(variable.value)
        return [self._values[variable][1] for variable in variables]

    def replace(self, compiled: Compiled, values: Sequence[Array]) -> None:
        for variable, value in zip(compiled.variables, values, strict=True):
            self._values[variable] = variable.version, value
        self._newer.update(compiled.written)

    def write_back(self) -> None:
        """Give the variables the values they have here."""
        for variable in self._newer:
            value = self._values[variable][1]
            variable.assign(value)
            self._values[variable] = variable.version, value
        self._newer.clear()


class Compiled:
    """A program compiled: for calls from Python, and for steps of a loop."""

    planned_bytes = None

    def __init__(self, program: Program, precision: str) -> None:
        verify(program)
        self.feeds = [value.node.op for value in program.inputs if isinstance(value.node.op, Feed)]
        self.written = [variable for variable, _ in program.updates]
        self.variables = list(dict.fromkeys([*variables_of(program.nodes()), *self.written]))
        self.most = steps_per_call(program)
        function = pure(program, self.variables, precision == "bfloat16")
        self.once = jax.jit(function)
        self.steps = jax.jit(several(function, [op.spec.dtype for op in self.feeds]))

    def __call__(self, *arrays: numpy.ndarray) -> list[numpy.ndarray]:
        if len(arrays) != len(self.feeds):
            raise ArgumentError(f"the program has {len(self.feeds)} inputs, got {len(arrays)} arrays")
        given = [fed(op, array) for op, array in zip(self.feeds, arrays, strict=True)]
        state = State()
        outputs, after, bad = self.once(given, state.read(self.variables))
        if bad:
            raise DataError(OUTSIDE)
        state.replace(self, after)
        state.write_back()
        return [numpy.array(output) for output in outputs]


class XlaLoop(PythonLoop):
    """Steps compiled as one function, several of them in one call where they are short."""

    def __init__(self, spec: LoopSpec, compiled: Sequence[Compiled]) -> None:
        super().__init__(spec)
        self.compiled, self.most, self.state = compiled, compiled[0].most, State()
        self._sources = [jnp.asarray(source) for source in spec.sources]

    def _run(self, steps: Sequence[numpy.ndarray]) -> tuple[int, Outputs]:
        compiled = self.compiled[self._program_of(steps[0])]
        whole = sum(len(rows) == self.spec.batch for rows in steps)
        count = self.most if whole >= self.most else 1  # two sizes at most, each compiled once
        outputs, after, bad = self._call(compiled, steps[:count])
        if count > 1 and (bad or not self._finite(outputs)):  # one by one, to end at the one that broke
            count = 1
            outputs, after, bad = self._call(compiled, steps[:1])
        if bad:
            raise DataError(OUTSIDE)
        self.state.replace(compiled, after)
        return count, [numpy.asarray(output) for output in outputs]

    def _call(self, compiled: Compiled, steps: Sequence[numpy.ndarray]) -> Any:
        keys = numpy.stack([random.make_key(self.spec.seed, self.step + i) for i in range(len(steps))])
        rows = numpy.stack(steps).astype(numpy.int32)
        return compiled.steps(self._sources, rows, keys, self.state.read(compiled.variables))

    def _finite(self, outputs: Sequence[Array]) -> bool:
        return self.spec.loss is None or bool(jnp.isfinite(outputs[self.spec.loss]).all())

    # Python looks at the variables only through these

    def advance(self, seconds: float, epochs: int, most: int = ENDLESS) -> Status:
        try:
            return super().advance(seconds, epochs, most)
        finally:
            self.state.write_back()

    def _take_snapshot(self) -> None:
        self.state.write_back()
        super()._take_snapshot()

    def rewind(self, step: int) -> None:
        super().rewind(step)
        self.state.write_back()


def steps_per_call(program: Program) -> int:
    """How many steps one call makes: a power of two by the work of a step, the same in every run."""
    if jax.default_backend() == "cpu" and any(node.op.name.startswith("convolution") for node in program.nodes()):
        return 1  # XLA's convolutions for processors are many times slower inside a loop
    steps = CALL / max(sum(map(_work, program.nodes())), 1.0)
    return int(2 ** math.floor(math.log2(min(max(steps, 1.0), MOST_STEPS))))


def _work(node: Node) -> float:
    """Roughly the elements that a node goes through; of a product, a hundredth of its multiplications."""
    sizes = [math.prod(known(value.shape)) for value in (*node.inputs, *node.outputs)]
    inner = known(node.inputs[0].shape)[-1] if node.op.name == "matmul" else 0
    return float(sum(sizes) + sizes[-1] * inner / 100)


class Xla:
    """The executor `xla`: float32, or products in bfloat16 with float32 weights."""

    name = "xla"

    def __init__(self) -> None:
        self._compiled: WeakKeyDictionary[Program, dict[str, Compiled]] = WeakKeyDictionary()

    def compile(self, program: Program, precision: str = "float32") -> Compiled:
        """The program's function, made once."""
        made = self._compiled.setdefault(program, {})
        if precision not in made:
            made[precision] = Compiled(program, precision)
        return made[precision]

    def loop(self, spec: LoopSpec, precision: str = "float32") -> XlaLoop:
        return XlaLoop(spec, [self.compile(program, precision) for program in spec.programs])
