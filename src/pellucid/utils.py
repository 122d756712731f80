"""`pellucid.utils`: what prepares data and does not belong to any one model."""

from pellucid.data.labels import to_categorical
from pellucid.data.sequences import next_token_dataset_from_array, pad_sequences, timeseries_dataset_from_array
from pellucid.nn.initializers import set_global_seed as set_random_seed

__all__ = [
    "next_token_dataset_from_array",
    "pad_sequences",
    "set_random_seed",
    "timeseries_dataset_from_array",
    "to_categorical",
]
