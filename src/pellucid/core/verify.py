"""A verifier for programs: every rule that executors rely on, checked node by node, with the first breach named."""

from __future__ import annotations

from pellucid.core.graph import Node, Program
from pellucid.core.op import registry
from pellucid.core.sources import Feed
from pellucid.errors import GraphError


def verify(program: Program) -> None:
    """Check a program; raises `GraphError` that names the node and the rule it breaks."""
    nodes = program.nodes()
    for value in program.inputs:
        if not isinstance(value.node.op, Feed):
            raise GraphError(f"the program lists {value!r} as an input, which is computed; inputs come from feed()")
    fed = {value.node for value in program.inputs}
    for node in nodes:
        _verify_node(node, fed)
    _verify_groups(nodes)
    written = set()
    for variable, value in program.updates:
        if value.spec != variable.spec:
            raise GraphError(f"the update of {variable!r} is {value.spec}; it must be {variable.spec}")
        if id(variable) in written:
            raise GraphError(f"{variable!r} is updated twice in one program; combine the updates")
        written.add(id(variable))


def _verify_node(node: Node, fed: set[Node]) -> None:
    if registry.get(node.op.name) is not type(node.op):
        raise GraphError(f"{node!r}: op {node.op.name!r} is not the registered one")
    for value in node.inputs:
        if value.node.serial >= node.serial:
            raise GraphError(f"{node!r} uses a value made after it; graphs have no cycles")
    inferred = node.op.infer(*[value.spec for value in node.inputs])
    specs = inferred if isinstance(inferred, tuple) else (inferred,)
    if specs != tuple([value.spec for value in node.outputs]):
        recorded = ", ".join(str(value.spec) for value in node.outputs)
        raise GraphError(f"{node!r} records {recorded}, but its shape rule gives {', '.join(map(str, specs))}")
    if isinstance(node.op, Feed) and node not in fed:
        raise GraphError(f"the graph needs the input {node.op.label!r}, which the program does not list")


def _verify_groups(nodes: list[Node]) -> None:
    """The nodes of a group stand together: once left, it is not entered again."""
    left: set[int] = set()
    current: tuple[int, ...] = ()
    for node in nodes:
        path = tuple(id(group) for group in node.groups)
        left.update(group for group in current if group not in path)
        if any(group in left for group in path):
            raise GraphError(f"{node!r} belongs to a group whose other nodes stand apart from it")
        current = path
