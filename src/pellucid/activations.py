"""`pellucid.activations`: the public door to `pellucid.nn.activations`."""

from pellucid.nn.activations import *
