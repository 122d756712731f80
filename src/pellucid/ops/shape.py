"""Shape ops: the same elements at other places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from pellucid.core.graph import Array, Node, Tensor
from pellucid.core.op import Op, Sample
from pellucid.core.spec import Shape, Spec, known, normalize_axes, show_shape
from pellucid.core.terms import Number, Operand, Term
from pellucid.errors import ShapeError


def _numbers(*shape: int) -> numpy.ndarray:
    return numpy.random.default_rng(3).uniform(-2, 2, shape)


@dataclass(frozen=True)
class Reshape(Op):
    """The same elements in another shape, in row-major order; one size may be unknown (`None`), and is worked out."""

    shape: tuple[int | None, ...]
    name, inputs = "reshape", ("x",)
    formula, latex = "y = x read in row-major order", r"y_{\mathrm{vec}} = x_{\mathrm{vec}}"

    def infer(self, x: Spec) -> Spec:
        if None in x.shape:
            if self.shape.count(None) not in (1, x.shape.count(None)):  # known at run time, where one is left at most
                raise self.wrong_shape([x], f"the target {show_shape(self.shape)} needs exactly one unknown size")
            return Spec(self.shape, x.dtype)
        count = self.shape.count(None)
        fixed = int(numpy.prod([size for size in self.shape if size is not None]))
        if count > 1 or (count == 0 and fixed != x.size) or (count == 1 and (fixed == 0 or x.size % fixed)):
            raise self.wrong_shape([x], f"{x.size} elements do not fill {show_shape(self.shape)}")
        return Spec(tuple(x.size // fixed if size is None else size for size in self.shape), x.dtype)

    def forward(self, np: Any, x: Array) -> Array:
        return np.reshape(x, tuple(-1 if size is None else size for size in self.shape))

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        return (reshape(gradients[0], node.inputs[0].shape),)

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        (x,) = operands
        shape = numpy.empty(x.shape, bool).reshape([-1 if size is None else size for size in self.shape]).shape
        flat = numpy.ravel_multi_index(index, shape) if shape else 0
        return x[tuple(int(i) for i in numpy.unravel_index(int(flat), x.shape))]

    @classmethod
    def samples(cls) -> list[Sample]:
        return [
            Sample(cls((3, 2)), (_numbers(2, 3),)),
            Sample(cls((None, 4)), (_numbers(2, 3, 4),)),
            Sample(cls(()), (_numbers(1, 1),)),
            Sample(cls((1,)), (_numbers(),)),
            Sample(cls((4, 0)), (_numbers(0, 2),)),
            Sample(cls((6, 5)), (_numbers(5, 6).T,)),
            Sample(cls((4, 2)), (_numbers(2, 3),), error=ShapeError),
        ]


@dataclass(frozen=True)
class Transpose(Op):
    """Axes in another order: axis i of the output is axis `axes[i]` of the input."""

    axes: tuple[int, ...]
    name, inputs = "transpose", ("x",)
    formula, latex = "y[i, j, …] = x[…, j, i]", r"y_{ij} = x_{ji}"

    def infer(self, x: Spec) -> Spec:
        if sorted(self.axes) != list(range(x.rank)):
            raise self.wrong_shape([x], f"axes {self.axes} must name each of its {x.rank} axes once")
        return Spec(tuple(x.shape[axis] for axis in self.axes), x.dtype)

    def forward(self, np: Any, x: Array) -> Array:
        return np.transpose(x, self.axes)

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        return (transpose(gradients[0], tuple(int(i) for i in numpy.argsort(self.axes))),)

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        place = dict(zip(self.axes, index, strict=True))
        return operands[0][tuple(place[axis] for axis in range(len(index)))]

    @classmethod
    def samples(cls) -> list[Sample]:
        return [
            Sample(cls((1, 0)), (_numbers(2, 3),)),
            Sample(cls((2, 0, 1)), (_numbers(2, 3, 4),)),
            Sample(cls((0, 2, 1, 3)), (_numbers(2, 3, 4, 5),)),
            Sample(cls(()), (_numbers(),)),
            Sample(cls((1, 0)), (_numbers(0, 3),)),
            Sample(cls((1, 0)), (_numbers(130, 67),)),
            Sample(cls((0, 0)), (_numbers(2, 3),), error=ShapeError),
        ]


@dataclass(frozen=True)
class Concatenate(Op):
    """Values one after another along an axis."""

    axis: int
    name, inputs = "concatenate", ("x", "y")
    formula, latex = "z = x followed by y along an axis", r"z = [x, y]"

    def infer(self, *specs: Spec) -> Spec:
        if not specs:
            raise ShapeError("concatenate needs at least one value")
        dtype = self.same_dtype(*specs)
        first = specs[0]
        (axis,) = normalize_axes(self.axis, first.rank, self.name)
        for spec in specs[1:]:
            others = [(a, b) for i, (a, b) in enumerate(zip(first.shape, spec.shape, strict=False)) if i != axis]
            if spec.rank != first.rank or any(a != b and None not in (a, b) for a, b in others):
                shapes = ", ".join(show_shape(item.shape) for item in specs)
                raise ShapeError(f"concatenate along axis {axis} needs equal sizes on all other axes, got {shapes}")
        sizes = [spec.shape[axis] for spec in specs]
        total = None if None in sizes else sum(size for size in sizes if size is not None)
        return Spec((*first.shape[:axis], total, *first.shape[axis + 1 :]), dtype)

    def forward(self, np: Any, *arrays: Array) -> Array:
        return np.concatenate(arrays, axis=self.axis)

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        parts, at = [], 0
        axis = self.axis % node.output.rank
        whole = [slice(None)] * axis
        for x in node.inputs:
            (size,) = known((x.shape[axis],))
            place = (*whole, slice(at, at + size))
            parts.append(gradients[0][place])
            at += size
        return parts

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        axis, at = self.axis % len(index), index[self.axis]
        for x in operands:
            if at < x.shape[axis]:
                place = (*index[:axis], at, *index[axis + 1 :])
                return x[place]
            at -= x.shape[axis]
        raise IndexError(index)

    @classmethod
    def samples(cls) -> list[Sample]:
        return [
            Sample(cls(0), (_numbers(2, 3), _numbers(4, 3))),
            Sample(cls(-1), (_numbers(2, 3), _numbers(2, 1), _numbers(2, 5))),
            Sample(cls(1), (_numbers(2, 0), _numbers(2, 3))),
            Sample(cls(0), (_numbers(5),)),
            Sample(cls(1), (_numbers(2, 3, 4), _numbers(2, 2, 4))),
            Sample(cls(1), (_numbers(2, 3), _numbers(3, 3)), error=ShapeError),
        ]


@dataclass(frozen=True)
class Slice(Op):
    """The elements from `start` to before `stop`, every `step`-th, on each axis; a stop of `None` is the end.

    An axis of unknown size is taken whole: 0, `None`, 1.
    """

    start: tuple[int, ...]
    stop: tuple[int | None, ...]
    step: tuple[int, ...]
    name, inputs = "slice", ("x",)
    formula, latex = "y[i] = x[start + step·i]", r"y_i = x_{a + s i}"

    def infer(self, x: Spec) -> Spec:
        if not len(self.start) == len(self.stop) == len(self.step) == x.rank:
            raise self.wrong_shape([x], "give one start, stop and step per axis")
        sizes: list[int | None] = []
        for size, a, stop, s in zip(x.shape, self.start, self.stop, self.step, strict=True):
            if size is None:
                if (a, stop, s) != (0, None, 1):
                    raise self.wrong_shape([x], f"an axis of unknown size is taken whole, not as {a}:{stop}:{s}")
                sizes.append(None)
                continue
            b = size if stop is None else stop
            if not (0 <= a <= b <= size and s >= 1):
                raise self.wrong_shape([x], f"{a}:{b}:{s} is outside an axis of {size}")
            sizes.append(-(-(b - a) // s))
        return Spec(tuple(sizes), x.dtype)

    def forward(self, np: Any, x: Array) -> Array:
        parts = zip(self.start, self.stop, self.step, strict=True)
        return x[tuple(slice(a, b, s) for a, b, s in parts)]

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        return (Pad(self.start, self.step, node.inputs[0].shape)(gradients[0]),)

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        return operands[0][tuple(a + s * i for a, s, i in zip(self.start, self.step, index, strict=True))]

    @classmethod
    def samples(cls) -> list[Sample]:
        return [
            Sample(cls((0, 1), (2, 3), (1, 1)), (_numbers(2, 3),)),
            Sample(cls((0, 1), (None, 3), (1, 1)), (_numbers(2, 3),)),
            Sample(cls((0, 1), (None, None), (1, 2)), (_numbers(0, 4),)),
            Sample(cls((1,), (9,), (3,)), (_numbers(10),)),
            Sample(cls((0, 0, 1), (2, 0, 4), (1, 1, 2)), (_numbers(2, 3, 4),)),
            Sample(cls((0, 3), (60, 100), (1, 1)), (_numbers(60, 129),)),
            Sample(cls((0,), (4,), (1,)), (_numbers(3),), error=ShapeError),
        ]


@dataclass(frozen=True)
class Pad(Op):
    """Zeros of a given shape, with x written at `before + step·index`: the adjoint of `slice`.

    An axis whose size in `shape` is `None` stays as it is.
    """

    before: tuple[int, ...]
    step: tuple[int, ...]
    shape: tuple[int | None, ...]
    name, inputs = "pad", ("x",)
    formula, latex = "y[before + step·i] = x[i], else 0", r"y_{a + s i} = x_i"

    def infer(self, x: Spec) -> Spec:
        if not len(self.before) == len(self.step) == len(self.shape) == x.rank:
            raise self.wrong_shape([x], "give one place, step and size per axis")
        for size, a, s, total in zip(x.shape, self.before, self.step, self.shape, strict=True):
            if size is None or total is None:
                if (a, s, total) != (0, 1, None):
                    raise self.wrong_shape([x], "nothing is put around an axis of unknown size")
            elif a < 0 or s < 1 or (size and a + s * (size - 1) >= total):
                raise self.wrong_shape([x], f"it does not fit into {show_shape(self.shape)} at {self.before}")
        return Spec(self._filled(x.shape), x.dtype)

    def _filled(self, shape: Shape) -> Shape:
        return tuple(size if total is None else total for size, total in zip(shape, self.shape, strict=True))

    def _places(self, shape: Sequence[int]) -> tuple[Any, ...]:
        parts = zip(self.before, self.step, shape, strict=True)
        return tuple(slice(a, a + s * size, s) for a, s, size in parts)

    def forward(self, np: Any, x: Array) -> Array:
        y = np.zeros(self._filled(x.shape), x.dtype)
        y[self._places(x.shape)] = x
        return y

    def xla(self, jnp: Any, lax: Any, x: Array) -> Array:
        return jnp.zeros(self._filled(x.shape), x.dtype).at[self._places(x.shape)].set(x)

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        sizes = zip(self.before, self.step, node.inputs[0].shape, strict=True)
        stop = tuple(None if size is None else a + s * (size - 1) + 1 if size else a for a, s, size in sizes)
        return (Slice(self.before, stop, self.step)(gradients[0]),)

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        (x,) = operands
        place = [divmod(i - a, s) for i, a, s in zip(index, self.before, self.step, strict=True)]
        inside = all(rest == 0 and 0 <= i < size for (i, rest), size in zip(place, x.shape, strict=True))
        return x[tuple(i for i, _ in place)] if inside else Number(0.0)

    @classmethod
    def samples(cls) -> list[Sample]:
        return [
            Sample(cls((1, 0), (1, 1), (4, 3)), (_numbers(2, 3),)),
            Sample(cls((0, 1), (1, 2), (None, 9)), (_numbers(2, 3),)),
            Sample(cls((1,), (3,), (10,)), (_numbers(3),)),
            Sample(cls((0,), (1,), (2,)), (_numbers(0),)),
            Sample(cls((3, 2), (1, 2), (70, 140)), (_numbers(60, 67),)),
            Sample(cls((1,), (1,), (3,)), (_numbers(3),), error=ShapeError),
        ]


@dataclass(frozen=True)
class Flip(Op):
    """The elements along some axes in reverse order."""

    axes: tuple[int, ...]
    name, inputs = "flip", ("x",)
    formula, latex = "y[i] = x[n - 1 - i]", r"y_i = x_{n-1-i}"

    def infer(self, x: Spec) -> Spec:
        if normalize_axes(self.axes, x.rank, self.name) != self.axes:
            raise self.wrong_shape([x], f"its axes {self.axes} must be ascending and counted from 0")
        return x

    def forward(self, np: Any, x: Array) -> Array:
        return np.flip(x, self.axes)

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        return (self(gradients[0]),)

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        (x,) = operands
        places = enumerate(zip(index, x.shape, strict=True))
        return x[tuple(size - 1 - i if axis in self.axes else i for axis, (i, size) in places)]

    @classmethod
    def samples(cls) -> list[Sample]:
        return [
            Sample(cls((0,)), (_numbers(5),)),
            Sample(cls((1,)), (_numbers(2, 3, 4),)),
            Sample(cls((0, 2)), (_numbers(3, 2, 35),)),
            Sample(cls((0,)), (_numbers(1, 3),)),
            Sample(cls((1,)), (_numbers(2, 0),)),
            Sample(cls((0,)), (_numbers(40, 30).T,)),
            Sample(cls((0,)), (numpy.array([True, False, False]),)),
            Sample(cls((2,)), (_numbers(2, 3),), error=ShapeError),
            Sample(cls((1, 0)), (_numbers(2, 3),), error=ShapeError),
        ]


def reshape(x: Tensor, shape: Sequence[int | None]) -> Tensor:
    """The same elements in another shape, in row-major order; one size may be -1 or `None`, and is worked out.

    >>> from pellucid.core.sources import feed
    >>> reshape(feed((2, 3, 4)), (-1, 4)).shape
    (6, 4)
    """
    target = tuple(None if size == -1 else size for size in shape)
    return x if target == x.shape and None not in target else Reshape(target)(x)


def expand_dims(x: Tensor, axis: int) -> Tensor:
    """A new axis of size 1.

    >>> from pellucid.core.graph import tensor
    >>> expand_dims(tensor([1.0, 2.0]), 1).shape
    (2, 1)
    """
    (at,) = normalize_axes(axis, x.rank + 1, "expand_dims")
    return reshape(x, (*x.shape[:at], 1, *x.shape[at:]))


def squeeze(x: Tensor, axis: int) -> Tensor:
    """The same without an axis of size 1; raises `ShapeError` where its size is another.

    >>> from pellucid.core.graph import tensor
    >>> squeeze(tensor([[1.0, 2.0]]), 0).shape
    (2,)
    """
    (at,) = normalize_axes(axis, x.rank, "squeeze")
    if x.shape[at] != 1:
        raise ShapeError(f"squeeze cannot drop axis {at} of {x.spec}: its size is not 1")
    return reshape(x, (*x.shape[:at], *x.shape[at + 1 :]))


def transpose(x: Tensor, axes: Sequence[int] | None = None) -> Tensor:
    """Axes in another order; reversed where none is given.

    >>> from pellucid.core.graph import tensor
    >>> transpose(tensor([[1.0, 2.0], [3.0, 4.0]])).numpy()
    array([[1., 3.],
           [2., 4.]])
    """
    if axes is None:
        return Transpose(tuple(reversed(range(x.rank))))(x)
    return Transpose(tuple(axis + x.rank if -x.rank <= axis < 0 else axis for axis in axes))(x)


def concatenate(values: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Values one after another along an axis.

    >>> from pellucid.core.sources import feed
    >>> concatenate([feed((None, 2)), feed((None, 3))], axis=-1).shape
    (None, 5)
    """
    return Concatenate(axis)(*values)


def pad(x: Tensor, widths: Sequence[tuple[int, int]]) -> Tensor:
    """Zeros around: (before, after) for each axis.

    >>> from pellucid.core.graph import tensor
    >>> pad(tensor([1.0, 2.0]), [(1, 2)]).numpy()
    array([0., 1., 2., 0., 0.])
    """
    before = tuple(low for low, _ in widths)
    shape = tuple(
        None if size is None and low == high == 0 else low + known((size,))[0] + high
        for (low, high), size in zip(widths, x.shape, strict=True)
    )
    return Pad(before, (1,) * x.rank, shape)(x)


def flip(x: Tensor, axis: int | Sequence[int] | None = None) -> Tensor:
    """The elements along some axes, or all, in reverse order.

    >>> from pellucid.core.graph import tensor
    >>> flip(tensor([1.0, 2.0, 3.0])).numpy()
    array([3., 2., 1.])
    """
    return Flip(normalize_axes(axis, x.rank, "flip"))(x)
