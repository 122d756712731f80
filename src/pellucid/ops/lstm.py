"""The long short-term memory cell over a sequence, and its derivative by backpropagation through time."""

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
class Lstm(Recurrent):
    """A long short-term memory over a sequence; gates in Keras's order i, f, g (the candidate), o.

    Shapes: z [batch, steps, 4·units], u [units, 4·units], h and c [batch, units], mask [batch, steps] and dropout
    [batch, units] where there are some → h and c over time [batch, steps, units], gates [batch, steps, 4·units], and
    the last h and c [batch, units].
    """

    recurrent_activation: str = "sigmoid"
    name, inputs = "lstm", ("z", "u", "h", "c", "mask", "dropout")
    formula = "i, f, g, o = σ, σ, tanh, σ of zₜ + hₜ₋₁·u; cₜ = f⊙cₜ₋₁ + i⊙g; hₜ = o⊙tanh(cₜ)"
    latex = (
        r"(i, f, g, o) = (\sigma, \sigma, \tanh, \sigma)(z_t + h_{t-1} U), "
        r"\quad c_t = f \odot c_{t-1} + i \odot g, \quad h_t = o \odot \tanh(c_t)"
    )
    source = "Hochreiter & Schmidhuber 1997; Gers, Schmidhuber, Cummins 2000"
    gates: ClassVar[int] = 4
    gate_names: ClassVar = ("i", "f", "candidate", "o")

    def infer(self, *specs: Any) -> tuple[Spec, ...]:
        z, u, h, c, *rest = specs
        batch, steps, units = self.sizes(specs, u, z, 4)
        self.need(
            specs,
            [("z", z, (batch, steps, 4 * units)), ("u", u, (units, 4 * units)),
             ("h", h, (batch, units)), ("c", c, (batch, units))],
        )  # fmt: skip
        self.need_extras(specs, rest, batch, steps, units)
        over_time, last = Spec((batch, steps, units), z.dtype), Spec((batch, units), z.dtype)
        return over_time, over_time, z, last, last

    def run(self, np: Any, scan: Callable[..., Any], *arrays: Array) -> tuple[Array, ...]:
        z, u, h, c, *rest = arrays
        mask, dropout = extras(rest)
        inner, outer = ACTIVATIONS[self.recurrent_activation].value, ACTIVATIONS[self.activation].value

        def step(state: Any, now: Any) -> Any:
            (h, c), (z, keep) = state, now
            i, f, g, o = np.split(z + dropped(h, dropout) @ u, 4, axis=-1)
            i, f, g, o = inner(np, i), inner(np, f), outer(np, g), inner(np, o)
            new = f * c + i * g
            state = masked(np, keep, o * outer(np, new), h), masked(np, keep, new, c)
            return state, (*state, np.concatenate([i, f, g, o], axis=-1))

        last, over_time = scan(step, (h, c), swap_time(z, mask), reverse=self.reverse)
        return (*swap_time(*over_time), *last)

    def sums(self, outputs: Sequence[Array], *arrays: Array) -> Array:
        z, u, h, _, *rest = arrays
        return z + self.met(h, outputs[0], rest) @ u

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        _, u, h, c, *rest = node.inputs
        derivatives = without_zeros(gradients)
        dz, dh, dc, met = lstm_gradient(u, h, c, node.outputs[:3], derivatives, *extras(rest), **self.attributes)
        return [dz, swap(flat(met)) @ flat(dz), dh, dc, *self.extras_grad(rest, dz @ swap(u), h, node.outputs[0])]

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        output, b, *place = index
        z, u, first_h, first_c, *rest = operands
        mask, dropout = extras([x.array for x in rest])
        hs, cs, *_ = self.forward(numpy, *(x.array for x in operands))
        *at, j = place
        t = at[0] if at else (0 if self.reverse else z.shape[1] - 1)
        p, units = self.before(t), u.shape[0]
        started = 0 <= p < z.shape[1]
        past = row_elements(b, [u], [first_h, first_c, *(x for x in rest if x.array.dtype != bool)])
        past += [z[b, s, n] for s in range(z.shape[1]) if (s > t if self.reverse else s < t) for n in range(4 * units)]

        def h(k: int) -> Term:
            return Stage("h before", hs[b, p, k], past) if started else first_h[b, k]

        def gate(n: int) -> Term:
            met = [h(k) if dropout is None else Product((h(k), operands[-1][b, k])) for k in range(units)]
            name = self.activation if n // units == 2 else self.recurrent_activation
            return bend(name, Sum([z[b, t, n], *(x * u[k, n] for k, x in enumerate(met))]))

        if output == 2:
            return gate(j)
        c: Term = Stage("c before", cs[b, p, j], past) if started else first_c[b, j]
        if mask is not None and not mask[b, t]:
            return c if output in (1, 4) else h(j)
        c = Sum([gate(units + j) * c, gate(j) * gate(2 * units + j)])
        return c if output in (1, 4) else gate(3 * units + j) * bend(self.activation, c)

    @classmethod
    def samples(cls) -> list[Sample]:
        draw = numpy.random.default_rng(21).normal

        def arrays(b: int, t: int, n: int, *rest: numpy.ndarray) -> tuple[numpy.ndarray, ...]:
            return draw(size=(b, t, 4 * n)), draw(size=(n, 4 * n)), draw(size=(b, n)), draw(size=(b, n)), *rest

        mask = numpy.array([[True, False, True], [False, False, False]])
        dropout = numpy.array([[0.0, 2.0], [2.0, 0.0]])
        good = [
            Sample(cls(), arrays(2, 3, 2)),
            Sample(cls(reverse=True), arrays(2, 3, 2)),
            Sample(cls(), arrays(1, 1, 1)),
            Sample(cls(), arrays(0, 2, 3)),
            Sample(cls(), arrays(2, 3, 2, mask)),
            Sample(cls(reverse=True), arrays(2, 3, 2, mask, dropout)),
            Sample(cls(), arrays(2, 3, 2, dropout)),
            Sample(cls(activation="linear", recurrent_activation="tanh"), arrays(1, 2, 2)),
            Sample(cls(activation="sigmoid", recurrent_activation="hard_sigmoid"), arrays(2, 2, 2)),
            Sample(cls(activation="relu"), arrays(2, 2, 2)),
            Sample(cls(), tuple(x * 0.3 for x in arrays(9, 4, 5))),
        ]
        z, u, h, c = arrays(2, 3, 2)
        return [
            *good,
            Sample(cls(), (z[:, :, :7], u, h, c), error=ShapeError),
            Sample(cls(), (z[:, :0], u, h, c), error=ShapeError),
            Sample(cls(), (z, u[:1], h, c), error=ShapeError),
            Sample(cls(), (z, u, h[:1], c), error=ShapeError),
            Sample(cls(), (z, u, h, c, mask[:, :2]), error=ShapeError),
            Sample(cls(), (z, u, h, c, dropout, dropout), error=ShapeError),
            Sample(cls(), (z.astype(numpy.int32), u, h, c), error=DtypeError),
        ]


