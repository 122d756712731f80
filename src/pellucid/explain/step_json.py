"""A training step as plain values: each formula as text and as LaTeX, each number in full."""

from __future__ import annotations

import math
from typing import Any

from pellucid.explain.expression import Expression
from pellucid.explain.notation import LATEX, TEXT
from pellucid.explain.record import Equation, LayerStep, Path, StepExplanation, WeightStep


def render(step: StepExplanation) -> dict[str, Any]:
    """The whole step."""
    return {
        "model": step.model,
        "examples": step.examples,
        "optimizer": step.optimizer,
        "inputs": [{"symbol": TEXT.symbol(one.symbol), "value": _number(one.value)} for one in step.inputs],
        "layers": [_layer(layer) for layer in step.layers],
        "loss": {"name": step.loss_name, **_equation(step.loss), "where": [_equation(one) for one in step.loss_aside]},
        "weights": [_weight(weight) for weight in step.weights],
        "rule": step.rule,
        "functions": dict(step.legend),
    }


def _number(value: float) -> float | None:
    """A number, or null for one that JSON has not."""
    return value if math.isfinite(value) else None


def _formula(expression: Expression) -> dict[str, Any]:
    return {
        "formula": TEXT.write(expression),
        "latex": LATEX.write(expression),
        "numbers": TEXT.write(expression, numbers=True),
        "value": _number(expression.value),
    }


def _equation(equation: Equation) -> dict[str, Any]:
    note = {"note": equation.note} if equation.note else {}
    return {"symbol": TEXT.symbol(equation.symbol), **_formula(equation.expression), **note}


def _layer(layer: LayerStep) -> dict[str, Any]:
    return {
        "name": layer.name,
        "kind": layer.kind,
        "shape": list(layer.shape),
        "equations": [_equation(one) for one in layer.equations],
        "where": [_equation(one) for one in layer.aside],
        "hidden": layer.hidden,
    }


def _path(path: Path) -> dict[str, Any]:
    return {
        "values": [TEXT.symbol(symbol) for symbol in path.symbols],
        "derivatives": [
            {"of": TEXT.symbol(one.of), "by": TEXT.symbol(one.by), **_formula(one.formula)} for one in path.derivatives
        ],
        "product": _number(path.product),
    }


def _weight(weight: WeightStep) -> dict[str, Any]:
    return {
        "name": weight.name,
        "symbol": TEXT.symbol(weight.symbol),
        "value": _number(weight.value),
        "gradient": _number(weight.gradient),
        "paths": [_path(path) for path in weight.paths],
        "rest": _number(weight.rest),
        "complete": weight.complete,
        "update": [_equation(one) for one in weight.update],
        "where": [_equation(one) for one in weight.aside],
        "new": _number(weight.new) if weight.update else None,
    }
