"""Runs one native kernel on arrays, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

native = pytest.importorskip("pellucid._native")

NAMES = {"float32": "float32", "uint16": "bfloat16", "int32": "int32", "uint32": "uint32", "bool": "bool"}


def to_bfloat16(x: Any) -> np.ndarray:
    """The words of x rounded to nearest even."""
    word = np.asarray(x, np.float32).view(np.uint32)
    return np.asarray((word + 0x7FFF + ((word >> 16) & 1)) >> 16, np.uint16)


def to_float(x: np.ndarray) -> np.ndarray:
    """Any array as float64; uint16 stands for bfloat16."""
    if x.dtype == np.uint16:
        return (x.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return x.astype(np.float64)


def plan_of(
    kernel: str,
    attributes: Mapping[str, Any],
    inputs: Sequence[np.ndarray | None],
    outputs: Sequence[tuple[str, tuple[int, ...]] | int],
    threads: int = 1,
) -> tuple[Any, list[int]]:
    """A plan of one instruction and its output ids; an output that is a number writes onto that input in place."""
    present = [x for x in inputs if x is not None]
    buffers = [("variable", NAMES[str(x.dtype)], x.shape) for x in present]
    arrays = dict(enumerate(present))
    position = iter(range(len(present)))
    input_ids = [-1 if x is None else next(position) for x in inputs]
    output_ids = []
    for output in outputs:
        if isinstance(output, int):
            output_ids.append(input_ids[output])
        else:
            output_ids.append(len(buffers))
            buffers.append(("output", *output))
    return native.Plan(buffers, arrays, [(kernel, dict(attributes), input_ids, output_ids)], threads), output_ids


def run(
    kernel: str,
    attributes: Mapping[str, Any],
    inputs: Sequence[np.ndarray | None],
    outputs: Sequence[tuple[str, tuple[int, ...]] | int],
    threads: int = 1,
) -> list[np.ndarray]:
    """The kernel's outputs."""
    plan, output_ids = plan_of(kernel, attributes, inputs, outputs, threads)
    plan.run()
    return [plan.get(i) for i in output_ids]
