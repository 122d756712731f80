"""Spoken digits: five epochs get nine of ten unseen recordings right, and most of a speaker never heard before."""

from __future__ import annotations

import os
import re

import pytest

pytest.importorskip("matplotlib")


@pytest.mark.skipif(not os.environ.get("PELLUCID_DATA"), reason="the recordings are not here")
@pytest.mark.timeout(300)
def test_spoken_digits(run_example, tmp_path):
    output = run_example("spoken_digits", "--quick")
    assert float(re.search(r"([\d.]+)% of 300 unseen recordings right", output).group(1)) > 88
    assert float(re.search(r"([\d.]+)% of all 500 recordings of yweweler right", output).group(1)) > 60
    assert (tmp_path / "spoken_digits.safetensors").stat().st_size > 100_000
    assert (tmp_path / "spoken_digits.png").read_bytes().startswith(b"\x89PNG")
