"""Random programs and networks of convolutions, pools, norms, recurrences and attention: native against reference."""

from __future__ import annotations

import numpy
import pytest
from executors import agree
from random_networks import RandomNetwork
from structured import StructuredProgram

pytest.importorskip("pellucid._native", reason="the extension is not built")
pytestmark = pytest.mark.filterwarnings("ignore:.*does not know masks:UserWarning")


@pytest.mark.parametrize("block", range(6))
def test_random_programs(block: int) -> None:
    for seed in range(20 * block, 20 * block + 20):
        made = StructuredProgram(seed)
        agree(made.program(), made.arrays, runs=2, tolerance=1e-4)


@pytest.mark.parametrize("block", range(2))
def test_random_programs_in_bfloat16(block: int) -> None:
    for seed in range(20 * block, 20 * block + 20):
        made = StructuredProgram(seed)
        agree(made.program(), made.arrays, runs=2, precision="bfloat16", tolerance=0.3)


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-3), ("bfloat16", 0.1)])
@pytest.mark.parametrize("block", range(4))
def test_random_networks_train_alike(block: int, precision: str, tolerance: float) -> None:
    """Two steps, the second one with a shorter batch: predictions, loss and every weight."""
    for seed in range(8 * block, 8 * block + 8):
        network = RandomNetwork(seed)
        for expected, actual in zip(network.trained("numpy"), network.trained("native", precision), strict=True):
            numpy.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance, err_msg=f"seed {seed}")
