"""Recurrent ops step by step: the same values from elementary ops, so that every state and gate is a value of its own.

The graph grows with the sequence, which is why training uses the primitives `lstm`, `gru` and `simple_rnn`. Here
backpropagation through time is the chain rule from step to step, as explanations show it. Arguments and results are
those of the primitives. The values of step t carry labels: "h[t=3]", "c[t=3]", and the gates by their names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pellucid.core.graph import Tensor, named
from pellucid.core.spec import known
from pellucid.ops.activations import relu, sigmoid, tanh
from pellucid.ops.comparisons import where
from pellucid.ops.composites import hard_sigmoid, stack
from pellucid.ops.shape import concatenate

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "hard_sigmoid": hard_sigmoid, "linear": lambda x: x, "relu": relu, "sigmoid": sigmoid, "tanh": tanh,
}  # fmt: skip


def lstm(
    z: Tensor, u: Tensor, h: Tensor, c: Tensor, mask: Tensor | None = None, dropout: Tensor | None = None, *,
    reverse: bool = False, activation: str = "tanh", recurrent_activation: str = "sigmoid",
) -> tuple[Tensor, ...]:  # fmt: skip
    """h, c and gates over time, the last h and c, as `ops.lstm` gives them."""
    inner, outer = _ACTIVATIONS[recurrent_activation], _ACTIVATIONS[activation]
    results: dict[int, tuple[Tensor, ...]] = {}
    for t in _steps(z, reverse):
        i, f, g, o = _parts(z[:, t] + _met(h, dropout) @ u, 4)
        i, f = _at(inner(i), "i", t), _at(inner(f), "f", t)
        g, o = _at(outer(g), "candidate", t), _at(inner(o), "o", t)
        new = _at(f * c + i * g, "c", t)
        h, c = _masked(mask, t, _at(o * outer(new), "h", t), h), _masked(mask, t, new, c)
        results[t] = h, c, concatenate([i, f, g, o], axis=-1)
    return (*_over_time(results), h, c)


def gru(
    z: Tensor, u: Tensor, b: Tensor, h: Tensor, mask: Tensor | None = None, dropout: Tensor | None = None, *,
    reverse: bool = False, activation: str = "tanh", recurrent_activation: str = "sigmoid", reset_after: bool = True,
) -> tuple[Tensor, ...]:  # fmt: skip
    """h and gates over time, the last h, as `ops.gru` gives them."""
    inner, outer = _ACTIVATIONS[recurrent_activation], _ACTIVATIONS[activation]
    units = known(u.shape)[0]
    first, last = u[:, : 2 * units], u[:, 2 * units :]
    b_first, b_last = b[: 2 * units], b[2 * units :]
    results: dict[int, tuple[Tensor, ...]] = {}
    for t in _steps(z, reverse):
        now, met = z[:, t], _met(h, dropout)
        s, r = _parts(now[:, : 2 * units] + (met @ first + b_first), 2)
        s, r = _at(inner(s), "update", t), _at(inner(r), "reset", t)
        acted = met @ last + b_last if reset_after else r * met
        inside = r * acted if reset_after else acted @ last + b_last
        g = _at(outer(now[:, 2 * units :] + inside), "candidate", t)
        h = _masked(mask, t, _at(s * h + (1.0 - s) * g, "h", t), h)
        results[t] = h, concatenate([s, r, g, acted], axis=-1)
    return (*_over_time(results), h)


def simple_rnn(
    z: Tensor, u: Tensor, h: Tensor, mask: Tensor | None = None, dropout: Tensor | None = None, *,
    reverse: bool = False, activation: str = "tanh",
) -> tuple[Tensor, ...]:  # fmt: skip
    """h over time and the last h, as `ops.simple_rnn` gives them."""
    results: dict[int, tuple[Tensor, ...]] = {}
    for t in _steps(z, reverse):
        new = _at(_ACTIVATIONS[activation](z[:, t] + _met(h, dropout) @ u), "h", t)
        h = _masked(mask, t, new, h)
        results[t] = (h,)
    return (*_over_time(results), h)


def _steps(z: Tensor, reverse: bool) -> Iterable[int]:
    steps = range(known(z.shape)[1])
    return reversed(steps) if reverse else steps


def _parts(x: Tensor, count: int) -> list[Tensor]:
    width = known(x.shape)[1] // count
    return [x[:, place * width : (place + 1) * width] for place in range(count)]


def _met(h: Tensor, dropout: Tensor | None) -> Tensor:
    return h if dropout is None else h * dropout


def _masked(mask: Tensor | None, t: int, new: Tensor, old: Tensor) -> Tensor:
    if mask is None:
        return new
    return where(mask[:, t : t + 1], new, old)


def _at(value: Tensor, label: str, t: int) -> Tensor:
    """A value under its label."""
    return named(value, f"{label}[t={t}]")


def _over_time(results: dict[int, tuple[Tensor, ...]]) -> list[Tensor]:
    ordered = [results[t] for t in sorted(results)]
    return [stack(column, axis=1) for column in zip(*ordered, strict=True)]
