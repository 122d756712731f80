"""The op contract as functions: `test_contract` walks the registry with them, `test_contract_catches` plants errors.

Each raises `AssertionError` with the op, the sample and the numbers. The oracle for values is `forward` in float64 on
the very numbers that the executor got; for derivatives, central differences of that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy

from pellucid import ops
from pellucid.core.autodiff import gradients
from pellucid.core.evaluate import evaluate
from pellucid.core.graph import Program, Tensor
from pellucid.core.op import Op, Sample
from pellucid.core.sources import Source, feed
from pellucid.core.spec import Spec
from pellucid.core.terms import Operand
from pellucid.errors import DataError, DtypeError, ExecutorError, GraphError, PellucidError, ShapeError
from pellucid.execute import executor

Arrays = Sequence[numpy.ndarray]
STEP = 1e-5  # of central differences: truncation and rounding errors are both about 1e-10


def describe(op: Op, arrays: Arrays) -> str:
    return f"{op} on " + ", ".join(f"{a.dtype}{list(a.shape)}" for a in arrays)


def convert(arrays: Arrays, dtype: str) -> list[numpy.ndarray]:
    """Floating-point arrays in a dtype, the others as they are; strides are kept."""
    return [a.astype(dtype) if a.dtype.kind == "f" else a for a in arrays]


def feeds_for(arrays: Arrays) -> list[Tensor]:
    return [feed(a.shape, str(a.dtype), f"x{i}") for i, a in enumerate(arrays)]


def demand(holds: Any, message: str) -> None:
    if not holds:
        raise AssertionError(message)


def demand_close(got: Any, wanted: Any, tolerance: float, message: str) -> None:
    """|got - wanted| ≤ tolerance·(1 + |wanted|) everywhere; infinities and NaN must be the same."""
    got, wanted = numpy.asarray(got), numpy.asarray(wanted)
    demand(got.shape == wanted.shape, f"{message}: shape {got.shape}, not {wanted.shape}")
    if got.dtype == numpy.float32:
        with numpy.errstate(all="ignore"):
            wanted = numpy.where(numpy.isfinite(wanted.astype(numpy.float32)), wanted, wanted.astype(numpy.float32))
    got, wanted = got.astype(numpy.float64), wanted.astype(numpy.float64)
    with numpy.errstate(all="ignore"):
        off = numpy.abs(got - wanted) / (1.0 + numpy.abs(wanted))
    same = (got == wanted) | (numpy.isnan(got) & numpy.isnan(wanted))
    wrong = ~same & ~(off <= tolerance)
    if wrong.any():
        at = tuple(int(i) for i in numpy.argwhere(wrong)[0])
        count = int(wrong.sum())
        raise AssertionError(
            f"{message}: {got[at]!r}, not {wanted[at]!r}, at {at} ({count} wrong, tolerance {tolerance})"
        )


def specs_of(op: Op, arrays: Arrays) -> tuple[Spec, ...]:
    """What the shape rule says of all outputs."""
    inferred = op.infer(*map(spec_of, arrays))
    return inferred if isinstance(inferred, tuple) else (inferred,)


def values_of(op: Op, arrays: Arrays) -> list[numpy.ndarray]:
    """All outputs, by NumPy."""
    with numpy.errstate(all="ignore"):
        value = op.forward(numpy, *arrays)
    return [numpy.asarray(item) for item in (value if isinstance(value, tuple) else (value,))]


# Parts


def check_parts(kind: type[Op]) -> None:
    """A primitive has every part of the contract, and one name everywhere."""
    camel = "".join(word.capitalize() for word in kind.name.split("_"))
    demand(kind.__name__ == camel, f"class {kind.__name__} should be {camel}, as its name is {kind.name}")
    doc = kind.__dict__.get("__doc__") or ""
    demand(doc and not doc.startswith(f"{kind.__name__}("), f"{kind.name} has no docstring")
    for part in ("formula", "latex"):
        demand(getattr(kind, part, ""), f"{kind.name} has no {part}")
    if issubclass(kind, Source):
        return
    for part in ("infer", "forward", "terms", "samples"):
        demand(getattr(kind, part) is not getattr(Op, part), f"{kind.name} has no {part}")
    demand(kind.grad is not Op.grad or not kind.differentiable, f"{kind.name} has no grad")
    samples = kind.samples()
    demand(all(type(sample.op) is kind for sample in samples), f"{kind.name} has samples of another op")
    demand(any(sample.error is None for sample in samples), f"{kind.name} has no good sample")
    demand(any(sample.error is not None for sample in samples), f"{kind.name} has no sample of a bad input")
    good = [sample for sample in samples if sample.error is None]
    shapes = [spec.shape for s in good for spec in (*map(spec_of, s.arrays), *specs_of(s.op, s.arrays))]
    demand(any(0 in shape for shape in shapes), f"{kind.name} has no sample of an empty array")
    demand(set(kind.tolerance) == {"float32", "bfloat16", "float64"}, f"{kind.name} lacks a tolerance")


def check_refusal(sample: Sample) -> None:
    """A bad input raises its error, which names the op and says what to do."""
    op, message = sample.op, describe(sample.op, sample.arrays)
    try:
        results = op.apply(*feeds_for(sample.arrays))
        evaluate(results, dict(zip(results[0].node.inputs, sample.arrays, strict=True)))
    except PellucidError as error:
        demand(isinstance(error, sample.error or ()), f"{message} raised {type(error).__name__}: {error}")
        demand(op.name in str(error), f"{message}: the error does not name the op: {error}")
        demand(isinstance(error, ShapeError | DtypeError | DataError) and len(str(error)) > 30, f"{message}: {error}")
    except Exception as error:
        raise AssertionError(f"{message} failed deep inside: {type(error).__name__}: {error}") from error
    else:
        raise AssertionError(f"{message} raised no {sample.error}")


# Shapes and values


def check_shape_rule(sample: Sample) -> None:
    """What `infer` says is what `forward` gives; and with an unknown batch it says nothing else."""
    op, arrays = sample.op, sample.arrays
    values = values_of(op, arrays)
    inferred, given = specs_of(op, arrays), tuple(map(spec_of, values))
    demand(inferred == given, f"{describe(op, arrays)}: infer says {inferred}, forward gives {given}")
    unknown = [Spec((None, *a.shape[1:]), str(a.dtype)) if a.ndim else spec_of(a) for a in arrays]
    try:
        result = op.infer(*unknown)
    except PellucidError:
        return  # not every op can tell its shape from an unknown one
    for general, value in zip(result if isinstance(result, tuple) else (result,), values, strict=True):
        same = (a in (None, b) for a, b in zip(general.shape, value.shape, strict=False))
        fits = general.rank == value.ndim and all(same)
        demand(fits, f"{describe(op, arrays)}: with an unknown batch infer says {general}, forward gives {value.shape}")


def executors() -> Iterator[tuple[Any, str, str]]:
    """(executor, precision, dtype) of everything that is there to be tested."""
    yield executor("numpy"), "float32", "float32"
    yield executor("numpy"), "float32", "float64"
    try:
        native = executor("native")
    except (ExecutorError, ImportError):
        return
    yield native, "float32", "float32"
    yield native, "bfloat16", "float32"


def check_value(sample: Sample, runs_on: Any, precision: str, dtype: str) -> None:
    """An executor computes `forward`, within the op's tolerance."""
    op, arrays = sample.op, convert(sample.arrays, dtype)
    inputs = feeds_for(arrays)
    outputs = op.apply(*inputs)
    if runs_on.name == "native" and outputs[0].dtype == "float64":
        return  # the engine has none
    results = runs_on.compile(Program(tuple(inputs), outputs), precision)(*arrays)
    message = f"{describe(op, arrays)} on {runs_on.name} ({precision})"
    tolerance = op.tolerance["bfloat16" if precision == "bfloat16" else dtype]
    for got, output, wanted in zip(results, outputs, values_of(op, convert(arrays, "float64")), strict=True):
        demand(str(got.dtype) == output.dtype, f"{message}: dtype {got.dtype}, not {output.dtype}")
        demand_close(got, wanted, tolerance, f"{message}, output {output.position}")


