"""Captions: a short training already describes most scenes without a mistake, in words that follow the grammar."""

from __future__ import annotations

import os
import re

import numpy
import pytest

import pellucid


@pytest.mark.skipif(not os.environ.get("PELLUCID_DATA"), reason="MNIST is not here")
@pytest.mark.timeout(300)
def test_digit_captions(run_example, tmp_path):
    pytest.importorskip("matplotlib")
    output = run_example("digit_captions", "--quick")
    right = float(re.search(r"([\d.]+)% of 1,000 unseen scenes described without a mistake", output).group(1))
    assert right > 60
    group = r"(an eight|a (?!eight)\w+|(two|three) \w+s)"
    mistakes = re.findall(r"wrote '(.*)' where it was '(.*)'", output)
    assert len(mistakes) == 5
    assert all(re.fullmatch(rf"{group}( (above|left of) {group})?", truth) for _, truth in mistakes)
    assert (tmp_path / "digit_captions.png").stat().st_size > 50_000
    model = pellucid.models.load_model(tmp_path / "digit_captions.safetensors")
    assert isinstance(model, pellucid.models.EncoderDecoder)
    assert len(model.write(numpy.zeros((2, 64, 64, 1)), max_length=8)) == 2
