"""`pellucid.utils.bounding_boxes`: the public door to `pellucid.data.bounding_boxes`."""

from pellucid.data.bounding_boxes import *