@dataclass(frozen=True)
class LstmGradient(RecurrentGradient):
    """The derivative of `lstm`, from the derivatives of its outputs (`given`: of which).

    Shapes: u, the initial h and c, the outputs h, c and gates, mask, dropout, and the derivatives → dz [batch, steps,
    4·units], dh and dc of the initial states [batch, units], and `met` [batch, steps, units]: what was multiplied with
    u at each step, so that du = metᵀ·dz over batch and steps.
    """

    recurrent_activation: str = "sigmoid"
    name = "lstm_gradient"
    inputs = ("u", "h₀", "c₀", "h", "c", "gates", "mask", "dropout", "dh", "dc", "dgates", "dh last", "dc last")
    formula = (
        "dc += dh⊙o⊙tanh'(cₜ); dz = (dc⊙g, dc⊙cₜ₋₁, dc⊙i, dh⊙tanh(cₜ))⊙(σ', σ', tanh', σ'); dhₜ₋₁ = dz·uᵀ; dcₜ₋₁ = dc⊙f"
    )
    latex = (
        r"dc \mathrel{+}= dh \odot o \odot \tanh'(c_t), \quad "
        r"dz = (dc \odot g, dc \odot c_{t-1}, dc \odot i, dh \odot \tanh(c_t)) "
        r"\odot (\sigma', \sigma', \tanh', \sigma'), \quad dh_{t-1} = dz\, U^{\top}, \quad dc_{t-1} = dc \odot f"
    )
    source = "Werbos 1990, backpropagation through time"
    gates: ClassVar[int] = 4
    states: ClassVar[int] = 2

    def infer(self, *specs: Any) -> tuple[Spec, ...]:
        u, h0, c0, h, c, gates, *rest = specs
        batch, steps, units = self.sizes(specs, u, gates, 4)
        over_time, last = (batch, steps, units), (batch, units)
        optional, derivatives = self.split_given(rest)
        shapes = [over_time, over_time, (batch, steps, 4 * units), last, last]
        self.need(
            specs,
            [("u", u, (units, 4 * units)), ("h₀", h0, last), ("c₀", c0, last), ("h", h, over_time), ("c", c, over_time),
             ("gates", gates, shapes[2]), *zip(self.inputs[-5:], derivatives, shapes, strict=True)],
        )  # fmt: skip
        self.need_extras(specs, optional, batch, steps, units)
        return gates, h0, c0, h

    def through_time(
        self, np: Any, scan: Callable[..., Any], *arrays: Array
    ) -> tuple[Sequence[Array], Sequence[Array]]:
        u, h0, c0, h, c, gates, *rest = arrays
        optional, (gh, gc, ggates, dh, dc) = self.split_given(rest)
        mask, dropout = extras(optional)
        inner, outer = ACTIVATIONS[self.recurrent_activation], ACTIVATIONS[self.activation]
        h, c, gates, keep, gh, gc, ggates = swap_time(h, c, gates, mask, gh, gc, ggates)

        def step(state: Any, now: Any) -> Any:
            (dh, dc), (c, c_before, gates, keep, gh, gc, ggates) = state, now
            i, f, g, o = np.split(gates, 4, axis=-1)
            dh, dc = dh if gh is None else dh + gh, dc if gc is None else dc + gc
            nothing, curve = np.zeros_like(dh), outer.value(np, c)
            kept_h = masked(np, keep, dh, nothing)
            whole = dc + dh * o * outer.slope(np, curve)
            kept_c = masked(np, keep, whole, nothing)
            parts = np.concatenate([kept_c * g, kept_c * c_before, kept_c * i, kept_h * curve], axis=-1)
            parts = parts if ggates is None else parts + ggates
            bends = [inner.slope(np, i), inner.slope(np, f), outer.slope(np, g), inner.slope(np, o)]
            dz = parts * np.concatenate(bends, axis=-1)
            state = (
                dropped(dz @ u.T, dropout) + masked(np, keep, nothing, dh),
                kept_c * f + masked(np, keep, nothing, dc),
            )
            return state, (dz, dh, masked(np, keep, whole, dc))

        met = dropped(self.shifted(np, h0, h), dropout)
        sequences = (c, self.shifted(np, c0, c), gates, keep, gh, gc, ggates)
        start = tuple(np.zeros_like(h0) if x is None else x for x in (dh, dc))
        (dh, dc), (dz, dhs, dcs) = scan(step, start, sequences, reverse=not self.reverse)
        dz, met, dhs, dcs = swap_time(dz, met, dhs, dcs)
        return (dz, dh, dc, met), (dhs, dcs)

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        output, b, *at = index
        u, h0, c0, h, c, gates, *rest = operands
        optional, (*_, ggates, _, _) = self.split_given(rest)
        dropout = next((x for x in optional if x.array.dtype != bool), None)
        (_, dh, dc, _), (dhs, dcs) = self.through_time(numpy, scan, *(x.array for x in operands))
        dhs, dcs = where_counted(dhs, optional), where_counted(dcs, optional)
        everything = row_elements(b, [u], [x for x in operands[1:] if x.array.dtype != bool])
        if output in (1, 2):
            return Stage("dc" if output == 2 else "dh", (dc if output == 2 else dh)[b, at[0]], everything)
        t, n = at
        p, units = self.before(t), u.shape[0]
        started = 0 <= p < h.shape[1]
        if output == 3:
            state: Term = h[b, p, n] if started else h0[b, n]
            return state if dropout is None else state * dropout[b, n]
        which, j = divmod(n, units)
        i, g = gates[b, t, j], gates[b, t, 2 * units + j]
        before: Term = c[b, p, j] if started else c0[b, j]
        total = Stage("dh", dhs[b, t, j], everything) if which == 3 else Stage("dc", dcs[b, t, j], everything)
        part = Sum([Product((total, [g, before, i, bend(self.activation, c[b, t, j])][which]))])
        part = part if ggates is None else Sum([*part.parts, ggates[b, t, n]])
        return part * slope(self.activation if which == 2 else self.recurrent_activation, gates[b, t, n])

    @classmethod
    def samples(cls) -> list[Sample]:
        draw = numpy.random.default_rng(22).normal
        found: list[Sample] = []
        for sample in Lstm.samples():
            if sample.error is not None:
                continue
            lstm, (_, u, h, c, *rest) = sample.op, sample.arrays
            assert isinstance(lstm, Lstm)
            outputs = lstm.forward(numpy, *sample.arrays)
            for given in (
                ((True,) * 5, (False, False, False, True, False)) if len(found) < 6 else ((True,) + (False,) * 4,)
            ):
                op = cls(lstm.reverse, lstm.activation, given, lstm.recurrent_activation)
                values = [draw(size=x.shape) for x, present in zip(outputs, given, strict=True) if present]
                found.append(Sample(op, (u, h, c, *outputs[:3], *rest, *values)))
        good = found[0]
        u, h, *others = good.arrays
        return [
            *found,
            Sample(good.op, (u[:1], h, *others), error=ShapeError),
            Sample(good.op, (u, h[:1], *others), error=ShapeError),
            Sample(good.op, (*good.arrays[:-1], others[0][:1]), error=ShapeError),
            Sample(good.op, (u.astype(numpy.int32), h, *others), error=DtypeError),
        ]


