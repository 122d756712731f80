"""Composites that have a kernel of their own: their groups, forward and backward, as cells.

A group becomes one cell where its kernel does what the group does, and nothing outside looks inside. Everything else
stays with the primitives that the group consists of. Each composite is described by one function in `FUSED`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from inspect import signature
from itertools import zip_longest
from typing import Any

from pellucid.core.graph import Node, Tensor, composites
from pellucid.core.place import Group
from pellucid.core.spec import Shape, Spec, normalize_axes
from pellucid.execute.cell import Cell
from pellucid.execute.values import Values
from pellucid.ops.reduce import Axes

Members = dict[Group, list[Node]]


def group_cells(values: Values, kernels: Collection[str]) -> Iterator[Cell]:
    """The cells of all groups that can be fused, outer groups before the ones inside them."""
    members: Members = defaultdict(list)
    gradients: dict[Group, list[Group]] = defaultdict(list)
    for node in values.computed:
        for group in node.groups:
            if group not in members and group.gradient_of is not None:
                gradients[group.gradient_of].append(group)
            members[group].append(node)
    taken: set[Node] = set()
    adams: list[Cell] = []
    for group, nodes in members.items():
        if group.name in FUSED and group.name in kernels and nodes[0] not in taken:
            use = Use(group, nodes, [(gradient, members[gradient]) for gradient in gradients[group]], values)
            cells = FUSED[group.name](use)
            if cells and _closed(cells, values):
                taken.update(node for cell in cells for node in cell.nodes)
                if group.name == "adam":
                    _join(adams, cells[0], values)
                else:
                    yield from cells
    yield from adams


@dataclass(frozen=True)
class Use:
    """One use of a composite: its group, the groups of its derivatives, and the nodes that a program needs of each."""

    group: Group
    nodes: list[Node]
    gradients: list[tuple[Group, list[Node]]]
    values: Values

    def attribute(self, name: str) -> Any:
        """An attribute as it was given, or the composite's default."""
        default = signature(composites[self.group.name]).parameters[name].default
        return self.group.attributes.get(name, default)

    def extra(self, shape: Shape) -> Tensor:
        """One more float32 value, made by the kernel alone."""
        return _extra(self.nodes, shape)

    def cell(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor], **attributes: Any) -> Cell:
        """The forward pass."""
        roots = [self.values.root(value) for value in outputs]
        made = [
            root if root is value or root.node in self.nodes else self.extra(value.shape)  # given, and not made here
            for root, value in zip(roots, outputs, strict=True)
        ]
        return Cell(self.group.name, self.nodes, list(inputs), made, attributes)

    def gradient_cells(self, saved: Sequence[Tensor | None], *shapes: Shape, **attributes: Any) -> list[Cell]:
        """The derivatives: from the output's adjoint and what is saved to derivatives of `shapes`, wanted or not."""
        cells = []
        for gradient, nodes in self.gradients:
            derivatives = [gradient.derivatives.get(value) for value in self.group.inputs]
            roots = [None if value is None else self.values.root(value) for value in derivatives]
            outputs = [
                _extra(nodes, shape) if root is None or root.node not in nodes else root
                for root, shape in zip_longest(roots[: len(shapes)], shapes)
            ]
            cells.append(Cell(gradient.name, nodes, [gradient.inputs[0], *saved], outputs, dict(attributes)))
        return cells

    @property
    def from_first(self) -> bool:
        """Whether all derivatives are of the first output alone."""
        rest = len(self.group.inputs) + len(self.group.outputs)
        first = self.group.outputs[0].spec
        return all(len(group.inputs) == 1 + rest and group.inputs[0].spec == first for group, _ in self.gradients)


def _extra(nodes: list[Node], shape: Shape) -> Tensor:
    return Tensor(nodes[-1], len(nodes[-1].outputs), Spec(shape))


def _closed(cells: list[Cell], values: Values) -> bool:
    """Whether the outputs are values of their own, and nothing outside reads what else the nodes compute."""
    inside = {node for cell in cells for node in cell.nodes}
    visible = {value for cell in cells for value in cell.outputs}
    return all(map(values.is_made, visible)) and all(
        value in visible
        or not values.is_made(value)
        or (value not in values.targets and inside.issuperset(values.readers[value]))
        for node in inside
        for value in node.outputs
    )


def _join(adams: list[Cell], cell: Cell, values: Values) -> None:
    """Update all parameters that share rates and settings in one pass."""
    rates = cell.inputs[4:]
    parameter = cell.inputs[:4]
    for whole in adams:
        if whole.inputs[:3] == rates and whole.attributes == cell.attributes:
            readers = {reader for value in whole.outputs for reader in values.readers[value]}.difference(whole.nodes)
            if all(reader.serial > cell.place for reader in readers):
                whole.inputs += parameter
                whole.outputs += cell.outputs
                whole.take(cell.nodes)
                return
    adams.append(Cell("adam", cell.nodes, [*rates, *parameter], cell.outputs, cell.attributes))


def _softmax(use: Use) -> list[Cell]:
    (x,), (y,) = use.group.inputs, use.group.outputs
    if use.attribute("axis") not in (-1, x.rank - 1):
        return []
    return [use.cell([x], [y]), *use.gradient_cells([y], x.shape)]


