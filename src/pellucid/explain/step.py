"""Explaining one training step: from an opened network to a `StepExplanation`."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy

from pellucid.core.graph import Tensor, Variable, composites
from pellucid.core.op import registry
from pellucid.core.place import Group
from pellucid.core.spec import known
from pellucid.errors import ArgumentError, UnknownNameError
from pellucid.explain.chain_rule import ChainRule, Link
from pellucid.explain.expression import Name, Symbol, functions, leaves
from pellucid.explain.naming import Index, Naming, name, state_letter
from pellucid.explain.notation import TEXT
from pellucid.explain.opened import Opened, OpenLayer
from pellucid.explain.paths import largest_paths
from pellucid.explain.record import Equation, LayerStep, LocalDerivative, Path, StepExplanation, WeightStep
from pellucid.explain.unfolding import Unfolding
from pellucid.explain.written import FUNCTION_NAMES, made_by
from pellucid.nn.layers.regularization import Dropping

Place = tuple[Tensor, Index]

_UNITS, _EACH = 12, 3  # units of a large layer that are shown, and of one of its parts
_FEW = 12  # units of a layer that are all shown
_WIDTH, _NARROW = 8, 4  # parts of a sum that are shown, in a small network and in a larger one
_ALL = 16  # weights of a network that are all explained
_LAYERS = 6  # of which a weight is explained, where there are many
_PATHS = 8
_EXAMPLES = 1024  # which take about two seconds in a small network, and half a megabyte of text


def explain(
    opened: Opened,
    model: str,
    optimizer: str,
    loss: str,
    weight: str | Sequence[str] | None = None,
    names: Mapping[str, Sequence[str]] | None = None,
) -> StepExplanation:
    """The step of an opened network. `weight`: "LAYER/NAME[i,j]", several of them, or `None` for all of a small network
    and, of a larger one, those with the largest gradients. `names` says by layers and inputs what their elements are.
    """
    assert opened.loss is not None
    rows = max((len(opened.feeds[value]) for value in opened.inputs.values()), default=0)
    if rows > _EXAMPLES:
        raise ArgumentError(
            f"explain_step writes out all examples, {_EXAMPLES:,} at most, got {rows:,}; give some: x[:8], y[:8]"
        )
    naming = name(opened, names)
    unfolding = Unfolding(opened, naming, _WIDTH if naming.own else _NARROW)
    chosen = _chosen(opened, naming, weight)
    for variable, new in opened.updates:
        if variable.tensor not in naming:
            unfolding.nickname(new, f"{state_letter(variable.name)}′")
    chain = ChainRule(unfolding)
    found = [largest_paths(chain, value, index, _PATHS) for value, index in chosen]
    weights = tuple(
        _weight(unfolding, value, index, paths, complete)
        for (value, index), (paths, complete) in zip(chosen, found, strict=True)
    )
    on_paths = {(link.value, link.index) for paths, _ in found for links in paths for link in links}
    layers = tuple(step for layer in opened.layers.values() if (step := _layer(unfolding, layer, on_paths)))
    total = Equation(naming.symbol(opened.loss, ()), unfolding.expression(opened.loss, ()))
    aside = _aside(unfolding)
    rule = _rule(opened, chosen[0][0]) if chosen else None
    equations = [
        total,
        *aside,
        *(one for layer in layers for one in (*layer.equations, *layer.aside)),
        *(one for step in weights for one in (*step.update, *step.aside)),
        *(Equation(one.of, one.formula) for step in weights for path in step.paths for one in path.derivatives),
    ]
    return StepExplanation(
        model,
        naming.batch,
        optimizer,
        tuple(_inputs(unfolding)),
        layers,
        loss,
        total,
        aside,
        weights,
        "" if rule is None else _formula(composites[rule.name].__doc__).replace("learning_rate", "η").replace("-", "−"),
        _legend(equations),
    )


# Which weights


def _chosen(opened: Opened, naming: Naming, weight: str | Sequence[str] | None) -> list[Place]:
    trained = {path: value for path, (value, _) in naming.weights.items() if value in opened.derivatives}
    if weight is not None:
        wanted = [weight] if isinstance(weight, str) else weight
        if not isinstance(wanted, Sequence) or not wanted or not all(isinstance(one, str) for one in wanted):
            raise ArgumentError(
                f"weight must be LAYER/NAME[i,j] or several of them, got {weight!r}: {', '.join(trained)}"
            )
        return [_parsed(opened, naming, trained, one) for one in wanted]
    if naming.own and sum(math.prod(known(value.shape)) for value in trained.values()) <= _ALL:
        return sorted(
            ((value, index) for value, index in naming.own if value in trained.values()),
            key=lambda place: (naming.own[place].letter != "w", naming.own[place].index),
        )
    by_layer: dict[str, list[Tensor]] = {}
    for path, value in trained.items():
        by_layer.setdefault(path.split("/")[0], []).append(value)
    size = {value: float(abs(_gradient(opened, value)).max()) for value in trained.values()}
    best = [max(values, key=lambda value: (value.rank > 1, size[value])) for values in by_layer.values()]
    shown = sorted(best, key=lambda value: -size[value])[:_LAYERS]
    return [(value, _largest(opened, value)) for value in best if value in shown]


def _parsed(opened: Opened, naming: Naming, trained: dict[str, Tensor], wanted: str) -> Place:
    """LAYER/NAME[i,j], LAYER/NAME for its element with the largest gradient, or a symbol such as w₁ or w1."""
    for place, symbol in naming.own.items():
        plain = symbol.letter + ",".join(map(str, symbol.index))
        if place[0] in trained.values() and wanted in (plain, TEXT.symbol(symbol)):
            return place
    match = re.fullmatch(r"\s*(.+?)\s*(?:\[([\d,\s]*)\])?\s*", wanted)
    path = match[1] if match else wanted
    if path not in trained:
        raise UnknownNameError("weight", path, trained)
    value = trained[path]
    if match is None or match[2] is None:
        return value, _largest(opened, value)
    index = tuple(int(part) for part in match[2].replace(" ", "").split(",") if part)
    shape = known(value.shape)
    if len(index) != len(shape) or any(i >= size for i, size in zip(index, shape, strict=True)):
        example = ",".join(str(size - 1) for size in shape)
        raise ArgumentError(
            f"{path} has the shape {list(shape)}: {wanted!r} is not in it; give {len(shape)} "
            f"{'numbers' if len(shape) != 1 else 'number'} counted from 0, up to {path}[{example}]"
        )
    return value, index


def _gradient(opened: Opened, value: Tensor) -> numpy.ndarray:
    return opened.exact[opened.derivatives[value]]


def _largest(opened: Opened, value: Tensor) -> Index:
    gradient = abs(_gradient(opened, value))
    return tuple(int(i) for i in numpy.unravel_index(int(gradient.argmax()), gradient.shape))


# Sections


def _inputs(unfolding: Unfolding) -> list[Equation]:
    """The inputs and labels of a network that is named neuron by neuron; others are too many to list."""
    opened, naming = unfolding.opened, unfolding.naming
    values = (*opened.inputs.values(), *opened.labels) if naming.own else ()
    return [
        Equation(naming.symbol(value, index), unfolding.expression(value, index))
        for value in values
        for index in numpy.ndindex(unfolding.values[value].shape)
    ]


def _layer(unfolding: Unfolding, layer: OpenLayer, on_paths: set[Place]) -> LayerStep | None:
    """A use of a layer; none for one that only moves values, or whose values are those of a layer inside."""
    naming = unfolding.naming
    made = dict.fromkeys((*layer.parts.values(), *layer.outputs))
    own = [value for value in made if value in naming and "/".join(value.node.scope) == layer.name.split("@")[0]]
    own = [value for value in own if value in unfolding.values]
    if not own:
        return None
    units = sorted(_units(unfolding, own, on_paths), key=lambda place: (place[0].node.serial, place[1]))
    equations = tuple(_unit(unfolding, layer, place) for place in units)
    hidden = sum(unfolding.values[value].size for value in own) - len(units)
    label = naming.short[layer.name]
    return LayerStep(layer.name, label, layer.kind, known(layer.output.shape)[1:], equations, hidden, _aside(unfolding))


def _unit(unfolding: Unfolding, layer: OpenLayer, place: Place) -> Equation:
    """How one unit came about; one that a dropout drops is a plain number, whatever went in."""
    made = unfolding.expression(*place)
    dropped = isinstance(layer.layer, Dropping) and not any(isinstance(leaf, Name) for leaf in leaves(made))
    return Equation(unfolding.naming.symbol(*place), made, "dropped" if dropped else "")


def _units(unfolding: Unfolding, values: list[Tensor], on_paths: set[Place]) -> list[Place]:
    """All units where they are few; else those on the paths, then those that the loss depends on most."""
    arrays = {value: unfolding.values[value] for value in values}
    if sum(array.size for array in arrays.values()) <= _FEW or unfolding.naming.own:
        return [(value, index) for value, array in arrays.items() for index in numpy.ndindex(array.shape)]
    ranked: list[tuple[bool, float, Place]] = []
    for value, array in arrays.items():
        adjoint = unfolding.opened.derivatives.get(value)
        matters = abs(array.astype(float) * (1.0 if adjoint is None else unfolding.values[adjoint]))
        top = numpy.argsort(-matters, axis=None, kind="stable")[:_EACH]
        places = {tuple(map(int, numpy.unravel_index(place, array.shape))) for place in top}
        places |= {index for other, index in on_paths if other is value}
        own = [((value, index) not in on_paths, -float(matters[index]), (value, index)) for index in places]
        ranked += sorted(own, key=lambda item: item[:2])[:_EACH]
    return [place for *_, place in sorted(ranked, key=lambda item: item[:2])[:_UNITS]]


def _aside(unfolding: Unfolding) -> tuple[Equation, ...]:
    """The equations of what was set aside since the last call, and of what these set aside again."""
    equations, done = [], 0
    while done < len(unfolding.aside):
        symbol, value, index = unfolding.aside[done]
        equations.append(Equation(symbol, unfolding.expression(value, index)))
        done += 1
    unfolding.aside.clear()
    return tuple(equations)


def _weight(
    unfolding: Unfolding, value: Tensor, index: Index, found: list[tuple[Link, ...]], complete: bool
) -> WeightStep:
    naming, opened = unfolding.naming, unfolding.opened
    paths = tuple(_path(unfolding, value, index, links) for links in found)
    gradient = float(_gradient(opened, value)[index])
    rest = 0.0 if complete else gradient - sum(path.product for path in paths)
    path, variable = next((path, variable) for path, (other, variable) in naming.weights.items() if other is value)
    path += f"[{','.join(map(str, index))}]"
    update = _update(unfolding, variable, index)
    return WeightStep(
        path,
        naming.symbol(value, index),
        unfolding.number(value, index),
        gradient,
        paths,
        rest,
        complete,
        update,
        _aside(unfolding),
    )


def _path(unfolding: Unfolding, value: Tensor, index: Index, links: tuple[Link, ...]) -> Path:
    naming = unfolding.naming
    symbols, derivatives = [naming.symbol(value, index)], []
    for link in links:
        symbol = naming.symbol(link.value, link.index)
        derivatives.append(LocalDerivative(symbol, symbols[-1], link.local))
        symbols.append(symbol)
    through = _prediction(unfolding, links)
    if through is not None:
        symbols.insert(-1, through)
    return Path(tuple(symbols), tuple(reversed(derivatives)))


def _prediction(unfolding: Unfolding, links: tuple[Link, ...]) -> Symbol | None:
    """ŷ, where the loss is computed from the logits behind it, so that its derivative is taken in one step."""
    if len(links) < 2:
        return None
    value, index = links[-2].value, links[-2].index
    for output in unfolding.opened.outputs.values():
        if value in (made_by(output, "sigmoid"), made_by(output, "softmax")) and output.shape == value.shape:
            return unfolding.naming.symbol(output, index)
    return None


def _rule(opened: Opened, weight: Tensor) -> Group | None:
    """The optimizer's composite that updates a weight."""
    new = next((value for variable, value in opened.updates if variable.tensor is weight), None)
    if new is None:
        return None
    return next((group for group in new.node.groups if new in group.outputs), None)


