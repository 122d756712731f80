"""The simple recurrent cell over a sequence, and its derivative by backpropagation through time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy

from pellucid.core.graph import Array, Node, Tensor
from pellucid.core.op import Sample
from pellucid.core.spec import Spec
from pellucid.core.terms import Operand, Product, Stage, Sum, Term
from pellucid.errors import DtypeError, ShapeError
from pellucid.ops.linear import flat, swap
from pellucid.ops.recurrent import (
    ACTIVATIONS,
    Recurrent,
    RecurrentGradient,
    bend,
    dropped,
    extras,
    masked,
    row_elements,
    scan,
    slope,
    swap_time,
    there,
    where_counted,
    without_zeros,
)


@dataclass(frozen=True)
class SimpleRnn(Recurrent):
    """The simple recurrent cell over a sequence.

    Shapes: z [batch, steps, units], u [units, units], h [batch, units], mask [batch, steps] and dropout [batch, units]
    where there are some → h over time [batch, steps, units], and the last h [batch, units].
    """

    name, inputs = "simple_rnn", ("z", "u", "h", "mask", "dropout")
    formula, latex = "hₜ = tanh(zₜ + hₜ₋₁·u)", r"h_t = \tanh(z_t + h_{t-1} U)"
    source = "Elman 1990"
    gates: ClassVar[int] = 1

    def infer(self, *specs: Any) -> tuple[Spec, ...]:
        z, u, h, *rest = specs
        batch, steps, units = self.sizes(specs, u, z, 1)
        self.need(specs, [("z", z, (batch, steps, units)), ("u", u, (units, units)), ("h", h, (batch, units))])
        self.need_extras(specs, rest, batch, steps, units)
        return z, Spec((batch, units), z.dtype)

    def run(self, np: Any, scan: Callable[..., Any], *arrays: Array) -> tuple[Array, ...]:
        z, u, h, *rest = arrays
        mask, dropout = extras(rest)
        activate = ACTIVATIONS[self.activation].value

        def step(h: Any, now: Any) -> Any:
            z, keep = now
            h = masked(np, keep, activate(np, z + dropped(h, dropout) @ u), h)
            return h, (h,)

        last, over_time = scan(step, h, swap_time(z, mask), reverse=self.reverse)
        return (*swap_time(*over_time), last)

    def sums(self, outputs: Sequence[Array], *arrays: Array) -> Array:
        z, u, h, *rest = arrays
        return z + self.met(h, outputs[0], rest) @ u

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        _, u, h, *rest = node.inputs
        over_time = node.outputs[0]
        derivatives = without_zeros(gradients)
        dz, dh, met = simple_rnn_gradient(u, h, over_time, derivatives, *extras(rest), **self.attributes)
        return [dz, swap(flat(met)) @ flat(dz), dh, *self.extras_grad(rest, dz @ swap(u), h, over_time)]

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        _, b, *place = index
        z, u, first, *rest = operands
        mask, dropout = extras([x.array for x in rest])
        hs, _ = self.forward(numpy, *(x.array for x in operands))
        *at, j = place
        t = at[0] if at else (0 if self.reverse else z.shape[1] - 1)
        p, units = self.before(t), u.shape[0]
        started = 0 <= p < z.shape[1]
        past = row_elements(b, [u], [first, *(x for x in rest if x.array.dtype != bool)])
        past += [z[b, s, n] for s in range(z.shape[1]) if (s > t if self.reverse else s < t) for n in range(units)]

        def h(k: int) -> Term:
            return Stage("h before", hs[b, p, k], past) if started else first[b, k]

        if mask is not None and not mask[b, t]:
            return h(j)
        met = [h(k) if dropout is None else Product((h(k), operands[-1][b, k])) for k in range(units)]
        return bend(self.activation, Sum([z[b, t, j], *(x * u[k, j] for k, x in enumerate(met))]))

    @classmethod
    def samples(cls) -> list[Sample]:
        draw = numpy.random.default_rng(23).normal

        def arrays(b: int, t: int, n: int, *rest: numpy.ndarray) -> tuple[numpy.ndarray, ...]:
            return draw(size=(b, t, n)), draw(size=(n, n)), draw(size=(b, n)), *rest

        mask = numpy.array([[True, False, True], [False, False, False]])
        dropout = numpy.array([[0.0, 2.0], [2.0, 0.0]])
        z, u, h = arrays(2, 3, 2)
        return [
            Sample(cls(), (z, u, h)),
            Sample(cls(reverse=True), arrays(2, 3, 2, mask, dropout)),
            Sample(cls(), arrays(1, 1, 1)),
            Sample(cls(), arrays(0, 2, 3)),
            Sample(cls(), arrays(2, 3, 2, mask)),
            Sample(cls(activation="relu"), arrays(2, 2, 3)),
            Sample(cls(), tuple(x * 0.3 for x in arrays(9, 4, 5))),
            Sample(cls(), (z[:, :, :1], u, h), error=ShapeError),
            Sample(cls(), (z, u, h[:1]), error=ShapeError),
            Sample(cls(), (z, u, h, mask[:1]), error=ShapeError),
            Sample(cls(), (z.astype(numpy.int32), u, h), error=DtypeError),
        ]


@dataclass(frozen=True)
class SimpleRnnGradient(RecurrentGradient):
    """The derivative of `simple_rnn`, from the derivatives of its outputs (`given`: of which).

    Shapes: u, the initial h, h over time, mask, dropout, and the derivatives → dz [batch, steps, units], dh of the
    initial state, and `met` [batch, steps, units]: what was multiplied with u, so that du = metᵀ·dz.
    """

    name = "simple_rnn_gradient"
    inputs = ("u", "h₀", "h", "mask", "dropout", "dh", "dh last")
    formula, latex = "dz = dh⊙tanh'; dhₜ₋₁ = dz·uᵀ", r"dz_t = dh_t \odot \tanh', \quad dh_{t-1} = dz_t\, U^{\top}"
    source = "Werbos 1990, backpropagation through time"
    gates: ClassVar[int] = 1

    def infer(self, *specs: Any) -> tuple[Spec, ...]:
        u, h0, h, *rest = specs
        batch, steps, units = self.sizes(specs, u, h, 1)
        over_time, last = (batch, steps, units), (batch, units)
        optional, (dh, dh_last) = self.split_given(rest)
        self.need(
            specs,
            [("u", u, (units, units)), ("h₀", h0, last), ("h", h, over_time), ("dh", dh, over_time),
             ("dh last", dh_last, last)],
        )  # fmt: skip
        self.need_extras(specs, optional, batch, steps, units)
        return h, h0, h

    def through_time(
        self, np: Any, scan: Callable[..., Any], *arrays: Array
    ) -> tuple[Sequence[Array], Sequence[Array]]:
        u, h0, h, *rest = arrays
        optional, (gh, dh) = self.split_given(rest)
        mask, dropout = extras(optional)
        bent = ACTIVATIONS[self.activation]
        h, keep, gh = swap_time(h, mask, gh)

        def step(dh: Any, now: Any) -> Any:
            h, keep, gh = now
            dh = dh if gh is None else dh + gh
            nothing = np.zeros_like(dh)
            kept = masked(np, keep, dh, nothing)
            dz = kept * bent.slope(np, h)
            return dropped(dz @ u.T, dropout) + masked(np, keep, nothing, dh), (dz, dh)

        met = dropped(self.shifted(np, h0, h), dropout)
        start = np.zeros_like(h0) if dh is None else dh
        dh, (dz, dhs) = scan(step, start, (h, keep, gh), reverse=not self.reverse)
        dz, met, dhs = swap_time(dz, met, dhs)
        return (dz, dh, met), (dhs,)

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        output, b, *at = index
        u, h0, h, *rest = operands
        optional, _ = self.split_given(rest)
        dropout = next((x for x in optional if x.array.dtype != bool), None)
        (_, dh, _), (dhs,) = self.through_time(numpy, scan, *(x.array for x in operands))
        everything = row_elements(b, [u], [x for x in operands[1:] if x.array.dtype != bool])
        if output == 1:
            return Stage("dh", dh[b, at[0]], everything)
        t, j = at
        if output == 0:
            total = Stage("dh", where_counted(dhs, optional)[b, t, j], everything)
            return total * slope(self.activation, h[b, t, j])
        p = self.before(t)
        state: Term = h[b, p, j] if 0 <= p < h.shape[1] else h0[b, j]
        return state if dropout is None else state * dropout[b, j]

    @classmethod
    def samples(cls) -> list[Sample]:
        draw = numpy.random.default_rng(24).normal
        found: list[Sample] = []
        for sample in SimpleRnn.samples():
            if sample.error is None and isinstance(sample.op, SimpleRnn):
                rnn, (_, u, h, *rest) = sample.op, sample.arrays
                outputs = rnn.forward(numpy, *sample.arrays)
                for given in ((True, True), (False, True), (True, False)):
                    values = [draw(size=x.shape) for x, present in zip(outputs, given, strict=True) if present]
                    op = cls(rnn.reverse, rnn.activation, given)
                    found.append(Sample(op, (u, h, outputs[0], *rest, *values)))
        good, (u, h, *others) = found[0].op, found[0].arrays
        return [
            *found,
            Sample(good, (u[:1], h, *others), error=ShapeError),
            Sample(good, (u, h[:1], *others), error=ShapeError),
            Sample(good, (u.astype(numpy.int32), h, *others), error=DtypeError),
        ]


def simple_rnn(
    z: Tensor,
    u: Tensor,
    h: Tensor,
    mask: Tensor | None = None,
    dropout: Tensor | None = None,
    *,
    reverse: bool = False,
    activation: str = "tanh",
) -> tuple[Tensor, ...]:
    """The simple recurrent cell over a sequence: h over time, and the last h.

    >>> from pellucid.core.sources import feed
    >>> [value.shape for value in simple_rnn(feed((None, 7, 5)), feed((5, 5)), feed((None, 5)))]
    [(None, 7, 5), (None, 5)]
    """
    return SimpleRnn(reverse, activation).apply(z, u, h, *there(mask, dropout))


def simple_rnn_gradient(
    u: Tensor,
    h: Tensor,
    over_time: Tensor,
    derivatives: Sequence[Tensor | None],
    mask: Tensor | None = None,
    dropout: Tensor | None = None,
    *,
    reverse: bool = False,
    activation: str = "tanh",
) -> tuple[Tensor, ...]:
    """The derivatives of z and h, and what met u, from h over time and the derivatives of `simple_rnn`'s outputs."""
    op = SimpleRnnGradient(reverse, activation, tuple(g is not None for g in derivatives))
    return op.apply(u, h, over_time, *there(mask, dropout, *derivatives))
