"""What computed an output: read from the graph, so that losses can use logits exactly and refuse what cannot fit.

The logarithm of a probability that was rounded to 0 loses everything the network knew; the logits behind it do not.
"""

from __future__ import annotations

from pellucid.core.graph import Tensor
from pellucid.ops import reshape


def unshaped(y: Tensor) -> Tensor:
    """The same values before changes of shape."""
    while y.node.op.name == "reshape":
        (y,) = y.node.inputs
    return y


def activation_of(output: Tensor) -> str:
    """The name of the composite or op that made an output; `linear` for a product with or without a bias.

    >>> from pellucid import ops
    >>> from pellucid.core.sources import feed
    >>> activation_of(ops.softmax(feed((None, 3))))
    'softmax'
    """
    y = unshaped(output)
    if y.node.groups and y in y.node.groups[-1].outputs:
        return y.node.groups[-1].name
    made = [y, *y.node.inputs] if y.node.op.name == "add" else [y]
    return "linear" if any(value.node.op.name == "matmul" for value in made) else y.node.op.name


def softmax_logits(y: Tensor, axis: int = -1) -> Tensor | None:
    """What softmax was taken of along that axis, in the shape of y; `None` where y is no softmax."""
    source = unshaped(y)
    if activation_of(source) != "softmax" or not source.node.groups:
        return None
    group = source.node.groups[-1]
    (x,) = group.inputs
    if group.attributes.get("axis", -1) % x.rank != axis % y.rank:
        return None
    if source is not y and (axis % y.rank != y.rank - 1 or y.shape[-1] != x.shape[-1]):
        return None  # the classes no longer stand where they stood
    return reshape(x, y.shape)


def sigmoid_logits(y: Tensor) -> Tensor | None:
    """What the sigmoid was taken of, in the shape of y; `None` where y is no sigmoid."""
    source = unshaped(y)
    return reshape(source.node.inputs[0], y.shape) if source.node.op.name == "sigmoid" else None
