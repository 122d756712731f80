"""How expressions are printed: as text, LaTeX or MathML, with symbols or with the numbers they stand for.

One walk over the tree (`Notation`) knows where brackets belong; each dialect says how its symbols, fractions and powers
look. MathML needs no network and no script: browsers set it themselves.
"""

from __future__ import annotations

import re

from pellucid.explain.expression import (
    E,
    Expression,
    Function,
    Name,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Rest,
    Sum,
    Symbol,
)
from pellucid.explain.latex import MATHEMATICS, escaped, words
from pellucid.explain.numbers import number, scientific
from pellucid.explain.page import escape

_SUM, _SIGN, _QUOTIENT, _PRODUCT, _POWER, _ATOM = range(6)
_BELOW = str.maketrans("0123456789,", "₀₁₂₃₄₅₆₇₈₉,")
_ABOVE = str.maketrans("0123456789-()", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁽⁾")
_COUNTED = re.compile(r"(t=)?\d+")  # places that are counted: 3, t=3; others are names


class Notation:
    """The walk; the dialect is the subclass."""

    plus, minus, times = " + ", " − ", "·"

    def __init__(self, inside: str = "") -> None:
        """`inside` a layer, what begins with its name is written without."""
        self.prefix = f"{inside}/" if inside else ""

    def write(self, expression: Expression, numbers: bool = False) -> str:
        """The expression with symbols, or with `numbers` in their place."""
        return self._write(expression, numbers)[0]

    def equation(self, symbol: Symbol, expression: Expression) -> str:
        """symbol = expression = the same in numbers = value."""
        return self.joined(self.sides(symbol, expression))

    def sides(self, symbol: Symbol, expression: Expression) -> list[str]:
        """The sides of an equation; what would only repeat itself is left out."""
        texts = (self.write(expression), self.write(expression, numbers=True), self.number(expression.value))
        return [self.symbol(symbol), *dict.fromkeys(texts)]

    def joined(self, parts: list[str]) -> str:
        return " = ".join(parts)

    def letter(self, symbol: Symbol) -> tuple[str, str]:
        """A symbol without index, and its primes."""
        letter = symbol.letter.rstrip("′")
        return letter.removeprefix(self.prefix), "′" * (len(symbol.letter) - len(letter))

    # What a dialect says

    def symbol(self, symbol: Symbol) -> str:
        raise NotImplementedError

    def number(self, value: float) -> str:
        raise NotImplementedError

    def bracketed(self, text: str) -> str:
        raise NotImplementedError

    def fraction(self, top: Expression, bottom: Expression, numbers: bool) -> tuple[str, int]:
        raise NotImplementedError

    def power(self, base: str, exponent: Expression, numbers: bool) -> tuple[str, int]:
        raise NotImplementedError

    def function(self, name: str, parts: list[str]) -> str:
        raise NotImplementedError

    def rest(self, count: int) -> str:
        raise NotImplementedError

    def signed(self, text: str) -> str:
        return f"{self.minus.strip()}{text}"

    def begins_negative(self, text: str) -> bool:
        return text.startswith("−")

    def without_sign(self, text: str) -> str:
        return text[1:]

    # The walk

    def _write(self, expression: Expression, numbers: bool) -> tuple[str, int]:
        if isinstance(expression, Name):
            if numbers:
                return self._number(expression.value)
            return self.symbol(expression.symbol), _ATOM if expression.symbol.by is None else _PRODUCT
        if isinstance(expression, Number):
            return self._number(expression.value)
        if isinstance(expression, Rest):
            return self._number(expression.value) if numbers else (self.rest(expression.count), _ATOM)
        if isinstance(expression, Negative):
            return self.signed(self._at_least(expression.part, _QUOTIENT, numbers)), _SIGN
        if isinstance(expression, Sum):
            return self._sum(expression, numbers), _SUM
        if isinstance(expression, Product):
            first, *others = expression.parts
            text, rank = self._write(first, numbers)
            texts = [
                self.bracketed(text) if rank in (_SUM, _QUOTIENT) else text,
                *(self._at_least(x, _PRODUCT, numbers) for x in others),
            ]
            return self.times.join(texts), _SIGN if self.begins_negative(texts[0]) else _PRODUCT
        if isinstance(expression, Quotient):
            return self.fraction(expression.top, expression.bottom, numbers)
        if isinstance(expression, Power):
            base = self.euler() if expression.base is E else self._at_least(expression.base, _ATOM, numbers)
            return self.power(base, expression.exponent, numbers)
        if isinstance(expression, Function):
            return self._function(expression, numbers)
        raise TypeError(f"no expression: {expression!r}")

    def _sum(self, expression: Sum, numbers: bool) -> str:
        text = ""
        for part in expression.parts:
            one, rank = self._write(part, numbers)
            one = self.bracketed(one) if rank == _SUM else one
            if not text:
                text = one
            elif self.begins_negative(one):
                text += self.minus + self.without_sign(one)
            else:
                text += self.plus + one
        return text

    def _function(self, expression: Function, numbers: bool) -> tuple[str, int]:
        if expression.name == "ln":
            (part,) = expression.parts
            return self.function("ln", [self._at_least(part, _ATOM, numbers)]), _PRODUCT
        return self.function(expression.name, [self._write(part, numbers)[0] for part in expression.parts]), _ATOM

    def _number(self, value: float) -> tuple[str, int]:
        text = self.number(value)
        power = scientific(value)[1] is not None  # 2·10⁻⁷ is a product
        return text, _SIGN if self.begins_negative(text) else _PRODUCT if power else _ATOM

    def _at_least(self, expression: Expression, rank: int, numbers: bool) -> str:
        text, own = self._write(expression, numbers)
        return text if own >= rank else self.bracketed(text)

    def euler(self) -> str:
        return "e"


class Text(Notation):
    """Unicode for a terminal: w₁·x₁ + b₁, ∂L/∂w₁."""

    def symbol(self, symbol: Symbol) -> str:
        if symbol.by is not None:
            return f"∂{self.symbol(Symbol(symbol.letter, symbol.index, symbol.example))}/∂{self.symbol(symbol.by)}"
        place = ",".join(map(str, symbol.index))
        letter, primes = self.letter(symbol)
        if place:
            place = place.translate(_BELOW) if symbol.is_short else f"[{place}]"
        above = "" if symbol.example is None else f"({symbol.example})".translate(_ABOVE)
        return f"{letter}{place}{primes}{above}"

    def number(self, value: float) -> str:
        return number(value)

    def bracketed(self, text: str) -> str:
        return f"({text})"

    def fraction(self, top: Expression, bottom: Expression, numbers: bool) -> tuple[str, int]:
        return f"{self._at_least(top, _PRODUCT, numbers)} / {self._at_least(bottom, _POWER, numbers)}", _QUOTIENT

    def power(self, base: str, exponent: Expression, numbers: bool) -> tuple[str, int]:
        if isinstance(exponent, Number) and exponent.value == round(exponent.value):
            return base + f"{exponent.value:.0f}".translate(_ABOVE), _POWER
        text, rank = self._write(exponent, numbers)
        return f"{base}^{text if rank == _ATOM else self.bracketed(text)}", _POWER

    def function(self, name: str, parts: list[str]) -> str:
        if name == "ln":
            return f"ln {parts[0]}" if not parts[0].startswith("(") else f"ln{parts[0]}"
        if name == "√":
            plain = " " not in parts[0] and self.times not in parts[0] and not self.begins_negative(parts[0])
            return f"√{parts[0]}" if plain else f"√({parts[0]})"
        return f"|{parts[0]}|" if name == "absolute" else f"{name}({', '.join(parts)})"

    def rest(self, count: int) -> str:
        return f"({count:,} more)"


class Latex(Notation):
    """LaTeX, for a formula environment."""

    plus, minus, times = " + ", " - ", r" \cdot "

    def symbol(self, symbol: Symbol) -> str:
        if symbol.by is not None:
            top = self.symbol(Symbol(symbol.letter, symbol.index, symbol.example))
            return rf"\frac{{\partial {top}}}{{\partial {self.symbol(symbol.by)}}}"
        letter, primes = self.letter(symbol)
        shown = MATHEMATICS.get(letter, letter) if len(letter) == 1 else rf"\texttt{{{escaped(letter)}}}"
        place = ",".join(str(i) if _COUNTED.fullmatch(str(i)) else words(str(i)) for i in symbol.index)
        below = f"_{{{place}}}" if place else ""
        primes = primes.replace("′", r"\prime ")
        above = "" if symbol.example is None else f"({symbol.example})"
        return f"{shown}{below}" + (f"^{{{primes}{above}}}" if primes or above else "")

    def number(self, value: float) -> str:
        digits, exponent = scientific(value)
        text = digits.replace("−", "-").replace("∞", r"\infty").replace(",", "{,}").replace("NaN", r"\mathrm{NaN}")
        return text if exponent is None else rf"{text} \cdot 10^{{{exponent}}}"

    def bracketed(self, text: str) -> str:
        return rf"\left({text}\right)"

    def fraction(self, top: Expression, bottom: Expression, numbers: bool) -> tuple[str, int]:
        above, below = (self.write(part, numbers).replace(r"\frac", r"\dfrac") for part in (top, bottom))
        return rf"\frac{{{above}}}{{{below}}}", _PRODUCT

    def power(self, base: str, exponent: Expression, numbers: bool) -> tuple[str, int]:
        base = self.bracketed(base) if "^" in base and not base.startswith(r"\left(") else base
        return f"{base}^{{{self.write(exponent, numbers)}}}", _POWER

    def function(self, name: str, parts: list[str]) -> str:
        if name == "ln":
            return rf"\ln {parts[0]}"
        if name == "√":
            return rf"\sqrt{{{parts[0]}}}"
        if name == "absolute":
            return rf"\left|{parts[0]}\right|"
        base = name.removesuffix("′")
        shown = (MATHEMATICS.get(base) or rf"\operatorname{{{escaped(base)}}}") + "'" * (base != name)
        return rf"{shown}\left({', '.join(parts)}\right)"

    def rest(self, count: int) -> str:
        return f"({words(f'{count:,} more')})"

    def signed(self, text: str) -> str:
        return f"-{text}"

    def begins_negative(self, text: str) -> bool:
        return text.startswith("-")


_SIGNED = '<mo form="prefix">−</mo>'


class MathML(Notation):
    """MathML elements; `formula` puts them into a `math` element."""

    plus, minus, times = "<mo>+</mo>", "<mo>−</mo>", "<mo>·</mo>"

    def formula(self, sides: list[str]) -> str:
        """An equation on lines of its own, broken between its sides where it is too long for one."""
        first, *others = ([f"{sides[0]}<mo>=</mo>{sides[1]}", *sides[2:]]) if len(sides) > 1 else sides
        lines = [first, *(f"<mo>=</mo>{side}" for side in others)]
        return f'<div class="formula">{" ".join(f"<span><math>{line}</math></span>" for line in lines)}</div>'

    def inline(self, text: str) -> str:
        """A formula within a line."""
        return f"<math>{text}</math>"

    def joined(self, parts: list[str]) -> str:
        return "<mo>=</mo>".join(f"<mrow>{part}</mrow>" for part in parts)

    def symbol(self, symbol: Symbol) -> str:
        if symbol.by is not None:
            top = self.symbol(Symbol(symbol.letter, symbol.index, symbol.example))
            by = self.symbol(symbol.by)
            return f"<mfrac><mrow><mo>∂</mo>{top}</mrow><mrow><mo>∂</mo>{by}</mrow></mfrac>"
        letter, primes = self.letter(symbol)
        shown = f"<mi>{escape(letter)}</mi>" if len(letter) == 1 else f"<mtext>{escape(letter)}</mtext>"
        if letter == "ŷ":
            shown = '<mover accent="true"><mi>y</mi><mo>^</mo></mover>'
        place = ",".join(map(str, symbol.index))
        if len(letter) > 1 and place:  # a long name has its index behind, as in a program
            shown, place = f"<mtext>{escape(letter)}[{escape(place)}]</mtext>", ""
        below = f"<mn>{escape(place)}</mn>" if place else ""
        above = primes + ("" if symbol.example is None else f"({symbol.example})")
        if below and above:
            return f"<msubsup>{shown}{below}<mo>{above}</mo></msubsup>"
        if above:
            return f"<msup>{shown}<mo>{above}</mo></msup>"
        return f"<msub>{shown}{below}</msub>" if below else shown

    def number(self, value: float) -> str:
        digits, exponent = scientific(value)
        text = f"{_SIGNED}<mn>{digits[1:]}</mn>" if digits.startswith("−") else f"<mn>{digits}</mn>"
        if exponent is None:
            return text
        return f"{text}<mo>·</mo><msup><mn>10</mn><mrow>{self.number(exponent)}</mrow></msup>"

    def bracketed(self, text: str) -> str:
        return f'<mrow><mo fence="true">(</mo>{text}<mo fence="true">)</mo></mrow>'

    def fraction(self, top: Expression, bottom: Expression, numbers: bool) -> tuple[str, int]:
        return (
            f"<mfrac><mrow>{self.write(top, numbers)}</mrow><mrow>{self.write(bottom, numbers)}</mrow></mfrac>",
            _PRODUCT,
        )

    def power(self, base: str, exponent: Expression, numbers: bool) -> tuple[str, int]:
        return f"<msup><mrow>{base}</mrow><mrow>{self.write(exponent, numbers)}</mrow></msup>", _POWER

    def function(self, name: str, parts: list[str]) -> str:
        if name == "√":
            return f"<msqrt>{parts[0]}</msqrt>"
        if name == "ln":
            return f"<mrow><mi>ln</mi><mspace width='0.2em'></mspace>{parts[0]}</mrow>"
        if name == "absolute":
            return f"<mrow><mo>|</mo>{parts[0]}<mo>|</mo></mrow>"
        return f"<mrow><mi>{escape(name)}</mi>{self.bracketed('<mo>,</mo>'.join(parts))}</mrow>"

    def rest(self, count: int) -> str:
        return f"<mtext>({count:,} more)</mtext>"

    def signed(self, text: str) -> str:
        return f"{_SIGNED}{text}"

    def begins_negative(self, text: str) -> bool:
        return text.startswith(_SIGNED)

    def without_sign(self, text: str) -> str:
        return text.removeprefix(_SIGNED)

    def euler(self) -> str:
        return "<mi>e</mi>"


TEXT, LATEX, MATHML = Text(), Latex(), MathML()
