"""The chain rule from one named value to the next, read from the backward graph.

Backward nodes are ordinary nodes, so that a derivative unfolds like any value; its expression is linear in the
derivatives of later values, and what each of these is multiplied by is the local derivative.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pellucid.core.graph import Node, Tensor, order
from pellucid.core.place import Group
from pellucid.core.sources import Constant
from pellucid.core.terms import Apply, Element, Product, Sum, Term
from pellucid.core.terms import Number as PlainNumber
from pellucid.explain import expression as ex
from pellucid.explain.expression import Expression, Function, Name, Number
from pellucid.explain.naming import Index
from pellucid.explain.unfolding import IN_FULL, Unfolding, agree
from pellucid.explain.written import WRITTEN, is_activation


@dataclass(frozen=True)
class Link:
    """One step of the chain rule: the local derivative of `value[index]` with respect to what was asked for."""

    value: Tensor
    index: Index
    local: Expression
    derivative: float  # of the loss with respect to value[index]


class ChainRule:
    """The local derivatives of an opened network."""

    def __init__(self, unfolding: Unfolding) -> None:
        self.unfolding = unfolding
        self._whole = bool(unfolding.naming.own)  # whether ways that add nothing are followed too, to show why
        self._reached: dict[Tensor, set[Tensor]] = {}
        self._links: dict[tuple[Tensor, Index], list[Link]] = {}

    def links(self, value: Tensor, index: Index) -> list[Link]:
        """The chain rule's next steps from a value with a derivative: every later value that it acts on directly.

        ∂loss/∂value[index] is the sum over the links of `local` times `derivative`.
        """
        if (value, index) in self._links:
            return self._links[value, index]
        adjoint = self.unfolding.opened.derivatives[value]
        form = ex.linear(self._adjoint(adjoint, index, value, None))
        found = []
        for (target, place), (name, local) in form.items():
            if name.value != 0.0 or self._whole or target is self.unfolding.opened.loss:
                found.append(Link(target, place, local, name.value))
        self._links[value, index] = found
        return found

    def _adjoint(self, adjoint: Tensor, index: Index, source: Tensor, user: Node | None) -> Expression:
        """A derivative as an expression in the derivatives of values that `source` acts on directly."""
        target = self._target(adjoint, source, user)
        if target is not None:
            place = self._same_place(target, adjoint, index)
            return Name(
                self.unfolding.number(adjoint, index), self.unfolding.derivative(target, place), (target, place)
            )
        if not self._carries(adjoint):
            return self.unfolding.operand(adjoint, index, IN_FULL)
        node = adjoint.node
        if isinstance(node.op, Constant):
            return Number(self.unfolding.number(adjoint, index))
        form = self._partial(adjoint, index, source)
        if form is not None:
            return form
        return self._adjoint_term(self.unfolding.terms(adjoint, index), node, source)

    def _adjoint_term(self, term: Term, node: Node, source: Tensor) -> Expression:
        if isinstance(term, Element):
            if term.number == 0.0 and not self._whole and self._carries(node.inputs[term.operand]):
                return Number(0.0)
            return self._adjoint(node.inputs[term.operand], term.index, source, node)
        if isinstance(term, PlainNumber):
            return Number(term.value)
        if isinstance(term, Sum):
            return ex.add(self._adjoint_term(part, node, source) for part in term.parts)
        if isinstance(term, Product):
            if term.value == 0.0 and any(part.value == 0.0 for part in term.parts if not isinstance(part, Element)):
                return Number(0.0)
            return ex.multiply(self._adjoint_term(part, node, source) for part in term.parts)
        if isinstance(term, Apply):
            if term.name == "where":
                condition, yes, no = term.parts
                return self._adjoint_term(yes if condition.value else no, node, source)
            return self.unfolding.apply(term, node, [self._adjoint_term(part, node, source) for part in term.parts])
        return self.unfolding.term(term, node, 1)

    def _partial(self, adjoint: Tensor, index: Index, source: Tensor) -> Expression | None:
        """The derivative of a composite as textbooks write it, where its number is the graph's."""
        found = self._partials.get(adjoint)
        if found is None:
            return None
        group, value = found
        assert group.gradient_of is not None
        forward = group.gradient_of
        form = WRITTEN.get(forward.name)
        if form is None:
            return self._bent(adjoint, index, source, forward, value)
        locals_ = form.partials(self.unfolding, forward, value, index)
        if locals_ is None:
            return None
        seeds = group.inputs[: len(group.inputs) - len(forward.inputs) - len(forward.outputs)]
        if len(seeds) != 1 or seeds[0].shape != forward.outputs[0].shape:
            return None
        made = ex.add(ex.multiply([local, self._adjoint(seeds[0], place, source, None)]) for place, local in locals_)
        return made if agree(made.value, self.unfolding.number(adjoint, index)) else None

    def _bent(self, adjoint: Tensor, index: Index, source: Tensor, group: Group, value: Tensor) -> Expression | None:
        """The derivative of an activation that acts on each element alone: its name with a prime."""
        if not is_activation(group.name) or value is not group.inputs[0] or value.shape != group.outputs[0].shape:
            return None
        form = ex.linear(self._adjoint_term(self.unfolding.terms(adjoint, index), adjoint.node, source))
        if len(form) != 1:
            return None
        ((name, local),) = form.values()
        slope = Function(local.value, f"{group.name}′", (self.unfolding.operand(value, index, IN_FULL),))
        return ex.multiply([slope, name])

    def _target(self, adjoint: Tensor, source: Tensor, user: Node | None) -> Tensor | None:
        """Whose derivative this is, among the values that `source` acts on directly; several may share a derivative."""
        shared = [value for value in self.unfolding.derived.get(adjoint, ()) if value in self._next(source)]
        if len(shared) > 1 and user is not None and user.differentiates is not None:
            ahead = set().union(*(self._next(output) | {output} for output in user.differentiates.outputs))
            shared = [value for value in shared if value in ahead] or shared
        return min(shared, key=lambda value: value.node.serial) if shared else None

    def _same_place(self, target: Tensor, adjoint: Tensor, index: Index) -> Index:
        return index if target.shape == adjoint.shape else self.unfolding.fitted(target, index)

    def _next(self, source: Tensor) -> set[Tensor]:
        """The values with derivatives that are computed from this one with none between."""
        if source not in self._reached:
            found: set[Tensor] = set()
            seen, stack = {source}, [source]
            while stack:
                for node in self._users.get(stack.pop(), ()):
                    for output in node.outputs:
                        if output in self._stops:
                            found.add(output)
                        elif output not in seen:
                            seen.add(output)
                            stack.append(output)
            self._reached[source] = found
        return self._reached[source]

    @cached_property
    def _stops(self) -> set[Tensor]:
        """The values at which the chain rule stops: those with a name and a derivative."""
        return {value for value in self.unfolding.opened.derivatives if value in self.unfolding.naming}

    @cached_property
    def _nodes(self) -> list[Node]:
        assert self.unfolding.opened.loss is not None
        return order([self.unfolding.opened.loss, *self.unfolding.opened.derivatives.values()])

    @cached_property
    def _users(self) -> dict[Tensor, list[Node]]:
        assert self.unfolding.opened.loss is not None
        found: dict[Tensor, list[Node]] = {}
        for node in order([self.unfolding.opened.loss]):
            for value in node.inputs:
                found.setdefault(value, []).append(node)
        return found

    @cached_property
    def _carrying(self) -> set[Tensor]:
        """What depends on the derivative of the loss, rather than on values of the forward pass alone."""
        found: set[Tensor] = set() if self.unfolding.seed is None else {self.unfolding.seed}
        for node in self._nodes:
            if any(value in found for value in node.inputs):
                found.update(node.outputs)
        return found

    def _carries(self, value: Tensor) -> bool:
        return value in self._carrying

    @cached_property
    def _partials(self) -> dict[Tensor, tuple[Group, Tensor]]:
        """The derivatives that composites hand back: the group that made each, and what it belongs to."""
        found: dict[Tensor, tuple[Group, Tensor]] = {}
        for node in self._nodes:
            for group in node.groups:
                if group.gradient_of is not None:
                    for value, adjoint in group.derivatives.items():
                        if adjoint.node is node:
                            found.setdefault(adjoint, (group, value))
        return found
