"""`pellucid.optimizers`: the public door to `pellucid.nn.optimizers`."""

from pellucid.nn import schedules as schedules
from pellucid.nn.optimizers import *
