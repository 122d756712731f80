"""Time series: all three networks say the next values better than a guess does, after a few epochs too."""

from __future__ import annotations

import os
import re

import pytest


@pytest.mark.skipif(not os.environ.get("PELLUCID_DATA"), reason="the series are not here")
@pytest.mark.timeout(300)
def test_time_series(run_example, tmp_path):
    output = run_example("time_series", "--quick")
    naive = re.findall(r"persistence ([\d.]+), seasonal-naive ([\d.]+)", output)
    assert naive == [("31.92", "45.49"), ("3.32", "3.74")]
    lines = re.findall(r"(RNN|LSTM|GRU) +([\d.]+): below persistence by ([\d.]+)%", output)
    assert [kind for kind, _, _ in lines] == ["RNN", "LSTM", "GRU"] * 2
    for place, (_, error, share) in enumerate(lines):
        persistence = float(naive[place // 3][0])
        assert float(share) == pytest.approx(100 * (1 - float(error) / persistence), abs=0.2)
        assert float(share) > 8
    assert (tmp_path / "time_series.png").stat().st_size > 50_000
    assert (tmp_path / "time_series.safetensors").exists()
