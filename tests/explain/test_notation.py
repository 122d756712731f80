"""How numbers stand in formulas."""

from __future__ import annotations

import pytest

from pellucid.explain.expression import Function, Number, Power, Product, Quotient
from pellucid.explain.notation import LATEX, MATHML, TEXT
from pellucid.explain.numbers import number

SMALL, TWO = Number(-2.5e-9), Number(2.0)


@pytest.mark.parametrize(
    ("value", "written"),
    [(1e-7, "1·10⁻⁷"), (-1.23456e-12, "−1.2346·10⁻¹²"), (3e14, "3·10¹⁴"), (0.00012, "0.00012"), (0.0, "0")],
)
def test_powers_of_ten_are_written_as_by_hand(value: float, written: str) -> None:
    assert number(value) == written


def test_a_power_of_ten_is_a_product_that_takes_brackets() -> None:
    assert TEXT.write(Quotient(2e7, TWO, Number(1e-7))) == "2 / (1·10⁻⁷)"
    assert TEXT.write(Power(1e-14, Number(1e-7), TWO)) == "(1·10⁻⁷)²"
    assert TEXT.write(Function(1e-4, "√", (Number(1e-8),))) == "√(1·10⁻⁸)"
    assert TEXT.write(Product(5e-9, (TWO, SMALL))) == "2·(−2.5·10⁻⁹)"


def test_latex_and_mathml_set_the_power() -> None:
    assert LATEX.write(SMALL) == r"-2.5 \cdot 10^{-9}"
    assert LATEX.write(Power(6.25e-18, Number(2.5e-9), TWO)) == r"\left(2.5 \cdot 10^{-9}\right)^{2}"
    assert "<msup><mn>10</mn><mrow>" in MATHML.write(SMALL)
    assert LATEX.write(Number(float("nan"))) == r"\mathrm{NaN}"
