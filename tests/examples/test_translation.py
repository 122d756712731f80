"""Translation: a few steps teach how frequent pieces are, and everything after training runs as in the whole run."""

from __future__ import annotations

import os
import re

import pytest

import pellucid


@pytest.mark.skipif(not os.environ.get("PELLUCID_DATA"), reason="Multi30k is not here")
@pytest.mark.timeout(300)
def test_translation(run_example, tmp_path):
    for library in ("matplotlib", "sacrebleu", "tokenizers"):
        pytest.importorskip(library)
    output = run_example("translation", "--quick")
    losses = [float(loss) for loss in re.findall(r"val_loss ([\d.]+)", output)]
    assert losses[-1] < losses[0] < 8.3  # ln 4000: all pieces alike
    assert losses[-1] < 5.8
    assert 0 <= float(re.search(r"sacreBLEU ([\d.]+) on 50 unseen sentences", output).group(1)) < 100
    assert len(re.findall(r"^    written  \S", output, re.MULTILINE)) == 5
    assert (tmp_path / "translation.png").stat().st_size > 10_000
    model = pellucid.models.load_model(tmp_path / "translation.safetensors")
    assert isinstance(model, pellucid.models.EncoderDecoder)
    assert model.write(["A dog runs."], max_length=10)[0]
