"""A `Why` in LaTeX: the formula of the contributions, their sum with the real numbers, and a table of them."""

from __future__ import annotations

from pellucid.explain.latex import aligned, document, escaped, tabular, words
from pellucid.explain.notation import LATEX
from pellucid.explain.why import Why
from pellucid.explain.why_text import closing, rounded, rows_of, signed

_LINEAR = r"\left(x_{i} - x'_{i}\right) \cdot w_{i}"
_INTEGRATED = (
    r"\left(x_{i} - x'_{i}\right) \cdot \int_{0}^{1} "
    r"\frac{\partial f}{\partial x_{i}}\left(x' + t \cdot \left(x - x'\right)\right) \mathrm{d}t"
)


def render(why: Why) -> str:
    """The whole document."""
    formula = _LINEAR if why.method.startswith("weight") else _INTEGRATED
    parts = [
        f"{escaped(why.compared[:1].upper() + why.compared[1:])}, $x'$, gives {escaped(rounded(why.baseline))}; "
        f"this example, $x$, gives {escaped(rounded(why.prediction))}. Element $i$ contributes",
        aligned([["c_{i}", formula]]),
        f"The difference of {escaped(signed(why.prediction - why.baseline))} is made of:",
    ]
    for share in why.inputs:
        head, *rows = rows_of(share)
        parts += [rf"\subsection*{{{escaped(share.name)}}}"] if len(why.inputs) > 1 else []
        parts.append(tabular(rows, head, left=range(1, len(head))))
    return document(why.title, [*parts, _sum(why), escaped(closing(why)) + "."])


def _sum(why: Why) -> str:
    """What is explained, in numbers: the baseline, all contributions, and the gap."""
    total = why.prediction - why.baseline - why.gap
    terms = [(why.baseline, why.compared), (total, "contributions"), (why.gap, "gap")]
    shown = (rf"\underbrace{{{LATEX.number(float(f'{value:.5g}'))}}}_{{{words(name)}}}" for value, name in terms)
    return aligned([["f(x)", " + ".join(shown), LATEX.number(float(f"{why.prediction:.5g}"))]])
