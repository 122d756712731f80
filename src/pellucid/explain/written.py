"""How textbooks write what a graph computes in another way to stay exact: L = −(y·ln ŷ + (1 − y)·ln(1 − ŷ)) is computed
from the logits behind ŷ, and its derivative there is ŷ − y.

A form is shown only where its number is the graph's own; else the reader sees the primitives themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy

from pellucid.core.graph import Tensor
from pellucid.core.place import Group
from pellucid.core.spec import known
from pellucid.explain import expression as ex
from pellucid.explain.expression import Expression, Function, Name, Number
from pellucid.nn.activations import ACTIVATIONS

if TYPE_CHECKING:
    from pellucid.explain.naming import Index
    from pellucid.explain.unfolding import Unfolding

Partials = list[tuple["Index", Expression]]

FUNCTION_NAMES = {"relu": "ReLU", "sigmoid": "σ", "log": "ln", "sqrt": "√", "maximum": "max", "minimum": "min"}
_LARGEST = 700.0  # the exponent of e that float64 still holds
_ROWS = ("softmax", "log_softmax")  # activations of a whole row


def is_activation(name: str) -> bool:
    """Whether a composite is an activation that acts on each element alone, and is written name(x)."""
    return name in ACTIVATIONS and name not in _ROWS


@dataclass(frozen=True)
class Written:
    """A composite's value, and its derivative: for an element of an input the outputs it acts on, with how much."""

    value: Callable[[Unfolding, Group, Index, int], Expression | None]
    partials: Callable[[Unfolding, Group, Tensor, Index], Partials | None]


def probability(unfolding: Unfolding, logits: Tensor, index: Index, kind: str) -> Expression:
    """σ or softmax of a logit: the name of the output that is made so, where there is one."""
    for output in unfolding.opened.outputs.values():
        made = made_by(output, kind)
        source = _unshaped(logits)
        if made is not None and _unshaped(made) is source:
            shape = unfolding.values[output].shape
            flat = int(numpy.ravel_multi_index(index, unfolding.values[logits].shape)) if index else 0
            return unfolding.operand(output, tuple(int(i) for i in numpy.unravel_index(flat, shape)))
    x = unfolding.operand(logits, index)
    if kind == "sigmoid":
        return Function(1.0 / (1.0 + math.exp(-x.value)) if x.value > -_LARGEST else 0.0, "σ", (x,))
    row = unfolding.values[logits][index[:-1]]
    value = float(numpy.exp(x.value - row.max()) / numpy.exp(row - row.max()).sum())
    return Function(value, "softmax", (x,))


def made_by(output: Tensor, kind: str) -> Tensor | None:
    """What the output is σ or softmax of."""
    output = _unshaped(output)
    if kind == "sigmoid":
        return output.node.inputs[0] if output.node.op.name == "sigmoid" else None
    group = next((group for group in output.node.groups if group.name == "softmax" and output in group.outputs), None)
    return None if group is None else group.inputs[0]


def _unshaped(value: Tensor) -> Tensor:
    while value.node.op.name == "reshape":
        (value,) = value.node.inputs
    return value


def _ln(x: Expression) -> Expression:
    with numpy.errstate(all="ignore"):
        return Function(float(numpy.log(x.value)), "ln", (x,))


def _less_one(x: Expression) -> Expression:
    return ex.add([Number(1.0), ex.negate(x)])


def _binary_value(unfolding: Unfolding, group: Group, index: Index, depth: int) -> Expression | None:
    truth, logits = group.inputs
    y, p = unfolding.operand(truth, index, depth), probability(unfolding, logits, index, "sigmoid")
    if not 0.0 < p.value < 1.0:
        return None
    return ex.negate(ex.add([ex.multiply([y, _ln(p)]), ex.multiply([_less_one(y), _ln(_less_one(p))])]))


def _binary_partials(unfolding: Unfolding, group: Group, value: Tensor, index: Index) -> Partials | None:
    truth, logits = group.inputs
    if value is not logits:
        return None
    y, p = unfolding.operand(truth, index), probability(unfolding, logits, index, "sigmoid")
    return [(index, ex.add([p, ex.negate(y)]))]


