"""The linear unit against the same descent in NumPy, whose end is w = 2, b = 1."""

from __future__ import annotations

import re

import numpy
import pytest


def test_linear_unit(run_example):
    output = run_example("linear_unit")
    rows = re.findall(r"^ +(\d+) +([\d.]+) +(-?[\d.]+) +([\d.]+)$", output, re.MULTILINE)
    assert [int(row[0]) for row in rows[:3]] == [1, 2, 3]
    path = descend(steps=200)
    for epoch, loss, w, b in rows:
        assert [float(loss), float(w), float(b)] == pytest.approx(path[int(epoch) - 1], abs=2e-6)
    below = next(epoch for epoch, step in enumerate(path, start=1) if step[0] <= 1e-6)
    assert int(rows[-1][0]) == below  # it stops at the first epoch under the threshold
    assert f"stopped after {below} epochs" in output
    assert [float(rows[-1][2]), float(rows[-1][3])] == pytest.approx([2, 1], abs=0.005)
    assert float(re.search(r"predicts ([\d.]+)", output)[1]) == pytest.approx(21, abs=0.05)


def descend(steps: int) -> list[tuple[float, float, float]]:
    """Loss before each step, w and b after it, by the formulas."""
    x = numpy.linspace(-1, 1, 11)
    w, b, path = -1.0, 0.0, []
    for _ in range(steps):
        error = w * x + b - (2 * x + 1)
        w, b = w - 0.1 * 2 * numpy.mean(error * x), b - 0.1 * 2 * numpy.mean(error)
        path.append((float(numpy.mean(error**2)), float(w), float(b)))
    return path
