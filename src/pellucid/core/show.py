"""A readable listing of any graph: one line per node, under the layers and composites it belongs to."""

from __future__ import annotations

from collections.abc import Iterable

from pellucid.core.graph import Tensor, order
from pellucid.core.sources import Constant, Feed, Read


def show(outputs: Iterable[Tensor]) -> str:
    """The graph behind some outputs as text, inputs first.

    >>> from pellucid.core.sources import feed
    >>> x = feed((None, 3), name="x")
    >>> print(show([x + 1.0]))
    %0 = feed x                                 float32[?, 3]
    %1 = constant 1.0                           float32[]
    %2 = add(%0, %1)                            float32[?, 3]
    """
    numbers: dict[Tensor, str] = {}
    lines: list[str] = []
    heading: tuple[str, ...] = ()
    for node in order(outputs):
        path = (*node.scope, *(group.name for group in node.groups))
        if path != heading:
            heading = path
            if path:
                lines.append("# " + " / ".join(path))
        for value in node.outputs:
            numbers[value] = f"%{len(numbers)}"
        names = ", ".join(numbers[value] for value in node.outputs)
        if isinstance(node.op, Feed):
            body = f"feed {node.op.label}"
        elif isinstance(node.op, Read):
            body = f"read {node.op.variable.name}"
        elif isinstance(node.op, Constant):
            body = f"constant {node.op.value}" if node.op.value.size <= 4 else "constant …"
        else:
            attributes = "".join(f", {key}={value}" for key, value in node.op.attributes.items())
            body = f"{node.op.name}({', '.join(numbers[value] for value in node.inputs)}{attributes})"
        line = f"{names} = {body}"
        specs = ", ".join(str(value.spec) for value in node.outputs)
        backward = "   # backward" if node.differentiates else ""
        lines.append(f"{line:<43} {specs}{backward}")
    return "\n".join(lines)
