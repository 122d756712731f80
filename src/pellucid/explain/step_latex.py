"""A training step in LaTeX: forward pass, loss, then for each weight its paths and its update."""

from __future__ import annotations

from collections.abc import Sequence

from pellucid.explain.expression import Number, Symbol, add, multiply
from pellucid.explain.latex import aligned, document, escaped, tabular, words
from pellucid.explain.notation import LATEX, Latex
from pellucid.explain.record import Equation, LayerStep, Path, StepExplanation, WeightStep
from pellucid.explain.step_text import NO_PATH

_OPENED = 3


def render(step: StepExplanation) -> str:
    """The whole document."""
    parts = []
    if step.inputs:
        parts.append(", ".join(f"${LATEX.symbol(one.symbol)} = {LATEX.number(one.value)}$" for one in step.inputs))
    parts.append(r"\subsection*{Forward pass}")
    for layer in step.layers:
        parts += _layer(layer)
    parts += [rf"\subsection*{{Loss: {escaped(step.loss_name)}}}", lines([step.loss])]
    parts += [f"where\n{lines(step.loss_aside)}"] if step.loss_aside else []
    parts.append(r"\subsection*{Backward pass and update}")
    parts += [f"The rule of {escaped(step.optimizer)}: {escaped(step.rule)}"] if step.rule else []
    parts += [_weight(weight) for weight in step.weights]
    if step.legend:
        parts += [
            r"\subsection*{Where}",
            tabular([[name, f"= {text}"] for name, text in step.legend.items()], left=(0, 1)),
        ]
    return document(step.title, parts)


def lines(equations: Sequence[Equation], notation: Latex = LATEX) -> str:
    """Equations below each other."""
    return aligned(_sides(one, notation) for one in equations)


def _sides(equation: Equation, notation: Latex) -> list[str]:
    *others, last = notation.sides(equation.symbol, equation.expression)
    return [*others, rf"{last} \quad {words(f'({equation.note})')}" if equation.note else last]


def _layer(layer: LayerStep) -> list[str]:
    notation = Latex(layer.label)
    parts = [rf"\paragraph{{{escaped(layer.name)}}} ({escaped(layer.kind)})", lines(layer.equations, notation)]
    parts += [f"where\n{lines(layer.aside, notation)}"] if layer.aside else []
    return [*parts, *([f"… and {layer.hidden:,} more values"] if layer.hidden else [])]


def _weight(weight: WeightStep) -> str:
    gradient = LATEX.symbol(Symbol("L", by=weight.symbol))
    alone = len(weight.paths) == 1 and weight.complete
    symbol = LATEX.symbol(weight.symbol)
    parts = [rf"\paragraph{{${symbol}$}} \texttt{{{escaped(weight.name)}}} $= {LATEX.number(weight.value)}$"]
    for path in weight.paths[:_OPENED]:
        parts.append(_path(path, gradient if alone else words("product")))
    if not weight.paths and weight.complete:
        parts.append(f"\n${gradient} = 0$: {NO_PATH}")
    elif not alone:
        shown = LATEX.write(add(Number(path.product) for path in weight.paths))
        rest = rf"\underbrace{{{LATEX.number(weight.rest)}}}_{{{words('all other paths')}}}"
        total = shown if weight.complete else f"{shown} + {rest}" if weight.paths else rest
        parts.append(aligned([[gradient, total, LATEX.number(weight.gradient)]]))
    if weight.update:
        parts += ["Update", lines(weight.update)]
        parts += [f"where\n{lines(weight.aside)}"] if weight.aside else []
    return "\n".join(parts)


def _path(path: Path, result: str) -> str:
    way = r" \rightarrow ".join(map(LATEX.symbol, path.symbols))
    rows = []
    for one in path.derivatives:
        fraction = rf"\frac{{\partial {LATEX.symbol(one.of)}}}{{\partial {LATEX.symbol(one.by)}}}"
        rows.append([fraction, *dict.fromkeys((LATEX.write(one.formula), LATEX.number(one.value)))])
    product = multiply(one.formula for one in path.derivatives)
    rows.append(
        [result, *dict.fromkeys((LATEX.write(product), LATEX.write(product, numbers=True), LATEX.number(path.product)))]
    )
    return f"\n${way}$\n{aligned(rows)}"