def check_xla(samples: Iterable[Sample], precision: str = "float32") -> None:
    """The executor `xla` computes `forward`: all samples of an op as one program, compiled once."""
    chosen = [s for s in samples if specs_of(s.op, convert(s.arrays, "float32"))[0].dtype != "float64"]
    arrays = [convert(sample.arrays, "float32") for sample in chosen]
    inputs = [feeds_for(given) for given in arrays]
    outputs = [sample.op.apply(*given) for sample, given in zip(chosen, inputs, strict=True)]
    program = Program(tuple(chain(*inputs)), tuple(chain(*outputs)))
    results = iter(executor("xla").compile(program, precision)(*chain(*arrays)))
    for sample, given, made in zip(chosen, arrays, outputs, strict=True):
        message = f"{describe(sample.op, given)} on xla ({precision})"
        for output, wanted in zip(made, values_of(sample.op, convert(given, "float64")), strict=True):
            got = next(results)
            demand(str(got.dtype) == output.dtype, f"{message}: dtype {got.dtype}, not {output.dtype}")
            demand_close(got, wanted, sample.op.tolerance[precision], f"{message}, output {output.position}")


def spec_of(array: numpy.ndarray) -> Spec:
    return Spec(array.shape, str(array.dtype))


# Terms


def check_terms(sample: Sample, small: int = 40, picked: int = 12) -> None:
    """Combining the terms of an element gives that element; and what is not among them does not matter to it.

    Every element of a small output, some of a large one. That nothing is left out is tried by changing all other
    floating-point elements at once.
    """
    op, arrays = sample.op, list(sample.arrays)
    operands = [Operand(i, a) for i, a in enumerate(arrays)]
    random = numpy.random.default_rng(1)
    values = values_of(op, arrays)
    for output, value in enumerate(values):
        places = list(numpy.ndindex(value.shape)) if value.size <= 10_000 else []
        if value.size > small:
            places = [tuple(int(random.integers(size)) for size in value.shape) for _ in range(picked)]
        for index in places:
            term = op.terms((output, *index) if len(values) > 1 else index, *operands)
            message = f"{describe(op, arrays)}: terms of output {output} at {index}"
            demand_close(term.value, float(value[index]), 1e-12, message)
            used: list[set[tuple[int, ...]]] = [set() for _ in arrays]
            for element in term.elements():
                used[element.operand].add(element.index)
                at = float(arrays[element.operand][element.index])
                demand(at == element.number or at != at, f"{message}: {element} shows another number than {at}")
            changed = [
                _changed(a, keep, random) if a.dtype.kind == "f" else a for a, keep in zip(arrays, used, strict=True)
            ]
            again = values_of(op, changed)[output]
            demand_close(again[index], value[index], 1e-13, f"{message} leave out an element that matters")


