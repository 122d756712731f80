"""`pellucid.initializers`: the public door to `pellucid.nn.initializers`."""

from pellucid.nn.initializers import *
