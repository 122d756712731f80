"""The layers, under Keras's names."""

from pellucid.nn.layers.core import Dense, Input, InputLayer

__all__ = ["Dense", "Input", "InputLayer"]
