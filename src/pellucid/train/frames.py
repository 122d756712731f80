"""Frames of a recording: the numbers of a model at some steps, within a bound of memory.

Each frame is one flat piece of bytes, so that taking one is a copy. When the memory is full, every second frame goes,
and frames are taken half as often: those that stay are evenly apart, the first and the latest among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy

from pellucid.core.graph import Variable
from pellucid.errors import ArgumentError, ModelFileError

_KINDS = ("float32", "float64", "int32", "int64", "uint32", "uint8", "bool")
MOST = 200  # frames, whatever the memory: more than a film has
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


@dataclass(frozen=True)
class Layout:
    """How the values of variables lie in a frame: one after another; with `half`, float32 as float16."""

    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[numpy.dtype, ...]

    @classmethod
    def of(cls, variables: Sequence[Variable]) -> Layout:
        return cls(tuple(one.shape for one in variables), tuple(one.value.dtype for one in variables))

    @classmethod
    def from_json(cls, record: list[Any]) -> Layout:
        """What `to_json` gave; raises `ModelFileError` for anything else."""
        for item in record:
            if not (isinstance(item, list) and len(item) == 2 and item[1] in _KINDS and isinstance(item[0], list)):
                raise ModelFileError(f"a weight's layout must be [shape, kind], got {item!r:.80}")
            if not all(type(length) is int and 0 <= length < 2**40 for length in item[0]):
                raise ModelFileError(f"a weight's shape must be whole numbers, got {item[0]!r:.80}")
        return cls(tuple(tuple(shape) for shape, _ in record), tuple(numpy.dtype(kind) for _, kind in record))

    def to_json(self) -> list[Any]:
        """Shapes and kinds as plain values."""
        return [[list(shape), str(dtype)] for shape, dtype in self._pairs]

    def size(self, half: bool = False) -> int:
        """Bytes."""
        return sum(prod(shape) * _stored(dtype, half).itemsize for shape, dtype in self._pairs)

    def pack(self, values: Sequence[numpy.ndarray], half: bool = False) -> numpy.ndarray:
        """The values as bytes."""
        packed, at = numpy.empty(self.size(half), numpy.uint8), 0
        for value, (_, dtype) in zip(values, self._pairs, strict=True):
            kept = _stored(dtype, half)
            end = at + value.size * kept.itemsize
            with numpy.errstate(over="ignore"):
                packed[at:end].view(kept)[...] = value.reshape(-1)
            at = end
        return packed

    def unpack(self, packed: numpy.ndarray, half: bool = False) -> list[numpy.ndarray]:
        """The values from bytes, in their own kinds."""
        values, at = [], 0
        for shape, dtype in self._pairs:
            kept = _stored(dtype, half)
            end = at + prod(shape) * kept.itemsize
            values.append(packed[at:end].view(kept).astype(dtype).reshape(shape))
            at = end
        return values

    @property
    def _pairs(self) -> list[tuple[tuple[int, ...], numpy.dtype]]:
        return list(zip(self.shapes, self.dtypes, strict=True))


def _stored(dtype: numpy.dtype, half: bool) -> numpy.dtype:
    return numpy.dtype(numpy.float16) if half and dtype == numpy.float32 else dtype


@dataclass
class Frame:
    """What was kept after `step` steps; `loss` is the mean over the steps since the frame before."""

    step: int
    epochs: int  # begun
    loss: float | None
    weights: numpy.ndarray
    optimizer: numpy.ndarray | None
    half: bool = False

    @property
    def bytes(self) -> int:
        return self.weights.nbytes + (0 if self.optimizer is None else self.optimizer.nbytes)


@dataclass
class Frames:
    """The frames so far, never more than `bound` bytes; `every` says how many steps lie between two."""

    weights: Layout
    optimizer: Layout | None
    bound: int
    every: int
    half: bool = False  # whether older frames may be kept in float16 before any is given up
    kept: list[Frame] = field(default_factory=list)

    def __post_init__(self) -> None:
        each = self.weights.size() + (0 if self.optimizer is None else self.optimizer.size())
        if 3 * each > self.bound:  # the first, the latest, and the one to come
            raise ArgumentError(
                f"Recorder: one step of this network takes {size_text(each)}, so memory must be at least "
                f'"{size_text(3 * each * 1005 // 1000 + 1)}", got {size_text(self.bound)}; give more'
                + ("" if self.optimizer is None else ", or optimizer=False")
            )

    @property
    def bytes(self) -> int:
        return sum(frame.bytes for frame in self.kept)

    def add(
        self,
        step: int,
        epochs: int,
        loss: float | None,
        weights: Sequence[Variable],
        optimizer: Sequence[Variable],
        last: bool,
    ) -> bool:
        """Take a frame, unless others have just been thinned out so that this step, not the last one, is none of those
        to keep; whether it was taken. Frames of later steps, which training went back from, are given up."""
        self.kept = [frame for frame in self.kept if frame.step < step]
        need = self.weights.size() + (0 if self.optimizer is None else self.optimizer.size())
        while self.kept and (self.bytes + need > self.bound or len(self.kept) >= MOST):
            if not self._halved(need):
                self._thin()
        if self.kept and not last and step != self.next_step(step - 1):
            return False
        state = None if self.optimizer is None else self.optimizer.pack([one.value for one in optimizer])
        packed = self.weights.pack([one.value for one in weights])
        self.kept.append(Frame(step, epochs, loss, packed, state))
        return True

    def next_step(self, step: int) -> int:
        """The next step after one at which a frame is due."""
        first = self.kept[0].step
        return first + ((step - first) // self.every + 1) * self.every

    def _halved(self, need: int) -> bool:
        """Keep all frames so far in float16, if that makes room."""
        whole = [frame for frame in self.kept if not frame.half]
        gain = (self.weights.size() - self.weights.size(half=True)) * len(whole)
        if not self.half or gain < need or len(self.kept) >= MOST:
            return False
        for frame in whole:
            frame.weights, frame.half = self.weights.pack(self.weights.unpack(frame.weights), half=True), True
        return True

    def _thin(self) -> None:
        """Give up every second frame, and take frames half as often; a loss becomes the mean of both."""
        kept = self.kept
        for gone, after in zip(kept[1::2], kept[2::2], strict=False):
            losses = [loss for loss in (gone.loss, after.loss) if loss is not None]
            after.loss = sum(losses) / len(losses) if losses else None
        self.kept, self.every = kept[::2], 2 * self.every


def size_text(size: int) -> str:
    """Bytes as people write them.

    >>> size_text(9_999), size_text(64_000_000), size_text(2_500_000_000)
    ('10 KB', '64 MB', '2.5 GB')
    """
    unit = next((unit for unit in ("GB", "MB", "KB") if size >= 0.9995 * _UNITS[unit]), "B")
    return f"{size / _UNITS[unit]:,.3g} {unit}"


def memory_size(text: str | int) -> int:
    """Bytes, from a number or from words.

    >>> memory_size("64 MB"), memory_size("1.5GiB"), memory_size(1000)
    (64000000, 1610612736, 1000)
    """
    if isinstance(text, int) and not isinstance(text, bool) and text > 0:
        return text
    words = str(text).strip().upper()
    unit = next((unit for unit in sorted(_UNITS, key=len, reverse=True) if words.endswith(unit)), "")
    try:
        size = float(words.removesuffix(unit)) * _UNITS[unit]
    except (ValueError, KeyError):
        size = 0.0
    if not 0 < size < 2**63:
        raise ArgumentError(f'memory must be a number of bytes or words such as "64 MB", "1 GiB", got {text!r}')
    return int(size)
