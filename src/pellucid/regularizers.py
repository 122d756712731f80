"""`pellucid.regularizers`: the public door to `pellucid.nn.regularizers`."""

from pellucid.nn.regularizers import *
