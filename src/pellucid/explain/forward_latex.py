"""A forward pass in LaTeX: what forward_text says, with the weighted sums as formulas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pellucid.explain.forward import Stage, Unit
from pellucid.explain.forward_text import chains, clipped, largest_classes, preparation, ranges, size
from pellucid.explain.latex import aligned, document, escaped, tabular, words
from pellucid.explain.notation import LATEX
from pellucid.explain.step_latex import lines


def render(headline: str, stages: Sequence[Stage], units: Mapping[str, Sequence[int]], count: int) -> str:
    """The whole document: of each layer with weights the chosen units, of each unit the `count` largest parts."""
    parts: list[str] = []
    for place, chain in enumerate(chains(stages), 1):
        names, last = r" $\rightarrow$ ".join(escaped(stage.name) for stage in chain), chain[-1]
        sizes = f"{size(last.given)} → {size(last.shape)}" if last.weighted else f"{len(last.values)} values"
        parts += [rf"\subsection*{{{place}. {names}}}", escaped(f"{last.kind}, {sizes}.")]
        parts += _chain(chain, units.get(chain[0].name, ()), count)
    return document(headline, parts)


def _chain(chain: Sequence[Stage], units: Sequence[int], count: int) -> list[str]:
    stage = chain[0]
    if stage.weighted:
        made = [_unit(stage.unit(place), stage.activation, count) for place in units]
        head, *classes = largest_classes(stage) if stage.activation == "softmax" else [[]]
        return [*made, *([tabular(classes, head)] if classes else [])]
    if stage.kind == "Concatenate":
        return [escaped(f"{' and '.join(stage.inputs)} side by side.")]
    if stage.kind == "PiecewiseLinearEncoding":
        rows, tail = ranges(stage)
        return [*([tabular(rows)] if rows else []), escaped(tail)]
    head, rows = preparation(chain)
    equations = [one for other in chain for one in other.equations()]
    table = tabular(rows, head if any(head) else (), left=(0, len(head) - 1))
    return [table, *([lines(equations)] if equations else [])]


def _unit(unit: Unit, activation: str, count: int) -> str:
    """z = Σ value·weight + the rest + bias, and the activation of it."""
    shown, rest = unit.largest(count)
    left = len(unit.contributions) - len(shown)
    terms = [
        rf"\underbrace{{{LATEX.number(part.value)} \cdot {_number(part.weight)}}}_{{{words(clipped(part.label))}}}"
        for part in shown
    ]
    terms += [rf"\underbrace{{{_number(rest)}}}_{{{words(f'{left} more')}}}"] if left else []
    terms.append(rf"\underbrace{{{_number(unit.bias)}}}_{{{words('bias')}}}")
    rows = [["z", " + ".join(terms), LATEX.number(unit.weighted_sum)]]
    if activation not in ("", "linear", "softmax"):
        rows.append([words(unit.label), rf"\operatorname{{{escaped(activation)}}}(z)", LATEX.number(unit.value)])
    return rf"\paragraph{{{escaped(unit.label)}}}" + "\n" + aligned(rows)


def _number(value: float) -> str:
    text = LATEX.number(value)
    return f"({text})" if text.startswith("-") else text
