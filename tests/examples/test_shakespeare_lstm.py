"""An LSTM: after a hundred steps it knows more than how frequent letters are, and writes what is asked for."""

from __future__ import annotations

import os
import re

import pytest

from pellucid.models import LanguageModel, load_model

pytest.importorskip("matplotlib")


@pytest.mark.skipif(not os.environ.get("PELLUCID_DATA"), reason="Shakespeare is not here")
@pytest.mark.timeout(300)
def test_shakespeare_lstm(run_example, tmp_path):
    output = run_example("shakespeare_lstm", "--quick")
    loss = float(re.search(r"([\d.]+) nats per character on the last tenth", output).group(1))
    assert 2.0 < loss < 3.0
    assert (tmp_path / "shakespeare_lstm.png").read_bytes().startswith(b"\x89PNG")
    model = load_model(tmp_path / "shakespeare_lstm.safetensors")
    assert isinstance(model, LanguageModel)
    assert output.endswith(model.generate("ROMEO:", length=400, temperature=0.8, top_k=20, seed=0) + "\n")