def lstm(
    z: Tensor,
    u: Tensor,
    h: Tensor,
    c: Tensor,
    mask: Tensor | None = None,
    dropout: Tensor | None = None,
    *,
    reverse: bool = False,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
) -> tuple[Tensor, ...]:
    """A long short-term memory over a sequence: h, c and gates over time, and the last h and c.

    >>> from pellucid.core.sources import feed
    >>> z, u, state = feed((None, 7, 20)), feed((5, 20)), feed((None, 5))
    >>> [value.shape for value in lstm(z, u, state, state)]
    [(None, 7, 5), (None, 7, 5), (None, 7, 20), (None, 5), (None, 5)]
    """
    return Lstm(reverse, activation, recurrent_activation).apply(z, u, h, c, *there(mask, dropout))


def lstm_gradient(
    u: Tensor,
    h: Tensor,
    c: Tensor,
    outputs: Sequence[Tensor],
    derivatives: Sequence[Tensor | None],
    mask: Tensor | None = None,
    dropout: Tensor | None = None,
    *,
    reverse: bool = False,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
) -> tuple[Tensor, ...]:
    """The derivatives of z, h and c, and what met u, from `lstm`'s first three outputs and the derivatives of all."""
    op = LstmGradient(reverse, activation, tuple(g is not None for g in derivatives), recurrent_activation)
    return op.apply(u, h, c, *outputs, *there(mask, dropout, *derivatives))
