"""A language model: after sixty steps it knows more than how frequent letters are, and writes what is asked for."""

from __future__ import annotations

import os
import re

import pytest


@pytest.mark.skipif(not os.environ.get("PELLUCID_DATA"), reason="Shakespeare is not here")
@pytest.mark.timeout(300)
def test_shakespeare_gpt(run_example):
    output = run_example("shakespeare_gpt", "--quick", "--characters", "50")
    loss = float(re.search(r"validation loss ([\d.]+) nats per character after 60 steps", output).group(1))
    assert 2.0 < loss < 3.2
    written = output.split("it writes:\n\n")[1]
    assert len(written) == 51  # with the newline after it
