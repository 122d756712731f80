"""`pellucid.losses`: the public door to `pellucid.nn.losses`."""

from pellucid.nn.losses import *
