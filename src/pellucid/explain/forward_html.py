"""A forward pass as a page: what forward_text says, with layers that unfold and tables that line up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pellucid.explain.forward import Stage, Unit
from pellucid.explain.forward_text import chains, largest_classes, parts_of, preparation, ranges, size, worked
from pellucid.explain.notation import MATHML
from pellucid.explain.numbers import number
from pellucid.explain.page import escape, fold, table


def render(stages: Sequence[Stage], units: Mapping[str, Sequence[int]], count: int) -> str:
    """The stages, of each layer with weights the chosen units, of each unit the `count` largest parts."""
    return "\n".join(
        _folded(place, chain, units.get(chain[0].name, ()), count) for place, chain in enumerate(chains(stages), 1)
    )


def _folded(place: int, chain: Sequence[Stage], units: Sequence[int], count: int) -> str:
    stage = chain[0]
    names = escape(" → ".join(one.name for one in chain))
    sizes = f"{size(stage.given)} → {size(stage.shape)}" if stage.weighted else f"{len(chain[-1].values)} values"
    summary = f'{place}. {names} <span class="note">{escape(chain[-1].kind)}, {sizes}</span>'
    return fold(summary, _body(chain, units, count), opened=stage.weighted or len(chain[-1].values) < 20)


def _body(chain: Sequence[Stage], units: Sequence[int], count: int) -> str:
    stage = chain[0]
    if stage.weighted:
        return _layer(stage, units, count)
    if stage.kind == "Concatenate":
        return f"<p>{escape(' and '.join(stage.inputs))} side by side.</p>"
    if stage.kind == "PiecewiseLinearEncoding":
        rows, tail = ranges(stage)
        return table([[escape(label), value] for label, value in rows]) + f'<p class="note">{escape(tail)}</p>'
    if len(chain) == 1 and len(stage.values) == 1 and (made := worked(stage, 0)):
        return f"<p>{escape(made)} = {number(float(stage.values[0]))}</p>"
    head, rows = preparation(chain)
    shown = table(
        [[escape(cell) for cell in row] for row in rows], [escape(name) for name in head], left=(0, len(head) - 1)
    )
    equations = [one for other in chain for one in other.equations()]
    return shown + "".join(MATHML.formula(MATHML.sides(one.symbol, one.expression)) for one in equations)


def _layer(stage: Stage, units: Sequence[int], count: int) -> str:
    activation = "" if stage.activation in ("", "linear") else stage.activation
    parts = [_unit(stage.unit(place), activation, count) for place in units]
    left = len(stage.values) - len(units)
    if activation == "softmax":
        head, *rows = largest_classes(stage)
        parts.append(table([[escape(cell) for cell in row] for row in rows], head))
    elif left > 0:
        parts.append(f'<p class="note">and {left} more unit{"s" * (left > 1)}</p>')
    return "\n".join(parts)


def _unit(unit: Unit, activation: str, count: int) -> str:
    head, rows = parts_of(unit, activation, count)
    return f"<h3>{escape(head)}</h3>\n" + table([[escape(cell) for cell in row] for row in rows], left=(1, 2))
