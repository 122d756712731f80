"""Digits by a Transformer on patches: eight epochs of a sixth of the images get nine of ten right."""

from __future__ import annotations

import os
import re

import pytest

pytest.importorskip("matplotlib")


@pytest.mark.skipif(not os.environ.get("PELLUCID_DATA"), reason="MNIST is not here")
@pytest.mark.timeout(300)
def test_mnist_vit(run_example, tmp_path):
    output = run_example("mnist_vit", "--quick")
    right = re.search(r"([\d.]+)% of 10,000 unseen images right", output).group(1)
    assert float(right) > 88
    assert (tmp_path / "mnist_vit.safetensors").stat().st_size > 400_000
    assert (tmp_path / "mnist_vit.png").read_bytes().startswith(b"\x89PNG")
