"""`pellucid.datasets`: the public door to `pellucid.data.datasets`, and to the scenes composed of them."""

from pellucid.data.datasets import *
from pellucid.data.scenes import *
