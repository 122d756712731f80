"""Ops that choose rows by whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy

from pellucid.core.graph import Array, Node, Tensor
from pellucid.core.op import Op, Sample
from pellucid.core.spec import Spec, known
from pellucid.core.terms import Apply, Operand, Sum, Term
from pellucid.errors import DataError, DtypeError, ShapeError


def _need_ids(op: Op, ids: Spec) -> None:
    if ids.dtype != "int32":
        raise DtypeError(f"{op.name} needs int32 ids, got {ids}; convert with cast(ids, 'int32')")


def _need_inside(op: Op, np: Any, ids: Array, rows: int) -> None:
    """Refuse an id outside a table; only NumPy can, since XLA has no value to look at while it compiles."""
    if np is numpy and ids.size and (ids.min() < 0 or ids.max() >= rows):
        wrong = ids[(ids < 0) | (ids >= rows)].ravel()[0]
        raise DataError(f"{op.name}: id {wrong} is outside a table of {rows} rows; ids go from 0 to {rows - 1}")


class Take(Op):
    """Rows of a table by id; executors refuse an id outside it. Shapes: [rows, ...], int32 [n...] → [n..., ...].

    >>> from pellucid.core.graph import tensor
    >>> import numpy
    >>> take([[0.1, 0.2], [0.3, 0.4]], numpy.int32([1, 1, 0])).numpy()
    array([[0.3, 0.4],
           [0.3, 0.4],
           [0.1, 0.2]])
    """

    name, inputs = "take", ("table", "ids")
    formula, latex = "y[n, …] = table[ids[n], …]", r"y_{n} = t_{i_n}"

    def infer(self, table: Spec, ids: Spec) -> Spec:
        _need_ids(self, ids)
        if table.rank < 1:
            raise self.wrong_shape([table, ids], "the table needs at least one axis, its rows")
        return Spec((*ids.shape, *table.shape[1:]), table.dtype)

    def forward(self, np: Any, table: Array, ids: Array) -> Array:
        _need_inside(self, np, ids, len(table))
        return np.take(table, ids, axis=0)

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        table, ids = node.inputs
        return ScatterAdd(known(table.shape)[0])(gradients[0], ids), None

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        table, ids = operands
        lead = len(ids.shape)
        place = (int(ids[index[:lead]].value), *index[lead:])
        return table[place]

    @classmethod
    def samples(cls) -> list[Sample]:
        table = numpy.random.default_rng(8).normal(size=(5, 3))
        return [
            Sample(cls(), (table, numpy.array([0, 4, 4, 2], numpy.int32))),
            Sample(cls(), (table, numpy.array([[1], [3]], numpy.int32))),
            Sample(cls(), (table, numpy.array(2, numpy.int32))),
            Sample(cls(), (table[:, 0], numpy.array([1, 1], numpy.int32))),
            Sample(cls(), (table, numpy.zeros(0, numpy.int32))),
            Sample(cls(), (table, numpy.zeros(2)), error=DtypeError),
        ]


@dataclass(frozen=True)
class ScatterAdd(Op):
    """Rows added up by id into zeros: the adjoint of `take`. Shapes: [n..., ...], int32 [n...] → [rows, ...]."""

    rows: int
    name, inputs = "scatter_add", ("g", "ids")
    formula, latex = "y[r, …] = Σ g[n, …] over n with ids[n] = r", r"y_r = \sum_{n: i_n = r} g_n"
    tolerance: ClassVar = {"float32": 1e-5, "bfloat16": 3e-2, "float64": 1e-12}  # sums of as many rows as share an id

    def infer(self, g: Spec, ids: Spec) -> Spec:
        _need_ids(self, ids)
        if g.shape[: ids.rank] != ids.shape:
            raise self.wrong_shape([g, ids], "the leading sizes must be those of the ids")
        return Spec((self.rows, *g.shape[ids.rank :]), g.dtype)

    def forward(self, np: Any, g: Array, ids: Array) -> Array:
        _need_inside(self, np, ids, self.rows)
        tail = g.shape[len(ids.shape) :]
        y = np.zeros((self.rows, *tail), g.dtype)
        np.add.at(y, ids.reshape(-1), g.reshape(-1, *tail))
        return y

    def xla(self, jnp: Any, lax: Any, g: Array, ids: Array) -> Array:
        tail = g.shape[len(ids.shape) :]
        return jnp.zeros((self.rows, *tail), g.dtype).at[ids.reshape(-1)].add(g.reshape(-1, *tail))

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        return take(gradients[0], node.inputs[1]), None

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        g, ids = operands
        row, *rest = index
        places = [(*at, *rest) for at in numpy.ndindex(ids.shape) if int(ids[at].value) == row]
        return Sum(g[place] for place in places)

    @classmethod
    def samples(cls) -> list[Sample]:
        draw = numpy.random.default_rng(9).normal
        return [
            Sample(cls(5), (draw(size=(4, 3)), numpy.array([0, 4, 4, 2], numpy.int32))),
            Sample(cls(2), (draw(size=(2, 1, 3)), numpy.array([[1], [0]], numpy.int32))),
            Sample(cls(3), (draw(size=(2,)), numpy.array([1, 1], numpy.int32))),
            Sample(cls(3), (draw(size=(0, 2)), numpy.zeros(0, numpy.int32))),
            Sample(cls(3), (draw(size=(4, 3)), numpy.zeros(2, numpy.int32)), error=ShapeError),
        ]


@dataclass(frozen=True)
class OneHot(Op):
    """1 at the place of each id, else 0; all zeros for an id outside 0 … depth-1.

    Shapes: int32 [n...] → float32 [n..., depth].
    """

    depth: int
    name, inputs = "one_hot", ("ids",)
    formula, latex = "y[n, c] = 1 if ids[n] = c else 0", r"y_{nc} = [i_n = c]"
    differentiable = False

    def infer(self, ids: Spec) -> Spec:
        _need_ids(self, ids)
        return Spec((*ids.shape, self.depth), "float32")

    def forward(self, np: Any, ids: Array) -> Array:
        return (ids[..., None] == np.arange(self.depth, dtype="int32")).astype("float32")

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        (ids,) = operands
        *at, column = index
        return Apply("one_hot", lambda value: float(value == column), ids[tuple(at)])

    @classmethod
    def samples(cls) -> list[Sample]:
        return [
            Sample(cls(3), (numpy.array([0, 2, 1, 2], numpy.int32),)),
            Sample(cls(2), (numpy.array([[1], [0]], numpy.int32),)),
            Sample(cls(1), (numpy.array(0, numpy.int32),)),
            Sample(cls(3), (numpy.array([-1, 3], numpy.int32),)),
            Sample(cls(3), (numpy.zeros(0, numpy.int32),)),
            Sample(cls(3), (numpy.zeros(2),), error=DtypeError),
        ]


take = Take()


def scatter_add(g: Tensor, ids: Tensor, rows: int) -> Tensor:
    """Rows added up by id into `rows` rows of zeros.

    >>> from pellucid.core.graph import tensor
    >>> import numpy
    >>> scatter_add(tensor([[1.0], [2.0], [4.0]]), tensor(numpy.int32([0, 2, 0])), 3).numpy()
    array([[5.],
           [0.],
           [2.]])
    """
    return ScatterAdd(rows)(g, ids)


def one_hot(ids: Tensor, depth: int) -> Tensor:
    """1 at the place of each id, else 0: float32 [n..., depth].

    >>> from pellucid.core.sources import feed
    >>> one_hot(feed((None,), "int32"), 10).shape
    (None, 10)
    """
    return OneHot(depth)(ids)
