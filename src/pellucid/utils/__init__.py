"""`pellucid.utils`: what prepares data and does not belong to any one model."""

from pellucid.data.audio import audio_dataset_from_directory, log_mel_spectrogram, read_wav, spectrogram
from pellucid.data.folders import text_dataset_from_directory
from pellucid.data.images import image_dataset_from_directory, read_image
from pellucid.data.labels import to_categorical
from pellucid.data.sequences import (
    bucket_by_sequence_length,
    next_token_dataset_from_array,
    pad_sequences,
    timeseries_dataset_from_array,
)
from pellucid.nn.initializers import set_global_seed as set_random_seed
from pellucid.utils import bounding_boxes

__all__ = [
    "audio_dataset_from_directory",
    "bounding_boxes",
    "bucket_by_sequence_length",
    "image_dataset_from_directory",
    "log_mel_spectrogram",
    "next_token_dataset_from_array",
    "pad_sequences",
    "read_image",
    "read_wav",
    "set_random_seed",
    "spectrogram",
    "text_dataset_from_directory",
    "timeseries_dataset_from_array",
    "to_categorical",
]
