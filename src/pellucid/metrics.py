"""`pellucid.metrics`: the public door to `pellucid.nn.metrics`."""

from pellucid.nn.metrics import *
