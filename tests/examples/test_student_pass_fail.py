"""The nine gradients, against the article's formulas worked out on paper, and training against descent in NumPy."""

from __future__ import annotations

import math
import re

import numpy
import pytest

ERROR = 1 / (1 + math.exp(-0.5451))  # ∂L/∂z₃ = ŷ - y with z₃ = 0.5451, y = 0
GRADIENTS = {  # both hidden neurons are on (1.5 and 1.2 > 0), so ReLU' = 1
    "w₁": ERROR * 0.7 * 2,
    "w₂": ERROR * 0.7 * 5,
    "b₁": ERROR * 0.7,
    "w₃": ERROR * -0.5 * 2,
    "w₄": ERROR * -0.5 * 5,
    "b₂": ERROR * -0.5,
    "w₅": ERROR * 1.5,
    "w₆": ERROR * 1.2,
    "b₃": ERROR,
}


@pytest.fixture
def output(run_example):
    return run_example("student_pass_fail")


def test_forward_pass(output):
    found = {name: float(number) for name, number in re.findall(r"(\S+)\s* = (-?[\d.]+)", output)}
    # 0.5·2 + 0.1·5 = 1.5; -0.2·2 + 0.3·5 + 0.1 = 1.2; 0.7·1.5 - 0.5·1.2 + 0.0951 = 0.5451
    assert found["z₁"] == found["h₁"] == pytest.approx(1.5, abs=1e-6)
    assert found["z₂"] == found["h₂"] == pytest.approx(1.2, abs=1e-6)
    assert found["z₃"] == pytest.approx(0.5451, abs=1e-6)
    assert found["ŷ"] == pytest.approx(0.633, abs=1e-5)  # the article's 63.3 %
    assert found["loss"] == pytest.approx(1.002, abs=5e-4)  # the article's loss


def test_nine_gradients(output):
    rows = re.findall(r"∂L/∂(\S+)\s+(-?[\d.]+)\s+(-?[\d.]+)", output)
    assert [name for name, _, _ in rows] == list(GRADIENTS)
    for name, hand, back in rows:
        assert float(hand) == pytest.approx(GRADIENTS[name], abs=1e-6), name
        assert float(back) == pytest.approx(GRADIENTS[name], abs=1e-6), name


def test_training_is_gradient_descent(output):
    printed = {int(epoch): float(loss) for epoch, loss in re.findall(r"(\d+): (\d\.\d+)", output)}
    losses, chances = descend(steps=1000)
    for epoch, loss in printed.items():
        assert loss == pytest.approx(losses[epoch - 1], abs=2e-4)
    shares = [float(share) for share in re.findall(r"([\d.]+)%", output)]
    assert shares == pytest.approx(100 * chances, abs=0.11)
    truths = [word == "passed" for word in re.findall(r"\((passed|failed)\)", output)]
    assert [share > 50 for share in shares] == truths == [False, False, True, True, False, True]


def descend(steps: int) -> tuple[list[float], numpy.ndarray]:
    """Gradient descent in float64, from the formulas of the article."""
    x = numpy.array([[2, 5], [4, 6], [6, 7], [8, 8], [3, 4], [7, 6]], float)
    y = numpy.array([0, 0, 1, 1, 0, 1], float)
    w, b = numpy.array([[0.5, -0.2], [0.1, 0.3]]), numpy.array([0.0, 0.1])
    v, c = numpy.array([0.7, -0.5]), 0.0951
    losses = []
    for _ in range(steps):
        z = x @ w + b
        h = numpy.maximum(z, 0)
        chance = 1 / (1 + numpy.exp(-(h @ v + c)))
        losses.append(-float(numpy.mean(y * numpy.log(chance) + (1 - y) * numpy.log(1 - chance))))
        d3 = (chance - y) / len(y)
        dz = numpy.outer(d3, v) * (z > 0)
        v, c = v - 0.1 * h.T @ d3, c - 0.1 * d3.sum()
        w, b = w - 0.1 * x.T @ dz, b - 0.1 * dz.sum(0)
    return losses, 1 / (1 + numpy.exp(-(numpy.maximum(x @ w + b, 0) @ v + c)))


def test_numbers_of_the_articles():
    """Softmax of [34, 32, 25] gives 0.12 to the middle one; ŷ = 0.633 with y = 0 costs 1.002."""
    import pellucid
    from pellucid.core.graph import tensor

    shares = pellucid.ops.softmax(tensor(numpy.float32([34, 32, 25]))).numpy()
    powers = [math.exp(9), math.exp(7), math.exp(0)]  # e^34, e^32, e^25 over e^25
    assert shares == pytest.approx([power / sum(powers) for power in powers], rel=1e-5)
    assert round(float(shares[1]), 2) == 0.12
    loss = pellucid.losses.BinaryCrossentropy()(tensor(numpy.float32([[0.0]])), tensor(numpy.float32([[0.633]])))
    assert float(loss) == pytest.approx(-math.log(0.367), abs=1e-6)
    assert round(float(loss), 3) == 1.002
