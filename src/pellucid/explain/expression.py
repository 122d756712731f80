"""Expressions: how one number came about, as a tree that can be printed as text, LaTeX or MathML.

A leaf is a `Name` (a weight, an activation, a derivative: something with a symbol), a plain `Number`, or the `Rest` of
a sum too wide to show. Every node holds its value. Trees are made by `add`, `multiply`, `negate`, `divide` and `power`,
which leave out what a reader would not write: · 1, + 0, double signs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy


@dataclass(frozen=True)
class Symbol:
    """What a value is called: w₁, ŷ, or dense/kernel[3,5]; `example` counts from 1 where there are several.

    A short symbol carries its index below (`w`, (1,)), a long one behind, in brackets. `by` makes it a derivative:
    ∂letter/∂by.
    """

    letter: str
    index: tuple[int | str, ...] = ()
    example: int | None = None
    by: Symbol | None = None

    @property
    def is_short(self) -> bool:
        """Whether it is written as in mathematics, rather than as in a program."""
        return len(self.letter.rstrip("′")) == 1 and (not self.index or [type(i) for i in self.index] == [int])


@dataclass(frozen=True)
class Expression:
    """A number and how it is made."""

    value: float


@dataclass(frozen=True)
class Name(Expression):
    """Something that has a symbol. `key` tells the derivatives apart that a linear form is taken by."""

    symbol: Symbol
    key: Any = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Number(Expression):
    """A plain number."""


@dataclass(frozen=True)
class Rest(Expression):
    """What a wide sum has besides the parts that are shown: how many, and their sum."""

    count: int


@dataclass(frozen=True)
class Negative(Expression):
    """−part."""

    part: Expression


@dataclass(frozen=True)
class Sum(Expression):
    """The parts added."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True)
class Product(Expression):
    """The parts multiplied."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True)
class Quotient(Expression):
    """top / bottom."""

    top: Expression
    bottom: Expression


@dataclass(frozen=True)
class Power(Expression):
    """base to the power exponent."""

    base: Expression
    exponent: Expression


@dataclass(frozen=True)
class Function(Expression):
    """name(parts). `function`, where there is one, computes it from numbers."""

    name: str
    parts: tuple[Expression, ...]
    function: Callable[..., Any] | None = field(default=None, repr=False, compare=False)


E = Number(math.e)
_PLAIN = 1e6  # whole numbers below are divisors that can be put together


def add(parts: Iterable[Expression]) -> Expression:
    """The sum; plain zeros are left out."""
    flat: list[Expression] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, Sum) else [part])
    kept = [part for part in flat if not (isinstance(part, Number) and part.value == 0.0)]
    if len(kept) < 2:
        return kept[0] if kept else Number(0.0)
    values = [part.value for part in kept]
    return Sum(math.fsum(values) if all(map(math.isfinite, values)) else sum(values), tuple(kept))


def multiply(parts: Iterable[Expression]) -> Expression:
    """The product; plain numbers are put together, signs and plain divisors come out, a plain zero is all there is."""
    factors, number, divisor = _factors(parts)
    if number == 0.0:
        return Number(0.0)
    if number < 0.0:
        return negate(multiply([Number(-number), *factors, _inverse(divisor)]))
    if number.is_integer():
        shared = math.gcd(int(number), divisor)
        number, divisor = number / shared, divisor // shared
    kept = factors if number == 1.0 and factors else [Number(number), *factors]
    top = kept[0] if len(kept) == 1 else Product(math.prod(part.value for part in kept), tuple(kept))
    return top if divisor == 1 else Quotient(top.value / divisor, top, Number(float(divisor)))


def _factors(parts: Iterable[Expression]) -> tuple[list[Expression], float, int]:
    """The factors of a product that are not plain, the product of those that are, and a plain divisor: means are
    sums / n, though they are computed as sums·(1/n)."""
    factors: list[Expression] = []
    number, divisor = 1.0, 1
    stack = list(parts)[::-1]
    while stack:
        part = stack.pop()
        if isinstance(part, Negative):
            number, part = -number, part.part
        if isinstance(part, Product):
            stack.extend(part.parts[::-1])
        elif isinstance(part, Quotient) and isinstance(part.bottom, Number) and part.bottom.value.is_integer():
            divisor *= int(part.bottom.value)
            stack.append(part.top)
        elif isinstance(part, Number):
            count = _whole_inverse(part.value)
            divisor, number = (divisor * count, number) if count else (divisor, number * part.value)
        else:
            factors.append(part)
    return factors, number, divisor


def _whole_inverse(value: float) -> int:
    """n where the value is 1/n, or 0; powers of ten are left as they are."""
    if not 0.0 < value < 1.0:
        return 0
    count = round(1.0 / value)
    return count if math.isclose(count * value, 1.0, rel_tol=1e-6) and not math.log10(count).is_integer() else 0


def _inverse(divisor: int) -> Expression:
    return Quotient(1.0 / divisor, Number(1.0), Number(float(divisor))) if divisor != 1 else Number(1.0)


def negate(part: Expression) -> Expression:
    """−part; the sign of a number is its own, and −(a − b) is b − a."""
    if isinstance(part, Negative):
        return part.part
    if isinstance(part, Number):
        return Number(-part.value)
    if isinstance(part, Sum) and len(part.parts) == 2 and any(_is_negative(one) for one in part.parts):
        return add(sorted((negate(one) for one in part.parts), key=_is_negative))
    return Negative(-part.value, part)


def _is_negative(part: Expression) -> bool:
    return isinstance(part, Negative) or (isinstance(part, Number) and part.value < 0.0)


def divide(top: Expression, bottom: Expression) -> Expression:
    """top / bottom."""
    if isinstance(bottom, Number) and bottom.value == 1.0:
        return top
    if isinstance(top, Negative):
        return negate(divide(top.part, bottom))
    if isinstance(bottom, Number) and bottom.value.is_integer() and 0.0 < bottom.value < _PLAIN:
        return multiply([top, Quotient(1.0 / bottom.value, Number(1.0), bottom)])
    with numpy.errstate(all="ignore"):
        return Quotient(float(numpy.divide(top.value, bottom.value)), top, bottom)


def power(base: Expression, exponent: Expression) -> Expression:
    """base to the power exponent."""
    if isinstance(exponent, Number) and exponent.value == 1.0:
        return base
    with numpy.errstate(all="ignore"):
        value = float(numpy.power(base.value, exponent.value))
    return Power(value, base, exponent)


def exponential(exponent: Expression) -> Expression:
    """e to a power; what e^(−c·t) is of a count of steps t is written (e⁻ᶜ)ᵗ: 0.9^t."""
    if isinstance(exponent, Negative) and isinstance(exponent.part, Product):
        number, *others = exponent.part.parts
        if isinstance(number, Number) and len(others) == 1 and any(map(_is_count, leaves(others[0]))):
            return power(Number(math.exp(-number.value)), others[0])
    return power(E, exponent)


def _is_count(part: Expression) -> bool:
    """Whether it counts the optimizer's steps."""
    return isinstance(part, Name) and part.symbol.letter == "steps"