def _changed(array: numpy.ndarray, keep: set[tuple[int, ...]], random: Any) -> numpy.ndarray:
    """Other numbers everywhere but at the places to keep."""
    other = numpy.asarray(random.permutation(array.ravel()).reshape(array.shape) * 1.5 + 0.125)
    for place in keep:
        other[place] = array[place]
    return other


# Derivatives


def check_gradient(sample: Sample, tolerance: float = 1e-6) -> None:
    """First and second derivatives in float64 against central differences: all of a small Jacobian, else directions."""
    op, arrays = sample.op, convert(sample.arrays, "float64")
    inputs = feeds_for(arrays)
    outputs = op.apply(*inputs)
    variables = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]
    message = describe(op, arrays)
    if not op.differentiable:
        try:
            found = op.grad(outputs[0].node, *(feed(output.shape, output.dtype) for output in outputs))
        except GraphError as error:
            demand(op.name in str(error), f"{message}: the error does not name the op: {error}")
        else:
            demand(all(item is None for item in found), f"{message}: not differentiable, yet it has derivatives")
        return
    if not variables or not outputs[0].spec.is_float:
        return
    output = outputs[0]
    if len(outputs) > 1:
        output = ops.concatenate([ops.reshape(value, (-1,)) for value in outputs])
    weights = feed(output.shape, output.dtype, "weights")
    loss = ops.sum(output * weights)
    found = gradients(loss, [inputs[i] for i in variables])
    random = numpy.random.default_rng(2)

    def values(targets: Sequence[Tensor], at: Arrays, more: dict[Tensor, Any]) -> list[numpy.ndarray]:
        return evaluate(targets, {**dict(zip(inputs, at, strict=True)), **more})

    def forward(at: Arrays) -> numpy.ndarray:
        found = values_of(op, at)
        return found[0] if len(found) == 1 else numpy.concatenate([value.ravel() for value in found])

    def moved(direction: dict[int, numpy.ndarray], length: float) -> list[numpy.ndarray]:
        return [a + length * direction[i] if i in direction else a for i, a in enumerate(arrays)]

    def slope(function: Any, direction: dict[int, numpy.ndarray]) -> Any:
        return (function(moved(direction, STEP)) - function(moved(direction, -STEP))) / (2 * STEP)

    sizes = sum(arrays[i].size for i in variables)
    if op.chosen_derivative:
        values(found, arrays, {weights: numpy.ones(output.shape)})  # it can be computed, but not confirmed
        return
    if sizes * numpy.prod(output.shape) <= 400:
        columns = [slope(forward, direction).ravel() for direction in _axes(arrays, variables)]
        for row, place in enumerate(numpy.ndindex(*output.shape)):
            one = numpy.zeros(output.shape)
            one[place] = 1.0
            line = numpy.concatenate([v.ravel() for v in values(found, arrays, {weights: one})])
            demand_close(
                line, [column[row] for column in columns], tolerance, f"{message}: derivative of element {place}"
            )
    chosen = random.normal(size=output.shape)
    here = values(found, arrays, {weights: chosen})
    directions = [{i: random.normal(size=arrays[i].shape) for i in variables} for _ in range(2)]
    for direction in directions:
        wanted = slope(lambda at: numpy.sum(forward(at) * chosen), direction)
        got = sum(numpy.sum(v * direction[i]) for v, i in zip(here, variables, strict=True))
        demand_close(got, wanted, tolerance * numpy.sqrt(1 + sizes), f"{message}: derivative along a random direction")
    if not op.twice_differentiable:
        try:
            gradients(sum_of(ops.sum(v) for v in found), [inputs[i] for i in variables])
        except GraphError as error:
            demand(op.name in str(error), f"{message}: the error does not name the op: {error}")
            return
        raise AssertionError(f"{message}: a second derivative that should be refused is given")
    probes = {i: feed(arrays[i].shape, "float64", "probe") for i in variables}
    along = {probes[i]: random.normal(size=arrays[i].shape) for i in variables}
    curve = sum_of(ops.sum(v * probes[i]) for v, i in zip(found, variables, strict=True))
    second = gradients(curve, [inputs[i] for i in variables])
    more = {weights: chosen, **along}
    here = values(second, arrays, more)
    for direction in directions:
        wanted = slope(lambda at: values([curve], at, more)[0], direction)
        got = sum(numpy.sum(v * direction[i]) for v, i in zip(here, variables, strict=True))
        demand_close(got, wanted, 10 * tolerance * numpy.sqrt(1 + sizes), f"{message}: second derivative")


def sum_of(values: Iterable[Tensor]) -> Tensor:
    first, *rest = values
    for value in rest:
        first = first + value
    return first


def _axes(arrays: Arrays, variables: Sequence[int]) -> Iterator[dict[int, numpy.ndarray]]:
    """One direction per element of the variables."""
    for i in variables:
        for place in numpy.ndindex(arrays[i].shape):
            direction = numpy.zeros(arrays[i].shape)
            direction[place] = 1.0
            yield {i: direction}
