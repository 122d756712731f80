"""Windows that slide over the spatial axes of an image: how many there are, and the padding that Keras's words mean.

Along one axis a window of `kernel` elements, `dilation` apart, covers `span` = dilation·(kernel - 1) + 1 elements. It
starts at every `stride`-th element of the padded axis, as long as it fits.
"""

from __future__ import annotations

from collections.abc import Sequence

from pellucid.core.spec import Shape
from pellucid.errors import ShapeError, UnknownNameError

PADDINGS = ("valid", "same", "causal")

Pairs = tuple[tuple[int, int], ...]  # (before, after) for each spatial axis


def span(kernel: int, dilation: int) -> int:
    """How many elements a window covers, from its first to its last."""
    return dilation * (kernel - 1) + 1


def count(size: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int) -> int:
    """How many windows fit along an axis; not positive where none does.

    >>> count(28, kernel=3, stride=1, padding=(0, 0), dilation=1)
    26
    """
    return (size + sum(padding) - span(kernel, dilation)) // stride + 1


def explicit_padding(
    name: str, sizes: Shape, kernel: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> Pairs:
    """What a padding's name stands for: elements (before, after) each spatial axis.

    `valid`: none. `same`: as many as make ⌈size / stride⌉ windows, half of them before, an odd one after. `causal`: all
    before, so that no window sees what comes later. A size that is not known yet counts as a multiple of the stride.
    Raises `UnknownNameError` for another name, `ShapeError` unless there is a number from 1 for each axis.

    >>> explicit_padding("same", (28, 28), kernel=(3, 4), strides=(1, 1), dilation=(1, 1))
    ((1, 1), (1, 2))
    """
    if name not in PADDINGS:
        raise UnknownNameError("padding", name, PADDINGS)
    given = (tuple(kernel), tuple(strides), tuple(dilation))
    if any(len(numbers) != len(sizes) or min(numbers, default=1) < 1 for numbers in given):
        raise ShapeError(
            f"padding {name!r}: give kernel, strides and dilation a whole number from 1 for each of {len(sizes)} "
            f"spatial axes, got {', '.join(map(str, given))}"
        )
    spans = [span(k, d) for k, d in zip(kernel, dilation, strict=True)]
    if name == "valid":
        return ((0, 0),) * len(spans)
    if name == "causal":
        return tuple((covered - 1, 0) for covered in spans)
    pairs = []
    for size, covered, stride in zip(sizes, spans, strides, strict=True):
        last = (
            stride if size is None or size % stride == 0 else size % stride
        )  # elements from the last start to the end
        total = max(covered - last, 0)
        pairs.append((total // 2, total - total // 2))
    return tuple(pairs)