def _sparse_categorical_crossentropy(use: Use) -> list[Cell]:
    logits, labels = use.group.inputs
    probabilities = use.extra(logits.shape)
    outputs = [*use.group.outputs, *([probabilities] if use.gradients else [])]
    return [use.cell([logits, labels], outputs), *use.gradient_cells([probabilities, labels], logits.shape)]


def _rows_normalization(use: Use) -> list[Cell]:
    """`layer_norm` and `rms_norm` over the last axis: x, γ, β → y, and each row's mean and scale for the derivative."""
    (x, *vectors), (y,) = use.group.inputs, use.group.outputs
    if not _is_last(use.attribute("axis"), x) or not (affine := _affine(vectors, x, use)):
        return []
    gamma, beta = affine
    size = x.shape[-1:]
    statistics = use.extra((2, *x.shape[:-1]))
    outputs = [y, statistics] if use.gradients else [y]
    shapes = [x.shape] if gamma is beta is None else [x.shape, size, size]
    return [
        use.cell([x, gamma, beta], outputs, epsilon=use.attribute("epsilon")),
        *use.gradient_cells([x, gamma, statistics], *shapes),
    ]


def _batch_norm(use: Use) -> list[Cell]:
    """x, γ, β → y, mean, variance; the derivative reads the last two."""
    (x, *vectors), (y, mean, variance) = use.group.inputs, use.group.outputs
    if not _is_last(use.attribute("axis"), x) or not (affine := _affine(vectors, x, use)) or not use.from_first:
        return []
    gamma, beta = affine
    size, epsilon = x.shape[-1:], use.attribute("epsilon")
    forward = use.cell([x, gamma, beta], [y, mean, variance], epsilon=epsilon)
    _, *moments = forward.outputs
    return [forward, *use.gradient_cells([x, gamma, *moments], x.shape, size, size, epsilon=epsilon)]


def _group_norm(use: Use) -> list[Cell]:
    """x, γ, β → y, and the mean and scale of each example's groups for the derivative.

    With one place an example (rank 2) there is little to add up, and the open group is quicker.
    """
    (x, *vectors), (y,) = use.group.inputs, use.group.outputs
    if x.rank == 2 or not _is_last(use.attribute("axis"), x) or not (affine := _affine(vectors, x, use)):
        return []
    gamma, beta = affine
    size, groups = x.shape[-1:], use.attribute("groups")
    statistics = use.extra((2, x.shape[0], groups))
    outputs = [y, statistics] if use.gradients else [y]
    return [
        use.cell([x, gamma, beta], outputs, groups=groups, epsilon=use.attribute("epsilon")),
        *use.gradient_cells([x, gamma, statistics], x.shape, size, size, groups=groups),
    ]


def _is_last(axis: Axes, x: Tensor) -> bool:
    return normalize_axes(axis, x.rank, "a fused kernel") == (x.rank - 1,)


def _affine(vectors: Sequence[Tensor], x: Tensor, use: Use) -> tuple[Tensor | None, Tensor | None] | None:
    """γ and β as kernels take them: a number for each place of the last axis, or absent; `None` if they are others."""
    given = [
        None if value.rank == 0 and use.values.number(value) == neutral else value
        for value, neutral in zip(vectors, (1.0, 0.0), strict=False)
    ]
    gamma, beta = (*given, None, None)[:2]
    fits = all(value is None or value.shape == x.shape[-1:] for value in (gamma, beta))
    return (gamma, beta) if fits else None


def _attention(use: Use) -> list[Cell]:
    """q, k, v, mask → y, and the logarithm of each row's sum of exponentials for the derivative."""
    (q, k, v, *masks), (y,) = use.group.inputs, use.group.outputs
    if use.gradients and len({q, k, v}) < 3:
        return []  # their derivative is one sum
    batch, queries, heads, _ = q.shape
    settings = {name: use.attribute(name) for name in ("causal", "scale")}
    logsumexp = use.extra((batch, heads, queries))
    outputs = [y, logsumexp] if use.gradients else [y]
    return [
        use.cell([q, k, v, *masks], outputs, **settings),
        *use.gradient_cells([q, k, v, y, logsumexp, *masks], q.shape, k.shape, v.shape, **settings),
    ]


def _gelu(use: Use) -> list[Cell]:
    """x → y, and y's derivative, which saves computing it anew on the way back."""
    (x,), (y,) = use.group.inputs, use.group.outputs
    if use.attribute("approximate"):
        return []
    derivative = use.extra(x.shape)
    outputs = [y, derivative] if use.gradients else [y]
    return [use.cell([x], outputs), *use.gradient_cells([derivative], x.shape)]


def _adam(use: Use) -> list[Cell]:
    return [use.cell(use.group.inputs, use.group.outputs, **use.group.attributes)]


FUSED: dict[str, Callable[[Use], list[Cell]]] = {
    "adam": _adam,
    "attention": _attention,
    "batch_norm": _batch_norm,
    "gelu": _gelu,
    "group_norm": _group_norm,
    "layer_norm": _rows_normalization,
    "log_softmax": _softmax,
    "rms_norm": _rows_normalization,
    "softmax": _softmax,
    "sparse_categorical_crossentropy": _sparse_categorical_crossentropy,
}
