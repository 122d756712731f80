"""House prices: nearly all of what chance leaves is explained, and new houses cost what the rule says."""

from __future__ import annotations

import re

import pytest

FACTORS = {"centre": 1.6, "suburb": 1.1, "village": 0.8}


def test_house_prices(run_example):
    output = run_example("house_prices")
    rows, r2, error = re.search(r"on (\d+) houses held out: R² ([\d.]+), mean error ([\d,]+)", output).groups()
    assert int(rows) == 120  # a fifth of 600
    # Chance alone has the mean size 10,000·√(2/π) ≈ 7,979; prices spread by about 220,000.
    assert float(r2) > 0.99
    assert 6_000 < float(error.replace(",", "")) < 13_000
    houses = re.findall(r"^ *(\d+)  (\w+) +([\d,]+) +(\d) +([\d,]+) +([\d,]+)$", output, re.MULTILINE)
    assert len(houses) == 4
    for age, location, feet, storeys, predicted, by_rule in houses:
        truth = (50_000 + 150 * number(feet) + 20_000 * int(storeys)) * FACTORS[location] - 800 * int(age)
        assert number(by_rule) == pytest.approx(truth, abs=1)
        assert number(predicted) == pytest.approx(truth, abs=25_000)
    prices = [number(house[4]) for house in houses]
    assert prices[1] < prices[2] < prices[0] < prices[3]  # the village is cheaper, age costs, size pays


def number(text: str) -> int:
    return int(text.replace(",", ""))
