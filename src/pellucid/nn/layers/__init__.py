"""The layers, under Keras's names."""

from pellucid.nn.layers.activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from pellucid.nn.layers.convolution import Conv1D, Conv1DTranspose, Conv2D, Conv2DTranspose
from pellucid.nn.layers.core import Dense, Embedding, Identity, Input, InputLayer, Masking
from pellucid.nn.layers.depthwise import DepthwiseConv1D, DepthwiseConv2D, SeparableConv1D, SeparableConv2D
from pellucid.nn.layers.merging import Add, Average, Concatenate, Maximum, Minimum, Multiply, Subtract
from pellucid.nn.layers.normalization import LayerNormalization
from pellucid.nn.layers.preprocessing import (
    CategoryEncoding,
    FillMissing,
    LogScale,
    Normalization,
    PiecewiseLinearEncoding,
    Rescaling,
)
from pellucid.nn.layers.regularization import Dropout
from pellucid.nn.layers.reshaping import Flatten, Reshape

__all__ = [
    "ELU",
    "Activation",
    "Add",
    "Average",
    "CategoryEncoding",
    "Concatenate",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Dense",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "Dropout",
    "Embedding",
    "FillMissing",
    "Flatten",
    "Identity",
    "Input",
    "InputLayer",
    "LayerNormalization",
    "LeakyReLU",
    "LogScale",
    "Masking",
    "Maximum",
    "Minimum",
    "Multiply",
    "Normalization",
    "PReLU",
    "PiecewiseLinearEncoding",
    "ReLU",
    "Rescaling",
    "Reshape",
    "SeparableConv1D",
    "SeparableConv2D",
    "Softmax",
    "Subtract",
]
