"""House prices: even one network, trained shortly, beats what a table alone gives."""

from __future__ import annotations

import re

import pytest


@pytest.mark.timeout(300)
def test_california_housing(run_example, tmp_path):
    output = run_example("california_housing", "--quick")
    assert 0.83 < float(re.search(r"1 averaged: R² ([\d.]+), RMSE", output).group(1)) < 0.92
    assert (tmp_path / "california_housing.png").stat().st_size > 50_000
    assert (tmp_path / "california_housing.safetensors").exists()
