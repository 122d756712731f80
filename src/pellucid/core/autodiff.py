"""Backpropagation as a transformation of the graph.

Walk the nodes in reverse, ask each op for its local derivative as nodes, add up. The new nodes are ordinary ones,
marked with the node they differentiate; those of a composite stand together as the group `NAME_gradient`, which has the
adjoints of the composite's outputs, its inputs and its outputs as inputs. Where an op's derivative has a derivative, so
has this. Nodes of a segment are differentiated in a copy, which computes their values again.

Source: the chain rule in reverse accumulation, Griewank & Walther, *Evaluating Derivatives*, ch. 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy

from pellucid.core.graph import Node, Tensor, order, tensor
from pellucid.core.place import Group, grouped, placed
from pellucid.core.recompute import Copy
from pellucid.core.spec import known
from pellucid.errors import DtypeError, GraphError, ShapeError

Adjoints = dict[Tensor, Tensor]


def gradients(output: Tensor, variables: Sequence[Tensor]) -> list[Tensor]:
    """The derivative of a scalar with respect to each of `variables`: nodes of the same shapes.

    Zeros where the output does not depend on a variable. Raises `ShapeError` if `output` is not a scalar.
    """
    if output.shape != ():
        raise ShapeError(f"gradients need a scalar output, got {output.spec}; sum or average it first")
    if not output.spec.is_float:
        raise DtypeError(f"gradients need a floating-point output, got {output.spec}")
    with placed(differentiates=output.node):
        adjoints: Adjoints = {output: tensor(numpy.ones((), output.dtype))}
    nodes = order([output])
    copies: dict[Tensor, Tensor] = {}
    for segment, members in groupby(reversed(_between(variables, nodes)), lambda node: node.segment):
        if segment is None:
            _walk(members, 0, adjoints)
        else:
            copies.update(_walk_again([node for node in nodes if node.segment is segment], list(members), adjoints))
    found = [adjoints.get(copies.get(variable, variable)) for variable in variables]
    return [
        tensor(numpy.zeros(known(variable.shape), variable.dtype)) if adjoint is None else adjoint
        for variable, adjoint in zip(variables, found, strict=True)
    ]


def _between(variables: Iterable[Tensor], nodes: Iterable[Node]) -> list[Node]:
    """The nodes, in order, that are computed from any of the variables."""
    dependent = {variable.node for variable in variables}
    found = []
    for node in nodes:
        if any(value.node in dependent for value in node.inputs):
            dependent.add(node)
            found.append(node)
    return found


def _walk(nodes: Iterable[Node], depth: int, adjoints: Adjoints) -> None:
    """Carry adjoints from the outputs of `nodes` (last first) to their inputs, group by group."""
    for group, members in groupby(nodes, lambda node: node.groups[depth] if len(node.groups) > depth else None):
        if group is None:
            for node in members:
                _differentiate(node, adjoints)
        else:
            _walk_group(group, list(members), depth, adjoints)


def _walk_again(segment: list[Node], members: list[Node], adjoints: Adjoints) -> dict[Tensor, Tensor]:
    """Carry adjoints through a copy of a segment; returns the values that adjoints are now of."""
    outputs = [value for node in segment for value in node.outputs if value in adjoints]
    if not outputs:
        return {}
    copy = Copy(segment, adjoints[outputs[-1]])
    adjoints.update({copy.of(value): adjoints.pop(value) for value in outputs})
    _walk([copy.nodes[node] for node in members], 0, adjoints)
    _walk(copy.entries, 0, adjoints)
    return {value: copy.of(value) for node in copy.nodes for value in node.outputs}


def _walk_group(group: Group, members: list[Node], depth: int, adjoints: Adjoints) -> None:
    """The same inside a composite; what flows out to its inputs is added to the adjoints outside."""
    inside = {value for node in members for value in node.outputs}
    local = {value: adjoints.pop(value) for value in inside if value in adjoints}
    if not local:
        return
    seeds = tuple(local[value] for value in group.outputs if value in local)
    gradient = Group(
        f"{group.name}_gradient", group.attributes, (*seeds, *group.inputs, *group.outputs), gradient_of=group
    )
    with placed(scope=members[0].scope), grouped(gradient):
        _walk(members, depth + 1, local)
    outside = {value: adjoint for value, adjoint in local.items() if value not in inside}
    gradient.derivatives = {value: outside[value] for value in group.inputs if value in outside}
    gradient.outputs = tuple(gradient.derivatives.values())
    with placed(scope=members[0].scope, differentiates=members[0]):
        for value, adjoint in outside.items():
            _accumulate(adjoints, value, adjoint)
    adjoints.update({value: adjoint for value, adjoint in local.items() if value in inside})


def _differentiate(node: Node, adjoints: Adjoints) -> None:
    """One step of the chain rule: from the adjoints of a node's outputs to those of its inputs."""
    received = [adjoints.get(value) for value in node.outputs]
    if not node.inputs or all(adjoint is None for adjoint in received):
        return
    with placed(scope=node.scope, differentiates=node):
        filled = [
            tensor(numpy.zeros(known(value.shape), value.dtype)) if adjoint is None else adjoint
            for value, adjoint in zip(node.outputs, received, strict=True)
        ]
        contributions = node.op.grad(node, *filled)
        if len(contributions) != len(node.inputs):
            raise GraphError(
                f"{node.op.name}.grad gave {len(contributions)} derivatives for {len(node.inputs)} inputs; "
                "give one per input"
            )
        for value, contribution in zip(node.inputs, contributions, strict=True):
            if contribution is not None:
                if contribution.spec != value.spec:
                    raise GraphError(
                        f"{node.op.name}.grad gave {contribution.spec} for an input of {value.spec}; they must be equal"
                    )
                _accumulate(adjoints, value, contribution)


def _accumulate(adjoints: Adjoints, value: Tensor, contribution: Tensor) -> None:
    """Add a contribution: a value used several times gets the sum over its uses."""
    adjoints[value] = adjoints[value] + contribution if value in adjoints else contribution
