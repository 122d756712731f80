"""`pellucid.utils`: what does not belong to any one model."""

from pellucid.nn.initializers import set_global_seed as set_random_seed

__all__ = ["set_random_seed"]
