"""The graph: `Node`s that apply an op to `Tensor`s, in groups that can be opened, under the names of layers.

Building is the only way in: an op called on tensors makes a node and returns its outputs. Nodes are immutable and
carry a serial number, so that sorting by it is a topological order in which the nodes of a group stand together.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property, wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, Union, cast

import numpy

from pellucid.core.place import Group, grouped, place, placed
from pellucid.core.spec import Spec
from pellucid.errors import DtypeError, ShapeError

if TYPE_CHECKING:
    from pellucid.core.op import Op

Array = Any  # numpy.ndarray or jax.Array
TensorLike = Union["Operand", float, int, bool, numpy.ndarray]

_serial = itertools.count()


class Node:
    """An op applied to tensors. Immutable once made."""

    __slots__ = ("differentiates", "groups", "inputs", "op", "outputs", "scope", "segment", "serial")

    def __init__(self, op: Op, inputs: tuple[Tensor, ...], specs: tuple[Spec, ...]) -> None:
        at = place()
        self.serial = next(_serial)
        self.op, self.inputs = op, inputs
        self.outputs = tuple([Tensor(self, position, spec) for position, spec in enumerate(specs)])
        self.scope, self.groups = at.scope, at.groups
        self.differentiates, self.segment = at.differentiates, at.segment

    @property
    def output(self) -> Tensor:
        """The only output of a node that has one."""
        (output,) = self.outputs
        return output

    def __repr__(self) -> str:
        return f"Node({self.op}, {'/'.join(self.scope) or '-'})"


class Operand:
    """What arithmetic can be done with: each operator builds a node."""

    __slots__ = ()
    __array_ufunc__ = None  # NumPy arrays on the left leave arithmetic to us

    def __add__(self, other: TensorLike) -> Tensor:
        return build("add", self, other)

    def __radd__(self, other: TensorLike) -> Tensor:
        return build("add", other, self)

    def __sub__(self, other: TensorLike) -> Tensor:
        return build("subtract", self, other)

    def __rsub__(self, other: TensorLike) -> Tensor:
        return build("subtract", other, self)

    def __mul__(self, other: TensorLike) -> Tensor:
        return build("multiply", self, other)

    def __rmul__(self, other: TensorLike) -> Tensor:
        return build("multiply", other, self)

    def __truediv__(self, other: TensorLike) -> Tensor:
        return build("divide", self, other)

    def __rtruediv__(self, other: TensorLike) -> Tensor:
        return build("divide", other, self)

    def __pow__(self, other: TensorLike) -> Tensor:
        return build("power", self, other)

    def __rpow__(self, other: TensorLike) -> Tensor:
        return build("power", other, self)

    def __matmul__(self, other: TensorLike) -> Tensor:
        return build("matmul", self, other)

    def __rmatmul__(self, other: TensorLike) -> Tensor:
        return build("matmul", other, self)

    def __lt__(self, other: Operand | float) -> Tensor:
        return build("less", self, other)

    def __le__(self, other: Operand | float) -> Tensor:
        return build("less_equal", self, other)

    def __gt__(self, other: Operand | float) -> Tensor:
        return build("greater", self, other)

    def __ge__(self, other: Operand | float) -> Tensor:
        return build("greater_equal", self, other)

    def __neg__(self) -> Tensor:
        return build("negative", self)

    def __getitem__(self, index: Any) -> Tensor:
        from pellucid.core.indexing import part

        return part(tensor(self), index)

    def __iter__(self) -> Iterator[Tensor]:
        raise DtypeError(f"{self!r} cannot be iterated; take parts, as x[:, 0], or with ops.take()")


class Tensor(Operand):
    """One output of a node: a value still to be computed. Arithmetic on it builds more nodes."""

    __slots__ = ("label", "mask", "node", "origin", "position", "spec")

    def __init__(self, node: Node, position: int, spec: Spec) -> None:
        self.node, self.position, self.spec = node, position, spec
        self.origin: Any = None  # what made it, above the graph: the call of a layer
        self.mask: Tensor | None = None  # of a sequence: bool [batch, steps], true where a step counts
        self.label = ""  # what a reader knows it by inside its layer: "gates", "scores"

    @property
    def shape(self) -> tuple[int | None, ...]:
        return self.spec.shape

    @property
    def dtype(self) -> str:
        return self.spec.dtype

    @property
    def rank(self) -> int:
        return self.spec.rank

    def numpy(self) -> numpy.ndarray:
        """The value, where it depends on no input.

        >>> (tensor(2.0) * 3.0).numpy()
        array(6.)
        """
        from pellucid.core.evaluate import evaluate

        return evaluate([self])[0]

    def __float__(self) -> float:
        return float(self.numpy())

    def __repr__(self) -> str:
        return f"Tensor({self.node.op.name}, {self.spec})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise DtypeError(f"{self!r} has no numbers while the graph is being built; use pellucid.ops, not NumPy, on it")

    def __bool__(self) -> bool:
        raise DtypeError(f"{self!r} has no truth value while the graph is being built; use where() to choose by value")


def named(value: Tensor, label: str) -> Tensor:
    """The value, labelled as a part of its layer that a reader can open: its weighted sums, gates or scores."""
    value.label = label
    return value


class Variable(Operand):
    """A named array that lives between runs: a weight, a statistic, an optimizer's running average.

    `value` keeps its memory for good: writing goes through `assign`, so that executors may hold the address.
    `tensor` is the value as the graph reads it: at the start of the run, or inside a block `updated` after an update.
    Arithmetic and ops take the variable itself for it.
    `version` counts the calls of `assign`.

    >>> import numpy
    >>> w = Variable(numpy.array([1.0, 2.0]), "w")
    >>> w.assign([3.0, 4.0])
    >>> w.value, w.version
    (array([3., 4.]), 1)
    """

    def __init__(self, value: numpy.ndarray, name: str, trainable: bool = True) -> None:
        from pellucid.core.sources import Read

        self.value = aligned(value)
        self.spec = Spec(value.shape, str(value.dtype))
        self.name, self.trainable, self.version = name, trainable, 0
        with placed(
            scope=(), groups=(), differentiates=None, segment=None
        ):  # made at once, so that it never stands inside a group
            self._start = Read(self)()

    @property
    def tensor(self) -> Tensor:
        return _updated.get().get(self, self._start)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    def assign(self, value: Any) -> None:
        """Write a value of the same shape into the variable's own memory; raises `ShapeError` for another shape."""
        array = numpy.asarray(value)
        if array.shape != self.shape:
            raise ShapeError(f"{self!r} cannot take a value of shape {array.shape}; the shapes must be equal")
        self.value[...] = array
        self.version += 1

    def __repr__(self) -> str:
        return f"Variable({self.name}, {self.spec})"


