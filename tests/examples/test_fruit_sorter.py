"""The fruit sorter: two layers of rectified units and a softmax, which put clear fruits where they belong."""

from __future__ import annotations

import re

import pytest


def test_fruit_sorter(run_example):
    output = run_example("fruit_sorter")
    # 2 numbers (grams, size), 4 colours and 2 textures with one place each for unseen ones: 2 + 5 + 3 inputs.
    assert [int(count) for count in re.findall(r"\(Dense\) +\(None, \d+\) +(\d+)", output)] == [11 * 8, 9 * 8, 9 * 3]
    share, rows = re.search(r"right for ([\d.]+)% of (\d+) fruits", output).groups()
    assert int(rows) == 90
    assert float(share) > 90  # yellow apples and bananas of one weight cannot be told apart
    sorted_ = re.findall(
        r"^(\d+) g, .*: (\w+)  \(apple ([\d.]+), banana ([\d.]+), orange ([\d.]+)\)$", output, re.MULTILINE
    )
    assert [(int(grams), label) for grams, label, *_ in sorted_] == [(165, "apple"), (120, "banana"), (215, "orange")]
    for _, label, *shares in sorted_:
        chances = dict(zip(["apple", "banana", "orange"], map(float, shares), strict=True))
        assert sum(chances.values()) == pytest.approx(1, abs=2e-3)
        assert max(chances, key=chances.__getitem__) == label
        assert chances[label] > 0.9
