"""The op contract as functions: `test_contract` walks the registry with them, `test_contract_catches` plants errors.

Each raises `AssertionError` with the op, the sample and the numbers. The oracle for values is `forward` in float64 on
the very numbers that the executor got; for derivatives, central differences of that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
from pellucid.errors import DataError, DtypeError, ExecutorError, PellucidError, ShapeError
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
    shapes = [spec.shape for s in good for spec in (*map(spec_of, s.arrays), s.op.infer(*map(spec_of, s.arrays)))]
    demand(any(0 in shape for shape in shapes), f"{kind.name} has no sample of an empty array")
    demand(set(kind.tolerance) == {"float32", "bfloat16", "float64"}, f"{kind.name} lacks a tolerance")


def check_refusal(sample: Sample) -> None:
    """A bad input raises its error, which names the op and says what to do."""
    op, message = sample.op, describe(sample.op, sample.arrays)
    try:
        result = op(*feeds_for(sample.arrays))
        evaluate([result], dict(zip(result.node.inputs, sample.arrays, strict=True)))
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
    specs = [spec_of(a) for a in arrays]
    with numpy.errstate(all="ignore"):
        value = numpy.asarray(op.forward(numpy, *arrays))
    inferred = op.infer(*specs)
    demand(
        inferred == spec_of(value),
        f"{describe(op, arrays)}: infer says {inferred}, forward gives {value.dtype}{list(value.shape)}",
    )
    unknown = [Spec((None, *spec.shape[1:]), spec.dtype) if spec.rank else spec for spec in specs]
    try:
        general = op.infer(*unknown)
    except PellucidError:
        return  # not every op can tell its shape from an unknown one
    fits = general.rank == value.ndim and all(a in (None, b) for a, b in zip(general.shape, value.shape, strict=True))
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
    output = op(*inputs)
    if runs_on.name == "native" and output.dtype == "float64":
        return  # the engine has none
    (got,) = runs_on.compile(Program(tuple(inputs), (output,)), precision)(*arrays)
    message = f"{describe(op, arrays)} on {runs_on.name} ({precision})"
    demand(str(got.dtype) == output.dtype, f"{message}: dtype {got.dtype}, not {output.dtype}")
    tolerance = op.tolerance["bfloat16" if precision == "bfloat16" else dtype]
    with numpy.errstate(all="ignore"):
        demand_close(got, op.forward(numpy, *convert(arrays, "float64")), tolerance, message)


def check_xla(samples: Iterable[Sample]) -> None:
    """The XLA lowering computes `forward`: all samples of an op in one compilation."""
    import jax
    from jax import lax
    from jax import numpy as jnp

    chosen = [s for s in samples if s.op.infer(*(spec_of(a) for a in convert(s.arrays, "float32"))).dtype != "float64"]
    inputs = [convert(sample.arrays, "float32") for sample in chosen]

    def lower(all_arrays: list[list[Any]]) -> list[Any]:
        return [sample.op.xla(jnp, lax, *arrays) for sample, arrays in zip(chosen, all_arrays, strict=True)]

    for sample, arrays, got in zip(chosen, inputs, jax.jit(lower)(inputs), strict=True):
        message = f"{describe(sample.op, arrays)} in XLA"
        wanted = sample.op.infer(*map(spec_of, arrays))
        demand(str(got.dtype) == wanted.dtype, f"{message}: dtype {got.dtype}, not {wanted.dtype}")
        with numpy.errstate(all="ignore"):
            reference = sample.op.forward(numpy, *convert(arrays, "float64"))
        demand_close(numpy.asarray(got), reference, sample.op.tolerance["float32"], message)


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
    with numpy.errstate(all="ignore"):
        value = numpy.asarray(op.forward(numpy, *arrays))
        places = list(numpy.ndindex(value.shape)) if value.size <= 10_000 else []
        if value.size > small:
            places = [tuple(int(random.integers(size)) for size in value.shape) for _ in range(picked)]
        for index in places:
            term = op.terms(index, *operands)
            message = f"{describe(op, arrays)}: terms at {index}"
            demand_close(term.value, float(value[index]), 1e-12, message)
            used: list[set[tuple[int, ...]]] = [set() for _ in arrays]
            for element in term.elements():
                used[element.operand].add(element.index)
                at = float(arrays[element.operand][element.index])
                demand(at == element.number or at != at, f"{message}: {element} shows another number than {at}")
            changed = [
                _changed(a, keep, random) if a.dtype.kind == "f" else a for a, keep in zip(arrays, used, strict=True)
            ]
            again = numpy.asarray(op.forward(numpy, *changed))
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
    output = op(*inputs)
    variables = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]
    message = describe(op, arrays)
    if not op.differentiable:
        found = op.grad(output.node, feed(output.shape, output.dtype))
        demand(all(item is None for item in found), f"{message}: not differentiable, yet it has derivatives")
        return
    if not variables or not output.spec.is_float:
        return
    weights = feed(output.shape, output.dtype, "weights")
    loss = ops.sum(output * weights)
    found = gradients(loss, [inputs[i] for i in variables])
    random = numpy.random.default_rng(2)

    def values(targets: Sequence[Tensor], at: Arrays, more: dict[Tensor, Any]) -> list[numpy.ndarray]:
        return evaluate(targets, {**dict(zip(inputs, at, strict=True)), **more})

    def forward(at: Arrays) -> numpy.ndarray:
        return numpy.asarray(op.forward(numpy, *at))

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