def _update(unfolding: Unfolding, variable: Variable, index: Index) -> tuple[Equation, ...]:
    """The running averages that belong to a weight, and the new weight, last."""
    opened, naming = unfolding.opened, unfolding.naming
    symbol = naming.symbol(variable.tensor, index)
    rule = _rule(opened, variable.tensor)
    equations: list[Equation] = []
    new = None
    for label, value in _scalars(rule):
        unfolding.nickname(value, label)
        if label.startswith("correction"):
            equations.append(Equation(Symbol(label), unfolding.expression(value, ())))
    for other, value in opened.updates:
        if other is variable:
            new = value
        elif rule is not None and value in rule.outputs:
            equations.append(Equation(Symbol(f"{state_letter(other.name)}′"), unfolding.expression(value, index)))
    if new is not None:
        changed = Symbol(f"{symbol.letter}′", symbol.index)
        equations.append(Equation(changed, unfolding.expression(new, index)))
    return tuple(equations)


def _scalars(rule: Group | None) -> list[tuple[str, Tensor]]:
    """What an optimizer's rule takes for all weights alike, by the names of its parameters: the learning rate, …"""
    if rule is None:
        return []
    names = [item.name for item in inspect.signature(composites[rule.name]).parameters.values()
             if item.kind is item.POSITIONAL_OR_KEYWORD]  # fmt: skip
    values = [value for value in rule.inputs if value.rank == 0]
    names = names[len(names) - len(values) :] if len(names) == len(rule.inputs) else ["learning_rate"] * len(values)
    return [(state_letter(label), value) for label, value in zip(names, values, strict=True)]


def _legend(equations: Iterable[Equation]) -> dict[str, str]:
    """The functions in some equations, with what they are."""
    found = dict.fromkeys(name for equation in equations for name in functions(equation.expression))
    legend = {}
    for function in found:
        base = function.rstrip("′")
        op = next((key for key, shown in FUNCTION_NAMES.items() if shown == base), base)
        if op in ("log", "sqrt", "max", "min", "maximum", "minimum", "absolute"):
            continue
        if function == "ReLU′":
            formula = "1 if x > 0, else 0"
        elif function != base:
            formula = f"the derivative of {base}"
        else:
            formula = _formula(registry[op].formula if op in registry else getattr(composites.get(op), "__doc__", ""))
        if formula:
            operands = ", ".join(registry[op].inputs) if op in registry and function == base else "x"
            legend[f"{function}({operands})"] = formula.removeprefix("y = ").removeprefix("z = ")
    return legend


def _formula(text: str | None) -> str:
    """The first sentence of a docstring, which holds the formula."""
    return re.split(r"\.(?:\s|$)", (text or "").strip())[0]
