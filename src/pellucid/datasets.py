"""`pellucid.datasets`: the public door to `pellucid.data.datasets`."""

from pellucid.data.datasets import *
