"""Digits: one epoch of a tenth of the images gets most of them right already, and PyTorch runs beside it."""

from __future__ import annotations

import os
import re

import pytest

pytestmark = [
    pytest.mark.skipif(not os.environ.get("PELLUCID_DATA"), reason="MNIST is not here"),
    pytest.mark.timeout(300),
]


def test_mnist_convnet(run_example):
    output = run_example("mnist_convnet", "--quick")
    right = re.search(r"Pellucid: ([\d.]+)% of 10000 unseen images right", output).group(1)
    assert float(right) > 85
    assert "saved as mnist_convnet.safetensors" in output


def test_beside_pytorch(run_example):
    pytest.importorskip("torch")
    output = run_example("mnist_convnet", "--quick", "--peer")
    assert float(re.search(r"PyTorch: ([\d.]+)%", output).group(1)) > 80
    assert "times as long for the same 1 epoch" in output
