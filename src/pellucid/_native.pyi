"""The compiled engine, as docs/design/engine.md describes it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy

def kernels() -> list[str]: ...
def info() -> dict[str, Any]: ...
def shuffle(seed: int, epoch: int, n: int) -> numpy.ndarray: ...
def peak(kind: str, seconds: float = ...) -> float: ...

class Plan:
    arena_bytes: int
    threads: int
    def __init__(
        self,
        buffers: Sequence[tuple[Any, ...]],
        arrays: Mapping[int, numpy.ndarray],
        instructions: Sequence[tuple[str, dict[str, Any], list[int], list[int]]],
        threads: int = ...,
    ) -> None: ...
    def set(self, buffer_id: int, array: numpy.ndarray) -> None: ...
    def get(self, buffer_id: int) -> numpy.ndarray: ...
    def run(self) -> None: ...
    def call(
        self, arrays: Sequence[numpy.ndarray], input_ids: Sequence[int], output_ids: Sequence[int]
    ) -> list[numpy.ndarray]: ...
    def profile(self, repeats: int) -> list[tuple[str, str, float]]: ...

class Loop:
    epoch: int
    position: int
    step: int
    def __init__(
        self,
        plans: Sequence[Plan],
        batch: int,
        sources: Sequence[numpy.ndarray],
        inputs: Sequence[Sequence[int]],
        totals: Sequence[Sequence[int]],
        collects: Sequence[tuple[Sequence[int], numpy.ndarray]],
        key: Sequence[int],
        loss: Sequence[int],
        seed: int,
        epochs: int = ...,
        shuffle: bool = ...,
        first_epoch: int = ...,
        first_step: int = ...,
        watch: Sequence[numpy.ndarray] = ...,
    ) -> None: ...
    def advance(self, seconds: float, epochs: int) -> str: ...
    def take_totals(self) -> numpy.ndarray: ...
    def partial_totals(self) -> numpy.ndarray: ...
    def rewind(self, step: int) -> None: ...
    def rows(self, step: int) -> numpy.ndarray: ...
    def stop(self) -> None: ...
