"""One way to run one kernel: `call(kernel, arrays, results, **attributes)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

native = pytest.importorskip("pellucid._native", reason="the extension is not built")

Call = Callable[..., list[np.ndarray]]


def make_plan(
    kernel: str,
    arrays: list[np.ndarray],
    results: list[tuple[str, tuple[int, ...]]],
    kind: str = "input",
    threads: int = 1,
    **attributes: Any,
) -> Any:
    buffers = [(kind, str(a.dtype), list(a.shape)) for a in arrays]
    buffers += [("output", dtype, list(shape)) for dtype, shape in results]
    held = {} if kind == "input" else dict(enumerate(arrays))
    ids = list(range(len(buffers)))
    instruction = (kernel, attributes, ids[: len(arrays)], ids[len(arrays) :])
    return native.Plan(buffers, held, [instruction], threads)


@pytest.fixture(params=["input", "variable"])
def call(request: pytest.FixtureRequest) -> Call:
    """Runs the kernel on memory of the plan (padded to whole vectors) and on NumPy's own (not padded)."""

    def run(
        kernel: str, arrays: list[np.ndarray], results: list[tuple[str, tuple[int, ...]]], **attributes: Any
    ) -> list[np.ndarray]:
        plan = make_plan(kernel, arrays, results, request.param, **attributes)
        if request.param == "input":
            for i, array in enumerate(arrays):
                plan.set(i, array)
        plan.run()
        return [plan.get(len(arrays) + i) for i in range(len(results))]

    return run
