"""The layers, under Keras's names."""

from pellucid.nn.layers.activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from pellucid.nn.layers.augmentation import RandomFlip, RandomRotation, RandomTranslation, RandomZoom
from pellucid.nn.layers.cells import LSTMCell
from pellucid.nn.layers.convolution import Conv1D, Conv1DTranspose, Conv2D, Conv2DTranspose
from pellucid.nn.layers.core import Dense, Embedding, Identity, Input, InputLayer, Masking
from pellucid.nn.layers.depthwise import DepthwiseConv1D, DepthwiseConv2D, SeparableConv1D, SeparableConv2D
from pellucid.nn.layers.merging import Add, Average, Concatenate, Maximum, Minimum, Multiply, Subtract
from pellucid.nn.layers.normalization import LayerNormalization
from pellucid.nn.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    AvgPool1D,
    AvgPool2D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAvgPool1D,
    GlobalAvgPool2D,
    GlobalMaxPool1D,
    GlobalMaxPool2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    MaxPool1D,
    MaxPool2D,
    MaxPooling1D,
    MaxPooling2D,
)
from pellucid.nn.layers.preprocessing import (
    CategoryEncoding,
    FillMissing,
    LogScale,
    Normalization,
    PiecewiseLinearEncoding,
    Rescaling,
)
from pellucid.nn.layers.recurrent import LSTM, RNN, StackedRNNCells
from pellucid.nn.layers.regularization import Dropout
from pellucid.nn.layers.reshaping import Flatten, Reshape
from pellucid.nn.layers.resizing import Cropping1D, Cropping2D, UpSampling1D, ZeroPadding1D, ZeroPadding2D
from pellucid.nn.layers.wrapping import TimeDistributed

__all__ = [
    "ELU",
    "LSTM",
    "RNN",
    "Activation",
    "Add",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AvgPool1D",
    "AvgPool2D",
    "CategoryEncoding",
    "Concatenate",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Cropping1D",
    "Cropping2D",
    "Dense",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "Dropout",
    "Embedding",
    "FillMissing",
    "Flatten",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "Identity",
    "Input",
    "InputLayer",
    "LSTMCell",
    "LayerNormalization",
    "LeakyReLU",
    "LogScale",
    "Masking",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPooling1D",
    "MaxPooling2D",
    "Maximum",
    "Minimum",
    "Multiply",
    "Normalization",
    "PReLU",
    "PiecewiseLinearEncoding",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
    "ReLU",
    "Rescaling",
    "Reshape",
    "SeparableConv1D",
    "SeparableConv2D",
    "Softmax",
    "StackedRNNCells",
    "Subtract",
    "TimeDistributed",
    "UpSampling1D",
    "ZeroPadding1D",
    "ZeroPadding2D",
]
