"""The native executor against the reference, and random programs to hold both to."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy
import pytest

from pellucid import ops
from pellucid.core.graph import Program, Tensor, Variable
from pellucid.core.sources import feed
from pellucid.execute import executor

pytest.importorskip("pellucid._native", reason="the extension is not built")
Array = numpy.ndarray


def lowered(program: Program, precision: str = "float32") -> Any:
    from pellucid.execute.lowering import lower
    from pellucid.execute.native import KERNELS

    return lower(program, KERNELS, precision)


def kernels(program: Program, precision: str = "float32") -> list[str]:
    return [kernel for kernel, *_ in lowered(program, precision).instructions]


def both(
    program: Program, arrays: Sequence[Array] = (), runs: int = 1, precision: str = "float32"
) -> list[list[Array]]:
    """Outputs and updated variables after some runs, of the reference and of the native executor."""
    variables = [variable for variable, _ in program.updates]
    start = [variable.value.copy() for variable in variables]
    found = []
    for name in ("numpy", "native"):
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)
        run = executor(name).compile(program, precision)
        results = [run(*arrays) for _ in range(runs)][-1]
        found.append([*results, *(variable.value.copy() for variable in variables)])
    return found


def agree(
    program: Program, arrays: Sequence[Array] = (), runs: int = 1, precision: str = "float32", tolerance: float = 2e-5
) -> None:
    """Both executors give the same: whole numbers and truth values exactly, floats within the tolerance."""
    expected, actual = both(program, arrays, runs, precision)
    for place, (x, y) in enumerate(zip(expected, actual, strict=True)):
        assert (x.shape, x.dtype) == (y.shape, y.dtype), place
        if x.dtype.kind == "f":
            numpy.testing.assert_allclose(y, x, rtol=tolerance, atol=tolerance, err_msg=f"result {place}")
        else:
            numpy.testing.assert_array_equal(y, x, err_msg=f"result {place}")


class RandomProgram:
    """A program of random ops on random values: shared, broadcast, reshaped, reduced, stored back into variables.

    Floats stay near 1, and comparisons meet given values only, so that rounding cannot decide a branch.
    """

    def __init__(self, seed: int) -> None:
        self.random = numpy.random.default_rng(seed)
        self.arrays: list[Array] = []
        self.inputs: list[Tensor] = []
        self.variables: list[Variable] = []
        for _ in range(self.below(3)):
            self.inputs.append(feed(self.shape()))
            self.arrays.append(self.numbers(self.inputs[-1].shape))
        for place in range(1 + self.below(4)):
            shape = () if self.below(3) == 0 else self.shape()
            self.variables.append(Variable(self.numbers(shape), f"v{place}"))
        if self.below(2):
            self.variables.append(Variable(numpy.array(2**24 + self.below(100), numpy.int32), "count"))
        self.given = [*self.inputs, *(variable.tensor for variable in self.variables)]
        self.pool = list(self.given)
        for _ in range(3 + self.below(25)):
            made = self.grow()
            if made is not None and math.prod(made.shape) <= 4096:  # type: ignore[arg-type]
                self.pool.append(made)

    def below(self, limit: int) -> int:
        return int(self.random.integers(limit))

    def shape(self) -> tuple[int, ...]:
        return tuple(int(n) for n in self.random.choice([1, 2, 3, 4, 5, 17], self.below(4)))

    def numbers(self, shape: Any) -> Array:
        return numpy.asarray(self.random.uniform(-1.5, 1.5, shape), numpy.float32)

    def pick(self, test: Callable[[Tensor], bool] = lambda x: x.spec.is_float, pool: Any = None) -> Tensor | None:
        found = [x for x in (self.pool if pool is None else pool) if test(x)]
        return found[self.below(len(found))] if found else None

    def grow(self) -> Tensor | None:
        x = self.pick()
        assert x is not None  # there is a float variable at least
        kinds = [self.unary, self.binary, self.binary, self.shaped, self.reduced, self.product, self.chosen, self.whole]
        return kinds[self.below(len(kinds))](x)

    def unary(self, x: Tensor) -> Tensor:
        if x.shape and self.below(8) == 0:
            return [ops.softmax, ops.log_softmax][self.below(2)](x)
        choices = [ops.tanh, ops.relu, ops.sigmoid, ops.negative, ops.softplus, ops.stop_gradient, ops.absolute]
        return choices[self.below(len(choices))](x)

    def binary(self, x: Tensor) -> Tensor:
        others: tuple[Any, ...] = (self.pick(lambda y: y.spec.is_float and fits(x, y)), self.constant(x), 1.0)
        y = others[self.below(3)]
        joined = (ops.add, ops.subtract, ops.multiply, ops.maximum, ops.minimum)[self.below(5)](x, y)
        return ops.tanh(joined) if joined is not None and self.below(2) else joined * 0.5

    def constant(self, x: Tensor) -> Any:
        kind = self.below(3)
        return self.numbers(x.shape) if kind == 0 else self.numbers(x.shape[-1:]) if kind == 1 else -0.75

    def shaped(self, x: Tensor) -> Tensor:
        axis = self.below(max(x.rank, 1))
        match self.below(7):
            case 0:
                return ops.reshape(x, (-1,))
            case 1:
                return ops.transpose(x, tuple(self.random.permutation(x.rank)))
            case 2 if x.rank:
                return ops.concatenate([x, x * 0.5, x], axis)
            case 3 if x.rank:
                size = x.shape[axis]
                assert size is not None
                return x[(*[slice(None)] * axis, slice(self.below(size), size, 1 + self.below(2)))]
            case 4:
                return ops.broadcast_to(x, (2, *x.shape))
            case 5 if x.rank:
                return ops.pad(x, [(self.below(2), self.below(3)) for _ in range(x.rank)])
        return ops.expand_dims(x, self.below(x.rank + 1))

    def reduced(self, x: Tensor) -> Tensor:
        axes = tuple(axis for axis in range(x.rank) if self.below(2))
        kept = bool(self.below(2))
        reductions: list[Callable[..., Tensor]] = [ops.sum, ops.max, ops.min, ops.mean]
        return ops.tanh(reductions[self.below(4)](x, axis=axes, keepdims=kept))

    def product(self, x: Tensor) -> Tensor:
        if x.rank < 2:
            x = ops.reshape(x, (1, -1))
        if self.below(4) == 0:  # as a dense layer's derivative has it
            flat = ops.reshape(x, (-1, x.shape[-1]))
            return ops.transpose(flat) @ ops.tanh(flat) * 0.1
        size = 1 + self.below(6)
        w = self.numbers((size, x.shape[-1]) if self.below(2) else (x.shape[-1], size))
        weight = Variable(w, "w").tensor
        y = x @ (weight if weight.shape[0] == x.shape[-1] else ops.transpose(weight)) * 1.0
        steps = self.below(8)
        if steps & 1:
            y = y + Variable(self.numbers(y.shape[-1:]), "bias").tensor
        if steps & 2:
            y = [ops.relu, ops.tanh, ops.sigmoid][self.below(3)](y)
        if steps & 4:
            y = y * ops.step(ops.broadcast_to(Variable(self.numbers(y.shape), "mask").tensor, y.shape))
        self.pool += [ops.sum(ops.reshape(y, (-1, y.shape[-1])), axis=0) * 0.1]
        return y

    def chosen(self, x: Tensor) -> Tensor:
        known = self.pick(lambda y: y.spec.is_float and fits(x, y), self.given)
        if known is None:
            return x
        condition = [ops.greater, ops.less_equal, ops.not_equal][self.below(3)](known, 0.25)
        if self.below(2):
            condition = ops.logical_or(ops.logical_not(condition), known < -0.5)
        return ops.where(condition, x, -0.5) if self.below(2) else x * ops.cast(condition, "float32")

    def whole(self, x: Tensor) -> Tensor | None:
        numbers = self.pick(lambda y: y.dtype == "int32")
        if numbers is None or self.below(4) == 0:
            known = self.pick(pool=self.given)
            assert known is not None
            return ops.cast(known * 3.0, "int32")
        match self.below(6):
            case 0:
                return numbers + 1
            case 1:
                return ops.multiply(numbers, numbers)
            case 2:
                return ops.maximum(ops.negative(numbers), 7)
            case 3:
                return ops.where(ops.equal(numbers, 3), numbers, -5)
            case 4:
                return ops.cast(numbers > 2, "int32")
        return ops.sigmoid(ops.cast(numbers, "float32") * 1e-9)

    def program(self) -> Program:
        outputs = [self.pool[self.below(len(self.pool))] for _ in range(1 + self.below(4))]
        updates = []
        for variable in self.variables:
            new = self.pick(lambda x, v=variable: x.spec == v.spec and x is not v.tensor)  # type: ignore[misc]
            if new is not None and self.below(3):
                updates.append((variable, new))
        return Program(tuple(self.inputs), tuple(outputs), tuple(updates))


def fits(x: Tensor, y: Tensor) -> bool:
    """Whether two values broadcast together."""
    try:
        numpy.broadcast_shapes(x.shape, y.shape)  # type: ignore[arg-type]
    except ValueError:
        return False
    return True