_updated: ContextVar[Mapping[Variable, Tensor]] = ContextVar("updated", default=MappingProxyType({}))


@contextmanager
def updated(values: Mapping[Variable, Tensor]) -> Iterator[None]:
    """Inside this block variables are read as what updates of the same run have made of them."""
    token = _updated.set(values)
    try:
        yield
    finally:
        _updated.reset(token)


def aligned(value: numpy.ndarray) -> numpy.ndarray:
    """A contiguous copy that starts at a 64-byte boundary, as vector instructions like it."""
    space = numpy.empty(value.nbytes + 64, numpy.uint8)
    start = -space.ctypes.data % 64
    result = space[start : start + value.nbytes].view(value.dtype).reshape(value.shape)
    result[...] = value
    return result


def tensor(value: TensorLike, like: Spec | None = None) -> Tensor:
    """The value as a tensor: numbers and arrays become constants, in the dtype of `like` where that loses nothing.

    A number becomes what `like` is unless it is of a wider kind (bool < whole < float): 0.5 beside int32 stays float32,
    to be refused, not truncated. An array keeps its kind; of floats it takes the precision of `like`.
    """
    if isinstance(value, Tensor):
        return value
    if isinstance(value, Variable):
        return value.tensor
    from pellucid.core.sources import Constant

    array = numpy.asarray(value)
    kind = _kind(array.dtype)
    if like is not None and (kind == "float" == _kind(like.dtype) or (array.ndim == 0 and _fits(kind, like.dtype))):
        array = array.astype(like.dtype)
    elif kind == "whole" and array.dtype != numpy.uint32:
        array = _whole(array)
    elif array.dtype == numpy.float16 or (like is not None and array.dtype == numpy.float64):
        array = array.astype(numpy.float32)
    return Constant(array)()


