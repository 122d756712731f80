"""Anomalies: an autoencoder of a thousand images of one digit finds the others strange, whichever the digit."""

from __future__ import annotations

import os
import re

import pytest

import pellucid


@pytest.mark.skipif(not os.environ.get("PELLUCID_DATA"), reason="MNIST is not here")
@pytest.mark.timeout(300)
def test_anomaly_detection(run_example, tmp_path):
    pytest.importorskip("matplotlib")
    output = run_example("anomaly_detection", "--quick")
    areas = [float(one) for one in re.findall(r"^\d is normal, all others are anomalies: AUROC ([\d.]+)", output, re.M)]
    average = float(re.search(r"average of the ten: AUROC ([\d.]+)", output).group(1))
    assert len(areas) == 10
    assert average == pytest.approx(sum(areas) / 10, abs=1e-4)
    assert average > 0.92
    assert min(areas) > 0.85
    assert (tmp_path / "anomaly_detection.png").stat().st_size > 50_000
    model = pellucid.models.load_model(tmp_path / "anomaly_detection.safetensors")
    assert isinstance(model, pellucid.models.Autoencoder)
