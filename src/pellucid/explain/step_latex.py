"""A training step in LaTeX: a document that needs amsmath alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pellucid.explain.expression import Symbol, multiply
from pellucid.explain.notation import LATEX, Latex, escaped_latex
from pellucid.explain.record import Equation, Path, StepExplanation, WeightStep

_OPENED = 3


def render(step: StepExplanation) -> str:
    """The whole document."""
    parts = []
    if step.inputs:
        values = r", \quad ".join(f"{LATEX.symbol(one.symbol)} = {LATEX.number(one.value)}" for one in step.inputs)
        parts.append(f"\\[ {values} \\]")
    parts.append(r"\subsection*{Forward pass}")
    for layer in step.layers:
        parts.append(rf"\paragraph{{{escaped_latex(layer.name)}}} ({escaped_latex(layer.kind)})")
        parts.append(lines([*layer.equations, *layer.aside], Latex(layer.label)))
    parts += [rf"\subsection*{{Loss: {escaped_latex(step.loss_name)}}}", lines([step.loss, *step.loss_aside])]
    parts.append(r"\subsection*{Backward pass and update}")
    parts += [_weight(weight) for weight in step.weights]
    return document(step.title, parts)


def document(title: str, parts: Sequence[str]) -> str:
    """A document that needs amsmath alone."""
    head = [r"\documentclass{article}", r"\usepackage{amsmath}", r"\allowdisplaybreaks", r"\begin{document}"]
    return "\n".join([*head, rf"\section*{{{escaped_latex(title)}}}", *parts, r"\end{document}", ""])


def lines(equations: Sequence[Equation], notation: Latex = LATEX) -> str:
    """Equations below each other."""
    made = (notation.equation(one.symbol, one.expression) for one in equations)
    return aligned(line.replace(" = ", " &= ", 1) for line in made)


def aligned(rows: Iterable[str]) -> str:
    """Rows lined up at their ampersands."""
    return "\\begin{align*}\n" + " \\\\\n".join(rows) + "\n\\end{align*}"


def _weight(weight: WeightStep) -> str:
    gradient = LATEX.symbol(Symbol("L", by=weight.symbol))
    alone = len(weight.paths) == 1 and weight.complete
    parts = [rf"\paragraph{{${LATEX.symbol(weight.symbol)}$}} \texttt{{{escaped_latex(weight.name)}}}"]
    for path in weight.paths[: _OPENED if not alone else 1]:
        parts.append(_path(path, gradient if alone else r"\text{product}"))
    if not alone:
        others = (
            "" if weight.complete else rf" + \underbrace{{{LATEX.number(weight.rest)}}}_{{\text{{all other paths}}}}"
        )
        shown = " + ".join(LATEX.bracketed(LATEX.number(path.product)) for path in weight.paths)
        parts.append(f"\\[ {gradient} = {shown}{others} = {LATEX.number(weight.gradient)} \\]")
    if weight.update:
        parts.append(lines([*weight.update, *weight.aside]))
    return "\n".join(parts)


def _path(path: Path, result: str) -> str:
    way = r" \rightarrow ".join(map(LATEX.symbol, path.symbols))
    rows = []
    for one in path.derivatives:
        fraction = rf"\frac{{\partial {LATEX.symbol(one.of)}}}{{\partial {LATEX.symbol(one.by)}}}"
        formula, value = LATEX.write(one.formula), LATEX.number(one.value)
        rows.append(f"{fraction} &= {formula}" + (f" = {value}" if formula != value else ""))
    product = multiply(one.formula for one in path.derivatives)
    rows.append(f"{result} &= {LATEX.write(product)} = {LATEX.number(path.product)}")
    return f"\\[ {way} \\]\n{aligned(rows)}"
