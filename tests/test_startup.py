"""What importing and a first fit may load: nothing heavy, as every script pays for it."""

from __future__ import annotations

import os
import subprocess
import sys

HEAVY = {
    "click", "duckdb", "IPython", "jax", "keras", "matplotlib", "narwhals", "pandas", "polars", "pyarrow", "rich",
    "safetensors", "scipy", "sklearn", "tensorflow", "torch", "asyncio", "email", "multiprocessing", "unittest",
    "importlib.metadata",
}  # fmt: skip


def loaded(script: str) -> set[str]:
    """The modules that a script loads in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", f"{script}\nimport sys; print(*sys.modules)"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_the_package_alone_loads_next_to_nothing() -> None:
    found = loaded("import pellucid")
    assert "numpy" not in found
    assert {name for name in found if name.startswith("pellucid")} == {"pellucid", "pellucid._version"}
    assert not HEAVY & found


def test_building_and_fitting_loads_nothing_heavy() -> None:
    script = """
import numpy, pellucid
from pellucid.layers import Dense
model = pellucid.Sequential([pellucid.Input((1,)), Dense(10, activation="relu"), Dense(1)])
model.compile(optimizer="adam", loss="mse", metrics=["mae"])
model.fit(numpy.ones((8, 1)), numpy.ones((8, 1)), epochs=2, verbose=0)
model.predict(numpy.ones((1, 1)))
"""
    assert not HEAVY & (loaded(script) - loaded("import numpy"))


def test_building_does_not_load_the_engine_of_another_kind() -> None:
    found = loaded("import pellucid; pellucid.Sequential; pellucid.layers.Dense")
    assert not {"pellucid._native", "pellucid.execute.native", "pellucid.execute.reference"} & found
    assert not {name for name in found if name.startswith(("pellucid.cli", "pellucid.plot", "pellucid.explain"))}
