"""Finding digits: four epochs of a fifth of the scenes find most of them already."""

from __future__ import annotations

import os
import re

import pytest

pytest.importorskip("matplotlib")


@pytest.mark.skipif(not os.environ.get("PELLUCID_DATA"), reason="MNIST is not here")
@pytest.mark.timeout(300)
def test_digit_detection(run_example, tmp_path):
    output = run_example("digit_detection", "--quick")
    precision = re.search(r"mean average precision ([\d.]+) in 2,000 unseen scenes", output).group(1)
    assert float(precision) > 0.8
    assert (tmp_path / "digit_detection.safetensors").stat().st_size > 100_000
    assert (tmp_path / "digit_detection.png").read_bytes().startswith(b"\x89PNG")
