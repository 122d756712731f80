"""What recurrent ops share: steps over time, masks, dropout of the state, and the refusals.

A recurrent op runs its cell over all steps of a sequence in one node, so that the graph does not grow with the
sequence. The part of a step that does not wait for the state, z = x·W + b, is computed outside, for all steps as one
product; so is the derivative of u. Everything over time is [batch, steps, …] and stands at its place in the sequence,
also where the cell runs from the end (`reverse`).

Two operands after the states are optional. A step whose `mask` [batch, steps] is false leaves the state as it was.
`dropout` [batch, units] multiplies the state on its way into the product with u, the same at every step (Gal &
Ghahramani 2016).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy

from pellucid.core.graph import Array, Node, Tensor
from pellucid.core.op import Op
from pellucid.core.sources import Constant
from pellucid.core.spec import Shape, Spec
from pellucid.core.terms import Apply, Element, Operand, Term
from pellucid.errors import ArgumentError, GraphError
from pellucid.ops.activations import sigmoid
from pellucid.ops.reduce import sum
from pellucid.ops.shape import concatenate, expand_dims


class Bend(NamedTuple):
    """An activation inside a cell, and its derivative as a function of its value."""

    value: Callable[[Any, Array], Array]
    slope: Callable[[Any, Array], Array]


ACTIVATIONS: dict[str, Bend] = {
    "hard_sigmoid": Bend(
        lambda np, x: np.clip(x / 6 + 0.5, 0, 1), lambda np, y: ((y > 0) & (y < 1)).astype(y.dtype) / 6
    ),
    "linear": Bend(lambda np, x: x, lambda np, y: np.ones_like(y)),
    "relu": Bend(lambda np, x: np.maximum(x, 0), lambda np, y: (y > 0).astype(y.dtype)),
    "sigmoid": Bend(lambda np, x: sigmoid.forward(np, x), lambda np, y: y * (1 - y)),
    "tanh": Bend(lambda np, x: np.tanh(x), lambda np, y: 1 - y * y),
}


def scan(step: Callable[..., Any], state: Any, sequences: Sequence[Any], reverse: bool) -> tuple[Any, Any]:
    """`jax.lax.scan` in plain NumPy: `step(state, elements) -> (state, results)` at each place of the sequences."""
    length = len(sequences[0])
    results: list[Any] = [None] * length
    for place in reversed(range(length)) if reverse else range(length):
        state, results[place] = step(state, tuple(None if x is None else x[place] for x in sequences))
    return state, tuple(numpy.stack(column) for column in zip(*results, strict=True))


def swap_time(*values: Array | None) -> tuple[Array | None, ...]:
    """[batch, steps, …] ↔ [steps, batch, …]."""
    return tuple(None if x is None else x.swapaxes(0, 1) for x in values)


def masked(np: Any, keep: Array | None, new: Array, old: Array) -> Array:
    """What a step makes where it counts, else what was there before."""
    return new if keep is None else np.where(keep[:, None], new, old)


def dropped(x: Array, dropout: Array | None) -> Array:
    """The state as it meets u."""
    return x if dropout is None else x * dropout


class Extras(NamedTuple):
    """The optional operands, or their specs."""

    mask: Any = None
    dropout: Any = None


def extras(rest: Sequence[Any]) -> Extras:
    """The optional operands among those after the states: the mask is the one of truth values."""
    masks = [x for x in rest if str(x.dtype) == "bool"]
    others = [x for x in rest if str(x.dtype) != "bool"]
    return Extras(masks[0] if masks else None, others[0] if others else None)


@dataclass(frozen=True)
class Recurrent(Op):
    """What recurrent ops share, forward and backward. `gates`: how many times the units z is wide."""

    reverse: bool = False
    activation: str = "tanh"
    gates: ClassVar[int]
    gate_names: ClassVar[tuple[str, ...]] = ()  # of the blocks of units in the output `gates`
    twice_differentiable: ClassVar[bool] = False  # the graph would have to grow with the sequence
    # A rounding error of one step is carried through the following ones. In bfloat16 z, u and the state are rounded to
    # 8 bits before each product.
    tolerance: ClassVar = {"float32": 2e-5, "bfloat16": 8e-2, "float64": 1e-12}

    def __post_init__(self) -> None:
        for name in (value for value in self.attributes.values() if isinstance(value, str)):
            if name not in ACTIVATIONS:
                raise ArgumentError(f"{self.name} cannot compute {name!r} in its steps; use {', '.join(ACTIVATIONS)}")

    def run(self, np: Any, scan: Callable[..., Any], *arrays: Array) -> tuple[Array, ...]:
        """The outputs; `scan` is this file's or JAX's."""
        raise NotImplementedError

    def forward(self, np: Any, *arrays: Array) -> Array:
        return self.run(np, scan, *arrays)

    def xla(self, jnp: Any, lax: Any, *arrays: Array) -> Array:
        return self.run(jnp, lax.scan, *arrays)

    def before(self, t: int) -> int:
        """The place of the step before the one at t."""
        return t + 1 if self.reverse else t - 1

    def sums(self, outputs: Sequence[Array], *arrays: Array) -> Array:
        """What each gate's activation is taken of, [batch, steps, gates·units], from the op's outputs and inputs."""
        raise NotImplementedError

    def met(self, first: Array, h: Array, rest: Sequence[Array]) -> Array:
        """The state as it meets u at each step, [batch, steps, units], from the initial one and h over time."""
        before = self.shifted(numpy, first, h.swapaxes(0, 1))
        return dropped(before, extras(rest).dropout).swapaxes(0, 1)

    def shifted(self, np: Any, first: Array, values: Array) -> Array:
        """The states before each step, [steps, batch, units], from the initial one and those after each step."""
        if self.reverse:
            return np.concatenate([values[1:], first[None]])
        return np.concatenate([first[None], values[:-1]])

    def extras_grad(self, rest: Sequence[Tensor], dmet: Tensor, first: Tensor, h: Tensor) -> list[Tensor | None]:
        """The derivatives of the optional operands, from that of the state as it meets u: of dropout Σₜ dmet⊙hₜ₋₁."""
        if extras(rest).dropout is None:
            return [None] * len(rest)
        start = expand_dims(first, 1)
        before = [h[:, 1:], start] if self.reverse else [start, h[:, :-1]]
        dropout = sum(concatenate(before, axis=1) * dmet, axis=1)
        return [None if x.dtype == "bool" else dropout for x in rest]

    def need(self, specs: Sequence[Spec], wanted: Iterable[tuple[str, Spec | None, Shape]]) -> None:
        """Raise `ShapeError` where an operand that is there has not the shape wanted."""
        for name, spec, shape in wanted:
            if spec is None:
                continue
            sizes = zip(spec.shape, shape, strict=False)
            if spec.rank != len(shape) or any(None not in pair and pair[0] != pair[1] for pair in sizes):
                raise self.wrong_shape(specs, f"{name} must be {Spec(shape, spec.dtype)}")

    def sizes(self, specs: Sequence[Spec], u: Spec, over_time: Spec, width: int) -> tuple[int | None, int | None, int]:
        """Batch, steps and units, from u [units, gates·units] and something [batch, steps, width·units]."""
        self.need_float(*(spec for spec in specs if spec.dtype != "bool"))
        if u.rank != 2 or not u.shape[1] or u.shape[1] % self.gates:
            raise self.wrong_shape(specs, f"u must be [units, {self.gates}·units]")
        units = u.shape[1] // self.gates
        if over_time.rank != 3 or over_time.shape[1] == 0:
            raise self.wrong_shape(specs, f"it needs [batch, steps, {width * units}] with at least one step")
        return over_time.shape[0], over_time.shape[1], units

    def need_extras(self, specs: Sequence[Spec], rest: Sequence[Spec], batch: Any, steps: Any, units: int) -> None:
        """Raise `ShapeError` where the optional operands are none."""
        found = extras(rest)
        if len(rest) != 2 - found.count(None):
            raise self.wrong_shape(specs, "after the states it takes a mask (bool) and a dropout at most")
        self.need(specs, [("mask", found.mask, (batch, steps)), ("dropout", found.dropout, (batch, units))])


@dataclass(frozen=True)
class RecurrentGradient(Recurrent):
    """What the derivatives of recurrent ops share; `given`: which outputs have a derivative that is not zero."""

    given: tuple[bool, ...] = ()
    differentiable: ClassVar[bool] = False
    states: ClassVar[int] = 1

    def through_time(
        self, np: Any, scan: Callable[..., Any], *arrays: Array
    ) -> tuple[Sequence[Array], Sequence[Array]]:
        """The outputs; and at each step the whole derivatives of h and c, through all that comes after it."""
        raise NotImplementedError

    def run(self, np: Any, scan: Callable[..., Any], *arrays: Array) -> tuple[Array, ...]:
        return tuple(self.through_time(np, scan, *arrays)[0])

    def of_states(self, *arrays: Array) -> Sequence[Array]:
        """The derivative of the loss with respect to h (and c) as each step leaves it, [batch, steps, units]."""
        return self.through_time(numpy, scan, *arrays)[1][: self.states]

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        raise GraphError(
            f"{self.name} has no derivative: second derivatives through recurrent layers are not available; "
            "put penalties on derivatives before or behind them"
        )

    def split_given(self, rest: Sequence[Any]) -> tuple[Sequence[Any], list[Any]]:
        """The optional operands, and for each output its derivative or `None`."""
        count = len(rest) - self.given.count(True)
        values = iter(rest[count:])
        return rest[:count], [next(values) if present else None for present in self.given]


def where_counted(values: Array, optional: Sequence[Operand]) -> Array:
    """[batch, steps, units] with zeros at the steps that the mask, if there is one, leaves out."""
    mask = extras([x.array for x in optional]).mask
    return values if mask is None else numpy.where(mask[..., None], values, 0.0)


def without_zeros(gradients: Sequence[Tensor]) -> list[Tensor | None]:
    """The derivatives of the outputs; `None` for one that is plainly zero, since nothing reads that output."""
    return [None if isinstance(g.node.op, Constant) and not g.node.op.value.any() else g for g in gradients]


def there(*values: Tensor | None) -> list[Tensor]:
    """Those operands that are there."""
    return [value for value in values if value is not None]


def bend(name: str, part: Term) -> Apply:
    """A term's activation."""
    return Apply(name, lambda x: ACTIVATIONS[name].value(numpy, numpy.float64(x)), part)


def slope(name: str, part: Term) -> Apply:
    """The derivative of an activation whose value is the term's."""
    return Apply(f"{name}'", lambda y: ACTIVATIONS[name].slope(numpy, numpy.float64(y)), part)


def elements(operand: Operand, *start: int) -> Iterator[Element]:
    """The elements of an operand whose index begins so."""
    return (operand[start + place] for place in numpy.ndindex(operand.shape[len(start) :]))


def row_elements(b: int, shared: Sequence[Operand], by_row: Sequence[Operand]) -> list[Element]:
    """All that one example's states may depend on: weights, and its own rows."""
    return [x for operand in shared for x in elements(operand)] + [
        x for operand in by_row for x in elements(operand, b)
    ]