_KINDS = {"b": "bool", "i": "whole", "u": "whole", "f": "float"}


def _kind(dtype: Any) -> str:
    return _KINDS.get(numpy.dtype(dtype).kind, "other")


def _fits(kind: str, dtype: str) -> bool:
    order = ("bool", "whole", "float")
    return kind in order and order.index(kind) <= order.index(_kind(dtype))


def _whole(array: numpy.ndarray) -> numpy.ndarray:
    """Whole numbers as int32; raises `DtypeError` for one that does not fit."""
    limits = numpy.iinfo(numpy.int32)
    if array.size and (array.min() < limits.min or array.max() > limits.max):
        raise DtypeError(f"whole numbers from {array.min()} to {array.max()} do not fit into int32; use floats")
    return array.astype(numpy.int32)


def tensors(values: Iterable[TensorLike]) -> tuple[Tensor, ...]:
    """Operands as tensors: numbers take the dtype of the first tensor that holds numbers (else truth values).

    >>> [value.dtype for value in tensors([tensor(True), tensor(2), 3])]
    ['bool', 'int32', 'int32']
    """
    values = tuple(value.tensor if isinstance(value, Variable) else value for value in values)
    specs = [value.spec for value in values if isinstance(value, Tensor)]
    if len(specs) == len(values):
        return cast("tuple[Tensor, ...]", values)
    like = next((spec for spec in specs if spec.dtype != "bool"), specs[0] if specs else None)
    return tuple(tensor(value, like) for value in values)


def build(name: str, *inputs: TensorLike, **attributes: Any) -> Tensor:
    """Apply a registered op that stands above this folder, or above the caller."""
    from pellucid.core.op import registry

    kind: Callable[..., Op] = registry[name]
    return kind(**attributes)(*inputs)


Result = TypeVar("Result", Tensor, tuple[Tensor, ...])
composites: dict[str, Callable[..., Any]] = {}  # every composite, by the name of its groups


def composite(function: Callable[..., Result]) -> Callable[..., Result]:
    """Make a function over tensors into a composite: its nodes stay together as a named group.

    Positional arguments are tensors (or numbers; the last ones also `None`: not given), keyword arguments are
    attributes of the group.
    """
    name = function.__name__

    @wraps(function)
    def expand(*inputs: TensorLike | None, **attributes: Any) -> Result:
        while inputs and inputs[-1] is None:
            inputs = inputs[:-1]
        operands = tensors(cast("tuple[TensorLike, ...]", inputs))
        group = Group(name, attributes, operands)
        with grouped(group):
            result = function(*operands, **attributes)
        group.outputs = result if isinstance(result, tuple) else (result,)
        return result

    composites[name] = expand
    return expand


def order(outputs: Iterable[Tensor]) -> list[Node]:
    """Every node that the outputs need, inputs first; the nodes of a group stand together."""
    seen: dict[int, Node] = {}
    stack = [output.node for output in outputs]
    while stack:
        node = stack.pop()
        if node.serial not in seen:
            seen[node.serial] = node
            stack.extend(value.node for value in node.inputs)
    return [seen[serial] for serial in sorted(seen)]


@dataclass(frozen=True, eq=False)
class Program:
    """What an executor runs: from `inputs` compute `outputs`, then write each update into its variable."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    updates: tuple[tuple[Variable, Tensor], ...] = field(default=())

    @property
    def targets(self) -> tuple[Tensor, ...]:
        return (*self.outputs, *(value for _, value in self.updates))

    def nodes(self) -> list[Node]:
        """Every node that the targets need, in order."""
        return self._nodes

    @cached_property
    def _nodes(self) -> list[Node]:
        return order(self.targets)


def variables_of(nodes: Sequence[Node]) -> list[Variable]:
    """The variables that the nodes read, in order of first use."""
    from pellucid.core.sources import Read

    return [node.op.variable for node in nodes if isinstance(node.op, Read)]
