"""`StepExplanation`: one training step opened, as plain data that renders itself as text, HTML, LaTeX or JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from pellucid.explain.expression import Expression, Symbol
from pellucid.explain.rendered import Rendered


@dataclass(frozen=True)
class Equation:
    """symbol = expression; `note` says in a word what the formula does not show."""

    symbol: Symbol
    expression: Expression
    note: str = ""

    @property
    def value(self) -> float:
        return self.expression.value


@dataclass(frozen=True)
class LayerStep:
    """One use of a layer: the equations of its units, those that matter most where there are many.

    `label` is what symbols call the layer; `shape` that of what it gives for one example; `hidden` how many units are
    not shown; `aside` the values that the equations call s₁, s₂, ….
    """

    name: str
    label: str
    kind: str
    shape: tuple[int, ...]
    equations: tuple[Equation, ...]
    hidden: int = 0
    aside: tuple[Equation, ...] = ()


@dataclass(frozen=True)
class LocalDerivative:
    """∂of/∂by = formula."""

    of: Symbol
    by: Symbol
    formula: Expression

    @property
    def value(self) -> float:
        return self.formula.value


@dataclass(frozen=True)
class Path:
    """One way from a weight to the loss: the values on it, and its local derivatives, those next to the loss first."""

    symbols: tuple[Symbol, ...]
    derivatives: tuple[LocalDerivative, ...]

    @property
    def product(self) -> float:
        """The product of the local derivatives: this way's part of the gradient."""
        return math.prod(one.value for one in self.derivatives)


@dataclass(frozen=True)
class WeightStep:
    """One weight: its ways to the loss, whose products add up to its gradient, and what the optimizer makes of it.

    `rest` is the sum of the products of all ways that are not shown; 0 where `complete`. `update` are the equations of
    the optimizer's running averages and, last, of the new weight.
    """

    name: str
    symbol: Symbol
    value: float
    gradient: float
    paths: tuple[Path, ...]
    rest: float
    complete: bool
    update: tuple[Equation, ...]
    aside: tuple[Equation, ...] = ()

    @property
    def new(self) -> float:
        """The weight after the step."""
        return self.update[-1].value


@dataclass(frozen=True, repr=False)
class StepExplanation(Rendered):
    """One training step, opened: forward pass, loss, the chain rule for some weights, and their updates.

    It prints as text in a terminal and shows itself in a notebook; `html`, `latex` and `to_json` render it, and `save`
    writes the form that a file's suffix asks for.
    """

    model: str
    examples: int
    optimizer: str
    inputs: tuple[Equation, ...]
    layers: tuple[LayerStep, ...]
    loss_name: str
    loss: Equation
    loss_aside: tuple[Equation, ...]
    weights: tuple[WeightStep, ...]
    rule: str = ""
    legend: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return f"One training step of {self.model}"

    def text(self) -> str:
        from pellucid.explain.step_text import render

        return render(self)

    def body(self) -> str:
        from pellucid.explain.step_html import render

        return render(self)

    def latex(self) -> str:
        """A document that every LaTeX sets."""
        from pellucid.explain.step_latex import render

        return render(self)

    def to_json(self) -> dict[str, Any]:
        """Plain values: every formula as text and as LaTeX, every number in full."""
        from pellucid.explain.step_json import render

        return render(self)

    def __repr__(self) -> str:
        examples = "1 example" if self.examples == 1 else f"{self.examples} examples"
        names = ", ".join(weight.name for weight in self.weights[:3]) + (", …" if len(self.weights) > 3 else "")
        return f"StepExplanation({self.model}, {examples}, loss {self.loss.value:.5g}, weights {names})"
