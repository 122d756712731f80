"""`Sequential`: layers one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pellucid.core.graph import Tensor
from pellucid.core.sources import Feed, feed
from pellucid.core.spec import Shape
from pellucid.data import batches
from pellucid.errors import ArgumentError, PellucidError, StateError
from pellucid.nn.layer import Layer
from pellucid.nn.layers import InputLayer
from pellucid.train.model import Model


class Sequential(Model):
    """Layers one after another. The input's shape comes from `Input`, the first layer's `input_shape`, or the data.

    >>> from pellucid.nn.layers import Dense
    >>> model = Sequential([Dense(10, input_shape=(1,), activation="relu"), Dense(1)])
    >>> model.count_params()
    31
    """

    def __init__(self, layers: Sequence[Any] | None = None, name: str | None = None, seed: int | None = None) -> None:
        self._prepare(seed)
        Layer.__init__(self, name=name)
        self.layers: list[Layer] = []
        self._entry: Tensor | None = None
        for layer in layers or []:
            self._append(layer)
        self._connect_layers()

    def add(self, layer: Any) -> None:
        """Put a layer at the end."""
        self._append(layer)
        self._connect_layers()

    def pop(self) -> None:
        """Take the last layer away."""
        if not self.layers:
            raise StateError("the network has no layers to take away")
        self.layers.pop()
        self.built = False
        self._connect_layers()

    def build(self, *shapes: Shape) -> None:
        """Connect the layers for an input of a shape, with the batch first: `model.build((None, 4))`."""
        (shape,) = shapes
        given = self._entry
        if given is None:
            self._entry = feed(tuple(shape), self._input_dtype(), "input")
        try:
            self._connect_layers()
        except PellucidError:
            self._entry = given  # a shape that did not fit is not kept: the next may
            raise

    def _append(self, layer: Any) -> None:
        if isinstance(layer, Tensor) and isinstance(layer.node.op, Feed):
            layer = InputLayer(layer.shape[1:], layer.dtype, layer.node.op.label)
        if not isinstance(layer, Layer):
            raise ArgumentError(f"Sequential takes layers, got {type(layer).__name__}: {layer!r}")
        if isinstance(layer, InputLayer):
            if self.layers or self._entry is not None:
                raise ArgumentError("Input must come first, and once")
            self._entry = feed((None, *layer.shape), layer.dtype, layer.name)
            return
        if layer in self.layers:
            raise ArgumentError(
                f"{layer!r} stands twice in the network; make a second layer, or share it in a functional Model"
            )
        self.layers.append(layer)
        if self._entry is None and len(self.layers) == 1 and layer.input_shape is not None:
            self._entry = feed((None, *layer.input_shape), self._input_dtype(), "input")

    def _input_dtype(self) -> str:
        """What the first layer takes: ids for an Embedding, else numbers."""
        dtype: str = getattr(self.layers[0], "input_dtype", "float32") if self.layers else "float32"
        return dtype

    def _connect_layers(self) -> None:
        if self._entry is None or not self.layers:
            return
        value = self._entry
        for layer in self.layers:
            value = layer(value)
        self._connect([self._entry], [value])

    def _build_for(self, x: Any) -> None:
        if self.built or not self.layers:
            return
        (array,) = batches.as_arrays(x, ["input"], allow_missing=True)
        self.build((None, *(array.shape[1:] or (1,))))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Sequential:
        """The network that `get_config` described; raises `ModelFileError` for anything else."""
        from pellucid.nn.description import connect

        inputs, outputs = connect(config)
        model = cls(name=config["name"])
        model._entry = inputs[0]
        model._connect(inputs, outputs)
        model._set_options(config)
        return model
