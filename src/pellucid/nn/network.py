"""`Network`: layers connected into a graph from inputs to outputs, which can be built again for any batch and mode.

The graph of layers is recorded by calling layers on tensors; `forward` replays it on other tensors, for training or for
prediction. A network is a layer itself, so that networks nest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pellucid.core.graph import Node, Tensor, composites
from pellucid.core.place import Group
from pellucid.core.sources import Feed, Read
from pellucid.errors import ArgumentError, GraphError, ShapeError
from pellucid.nn import arguments
from pellucid.nn.calling import Call
from pellucid.nn.construction import replaying
from pellucid.nn.description import connect, describe
from pellucid.nn.layer import Layer
from pellucid.nn.registry import look_up
from pellucid.nn.weights import set_values

Step = Call | Group | Node  # a layer's call, or a composite or an op that was applied directly


class Network(Layer):
    """Layers connected from `inputs` to `outputs`: branches, several inputs and outputs, shared layers are welcome."""

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None) -> None:
        super().__init__(name=name)
        self._connect(as_tensors(inputs, "inputs"), as_tensors(outputs, "outputs"))

    def _connect(self, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        for value in inputs:
            if not isinstance(value.node.op, Feed):
                raise ArgumentError(f"an input of a network must come from Input(…), got {value!r}")
        self.inputs, self.outputs = inputs, outputs
        self.steps = _steps(inputs, outputs)
        self.layers = _layers(self.steps, outputs)
        _name_apart(list(dict.fromkeys(step.layer for step in self.steps if isinstance(step, Call))))
        self.built = True

    @property
    def input_names(self) -> list[str]:
        return [value.node.op.label for value in self.inputs if isinstance(value.node.op, Feed)]

    @property
    def output_names(self) -> list[str]:
        steps = [step_of(value) for value in self.outputs]
        return [name_of(step) for step in steps]

    def call(self, *inputs: Tensor, training: bool = False) -> Any:
        outputs = self.forward(inputs, training)
        return outputs[0] if len(outputs) == 1 else outputs

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """None of its own: the outputs carry the masks that its layers gave them."""
        return None

    def forward(self, inputs: Sequence[Tensor], training: bool = False) -> tuple[Tensor, ...]:
        """Build the network's nodes on other tensors; raises `ShapeError` where they do not fit."""
        built = self.replay(inputs, training)
        return tuple(built[value] for value in self.outputs)

    def replay(
        self, inputs: Sequence[Tensor], training: bool = False, given: Mapping[Tensor, Tensor] | None = None
    ) -> dict[Tensor, Tensor]:
        """The same, with every value that a step of the network makes, by the one that was recorded for it.

        What is `given` for recorded values stands in for them; steps that made only such are left out.
        """
        if len(inputs) != len(self.inputs):
            raise ShapeError(
                f"network {self.name} has {len(self.inputs)} inputs ({', '.join(self.input_names)}), got {len(inputs)}"
            )
        built: dict[Tensor, Tensor] = {**dict(zip(self.inputs, inputs, strict=True)), **(given or {})}
        with replaying():
            for step in self.steps:
                if all(value in built for value in step.outputs):
                    continue
                values = [built.get(value, value) for value in step.inputs]
                if isinstance(step, Call):
                    result = step.replay(built, training)
                elif isinstance(step, Group):
                    result = composites[step.name](*values, **step.attributes)
                else:
                    result = step.op(*values)
                built.update(zip(step.outputs, result if isinstance(result, tuple) else (result,), strict=True))
        return built

    def set_weights(self, weights: Sequence[Any]) -> None:
        set_values(self.variables, weights, f"network {self.name}")

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by name or place; raises `UnknownNameError` with the nearest name."""
        if index is not None:
            return self.layers[index]
        return look_up("layer", {layer.name: layer for layer in self.layers}, str(name))

    def reset_states(self) -> None:
        """Let stateful recurrent layers begin anew, from zeros."""
        for layer in self.layers:
            if hasattr(layer, "reset_states"):
                layer.reset_states()

    def get_config(self) -> dict[str, Any]:
        """The architecture as plain JSON values: layers, and the steps that connect them."""
        return {**describe(self), **({"recompute": True} if self.recompute else {})}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Network:
        """The network that `get_config` described; raises `ModelFileError` for anything else."""
        inputs, outputs = connect(config)
        network = cls(inputs, outputs, name=config["name"])
        network._set_options(config)
        return network

    def _set_options(self, config: dict[str, Any]) -> None:
        """What all layers have, as it was described."""
        if not config["trainable"]:
            self.trainable = False
        self.recompute = arguments.flag(self.name, "recompute", config.get("recompute", False))


def as_tensors(value: Any, what: str) -> list[Tensor]:
    """One tensor, a list or a dict of them, as a list."""
    values = (
        list(value.values())
        if isinstance(value, dict)
        else list(value)
        if isinstance(value, (list, tuple))
        else [value]
    )
    for item in values:
        if not isinstance(item, Tensor):
            raise ArgumentError(
                f"{what} of a network must be tensors from Input(…) and layers, got {type(item).__name__}"
            )
    if not values:
        raise ArgumentError(f"a network needs {what}")
    return values


def step_of(value: Tensor) -> Step:
    """What made a value: a layer, else the outermost composite, else its node."""
    if value.origin is not None:
        call: Call = value.origin
        return call
    group = value.node.groups[0] if value.node.groups else None
    return group if group is not None and group.name in composites and value in group.outputs else value.node


def name_of(step: Step) -> str:
    if isinstance(step, Node):
        return step.op.label if isinstance(step.op, Feed) else step.op.name
    return step.layer.name if isinstance(step, Call) else step.name


def _steps(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> list[Step]:
    """The calls, composites and ops between inputs and outputs, in an order in which they can be replayed."""
    found: dict[Step, int] = {}
    stack, known = [(value, "") for value in outputs], set(inputs)
    while stack:
        value, user = stack.pop()
        step = step_of(value)
        if value in known or step in found or isinstance(value.node.op, Read):
            continue
        if isinstance(step, Node) and isinstance(step.op, Feed):
            what = f"{user} needs" if user else "an output is"
            raise GraphError(
                f"{what} the input {step.op.label!r}, which is not among the network's inputs; add it to them"
            )
        found[step] = max(output.node.serial for output in step.outputs)
        stack.extend((source, name_of(step)) for source in step.inputs)
    return sorted(found, key=lambda step: found[step])


def _layers(steps: Sequence[Step], outputs: Sequence[Tensor]) -> list[Layer]:
    """The layers in Keras's order, which is that of its weights: farthest from the outputs first, then as met."""
    depth: dict[Step, int] = {}
    deepest: dict[Layer, int] = {}
    for step in reversed(steps):
        own = depth.setdefault(step, 0)
        if isinstance(step, Call):
            own = depth[step] = deepest[step.layer] = max(own, deepest.get(step.layer, 0))
        for value in step.inputs:
            before = step_of(value)
            depth[before] = max(own + 1, depth.get(before, 0))
    met: dict[Layer, int] = {}
    seen: set[Step] = set()
    stack = [step_of(value) for value in reversed(outputs)]
    while stack:
        step = stack.pop()
        if step not in seen:
            seen.add(step)
            if isinstance(step, Call):
                met.setdefault(step.layer, len(met))
            stack.extend(step_of(value) for value in reversed(step.inputs))
    return sorted(deepest, key=lambda layer: (-deepest[layer], met[layer]))


def _name_apart(members: Sequence[Layer]) -> None:
    """Give every layer a name of its own: dense, dense_1, dense_2 …; raises where two were given the same name."""
    given = [layer.name for layer in members if layer.named]
    for name in given:
        if given.count(name) > 1:
            raise ArgumentError(f"two layers of the network are both named {name!r}; give each a name of its own")
    taken = set(given)
    for layer in members:
        if not layer.named:
            layer.name_apart(taken)
            taken.add(layer.name)
