"""Praise or blame: two epochs on nine tenths of the sentences, and each network judges most of the rest rightly."""

from __future__ import annotations

import os
import re

import pytest

import pellucid

pytest.importorskip("matplotlib")


@pytest.mark.skipif(not os.environ.get("PELLUCID_DATA"), reason="the reviews are not here")
@pytest.mark.timeout(300)
def test_sentiment(run_example, tmp_path):
    output = run_example("sentiment", "--quick")
    right = dict(re.findall(r"^(\w+): ([\d.]+)% of unseen sentences right", output, re.MULTILINE))
    assert list(right) == ["convolution", "LSTM", "Transformer"]
    assert all(float(value) > 68 for value in right.values())
    assert (tmp_path / "sentiment.png").read_bytes().startswith(b"\x89PNG")
    words = pellucid.layers.TextVectorization.load(tmp_path / "sentiment_words.json")
    model = pellucid.models.load_model(tmp_path / "sentiment.safetensors")
    assert model.predict(words(["a gorgeous , witty , moving film"])) > model.predict(words(["dull , boring and bad"]))
