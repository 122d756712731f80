"""`pellucid.datasets`: the public door to `pellucid.data.datasets`, and to the ratings and scenes beside it."""

from pellucid.data.datasets import *
from pellucid.data.ratings import *
from pellucid.data.scenes import *
