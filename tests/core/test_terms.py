"""Terms: small expressions with real numbers."""

from __future__ import annotations

import math

import numpy
import pytest

from pellucid import ops
from pellucid.core.terms import Apply, Element, Largest, Number, Operand, Product, Smallest, Sum


def test_values() -> None:
    x = Operand(0, numpy.array([[1.0, 2.0], [3.0, 4.0]]))
    assert x[1, 0] == Element(0, (1, 0), 3.0)
    assert (x[0, 1] * x[1, 1]).value == 8.0
    assert Sum([x[0, 0], Number(0.5), Product([x[0, 1], x[1, 0]])]).value == 7.5
    assert Largest([x[0, 0], x[1, 1]]).value == 4.0
    assert Smallest([x[0, 0], x[1, 1]]).value == 1.0
    assert Apply("halve", lambda v: v / 2, x[1, 0]).value == 1.5
    assert Sum([]).value == 0.0


def test_elements_in_reading_order() -> None:
    x, w = Operand(0, numpy.array([1.0, 2.0])), Operand(1, numpy.array([3.0, 4.0]))
    term = Sum(x[k] * w[k] for k in range(2))
    assert [(e.operand, e.index) for e in term.elements()] == [(0, (0,)), (1, (0,)), (0, (1,)), (1, (1,))]
    assert list(Number(3.0).elements()) == []


def test_sums_are_exact_and_infinities_stay() -> None:
    assert Sum([Number(1e16), Number(1.0), Number(-1e16)]).value == 1.0
    assert Sum([Number(math.inf), Number(1.0)]).value == math.inf
    assert math.isnan(Sum([Number(math.inf), Number(-math.inf)]).value)
    assert math.isnan(Largest([Number(1.0), Number(math.nan)]).value)


def test_broadcast_operands() -> None:
    b = Operand(1, numpy.array([[10.0], [20.0]]))
    assert b.broadcast((7, 1, 5)).index == (1, 0)
    assert Operand(0, numpy.array(3.0)).broadcast((1, 2)).value == 3.0


def test_matmul_terms_by_hand() -> None:
    x, w = Operand(0, numpy.array([[1.0, 2.0]])), Operand(1, numpy.array([[3.0], [4.0]]))
    term = ops.matmul.terms((0, 0), x, w)
    assert term.value == pytest.approx(11.0)  # 1·3 + 2·4
    assert [e.number for e in term.elements()] == [1.0, 3.0, 2.0, 4.0]
