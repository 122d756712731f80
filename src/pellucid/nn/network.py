"""`Network`: layers connected into a graph from inputs to outputs, which can be built again for any batch and mode.

The graph of layers is recorded by calling layers on tensors; `forward` replays it on other tensors, for training or for
prediction. A network is a layer itself, so that networks nest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union

import numpy

from pellucid.core.graph import Node, Tensor, Variable
from pellucid.core.op import registry
from pellucid.core.sources import Constant, Feed, Read, feed
from pellucid.errors import ArgumentError, GraphError, ModelFileError, ShapeError
from pellucid.nn.layer import Call, Layer, layers, set_values

Step = Union[Call, Node]  # a layer's call, or an op that was applied directly


class Network(Layer):
    """Layers connected from `inputs` to `outputs`: branches, several inputs and outputs and shared layers are welcome."""

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None) -> None:
        super().__init__(name=name)
        self._connect(as_tensors(inputs, "inputs"), as_tensors(outputs, "outputs"))

    def _connect(self, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        for value in inputs:
            if not isinstance(value.node.op, Feed):
                raise ArgumentError(f"an input of a network must come from Input(…), got {value!r}")
        self.inputs, self.outputs = inputs, outputs
        self.steps = _steps(inputs, outputs)
        self.layers = list(dict.fromkeys(step.layer for step in self.steps if isinstance(step, Call)))
        _name_apart(self.layers)
        self.built = True

    @property
    def input_names(self) -> list[str]:
        return [value.node.op.label for value in self.inputs if isinstance(value.node.op, Feed)]

    @property
    def output_names(self) -> list[str]:
        return [value.origin.layer.name if value.origin else value.node.op.name for value in self.outputs]

    @property
    def variables(self) -> list[Variable]:
        """All variables, layer by layer, each once."""
        return list(dict.fromkeys(variable for layer in self.layers for variable in layer.variables))

    @variables.setter
    def variables(self, value: list[Variable]) -> None:
        pass  # a network owns none itself

    @property
    def trainable_variables(self) -> list[Variable]:
        found = [variable for layer in self.layers for variable in layer.trainable_variables]
        return list(dict.fromkeys(found)) if self.trainable else []

    def initialize(self, draw: Any) -> None:
        for layer in self.layers:
            layer.initialize(draw)

    def call(self, *inputs: Tensor, training: bool = False) -> Any:
        outputs = self.forward(inputs, training)
        return outputs[0] if len(outputs) == 1 else outputs

    def forward(self, inputs: Sequence[Tensor], training: bool = False) -> tuple[Tensor, ...]:
        """Build the network's nodes on other tensors; raises `ShapeError` where they do not fit."""
        if len(inputs) != len(self.inputs):
            raise ShapeError(f"network {self.name} has {len(self.inputs)} inputs ({', '.join(self.input_names)}), got {len(inputs)}")
        built: dict[Tensor, Tensor] = dict(zip(self.inputs, inputs, strict=True))
        for step in self.steps:
            values = [built.get(value, value) for value in step.inputs]
            if isinstance(step, Call):
                result = step.layer(values, training=training) if step.listed else step.layer(*values, training=training)
            else:
                result = step.op(*values)
            built.update(zip(step.outputs, result if isinstance(result, tuple) else (result,), strict=True))
        return tuple(built[value] for value in self.outputs)

    def get_weights(self) -> list[numpy.ndarray]:
        return [variable.value.copy() for variable in self.variables]

    def set_weights(self, weights: Sequence[Any]) -> None:
        set_values(self.variables, weights, f"network {self.name}")

    def count_params(self) -> int:
        return sum(variable.value.size for variable in self.variables)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by name or place; raises `UnknownNameError` with the nearest name."""
        from pellucid.nn.registry import look_up

        if index is not None:
            return self.layers[index]
        return look_up("layer", {layer.name: layer for layer in self.layers}, str(name))

    # As JSON

    def get_config(self) -> dict[str, Any]:
        """The architecture as plain JSON values: layers, and the steps that connect them."""
        places: dict[Tensor, list[int]] = {value: [-1, i] for i, value in enumerate(self.inputs)}
        steps: list[dict[str, Any]] = []
        for step in self.steps:
            steps.append(self._describe(step, places))
            places.update({value: [len(steps) - 1, i] for i, value in enumerate(step.outputs)})
        return {
            "name": self.name,
            "inputs": [{"shape": list(x.shape[1:]), "dtype": x.dtype, "name": n} for x, n in zip(self.inputs, self.input_names, strict=True)],
            "layers": [{"class_name": type(layer).__name__, "config": layer.get_config()} for layer in self.layers],
            "steps": steps,
            "outputs": [places[value] for value in self.outputs],
        }

    def _describe(self, step: Step, places: dict[Tensor, list[int]]) -> dict[str, Any]:
        if isinstance(step, Call):
            inputs = [places[value] for value in step.inputs]
            return {"layer": self.layers.index(step.layer), "inputs": inputs, "listed": step.listed}
        if isinstance(step.op, Constant):
            return {"constant": step.op.value.tolist(), "dtype": str(step.op.value.dtype)}
        attributes = {key: list(value) if isinstance(value, tuple) else value for key, value in step.op.attributes.items()}
        return {"op": step.op.name, "attributes": attributes, "inputs": [places[value] for value in step.inputs]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Network:
        """The network that `get_config` described; raises `ModelFileError` for anything else."""
        inputs, outputs = connect(config)
        return cls(inputs, outputs, name=config["name"])


def connect(config: dict[str, Any]) -> tuple[list[Tensor], list[Tensor]]:
    """Build the layers of a description and connect them; only registered layers and ops can be named."""
    try:
        inputs = [feed((None, *item["shape"]), item["dtype"], item["name"]) for item in config["inputs"]]
        made = [make_layer(item) for item in config["layers"]]
        results: list[tuple[Tensor, ...]] = []

        def at(place: list[int]) -> Tensor:
            step, position = place
            if not (-1 <= step < len(results) and position >= 0):
                raise ModelFileError(f"the network's description refers to step {step}, which does not come before")
            return inputs[position] if step == -1 else results[step][position]

        for step in config["steps"]:
            if "constant" in step:
                result: Any = Constant(numpy.array(step["constant"], step["dtype"]))()
            else:
                values = [at(place) for place in step["inputs"]]
                if "layer" in step:
                    layer = made[step["layer"]]
                    result = layer(values) if step["listed"] else layer(*values)
                else:
                    attributes = {k: tuple(v) if isinstance(v, list) else v for k, v in step["attributes"].items()}
                    result = registry[step["op"]](**attributes)(*values)
            results.append(result if isinstance(result, tuple) else (result,))
        return inputs, [at(place) for place in config["outputs"]]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ModelFileError(f"the network's description is malformed: {type(error).__name__}: {error}") from error


def make_layer(item: dict[str, Any]) -> Layer:
    """A layer from `{"class_name": …, "config": {…}}`; raises `ModelFileError` for a name that is not registered."""
    from pellucid.nn.registry import look_up

    return look_up("layer", layers, item["class_name"]).from_config(item["config"])


def as_tensors(value: Any, what: str) -> list[Tensor]:
    """One tensor, a list or a dict of them, as a list."""
    values = list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, (list, tuple)) else [value]
    for item in values:
        if not isinstance(item, Tensor):
            raise ArgumentError(f"{what} of a network must be tensors from Input(…) and layers, got {type(item).__name__}")
    if not values:
        raise ArgumentError(f"a network needs {what}")
    return values


def _steps(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> list[Step]:
    """The calls and direct ops between inputs and outputs, in an order in which they can be replayed."""
    found: dict[Step, int] = {}
    stack, known = list(outputs), set(inputs)
    while stack:
        value = stack.pop()
        step: Step = value.origin or value.node
        if value in known or step in found or isinstance(value.node.op, Read):
            continue
        if isinstance(step, Node) and isinstance(step.op, Feed):
            raise GraphError(f"the outputs need the input {step.op.label!r}, which is not among the network's inputs; add it")
        found[step] = max(output.node.serial for output in step.outputs)
        stack.extend(step.inputs)
    return sorted(found, key=lambda step: found[step])


def _name_apart(members: Sequence[Layer]) -> None:
    """Give every layer a name of its own: dense, dense_1, dense_2 …; raises where two were given the same name."""
    given = [layer.name for layer in members if layer._name]
    for name in given:
        if given.count(name) > 1:
            raise ArgumentError(f"two layers of the network are both named {name!r}; give each a name of its own")
    taken = set(given)
    for layer in members:
        if not layer._name:
            base, number = layer.name, 0
            while (name := base if number == 0 else f"{base}_{number}") in taken:
                number += 1
            layer.name = name
            taken.add(name)
