"""`pellucid.layers`: the public door to `pellucid.nn.layers`."""

from pellucid.nn.layers import *
