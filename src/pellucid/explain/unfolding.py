"""From the graph to expressions: how one element of any tensor, forward, backward or in an update, is made of values
that have names.

`Unfolding` asks each op for the `terms` of one element and goes on through values without names. What is named, or
too deep, or one of too many parts of a sum, is where it stops.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

import numpy

from pellucid.core.graph import Node, Tensor
from pellucid.core.sources import Constant, Feed, Read
from pellucid.core.terms import Apply, Element, Largest, Operand, Product, Smallest, Stage, Sum, Term
from pellucid.core.terms import Number as PlainNumber
from pellucid.explain import expression as ex
from pellucid.explain.expression import Expression, Function, Name, Number, Symbol
from pellucid.explain.naming import MOVES, Index, Naming, state_letter
from pellucid.explain.opened import Opened
from pellucid.explain.written import FUNCTION_NAMES, WRITTEN, is_activation
from pellucid.ops.random import Draw

IN_FULL = -1000  # the depth from which an expression is written out, however deep it goes
_DEEP = 7  # ops that one expression may go through; what lies deeper is an equation of its own


class Unfolding:
    """The expressions of an opened network. `width` is how many parts of a wide sum are shown."""

    def __init__(self, opened: Opened, naming: Naming, width: int = 4) -> None:
        self.opened, self.naming, self.width = opened, naming, width
        self.values = opened.exact
        self.aside: list[tuple[Symbol, Tensor, Index]] = []  # values that were given equations of their own
        self._sources: set[Tensor] = set()
        self._named: dict[Tensor, str] = {}

    def number(self, value: Tensor, index: Index) -> float:
        """The number of one element."""
        return float(self.values[value][index])

    def expression(self, value: Tensor, index: Index) -> Expression:
        """What one element is made of, even where it has a name itself."""
        return self._made(value, index, 0)

    def operand(self, value: Tensor, index: Index, depth: int = 0) -> Expression:
        """One element inside an expression: its name, where it has one, or what it is made of."""
        if value in self._sources:
            return Name(self.number(value, index), Symbol("x", index), (value, index))
        if value in self.naming:
            return Name(self.number(value, index), self.naming.symbol(value, index))
        if value in self._named:
            return Name(self.number(value, index), Symbol(self._named[value]))
        if isinstance(value.node.op, Constant):
            return Number(self.number(value, index))
        if value in self.derived and value is not self.seed:
            shared = self.derived[value]
            target = next((one for one in shared if isinstance(one.node.op, Read)), shared[0])
            return Name(self.number(value, index), self.derivative(target, self.fitted(target, index)))
        if depth >= _DEEP and value.node.op.name not in MOVES:
            return self._set_aside(value, index)
        return self._made(value, index, depth)

    def expression_of(self, sources: Iterable[Tensor], value: Tensor, index: Index) -> Expression:
        """What one element is made of down to the elements of `sources`, every part of wide sums among them."""
        width, self.width, self._sources = self.width, sys.maxsize // 4, set(sources)
        try:
            return self._made(value, index, 0)
        finally:
            self.width, self._sources = width, set()

    def origin(self, value: Tensor, index: Index) -> tuple[Tensor, Index]:
        """Where an element stood before it was only moved."""
        while value.node.op.name in MOVES and value not in self.naming:
            term = self.terms(value, index)
            if not isinstance(term, Element):
                break
            value, index = value.node.inputs[term.operand], term.index
        return value, index

    def linear_in(self, sources: Iterable[Tensor], value: Tensor, index: Index) -> dict[tuple[Tensor, Index], float]:
        """What each element of `sources` is multiplied by in an element that is linear in them."""
        form = ex.linear(self.expression_of(sources, value, index))
        return {key: factor.value for key, (_, factor) in form.items()}

    def derivative(self, value: Tensor, index: Index) -> Symbol:
        """The symbol of the derivative of the loss with respect to an element."""
        return Symbol("L", by=self.naming.symbol(value, index))

    def nickname(self, value: Tensor, letter: str) -> None:
        """Call a value so wherever it has no other name."""
        self._named.setdefault(value, letter)

    def fitted(self, value: Tensor, index: Index) -> Index:
        """An index as another tensor of the same elements takes it."""
        if len(index) == value.rank:
            return index
        shape = self.values[value].shape
        return tuple(int(i) for i in numpy.unravel_index(0, shape)) if not index else index[len(index) - value.rank :]

    def _set_aside(self, value: Tensor, index: Index) -> Expression:
        for symbol, other, place in self.aside:
            if other is value and place == index:
                return Name(self.number(value, index), symbol)
        symbol = Symbol("s", (len(self.aside) + 1,))
        self.aside.append((symbol, value, index))
        return Name(self.number(value, index), symbol)

    def _made(self, value: Tensor, index: Index, depth: int) -> Expression:
        node = value.node
        if isinstance(node.op, (Feed, Read)):
            return Name(self.number(value, index), _source(node, index))
        if isinstance(node.op, (Constant, Draw)):
            return Number(self.number(value, index))
        written = self._written(value, index, depth)
        if written is not None:
            return written
        return self.term(self.terms(value, index), node, depth + (node.op.name not in MOVES))

    def _written(self, value: Tensor, index: Index, depth: int) -> Expression | None:
        """A composite's value as textbooks write it, where there is such a form and its number is the graph's."""
        for group in value.node.groups:
            if value in group.outputs and group.gradient_of is None:
                form = WRITTEN.get(group.name)
                if form is not None:
                    made = form.value(self, group, index, depth + 1)
                    if made is not None and agree(made.value, self.number(value, index)):
                        return made
                elif is_activation(group.name) and group.inputs[0].shape == value.shape:
                    parts = [self.operand(one, _broadcast(one, index), depth + 1) for one in group.inputs[:1]]
                    return Function(self.number(value, index), group.name, tuple(parts))
        return None

    def terms(self, value: Tensor, index: Index) -> Term:
        node = value.node
        operands = [Operand(place, self.values[one]) for place, one in enumerate(node.inputs)]
        at = (node.outputs.index(value), *index) if len(node.outputs) > 1 else index
        return node.op.terms(at, *operands)

    def term(self, term: Term, node: Node, depth: int) -> Expression:
        if isinstance(term, Element):
            return self.operand(node.inputs[term.operand], term.index, depth)
        if isinstance(term, PlainNumber):
            return Number(term.value)
        if isinstance(term, Sum):
            return self._sum(term.parts, node, depth)
        if isinstance(term, Product):
            return ex.multiply(self._factors(term.parts, node, depth))
        if isinstance(term, Apply):
            if term.name == "where":
                condition, yes, no = term.parts
                return self.term(yes if condition.value else no, node, depth)
            return self.apply(term, node, [self.term(part, node, depth) for part in term.parts])
        if isinstance(term, (Largest, Smallest)):
            name = "max" if isinstance(term, Largest) else "min"
            shown = sorted(term.parts, key=lambda part: part.value, reverse=name == "max")[: self.width]
            return Function(term.value, name, tuple(self.term(part, node, depth) for part in shown))
        assert isinstance(term, Stage)
        return Name(term.value, Symbol(term.name))

    def _factors(self, parts: Sequence[Term], node: Node, depth: int) -> list[Expression]:
        """The factors of a product, weights first, as textbooks write w·x."""
        made = [self.term(part, node, depth) for part in parts]
        return sorted(made, key=lambda part: not (isinstance(part, Name) and part.symbol.letter in ("w", "η")))

    def _sum(self, parts: Sequence[Term], node: Node, depth: int) -> Expression:
        """A sum; of a wide one only the largest parts are unfolded."""
        if len(parts) <= self.width + 1:
            made = ex.add(self.term(part, node, depth) for part in parts)
            wide = isinstance(made, ex.Sum) and len(made.parts) > 2 * self.width
            return ex.widest(list(ex.children(made)), self.width) if wide else made
        ranked = sorted(parts, key=lambda part: -abs(part.value))
        rest = float(numpy.sum([part.value for part in ranked[self.width :]]))
        shown = [self.term(part, node, depth) for part in ranked[: self.width]]
        return ex.add([*shown, ex.Rest(rest, len(parts) - self.width)])

    def apply(self, term: Apply, node: Node, parts: list[Expression]) -> Expression:
        """A scalar function as it is written."""
        if term.name in _WRITING:
            return _WRITING[term.name](parts)
        if term.name == "one_hot":
            return Number(term.value)
        rectified = node.differentiates
        if term.name == "step" and rectified is not None and rectified.op.name == "relu":
            name = self._rectified(rectified, term)
            if name is not None:
                return name
        return Function(term.value, FUNCTION_NAMES.get(term.name, term.name), tuple(parts), term.function)

    def _rectified(self, node: Node, term: Apply) -> Expression | None:
        """The derivative of relu by the name that textbooks give it: ReLU′(z)."""
        (element,) = term.elements()
        x = node.inputs[0]
        if element.index and len(element.index) == x.rank:
            return Function(term.value, "ReLU′", (self.operand(x, element.index, 1),))
        return None

    @cached_property
    def derived(self) -> dict[Tensor, list[Tensor]]:
        """Values by their derivatives."""
        found: dict[Tensor, list[Tensor]] = {}
        for value, adjoint in self.opened.derivatives.items():
            if value in self.naming:
                found.setdefault(adjoint, []).append(value)
        return found

    @cached_property
    def seed(self) -> Tensor | None:
        """∂loss/∂loss = 1."""
        return None if self.opened.loss is None else self.opened.derivatives[self.opened.loss]


_WRITING: dict[str, Callable[[list[Expression]], Expression]] = {
    "add": ex.add,
    "subtract": lambda parts: ex.add([parts[0], ex.negate(parts[1])]),
    "multiply": lambda parts: ex.multiply(
        sorted(parts, key=lambda part: not (isinstance(part, Name) and part.symbol.letter in ("w", "η")))
    ),
    "divide": lambda parts: ex.divide(parts[0], parts[1]),
    "negative": lambda parts: ex.negate(parts[0]),
    "reciprocal": lambda parts: ex.divide(Number(1.0), parts[0]),
    "square": lambda parts: ex.power(parts[0], Number(2.0)),
    "power": lambda parts: ex.power(parts[0], parts[1]),
    "exp": lambda parts: ex.exponential(parts[0]),
    "expm1": lambda parts: ex.add([ex.exponential(parts[0]), Number(-1.0)]),
    "log1p": lambda parts: _ln(ex.add([Number(1.0), parts[0]])),
    "cast": lambda parts: parts[0],
    "stop_gradient": lambda parts: parts[0],
}


def _ln(part: Expression) -> Expression:
    with numpy.errstate(all="ignore"):
        return Function(float(numpy.log(part.value)), "ln", (part,))


def _source(node: Node, index: Index) -> Symbol:
    """What is fed has its label; a variable without a name is the optimizer's, of the weight in question."""
    if isinstance(node.op, Feed):
        return Symbol(node.op.label, index)
    assert isinstance(node.op, Read)
    return Symbol(state_letter(node.op.variable.name))


def _broadcast(value: Tensor, index: Index) -> Index:
    tail = index[len(index) - value.rank :]
    return tuple(0 if size == 1 else i for i, size in zip(tail, value.shape, strict=True))


def agree(made: float, true: float) -> bool:
    return bool(numpy.isclose(made, true, rtol=1e-6, atol=1e-12, equal_nan=True))
