"""The gated recurrent unit over a sequence, and its derivative by backpropagation through time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy

from pellucid.core.graph import Array, Node, Tensor
from pellucid.core.op import Sample
from pellucid.core.spec import Spec
from pellucid.core.terms import Number, Operand, Product, Stage, Sum, Term
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
from pellucid.ops.reduce import sum
from pellucid.ops.shape import concatenate


@dataclass(frozen=True)
class Gru(Recurrent):
    """A gated recurrent unit over a sequence; gates in Keras's order: update s, reset r, candidate g.

    The reset gate acts after the product with u (`reset_after`) or before. Shapes: z [batch, steps, 3·units], u
    [units, 3·units], b [3·units], h [batch, units], mask [batch, steps] and dropout [batch, units] where there are
    some → h over time [batch, steps, units], gates [batch, steps, 4·units] (s, r, g, and what r acts with: h·u + b of
    the candidate, or r⊙h), and the last h [batch, units].
    """

    recurrent_activation: str = "sigmoid"
    reset_after: bool = True
    name, inputs = "gru", ("z", "u", "b", "h", "mask", "dropout")
    formula = "s, r = σ(zₜ + hₜ₋₁·u + b); g = tanh(zₜ + r⊙(hₜ₋₁·u + b)); hₜ = s⊙hₜ₋₁ + (1-s)⊙g"
    latex = (
        r"(s, r) = \sigma(z_t + h_{t-1} U + b), \quad g = \tanh(z_t + r \odot (h_{t-1} U + b)), "
        r"\quad h_t = s \odot h_{t-1} + (1 - s) \odot g"
    )
    source = "Cho et al. 2014; the reset after the product as in cuDNN"
    gates: ClassVar[int] = 3
    gate_names: ClassVar = ("update", "reset", "candidate")

    def infer(self, *specs: Any) -> tuple[Spec, ...]:
        z, u, b, h, *rest = specs
        batch, steps, units = self.sizes(specs, u, z, 3)
        wide = 3 * units
        self.need(
            specs,
            [("z", z, (batch, steps, wide)), ("u", u, (units, wide)), ("b", b, (wide,)), ("h", h, (batch, units))],
        )
        self.need_extras(specs, rest, batch, steps, units)
        gates = Spec((batch, steps, 4 * units), z.dtype)
        return Spec((batch, steps, units), z.dtype), gates, Spec((batch, units), z.dtype)

    def run(self, np: Any, scan: Callable[..., Any], *arrays: Array) -> tuple[Array, ...]:
        z, u, b, h, *rest = arrays
        mask, dropout = extras(rest)
        inner, outer = ACTIVATIONS[self.recurrent_activation].value, ACTIVATIONS[self.activation].value
        units = u.shape[0]

        def step(h: Any, now: Any) -> Any:
            z, keep = now
            met = dropped(h, dropout)
            sums = met @ u[:, : 2 * units] + b[: 2 * units]
            s, r = np.split(inner(np, z[:, : 2 * units] + sums), 2, axis=-1)
            if self.reset_after:
                acted = met @ u[:, 2 * units :] + b[2 * units :]
                g = outer(np, z[:, 2 * units :] + r * acted)
            else:
                acted = r * met
                g = outer(np, z[:, 2 * units :] + acted @ u[:, 2 * units :] + b[2 * units :])
            h = masked(np, keep, s * h + (1 - s) * g, h)
            return h, (h, np.concatenate([s, r, g, acted], axis=-1))

        last, over_time = scan(step, h, swap_time(z, mask), reverse=self.reverse)
        return (*swap_time(*over_time), last)

    def sums(self, outputs: Sequence[Array], *arrays: Array) -> Array:
        z, u, b, h, *rest = arrays
        units = u.shape[0]
        first, r, acted = 2 * units, outputs[1][..., units : 2 * units], outputs[1][..., 3 * units :]
        both = self.met(h, outputs[0], rest) @ u[:, :first] + b[:first]
        candidate = r * acted if self.reset_after else acted @ u[:, first:] + b[first:]
        return z + numpy.concatenate([both, candidate], axis=-1)

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        _, u, _, h, *rest = node.inputs
        over_time, gates, _ = node.outputs
        derivatives = without_zeros(gradients)
        dz, dsums, dh, met = gru_gradient(u, h, [over_time, gates], derivatives, *extras(rest), **self.attributes)
        db = sum(flat(dsums), axis=0)
        if self.reset_after:
            more = self.extras_grad(rest, dsums @ swap(u), h, over_time)
            return [dz, swap(flat(met)) @ flat(dsums), db, dh, *more]
        units = met.shape[-1] or 0
        first, last = dsums[..., : 2 * units], dsums[..., 2 * units :]
        acted, r = gates[..., 3 * units :], gates[..., units : 2 * units]
        du = concatenate([swap(flat(met)) @ flat(first), swap(flat(acted)) @ flat(last)], axis=1)
        through = last @ swap(u[:, 2 * units :]) + gradients[1][..., 3 * units :]
        dmet = first @ swap(u[:, : 2 * units]) + through * r
        return [dz, du, db, dh, *self.extras_grad(rest, dmet, h, over_time)]

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        output, row, *place = index
        z, u, b, first, *rest = operands
        mask, dropout = extras([x.array for x in rest])
        hs, gates, _ = self.forward(numpy, *(x.array for x in operands))
        *at, j = place
        t = at[0] if at else (0 if self.reverse else z.shape[1] - 1)
        p, units = self.before(t), u.shape[0]
        started = 0 <= p < z.shape[1]
        past = row_elements(row, [u, b], [first, *(x for x in rest if x.array.dtype != bool)])
        past += [
            z[row, s, n] for s in range(z.shape[1]) if (s > t if self.reverse else s < t) for n in range(3 * units)
        ]

        def h(k: int) -> Term:
            return Stage("h before", hs[row, p, k], past) if started else first[row, k]

        def met(k: int) -> Term:
            return h(k) if dropout is None else Product((h(k), operands[-1][row, k]))

        def sums(n: int) -> list[Term]:
            return [*(met(k) * u[k, n] for k in range(units)), b[n]]

        def gate(which: int, j: int) -> Term:
            n = which * units + j
            if which < 2:
                return bend(self.recurrent_activation, Sum([z[row, t, n], *sums(n)]))
            if which == 3:
                return Sum(sums(n - units)) if self.reset_after else Product((gate(1, j), met(j)))
            if self.reset_after:
                return bend(self.activation, Sum([z[row, t, n], Product((gate(1, j), gate(3, j)))]))
            acted = [Stage("r·h", gates[row, t, 3 * units + k], now) * u[k, n] for k in range(units)]
            return bend(self.activation, Sum([z[row, t, n], *acted, b[n]]))

        now = past + [z[row, t, n] for n in range(3 * units)]
        if output == 1:
            return gate(*divmod(j, units))
        if mask is not None and not mask[row, t]:
            return h(j)
        s = gate(0, j)
        rest_of = Sum([Number(1.0), Product((Number(-1.0), s))])
        return Sum([Product((s, h(j))), Product((rest_of, gate(2, j)))])

    @classmethod
    def samples(cls) -> list[Sample]:
        draw = numpy.random.default_rng(25).normal

        def arrays(b: int, t: int, n: int, *rest: numpy.ndarray) -> tuple[numpy.ndarray, ...]:
            return draw(size=(b, t, 3 * n)), draw(size=(n, 3 * n)), draw(size=3 * n), draw(size=(b, n)), *rest

        mask = numpy.array([[True, False, True], [False, False, False]])
        dropout = numpy.array([[0.0, 2.0], [2.0, 0.0]])
        z, u, b, h = arrays(2, 3, 2)
        both = [
            sample
            for after in (True, False)
            for sample in (
                Sample(cls(reset_after=after), (z, u, b, h)),
                Sample(cls(reset_after=after, reverse=True), arrays(2, 3, 2, mask, dropout)),
                Sample(cls(reset_after=after), arrays(1, 1, 1)),
                Sample(cls(reset_after=after), arrays(0, 2, 3)),
                Sample(cls(reset_after=after, activation="relu", recurrent_activation="hard_sigmoid"), arrays(2, 2, 2)),
                Sample(cls(reset_after=after), tuple(x * 0.3 for x in arrays(9, 4, 5))),
            )
        ]
        return [
            *both,
            Sample(cls(), arrays(2, 3, 2, mask)),
            Sample(cls(), (z[:, :, :5], u, b, h), error=ShapeError),
            Sample(cls(), (z, u, b[:5], h), error=ShapeError),
            Sample(cls(), (z, u, b, h[:1]), error=ShapeError),
            Sample(cls(), (z.astype(numpy.int32), u, b, h), error=DtypeError),
        ]


@dataclass(frozen=True)
class GruGradient(RecurrentGradient):
    """The derivative of `gru`, from the derivatives of its outputs (`given`: of which).

    Shapes: u, the initial h, h and gates over time, mask, dropout, and the derivatives → dz and dsums [batch, steps,
    3·units] (of z, and of what u and b make), dh of the initial state, and `met` [batch, steps, units]: the state that
    met u, so that du = metᵀ·dsums (with the reset before the product, (r⊙met)ᵀ for the candidate) and db = Σ dsums.
    """

    recurrent_activation: str = "sigmoid"
    reset_after: bool = True
    name = "gru_gradient"
    inputs = ("u", "h₀", "h", "gates", "mask", "dropout", "dh", "dgates", "dh last")
    formula = "ds = dh⊙(hₜ₋₁-g)⊙σ'; dg = dh⊙(1-s)⊙tanh'; dr = dg⊙(h·u+b)⊙σ'; dhₜ₋₁ = (ds, dr, dg⊙r)·uᵀ + dh⊙s"
    latex = (
        r"ds = dh \odot (h_{t-1} - g) \odot \sigma', \quad dg = dh \odot (1 - s) \odot \tanh', "
        r"\quad dr = dg \odot (h_{t-1} U + b) \odot \sigma', "
        r"\quad dh_{t-1} = (ds, dr, dg \odot r) U^{\top} + dh \odot s"
    )
    source = "Werbos 1990, backpropagation through time"
    gates: ClassVar[int] = 3

    def infer(self, *specs: Any) -> tuple[Spec, ...]:
        u, h0, h, gates, *rest = specs
        batch, steps, units = self.sizes(specs, u, gates, 4)
        over_time, wide, last = (batch, steps, units), (batch, steps, 4 * units), (batch, units)
        optional, derivatives = self.split_given(rest)
        self.need(
            specs,
            [("u", u, (units, 3 * units)), ("h₀", h0, last), ("h", h, over_time), ("gates", gates, wide),
             *zip(self.inputs[-3:], derivatives, [over_time, wide, last], strict=True)],
        )  # fmt: skip
        self.need_extras(specs, optional, batch, steps, units)
        dz = Spec((batch, steps, 3 * units), gates.dtype)
        return dz, dz, h0, h

    def through_time(
        self, np: Any, scan: Callable[..., Any], *arrays: Array
    ) -> tuple[Sequence[Array], Sequence[Array]]:
        """After the derivative of h at each step there is also that of what the reset gate acts with."""
        u, h0, h, gates, *rest = arrays
        optional, (gh, ggates, dh) = self.split_given(rest)
        mask, dropout = extras(optional)
        inner, outer = ACTIVATIONS[self.recurrent_activation], ACTIVATIONS[self.activation]
        h, gates, keep, gh, ggates = swap_time(h, gates, mask, gh, ggates)
        units = u.shape[0]
        before = self.shifted(np, h0, h)

        def step(dh: Any, now: Any) -> Any:
            before, gates, keep, gh, ggates = now
            s, r, g, acted = np.split(gates, 4, axis=-1)
            dh = dh if gh is None else dh + gh
            nothing = np.zeros_like(dh)
            kept = masked(np, keep, dh, nothing)
            more = [nothing] * 4 if ggates is None else np.split(ggates, 4, axis=-1)
            ds = (kept * (before - g) + more[0]) * inner.slope(np, s)
            dg = (kept * (1 - s) + more[2]) * outer.slope(np, g)
            if self.reset_after:
                dacted = dg * r + more[3]
                dr = (dg * acted + more[1]) * inner.slope(np, r)
                dsums = np.concatenate([ds, dr, dacted], axis=-1)
                dmet = dsums @ u.T
            else:
                dacted = dg @ u[:, 2 * units :].T + more[3]
                dr = (dacted * dropped(before, dropout) + more[1]) * inner.slope(np, r)
                dsums = np.concatenate([ds, dr, dg], axis=-1)
                dmet = dsums[:, : 2 * units] @ u[:, : 2 * units].T + dacted * r
            state = dropped(dmet, dropout) + masked(np, keep, dh * s, dh)
            return state, (np.concatenate([ds, dr, dg], axis=-1), dsums, dh, dacted)

        start = np.zeros_like(h0) if dh is None else dh
        dh, (dz, dsums, dhs, dacted) = scan(step, start, (before, gates, keep, gh, ggates), reverse=not self.reverse)
        dz, dsums, met, dhs, dacted = swap_time(dz, dsums, dropped(before, dropout), dhs, dacted)
        return (dz, dsums, dh, met), (dhs, dacted)

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        output, b, *at = index
        u, h0, h, gates, *rest = operands
        optional, (_, ggates, _) = self.split_given(rest)
        dropout = next((x for x in optional if x.array.dtype != bool), None)
        (_, _, dh, _), (dhs, dacted) = self.through_time(numpy, scan, *(x.array for x in operands))
        everything = row_elements(b, [u], [x for x in operands[1:] if x.array.dtype != bool])
        if output == 2:
            return Stage("dh", dh[b, at[0]], everything)
        t, n = at
        p, units = self.before(t), u.shape[0]
        which, j = divmod(n, units)
        before: Term = h[b, p, j] if 0 <= p < h.shape[1] else h0[b, j]
        met = before if dropout is None else before * dropout[b, j]
        if output == 3:
            return met
        s, r, g, acted = (gates[b, t, gate * units + j] for gate in range(4))
        total = Stage("dh", where_counted(dhs, optional)[b, t, j], everything)

        def plus_given(part: Term, which: int) -> Term:
            return part if ggates is None else Sum([part, ggates[b, t, which * units + j]])

        def minus(part: Term) -> Term:
            return Product((Number(-1.0), part))

        dg = plus_given(total * Sum([Number(1.0), minus(s)]), 2) * slope(self.activation, g)
        if which == 0:
            return plus_given(total * Sum([before, minus(g)]), 0) * slope(self.recurrent_activation, s)
        if which == 2:
            return plus_given(dg * r, 3) if output == 1 and self.reset_after else dg
        part = dg * acted if self.reset_after else Stage("d(r·h)", dacted[b, t, j], everything) * met
        return plus_given(part, 1) * slope(self.recurrent_activation, r)

    @classmethod
    def samples(cls) -> list[Sample]:
        draw = numpy.random.default_rng(26).normal
        found: list[Sample] = []
        for sample in Gru.samples():
            if sample.error is None and isinstance(sample.op, Gru):
                gru, (_, u, _, h, *rest) = sample.op, sample.arrays
                outputs = gru.forward(numpy, *sample.arrays)
                for given in ((True,) * 3, (False, False, True)):
                    op = cls(gru.reverse, gru.activation, given, gru.recurrent_activation, gru.reset_after)
                    values = [draw(size=x.shape) for x, present in zip(outputs, given, strict=True) if present]
                    found.append(Sample(op, (u, h, *outputs[:2], *rest, *values)))
        good, (u, h, *others) = found[0].op, found[0].arrays
        return [
            *found,
            Sample(good, (u[:1], h, *others), error=ShapeError),
            Sample(good, (u, h[:1], *others), error=ShapeError),
            Sample(good, (u.astype(numpy.int32), h, *others), error=DtypeError),
        ]


def gru(
    z: Tensor,
    u: Tensor,
    b: Tensor,
    h: Tensor,
    mask: Tensor | None = None,
    dropout: Tensor | None = None,
    *,
    reverse: bool = False,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    reset_after: bool = True,
) -> tuple[Tensor, ...]:
    """A gated recurrent unit over a sequence: h and gates over time, and the last h.

    >>> from pellucid.core.sources import feed
    >>> z, u, b, state = feed((None, 7, 15)), feed((5, 15)), feed((15,)), feed((None, 5))
    >>> [value.shape for value in gru(z, u, b, state)]
    [(None, 7, 5), (None, 7, 20), (None, 5)]
    """
    return Gru(reverse, activation, recurrent_activation, reset_after).apply(z, u, b, h, *there(mask, dropout))


def gru_gradient(
    u: Tensor,
    h: Tensor,
    outputs: Sequence[Tensor],
    derivatives: Sequence[Tensor | None],
    mask: Tensor | None = None,
    dropout: Tensor | None = None,
    *,
    reverse: bool = False,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    reset_after: bool = True,
) -> tuple[Tensor, ...]:
    """The derivatives of z, of what u and b make, and of h, and the state that met u, from `gru`'s first two outputs
    and the derivatives of all.
    """
    given = tuple(g is not None for g in derivatives)
    op = GruGradient(reverse, activation, given, recurrent_activation, reset_after)
    return op.apply(u, h, *outputs, *there(mask, dropout, *derivatives))
