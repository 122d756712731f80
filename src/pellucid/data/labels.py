"""Class numbers as rows with a single one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import LabelError


def to_categorical(x: ArrayLike, num_classes: int | None = None) -> NDArray[np.float32]:
    """Each class number as a row that is 1 at its place and 0 elsewhere.

    Shapes: [...] or [..., 1] → [..., num_classes]; without `num_classes` it is the largest number and one more. Raises
    `LabelError` where a number is no class.

    >>> to_categorical([0, 2, 1]).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    """
    given = np.asarray(x)
    labels = given.astype(np.int64)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    count = (int(labels.max(initial=-1)) + 1) if num_classes is None else num_classes
    wrong = (labels < 0) | (labels >= count) | (labels != given.reshape(labels.shape))
    if wrong.any():
        place = np.argwhere(wrong)[0].tolist()
        raise LabelError(
            f"label {given.reshape(labels.shape)[tuple(place)]} at {place} is no class of {count}; classes are whole "
            f"numbers from 0 to {count - 1}"
        )
    rows: NDArray[np.float32] = (labels[..., None] == np.arange(count)).astype(np.float32)
    return rows
