"""Recommendation: unseen ratings are predicted nearly as well as chance allows."""

from __future__ import annotations

import re


def test_recommendation(run_example, tmp_path):
    output = run_example("recommendation", "--quick")
    error, mean = re.search(r"RMSE ([\d.]+) stars on 10,000 unseen ratings; always the mean: ([\d.]+)", output).groups()
    floor = float(re.search(r"chance alone: ([\d.]+)", output).group(1))
    assert 0.48 < floor < 0.52  # chance has the size 0.5
    assert floor < float(error) < 1.05 * floor
    assert float(mean) > 1.7 * floor
    assert (tmp_path / "recommendation.png").stat().st_size > 20_000
    assert (tmp_path / "recommendation.safetensors").exists()
