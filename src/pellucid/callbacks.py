"""`pellucid.callbacks`: the public door to `pellucid.train.callbacks`."""

from pellucid.train.callbacks import *
