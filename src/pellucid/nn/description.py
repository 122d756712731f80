"""A network's architecture as plain JSON values, and back. Only registered layers, composites and ops can be named.

```
{"name": "network", "trainable": true,
 "inputs":  [{"shape": [4], "dtype": "float32", "name": "x"}],
 "layers":  [{"class_name": "Dense", "config": {"units": 2, …}}],
 "steps":   [{"layer": 0, "inputs": [[-1, 0]], "listed": false, "options": {"training": true}},
             {"constant": 2.0, "dtype": "float32"},
             {"op": "multiply", "attributes": {}, "inputs": [[0, 0], [1, 0]]},
             {"composite": "softmax", "attributes": {"axis": -1}, "inputs": [[2, 0]]}],
 "outputs": [[3, 0]]}
```

A value is named by its place: [step, which of its outputs], and [-1, i] for input i. A step uses earlier values only.
`options`, where a layer was called with keyword arguments, holds plain values, {"value": place}, and lists of these.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from math import prod
from typing import TYPE_CHECKING, Any

import numpy

from pellucid.core.graph import Tensor, composites
from pellucid.core.op import registry
from pellucid.core.place import Group
from pellucid.core.sources import Constant, Read, feed
from pellucid.core.spec import DTYPES, show_shape
from pellucid.errors import ArgumentError, ModelFileError, PellucidError
from pellucid.nn import arguments
from pellucid.nn.calling import Call, changed
from pellucid.nn.construction import MAX_WEIGHT
from pellucid.nn.layer import Layer, as_layer
from pellucid.nn.registry import look_up

if TYPE_CHECKING:
    from pellucid.nn.network import Network, Step

Place = list[int]


def describe(network: Network) -> dict[str, Any]:
    """The architecture of a network; raises `ArgumentError` where a part of it cannot be written."""
    places: dict[Tensor, Place] = {value: [-1, i] for i, value in enumerate(network.inputs)}
    steps: list[dict[str, Any]] = []
    for step in network.steps:
        steps.append(_describe_step(step, network.layers, places))
        places.update({value: [len(steps) - 1, i] for i, value in enumerate(step.outputs)})
    return {
        "name": network.name,
        "trainable": network.trainable,
        "inputs": [
            {"shape": list(value.shape[1:]), "dtype": value.dtype, "name": name}
            for value, name in zip(network.inputs, network.input_names, strict=True)
        ],
        "layers": [{"class_name": type(layer).__name__, "config": layer.get_config()} for layer in network.layers],
        "steps": steps,
        "outputs": [_place(value, places) for value in network.outputs],
    }


def _describe_step(step: Step, members: list[Layer], places: dict[Tensor, Place]) -> dict[str, Any]:
    if isinstance(step, Call):
        options = {
            name: changed(value, lambda item: {"value": _place(item, places)} if isinstance(item, Tensor) else item)
            for name, value in step.options.items()
        }
        return {
            "layer": members.index(step.layer),
            "inputs": [_place(value, places) for value in step.tensors],
            "listed": step.listed,
            **({"options": options} if options else {}),
        }
    inputs = [_place(value, places) for value in step.inputs]
    if isinstance(step, Group):
        return {"composite": step.name, "attributes": _plain(step.attributes), "inputs": inputs}
    if isinstance(step.op, Constant):
        return {"constant": step.op.value.tolist(), "dtype": str(step.op.value.dtype)}
    return {"op": step.op.name, "attributes": _plain(step.op.attributes), "inputs": inputs}


def _place(value: Tensor, places: dict[Tensor, Place]) -> Place:
    if value not in places and isinstance(value.node.op, Read):
        raise ArgumentError(
            f"the network uses {value.node.op.variable!r} outside of its layer, which cannot be saved; call the layer"
        )
    return places[value]


def _plain(attributes: dict[str, Any]) -> dict[str, Any]:
    def listed(value: Any) -> Any:
        return [listed(item) for item in value] if isinstance(value, tuple) else value

    return {key: listed(value) for key, value in attributes.items()}


def connect(config: dict[str, Any]) -> tuple[list[Tensor], list[Tensor]]:
    """Build the layers of a description and connect them; raises `ModelFileError` for anything that is not one."""
    try:
        _whole_network(config)
        values: list[tuple[Tensor, ...]] = [tuple(_input(item) for item in config["inputs"])]
        made = [as_layer("the network", item) for item in config["layers"]]
        names = [layer.name for layer in made]
        _need(len(set(names)) == len(names), "every layer must have a name of its own", names)
        for step in config["steps"]:
            result = _build_step(step, made, values)
            values.append(result if isinstance(result, tuple) else (result,))
            _check_sizes(values[-1])
        return list(values[0]), [_at(place, values) for place in config["outputs"]]
    except ModelFileError:
        raise
    # The description comes from outside: whatever is wrong with it is the file's fault and gets the one error for that.
    except (PellucidError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, AssertionError,
            RecursionError, MemoryError) as error:  # fmt: skip
        what = f"{type(error).__name__}: {error}"
        raise ModelFileError(f"the network's description is malformed: {what[:500]}") from error


def _need(condition: bool, rule: str, found: Any) -> None:
    if not condition:
        raise ModelFileError(f"the network's description is malformed: {rule}, got {str(found)[:200]}")


def _whole_network(config: Any) -> None:
    parts = {"name", "trainable", "inputs", "layers", "steps", "outputs"}
    _need(isinstance(config, dict) and parts <= config.keys(), f"it needs {', '.join(sorted(parts))}", config)
    _need(isinstance(config["name"], str) and config["name"] != "", "name must be a text", config["name"])
    _need(isinstance(config["trainable"], bool), "trainable must be true or false", config["trainable"])
    for part in ("inputs", "layers", "steps", "outputs"):
        _need(isinstance(config[part], list), f"{part} must be a list", config[part])
    for part in ("inputs", "outputs"):
        _need(len(config[part]) > 0, f"there must be {part}", config[part])


def _input(item: dict[str, Any]) -> Tensor:
    _need(isinstance(item["name"], str), "an input's name must be a text", item["name"])
    _need(item["dtype"] in DTYPES, f"an input's dtype must be one of {', '.join(DTYPES)}", item["dtype"])
    value = feed((None, *arguments.shape("input", "shape", item["shape"])), item["dtype"], item["name"])
    _check_sizes([value])
    return value


def _build_step(step: dict[str, Any], made: list[Layer], values: list[tuple[Tensor, ...]]) -> Any:
    _need(isinstance(step, dict), "a step must be an object", step)
    if "constant" in step:
        _need(step["dtype"] in DTYPES, f"a constant's dtype must be one of {', '.join(DTYPES)}", step["dtype"])
        with numpy.errstate(over="raise", invalid="raise"):
            return Constant(numpy.array(step["constant"], step["dtype"]))()
    inputs = [_at(place, values) for place in step["inputs"]]
    if "layer" in step:
        number = step["layer"]
        _need(
            _is_whole(number) and 0 <= number < len(made), f"a step's layer must be from 0 to {len(made) - 1}", number
        )
        _need(isinstance(step["listed"], bool), "listed must be true or false", step["listed"])
        given = step.get("options", {})
        _need(isinstance(given, dict), "a step's options must be an object", given)
        options = {name: changed(value, lambda item: _option(item, values)) for name, value in given.items()}
        return made[number](inputs, **options) if step["listed"] else made[number](*inputs, **options)
    if "composite" in step:
        function = look_up("composite", composites, step["composite"])
        return function(*inputs, **_attributes(step, inspect.get_annotations(function)))
    kind = look_up("op", registry, step["op"])
    return kind(**_attributes(step, {item.name: item.type for item in fields(kind)}))(*inputs)


def _option(item: Any, values: list[tuple[Tensor, ...]]) -> Any:
    """A keyword argument of a layer, or one in its lists: a value by its place, or a plain one."""
    if isinstance(item, dict):
        _need(item.keys() == {"value"}, "an option that is an object must name a value", item)
        return _at(item["value"], values)
    return item


def _at(place: Any, values: list[tuple[Tensor, ...]]) -> Tensor:
    _need(
        isinstance(place, list) and len(place) == 2 and all(map(_is_whole, place)), "a place is [step, output]", place
    )
    step, position = place
    known = -1 <= step < len(values) - 1 and 0 <= position < len(values[step + 1])
    _need(known, "a place must name a value that is made before it is used", place)
    value: Tensor = values[step + 1][position]
    return value


def _check_sizes(values: Any) -> None:
    """No value may be larger, per example, than the largest weight."""
    for value in values:
        count = prod(size for size in value.shape if size is not None)
        _need(count <= MAX_WEIGHT, f"a value can have {MAX_WEIGHT:,} numbers per example", show_shape(value.shape))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_whole(value: Any) -> bool:
    return isinstance(value, tuple) and all(map(_is_whole, value))


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


# What an attribute of an op or a composite may be, by its annotation; one of another type cannot be in a description.
_FITTING: dict[str, Callable[[Any], bool]] = {
    "Axes": lambda value: value is None or _is_whole(value) or _are_whole(value),
    "bool": lambda value: isinstance(value, bool),
    "float": lambda value: isinstance(value, float) or _is_whole(value),
    "int": _is_whole,
    "Pairs": lambda value: isinstance(value, tuple) and all(_are_whole(pair) and len(pair) == 2 for pair in value),
    "str": lambda value: isinstance(value, str),
    "tuple[int, ...]": _are_whole,
    "tuple[int | None, ...]": lambda value: (
        isinstance(value, tuple) and all(size is None or _is_whole(size) for size in value)
    ),
}


def _attributes(step: dict[str, Any], annotations: dict[str, Any]) -> dict[str, Any]:
    given = step["attributes"]
    _need(isinstance(given, dict), "attributes must be an object", given)
    attributes = {key: _tuples(value) for key, value in given.items()}
    for key, value in attributes.items():
        fits = _FITTING.get(str(annotations.get(key)))
        _need(fits is not None and fits(value), "an attribute must be known and of its type", {key: value})
    return attributes
