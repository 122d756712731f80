"""Random ops: pure functions of a key, so that every executor draws the same numbers (see `pellucid.core.random`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy

from pellucid.core import random
from pellucid.core.graph import Array, Tensor
from pellucid.core.op import Op, Sample
from pellucid.core.spec import Spec
from pellucid.core.terms import Number, Operand, Term
from pellucid.errors import DtypeError


@dataclass(frozen=True)
class Draw(Op):
    """What random ops share: `stream` sets the draws of one step apart. Shapes: key uint32 [4] → float32 `shape`."""

    shape: tuple[int, ...]
    stream: int
    inputs = ("key",)
    differentiable = False
    source = "Salmon et al. 2011, Philox4x32-10"

    def infer(self, key: Spec) -> Spec:
        if key.dtype != "uint32" or key.shape != (4,):
            raise DtypeError(
                f"{self.name} needs a key uint32[4], got {key}; feed pellucid.core.random.make_key(seed, step)"
            )
        return Spec(self.shape, "float32")

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        return Number(float(self.forward(numpy, operands[0].array)[index]))

    @classmethod
    def samples(cls) -> list[Sample]:
        key = random.make_key(123456789012345, 7)
        return [
            Sample(cls((3, 5), 1), (key,)),
            Sample(cls((), 2), (key,)),
            Sample(cls((1,), 3), (key,)),
            Sample(cls((0, 2), 3), (key,)),
            Sample(cls((101, 67), 4), (key,)),
            Sample(cls((2,), 4), (numpy.zeros(4),), error=DtypeError),
        ]


class RandomUniform(Draw):
    """Numbers drawn evenly from [0, 1)."""

    name, formula, latex = "random_uniform", "y ~ U[0, 1)", r"y \sim U[0, 1)"
    tolerance: ClassVar = {"float32": 0.0, "bfloat16": 4e-3, "float64": 0.0}  # the same bits everywhere

    def forward(self, np: Any, key: Array) -> Array:
        return random.uniform(key, self.stream, int(numpy.prod(self.shape)), np).reshape(self.shape)


class RandomNormal(Draw):
    """Numbers drawn from the standard normal distribution."""

    name, formula, latex = "random_normal", "y ~ N(0, 1)", r"y \sim N(0, 1)"
    tolerance: ClassVar = {
        "float32": 1e-5,
        "bfloat16": 2e-2,
        "float64": 1e-5,
    }  # logarithm and cosine differ in the last places

    def forward(self, np: Any, key: Array) -> Array:
        return random.normal(key, self.stream, int(numpy.prod(self.shape)), np).reshape(self.shape)


def random_uniform(key: Tensor, shape: tuple[int, ...], stream: int) -> Tensor:
    """Numbers drawn evenly from [0, 1), float32 of a given shape."""
    return RandomUniform(shape, stream)(key)


def random_normal(key: Tensor, shape: tuple[int, ...], stream: int) -> Tensor:
    """Standard normal numbers, float32 of a given shape."""
    return RandomNormal(shape, stream)(key)
