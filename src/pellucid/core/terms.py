"""Terms: how one element of an output is made of elements of the inputs, as a small expression with real numbers.

`op.terms(index, *operands)` returns a tree of `Element`, `Number`, `Sum`, `Product`, `Largest`, `Smallest`, `Apply`
and `Stage`; `value` of the tree must equal the element that `forward` computes, which the tests check for every op.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy


class Term:
    """A node of the expression; `value` is its number."""

    @property
    def value(self) -> float:
        raise NotImplementedError

    def elements(self) -> Iterator[Element]:
        """The input elements in it, in reading order."""
        raise NotImplementedError

    def __mul__(self, other: Term) -> Product:
        return Product((self, other))


@dataclass(frozen=True)
class Element(Term):
    """One element of one input: `operand` is the input's position."""

    operand: int
    index: tuple[int, ...]
    number: float

    @property
    def value(self) -> float:
        return self.number

    def elements(self) -> Iterator[Element]:
        yield self


@dataclass(frozen=True)
class Number(Term):
    """A number that belongs to the op, not to an input."""

    number: float

    @property
    def value(self) -> float:
        return self.number

    def elements(self) -> Iterator[Element]:
        return iter(())


class Combination(Term):
    """Several terms made into one by a function of their values."""

    parts: tuple[Term, ...]

    def __init__(self, parts: Iterable[Term]) -> None:
        self.parts = tuple(parts)

    def elements(self) -> Iterator[Element]:
        for part in self.parts:
            yield from part.elements()

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self.parts!r}"


class Sum(Combination):
    """The sum of the parts.

    >>> Sum([Number(2), Number(3)]).value
    5.0
    """

    @property
    def value(self) -> float:
        values = [part.value for part in self.parts]
        return math.fsum(values) if all(map(math.isfinite, values)) else float(sum(values))


class Product(Combination):
    """The product of the parts."""

    @property
    def value(self) -> float:
        return float(math.prod(part.value for part in self.parts))


class Largest(Combination):
    """The largest of the parts (NaN where one is NaN)."""

    @property
    def value(self) -> float:
        return float(numpy.max([part.value for part in self.parts]))


class Smallest(Combination):
    """The smallest of the parts (NaN where one is NaN)."""

    @property
    def value(self) -> float:
        return float(numpy.min([part.value for part in self.parts]))


class Apply(Combination):
    """A named scalar function of the parts."""

    def __init__(self, name: str, function: Callable[..., Any], *parts: Term) -> None:
        super().__init__(parts)
        self.name, self.function = name, function

    @property
    def value(self) -> float:
        with numpy.errstate(all="ignore"):
            return float(self.function(*(part.value for part in self.parts)))


class Stage(Combination):
    """A number that the op computed on the way, such as an earlier state, and the input elements that it depends on."""

    def __init__(self, name: str, number: float, elements: Iterable[Element]) -> None:
        super().__init__(elements)
        self.name, self.number = name, number

    @property
    def value(self) -> float:
        return float(self.number)


class Operand:
    """An input array whose elements become `Element`s when indexed; broadcasting follows NumPy's rules."""

    def __init__(self, position: int, array: numpy.ndarray) -> None:
        self.position, self.array = position, array

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    def __getitem__(self, index: int | tuple[int, ...]) -> Element:
        where = (index,) if isinstance(index, int) else tuple(int(i) for i in index)
        return Element(self.position, where, float(self.array[where]))

    def broadcast(self, index: tuple[int, ...]) -> Element:
        """The element that broadcasting puts at `index` of the output."""
        tail = index[len(index) - self.array.ndim :]
        return self[tuple(0 if size == 1 else i for i, size in zip(tail, self.shape, strict=True))]
