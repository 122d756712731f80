"""Digits by a convolutional network: one epoch of a sixth of the images gets most of them right already."""

from __future__ import annotations

import os
import re

import pytest

pytest.importorskip("matplotlib")


@pytest.mark.skipif(not os.environ.get("PELLUCID_DATA"), reason="MNIST is not here")
@pytest.mark.timeout(300)
def test_mnist_convnet(run_example, tmp_path):
    output = run_example("mnist_convnet", "--quick")
    right = re.search(r"([\d.]+)% of 10,000 unseen images right", output).group(1)
    assert float(right) > 85
    assert (tmp_path / "mnist_convnet.safetensors").stat().st_size > 1_000_000
    assert (tmp_path / "mnist_convnet.png").read_bytes().startswith(b"\x89PNG")