def _sparse_value(unfolding: Unfolding, group: Group, index: Index, depth: int) -> Expression | None:
    logits, labels = group.inputs
    chosen = int(unfolding.number(labels, index))
    return ex.negate(_ln(probability(unfolding, logits, (*index, chosen), "softmax")))


def _sparse_partials(unfolding: Unfolding, group: Group, value: Tensor, index: Index) -> Partials | None:
    logits, labels = group.inputs
    if value is not logits:
        return None
    p = probability(unfolding, logits, index, "softmax")
    hit = int(unfolding.number(labels, index[:-1])) == index[-1]
    return [(index[:-1], ex.add([p, Number(-1.0)]) if hit else p)]


def _categorical_value(unfolding: Unfolding, group: Group, index: Index, depth: int) -> Expression | None:
    truth, logits = group.inputs
    if group.attributes.get("axis", -1) % logits.rank != logits.rank - 1:
        return None
    parts = []
    for j in range(known(logits.shape)[-1]):
        y = unfolding.operand(truth, (*index, j), depth)
        if y.value:
            parts.append(ex.multiply([y, _ln(probability(unfolding, logits, (*index, j), "softmax"))]))
    return ex.negate(ex.widest(parts, unfolding.width))


def _categorical_partials(unfolding: Unfolding, group: Group, value: Tensor, index: Index) -> Partials | None:
    truth, logits = group.inputs
    if value is not logits or group.attributes.get("axis", -1) % logits.rank != logits.rank - 1:
        return None
    if not math.isclose(float(unfolding.values[truth][index[:-1]].sum()), 1.0, rel_tol=1e-9):
        return None
    p = probability(unfolding, logits, index, "softmax")
    return [(index[:-1], ex.add([p, ex.negate(unfolding.operand(truth, index))]))]


def _softmax_value(unfolding: Unfolding, group: Group, index: Index, depth: int) -> Expression | None:
    (x,) = group.inputs
    row = [unfolding.operand(x, place, depth + 1) for place in _along(group, x, index)]
    own = unfolding.operand(x, index, depth + 1)
    top = max(part.value for part in row)
    if top > _LARGEST:
        return None
    row = [part for part in row if part.value > top - _LARGEST]  # others, such as masked ones, count for nothing
    return ex.divide(ex.exponential(own), ex.widest([ex.exponential(part) for part in row], unfolding.width))


def _softmax_partials(unfolding: Unfolding, group: Group, value: Tensor, index: Index) -> Partials | None:
    (x,), (y,) = group.inputs, group.outputs
    if value is not x:
        return None
    own = _output(unfolding, y, index)
    found = []
    for place in _along(group, x, index):
        if place == index:
            found.append((place, ex.multiply([own, _less_one(own)])))
        else:
            found.append((place, ex.negate(ex.multiply([_output(unfolding, y, place), own]))))
    return found


def _output(unfolding: Unfolding, y: Tensor, index: Index) -> Expression:
    made = unfolding.operand(y, index)
    return made if isinstance(made, Name) else Function(made.value, "softmax", (_first(made),))


def _first(made: Expression) -> Expression:
    """The exponent on top of e^x / Σ e^x."""
    if isinstance(made, ex.Quotient) and isinstance(made.top, ex.Power):
        return made.top.exponent
    return made


def _along(group: Group, x: Tensor, index: Index) -> list[Index]:
    """The places of the row that an element belongs to."""
    axis = group.attributes.get("axis", -1) % x.rank
    return [(*index[:axis], j, *index[axis + 1 :]) for j in range(known(x.shape)[axis])]


WRITTEN: dict[str, Written] = {
    "binary_crossentropy": Written(_binary_value, _binary_partials),
    "sparse_categorical_crossentropy": Written(_sparse_value, _sparse_partials),
    "categorical_crossentropy": Written(_categorical_value, _categorical_partials),
    "softmax": Written(_softmax_value, _softmax_partials),
}
