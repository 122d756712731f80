"""A generative adversarial network: after a short game what it draws has the form of digits, though few are clear."""

from __future__ import annotations

import os
import re

import pytest

import pellucid


@pytest.mark.skipif(not os.environ.get("PELLUCID_DATA"), reason="MNIST is not here")
@pytest.mark.timeout(300)
def test_mnist_gan(run_example, tmp_path):
    pytest.importorskip("matplotlib")
    output = run_example("mnist_gan", "--quick")
    assert float(re.search(r"the judge is right about ([\d.]+)% of 10,000", output).group(1)) > 88
    assert float(re.search(r"it recognises ([\d.]+)% of 10,000 drawn digits", output).group(1)) > 3
    shares = [float(share) for share in re.findall(r"\d ([\d.]+)%", output.split("shares of the digits:")[1])[:10]]
    assert sum(shares) == pytest.approx(100, abs=0.6)
    distance, least = map(float, re.search(r"unseen images: ([\d.]+); .* is ([\d.]+)", output).groups())
    assert least < 1.5 < distance < 60  # noise, or one blot for all, is farther than 100
    losses = re.findall(r"discriminator_loss ([\d.]+) .* generator_loss ([\d.]+)", output)
    assert len(losses) == 4
    assert all(0 < float(one) < 2 for one, _ in losses)
    assert (tmp_path / "mnist_gan.png").stat().st_size > 50_000
    gan = pellucid.models.load_model(tmp_path / "mnist_gan.safetensors")
    assert isinstance(gan, pellucid.models.GAN)
    assert gan.generate(2, seed=0).shape == (2, 28, 28, 1)
