"""Digits by a feedforward network: two epochs of a sixth of the images get nine of ten right already."""

from __future__ import annotations

import os
import re

import pytest

pytest.importorskip("matplotlib")


@pytest.mark.skipif(not os.environ.get("PELLUCID_DATA"), reason="MNIST is not here")
def test_mnist_dense(run_example, tmp_path):
    output = run_example("mnist_dense", "--quick")
    right = re.search(r"([\d.]+)% of 10,000 unseen images right", output).group(1)
    assert float(right) > 90
    assert (tmp_path / "mnist_dense.safetensors").stat().st_size > 1_000_000
    assert (tmp_path / "mnist_dense.png").read_bytes().startswith(b"\x89PNG")
