"""A forward pass in LaTeX: the weighted sums of the units that matter most, and how other layers' values came about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pellucid.explain.forward import Stage, Unit
from pellucid.explain.notation import LATEX, escaped_latex
from pellucid.explain.step_latex import aligned, document, lines


def render(headline: str, stages: Sequence[Stage], units: Mapping[str, Sequence[int]], count: int) -> str:
    """The whole document."""
    parts = []
    for stage in stages:
        made = [_unit(stage.unit(place), stage.activation, count) for place in units.get(stage.name, ())]
        equations = stage.equations()
        if made or equations:
            parts.append(rf"\subsection*{{{escaped_latex(stage.name)}}} ({escaped_latex(stage.kind)})")
            parts += [*made, *([lines(equations)] if equations else [])]
    return document(headline, parts)


def _unit(unit: Unit, activation: str, count: int) -> str:
    """z = Σ value·weight + the rest + bias, and the activation of it."""
    shown, rest = unit.largest(count)
    left = len(unit.contributions) - len(shown)
    terms = [
        rf"\underbrace{{{LATEX.number(part.value)} \cdot {_number(part.weight)}}}_{{{_words(part.label)}}}"
        for part in shown
    ]
    terms += [rf"\underbrace{{{_number(rest)}}}_{{{_words(f'{left} more')}}}"] if left else []
    terms.append(rf"\underbrace{{{_number(unit.bias)}}}_{{{_words('bias')}}}")
    rows = [f"z &= {' + '.join(terms)} = {LATEX.number(unit.weighted_sum)}"]
    if activation not in ("", "linear", "softmax"):
        made = rf"\operatorname{{{escaped_latex(activation)}}}(z)"
        rows.append(f"{_words(unit.label)} &= {made} = {LATEX.number(unit.value)}")
    return rf"\paragraph{{{escaped_latex(unit.label)}}}" + "\n" + aligned(rows)


def _number(value: float) -> str:
    text = LATEX.number(value)
    return f"({text})" if text.startswith("-") else text


def _words(text: str) -> str:
    return rf"\text{{{escaped_latex(text)}}}"
