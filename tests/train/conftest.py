"""What the tests of training share: data with a known rule, and small networks."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.layers import Dense

NATIVE = pytest.param("native", marks=pytest.mark.skipif(find_spec("pellucid._native") is None, reason="not built"))


@pytest.fixture(params=[NATIVE, "numpy"])
def executor(request: pytest.FixtureRequest) -> str:
    """The name of an executor: every test that takes it runs on both."""
    return str(request.param)


@pytest.fixture
def numbers() -> tuple[np.ndarray, np.ndarray]:
    """100 rows of 4 features, and a linear rule over them."""
    x = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    return x, (x @ np.float32([1, 2, -1, 0.5]) + 3)[:, None]


@pytest.fixture
def classes() -> tuple[np.ndarray, np.ndarray]:
    """90 rows of 2 features in three clusters, and the number of the cluster."""
    rng = np.random.default_rng(1)
    labels = np.arange(90) % 3
    centers = np.float32([[0, 2], [2, -1], [-2, -1]])
    return (centers[labels] + rng.normal(0, 0.3, (90, 2))).astype(np.float32), labels


@pytest.fixture
def regression() -> Any:
    """A function that makes a compiled network for `numbers`; options go to `compile`."""

    def make(seed: int | None = 1, optimizer: Any = "adam", **options: Any) -> pl.Sequential:
        model = pl.Sequential([Dense(8, activation="relu", input_shape=(4,)), Dense(1)], seed=seed)
        model.compile(optimizer, options.pop("loss", "mse"), **options)
        return model

    return make