def children(expression: Expression) -> tuple[Expression, ...]:
    """What an expression is made of."""
    if isinstance(expression, (Sum, Product, Function)):
        return expression.parts
    if isinstance(expression, Negative):
        return (expression.part,)
    if isinstance(expression, Quotient):
        return expression.top, expression.bottom
    if isinstance(expression, Power):
        return expression.base, expression.exponent
    return ()


def leaves(expression: Expression) -> Iterator[Expression]:
    """The names and numbers in it, in reading order."""
    below = children(expression)
    if not below:
        yield expression
    for part in below:
        yield from leaves(part)


def operations(expression: Expression) -> Iterator[Expression]:
    """The sums, products, functions and the like in it."""
    below = children(expression)
    if below:
        yield expression
    for part in below:
        yield from operations(part)


def functions(expression: Expression) -> Iterator[str]:
    """The names of the functions in it."""
    if isinstance(expression, Function):
        yield expression.name
    for part in children(expression):
        yield from functions(part)


Linear = dict[Any, tuple[Name, Expression]]


def linear(expression: Expression) -> Linear:
    """An expression that is linear in the names with a key, as those names with what each is multiplied by.

    What stands without any such name is left out: it must be zero.
    """
    if isinstance(expression, Name):
        return {} if expression.key is None else {expression.key: (expression, Number(1.0))}
    if isinstance(expression, Negative):
        return {key: (name, negate(factor)) for key, (name, factor) in linear(expression.part).items()}
    if isinstance(expression, Sum):
        found: dict[Any, tuple[Name, list[Expression]]] = {}
        for part in expression.parts:
            for key, (name, factor) in linear(part).items():
                found.setdefault(key, (name, []))[1].append(factor)
        return {key: (name, add(factors)) for key, (name, factors) in found.items()}
    if isinstance(expression, Product):
        for place, part in enumerate(expression.parts):
            forms = linear(part)
            if forms:
                others = [*expression.parts[:place], *expression.parts[place + 1 :]]
                return {key: (name, multiply([factor, *others])) for key, (name, factor) in forms.items()}
        return {}
    if isinstance(expression, Quotient):
        forms = linear(expression.top)
        return {key: (name, divide(factor, expression.bottom)) for key, (name, factor) in forms.items()}
    if isinstance(expression, Function) and expression.function is not None:
        return _through(expression, expression.function)
    return {}


def _through(expression: Function, function: Callable[..., Any]) -> Linear:
    """A function that is linear in some of its operands: its value where one of them is 1 and the others are 0."""
    forms = [linear(part) for part in expression.parts]
    found: Linear = {}
    for place, form in enumerate(forms):
        if form:
            numbers = [
                float(i == place) if other else part.value
                for i, (other, part) in enumerate(zip(forms, expression.parts, strict=True))
            ]
            slope = Number(float(function(*numbers)))
            for key, (name, factor) in form.items():
                before = [found[key][1]] if key in found else []
                found[key] = (name, add([*before, multiply([slope, factor])]))
    return found


def widest(parts: list[Expression], count: int) -> Expression:
    """A sum of which the `count` largest parts are shown, largest first, and the others as one."""
    if len(parts) <= count + 1:
        return add(parts)
    ranked = sorted(parts, key=lambda part: -abs(part.value))
    rest = math.fsum(part.value for part in ranked[count:])
    return add([*ranked[:count], Rest(rest, len(parts) - count)])
