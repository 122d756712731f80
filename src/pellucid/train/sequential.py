"""`Sequential`: layers one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pellucid.core.graph import Tensor
from pellucid.core.sources import Feed, feed
from pellucid.core.spec import Shape
from pellucid.data import batches
from pellucid.errors import ArgumentError, StateError
from pellucid.nn.layer import Layer
from pellucid.nn.layers import InputLayer
from pellucid.train.model import Model


class Sequential(Model):
    """Layers one after another. The input's shape comes from `Input`, from the first layer's `input_shape`, or the data.

    >>> from pellucid.nn.layers import Dense
    >>> model = Sequential([Dense(10, input_shape=(1,), activation="relu"), Dense(1)])
    >>> model.count_params()
    31
    """

    def __init__(self, layers: Sequence[Any] | None = None, name: str | None = None, seed: int | None = None) -> None:
        self._start(seed)
        Layer.__init__(self, name=name)
        self._given_seed = seed is not None
        self.layers: list[Layer] = []
        self._entry: Tensor | None = None
        for layer in layers or []:
            self._append(layer)
        self._try_build()

    def add(self, layer: Any) -> None:
        """Put a layer at the end."""
        self._append(layer)
        self._try_build()

    def pop(self) -> None:
        """Take the last layer away."""
        if not self.layers:
            raise StateError("the network has no layers to take away")
        self.layers.pop()
        self.built = False
        self._try_build()

    def build(self, *shapes: Shape) -> None:
        """Connect the layers for an input of a shape, with the batch first: `model.build((None, 4))`."""
        (shape,) = shapes
        if self._entry is None:
            self._entry = feed(tuple(shape), name="input")
        self._try_build()

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
        if self._entry is None and not self.layers and layer.input_shape is not None:
            self._entry = feed((None, *layer.input_shape), getattr(layer, "input_dtype", "float32"), "input")
        self.layers.append(layer)

    def _try_build(self) -> None:
        if self._entry is None or not self.layers:
            return
        value = self._entry
        for layer in self.layers:
            value = layer(value)
        self._connect([self._entry], [value])
        if self._given_seed:
            self._draw_weights()

    def _build_for(self, x: Any) -> None:
        if self.built or not self.layers:
            return
        (array,) = batches.as_arrays(x, allow_missing=True)
        shape = array.shape if array.ndim > 1 else (*array.shape, 1)
        kind = (
            "int32"
            if array.dtype.kind in "iub" and getattr(self.layers[0], "input_dtype", "") == "int32"
            else "float32"
        )
        self._entry = feed((None, *shape[1:]), kind, "input")
        self._try_build()
        self._late_compile()

    def compile(self, *arguments: Any, **options: Any) -> None:
        """As `Model.compile`; put off to the first call of `fit` where the input's shape is not known yet."""
        self._late: tuple[Any, Any] | None = None
        if not self.built and self.layers:
            self._late = (arguments, options)
        else:
            super().compile(*arguments, **options)

    def _late_compile(self) -> None:
        late = getattr(self, "_late", None)
        if late is not None:
            arguments, options = late
            self._late = None
            super().compile(*arguments, **options)

    def _compiled(self) -> Any:
        if self._objective is None and getattr(self, "_late", None) is not None:
            raise StateError(
                "the input's shape is not known before fit sees data; add Input(shape=…) as the first layer"
            )
        return super()._compiled()

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Sequential:
        from pellucid.nn.description import connect

        inputs, outputs = connect(config)
        model = cls(name=config["name"])
        model._entry = inputs[0]
        model._connect(inputs, outputs)
        return model
