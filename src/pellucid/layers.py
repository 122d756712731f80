"""`pellucid.layers`: the public door to `pellucid.nn.layers`, and to what turns text into numbers before it."""

from pellucid.data.bytepair import BytePairTokenizer as BytePairTokenizer
from pellucid.data.text import TextVectorization as TextVectorization
from pellucid.nn.layers import *
