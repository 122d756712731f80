"""An autoencoder: after a short training it restores unseen digits better than principal components already."""

from __future__ import annotations

import os
import re

import pytest

import pellucid


@pytest.mark.skipif(not os.environ.get("PELLUCID_DATA"), reason="MNIST is not here")
@pytest.mark.timeout(300)
def test_mnist_autoencoder(run_example, tmp_path):
    pytest.importorskip("matplotlib")
    output = run_example("mnist_autoencoder", "--quick")
    error = float(re.search(r"error on 10,000 unseen images, .*: ([\d.]+)", output).group(1))
    linear, share = map(float, re.search(r"the same images: ([\d.]+); ours is ([\d.]+)% of it", output).groups())
    assert share == pytest.approx(100 * error / linear, abs=0.1)
    assert 0.016 < linear < 0.018  # what 32 components leave hardly depends on the rows
    assert share < 85
    assert (tmp_path / "mnist_autoencoder.png").stat().st_size > 100_000
    model = pellucid.models.load_model(tmp_path / "mnist_autoencoder.safetensors")
    assert isinstance(model, pellucid.models.Autoencoder)
    assert model.decode([[0.0] * 32]).shape == (1, 28, 28)
