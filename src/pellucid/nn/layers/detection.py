"""What the last layer of a detector says, as boxes."""

from __future__ import annotations

from typing import Any

import numpy

from pellucid.core.graph import Tensor, tensor
from pellucid.core.spec import known
from pellucid.errors import ShapeError
from pellucid.nn import arguments
from pellucid.nn.layers.core import as_float
from pellucid.nn.layers.spatial import Spatial


class BoxesFromDistances(Spatial):
    """Boxes in pixels from how far their sides are from the middle of each cell, in strides: to the left, top, right
    and bottom.

    Formula: left = (column + ½ - d₀)·stride, top = (row + ½ - d₁)·stride, right = (column + ½ + d₂)·stride, bottom =
    (row + ½ + d₃)·stride. `stride`: how many pixels a cell is wide, which is how much smaller than the image the map is
    that the layer gets. Distances must be at least 0: from a layer with `activation="softplus"` or `"exponential"`.
    Shapes: [batch, rows, columns, 4] → the same. Tian et al. 2019 (FCOS).

    >>> from pellucid.nn.layers import Input
    >>> BoxesFromDistances(8)(Input((8, 8, 4))).shape
    (None, 8, 8, 4)
    """

    rank = 2

    def __init__(self, stride: float, **options: Any) -> None:
        super().__init__(**options)
        self.stride = arguments.number("BoxesFromDistances", "stride", stride, 1.0)

    def call(self, x: Tensor) -> Tensor:
        if self.channels(x.shape) != 4 or None in x.shape[1:]:
            raise ShapeError(
                f"BoxesFromDistances needs [batch, rows, columns, 4], all but the batch known, got {x.spec}; give the "
                "layer before 4 filters"
            )
        rows, columns = known(x.shape[1:3])
        middles = numpy.empty((rows, columns, 4), numpy.float32)
        middles[..., 0::2] = (numpy.arange(columns)[None, :, None] + 0.5) * self.stride
        middles[..., 1::2] = (numpy.arange(rows)[:, None, None] + 0.5) * self.stride
        outwards = numpy.array([-1.0, -1.0, 1.0, 1.0], numpy.float32) * numpy.float32(self.stride)
        return tensor(middles) + tensor(outwards) * as_float(x)
