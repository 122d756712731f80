"""Where values come from: the caller at each run (`Feed`), the last run (`Read`), or the graph itself (`Constant`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy

from pellucid.core.graph import Array, Tensor, Variable
from pellucid.core.op import Op
from pellucid.core.spec import Shape, Spec


class Source(Op):
    """An op without inputs. Its value is given to the executor, not computed: no `forward`, no derivative."""

    inputs = ()
    __eq__, __hash__ = object.__eq__, object.__hash__  # each is a value of its own

    def forward(self, np: Any, *arrays: Array) -> Array:
        raise NotImplementedError(f"{self.name} is given to the executor, not computed")


@dataclass(frozen=True, eq=False)
class Feed(Source):
    """An input of the graph, fed by the caller at each run."""

    label: str
    spec: Spec
    name = "feed"
    formula, latex = "y given", r"y"

    def infer(self) -> Spec:
        return self.spec


@dataclass(frozen=True, eq=False)
class Read(Source):
    """The value of a variable at the start of the run."""

    variable: Variable
    name = "read"
    formula, latex = "y stored", r"y"

    def infer(self) -> Spec:
        return self.variable.spec


@dataclass(frozen=True, eq=False)
class Constant(Source):
    """A value that is part of the graph."""

    value: numpy.ndarray
    name = "constant"
    formula, latex = "y fixed", r"y"

    def infer(self) -> Spec:
        return Spec(self.value.shape, str(self.value.dtype))


def feed(shape: Shape, dtype: str = "float32", name: str = "input") -> Tensor:
    """A new input of the graph.

    >>> feed((None, 3))
    Tensor(feed, float32[?, 3])
    """
    return Feed(name, Spec(tuple(shape), dtype))()
