"""A variational autoencoder: a short training already tells more of unseen images than their mean does."""

from __future__ import annotations

import os
import re

import pytest

import pellucid


@pytest.mark.skipif(not os.environ.get("PELLUCID_DATA"), reason="MNIST is not here")
@pytest.mark.timeout(300)
def test_mnist_vae(run_example, tmp_path):
    pytest.importorskip("matplotlib")
    output = run_example("mnist_vae", "--quick")
    elbo = float(re.search(r"ELBO of 10,000 unseen images: (-[\d.]+) nats", output).group(1))
    parts = re.search(r"of which (-[\d.]+) restoring and (-[\d.]+) for the code", output).groups()
    assert elbo == pytest.approx(sum(map(float, parts)), abs=0.02)
    assert elbo > -150  # pixels that are independent of each other have -206
    assert float(parts[1]) < -5  # the code is used
    assert (tmp_path / "mnist_vae.png").stat().st_size > 50_000
    model = pellucid.models.load_model(tmp_path / "mnist_vae.safetensors")
    assert isinstance(model, pellucid.models.VAE)
    assert model.generate(2, seed=0).shape == (2, 28, 28)
