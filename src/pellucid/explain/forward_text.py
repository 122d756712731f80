"""A forward pass as text: the preparation of each column, then every layer's weighted sums, largest parts first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pellucid.explain.forward import Stage, Unit
from pellucid.explain.notation import Text
from pellucid.explain.numbers import columns, number
from pellucid.explain.step_text import write_equations

_NAME = 48  # characters of a label that are shown
_CLASSES = 10
_APART = ("Concatenate", "PiecewiseLinearEncoding")


class _Table(Text):
    times = " × "


_TABLE = _Table()


def render(stages: Sequence[Stage], units: Mapping[str, Sequence[int]], count: int) -> str:
    """The stages as text: of each layer with weights the chosen units, of each unit the `count` largest parts."""
    parts: list[str] = []
    for place, chain in enumerate(chains(stages), 1):
        stage = chain[0]
        if stage.weighted:
            parts.append(_layer(place, stage, units.get(stage.name, ()), count))
        elif stage.kind == "Concatenate":
            joined = " and ".join(stage.inputs)
            parts.append(f"{place}. {stage.name}: {joined} side by side, {len(stage.values)} values")
        elif stage.kind == "PiecewiseLinearEncoding":
            parts.append(_ranges(place, stage))
        elif len(chain) == 1 and len(stage.values) == 1 and stage.expression(0) is not None:
            parts.append(f"{place}. {stage.name}: {worked(stage, 0)} = {number(float(stage.values[0]))}")
        else:
            parts.append(_preparation(place, chain) + _made(chain))
    return "\n\n".join(parts)


def chains(stages: Sequence[Stage]) -> list[list[Stage]]:
    """Stages that prepare one input, together; every other stage alone."""
    chains: list[list[Stage]] = []
    by_end: dict[str, list[Stage]] = {}
    for stage in stages:
        before = by_end.get(stage.inputs[0]) if len(stage.inputs) == 1 else None
        if (
            before is not None
            and before[-1].name == stage.inputs[0]
            and not stage.weighted
            and stage.kind not in _APART
            and (stage.prepared or len(stage.shape) > 1 or any(len(other.shape) > 1 for other in before))
        ):
            before.append(stage)
            by_end[stage.name] = before
            continue
        chain = [stage]
        chains.append(chain)
        if stage.kind == "Input":
            by_end[stage.name] = chain
    return chains


def _preparation(place: int, chain: Sequence[Stage]) -> str:
    """An input and what prepares it, side by side."""
    head, rows = preparation(chain)
    title = f"{place}. {' → '.join(stage.name for stage in chain)}\n"
    if len(head) < 2:
        return title + "   " + rows[0][0]
    left = (0, len(head) - 1) if not head[-1] else (0,)
    return title + columns([head, *rows], left=left)


def preparation(chain: Sequence[Stage]) -> tuple[list[str], list[list[str]]]:
    """An input and what prepares it as a table, its head and its rows: one row per element, one column per step. A
    category is one cell; images and sequences, too large for that, are told by how far their values reach."""
    last = chain[-1]
    if len(chain) > 1 and len(chain[0].values) == 1 and len(last.values) > 1:
        return [""], [[_encoded(last)]]
    if any(len(stage.shape) > 1 or stage.kind == "Flatten" for stage in chain):
        return ["", "size", "smallest", "mean", "largest"], [_reach(stage) for stage in chain]
    labels = max((stage.labels for stage in chain), key=len)
    rows = []
    for i, label in enumerate(labels):
        cells = [number(float(stage.values[i])) if i < len(stage.values) else "" for stage in chain]
        made = f"= {expression}" if len(cells) > 1 and (expression := worked(last, i)) else ""
        rows.append([clipped(label), *("missing" if cell == "NaN" else cell for cell in cells), made])
    return ["", *(stage.name for stage in chain), ""], rows


def _made(chain: Sequence[Stage]) -> str:
    """How the largest values came about in layers that neither prepare values one by one nor add up weighted inputs."""
    made = [line for stage in chain for line in stage.equations()]
    return f"\n\n{write_equations(made)}" if made else ""


def _reach(stage: Stage) -> list[str]:
    values = stage.values if stage.values.size else [math.nan]
    reach = (min(values), sum(values) / len(values), max(values))
    return [stage.name, size(stage.shape), *(number(float(value)) for value in reach)]


def size(shape: Sequence[int]) -> str:
    """5 x 6 x 1."""
    return " x ".join(map(str, shape)) or "1"


def _ranges(place: int, stage: Stage) -> str:
    head = f"{place}. {stage.name} of {stage.inputs[0]}: how far each is through ranges of equally many training rows"
    rows, tail = ranges(stage)
    return "\n".join([head, *([columns(rows)] if rows else []), f"   {tail}"])


def ranges(stage: Stage) -> tuple[list[list[str]], str]:
    """How far each column has come: the ranges it is in, and how many it has passed and has not reached."""
    inside = [(label, value) for label, value in zip(stage.labels, stage.values, strict=True) if 0.0 < value < 1.0]
    passed = int((stage.values == 1.0).sum())
    tail = f"{passed} other ranges lie below (1), {len(stage.values) - passed - len(inside)} above (0)"
    return [[clipped(label), f"{value:.4f}"] for label, value in inside], tail


def _encoded(stage: Stage) -> str:
    """A category: the one place that is 1, or its vector."""
    ones = [label for label, value in zip(stage.labels, stage.values, strict=True) if value == 1.0]
    if stage.kind == "CategoryEncoding":
        return f"{clipped(ones[0])}: 1, the other {len(stage.values) - 1} are 0" if ones else "all are 0"
    vector = ", ".join(number(float(value)) for value in stage.values[:8])
    return f"[{vector}{', …' if len(stage.values) > 8 else ''}]"


def _layer(place: int, stage: Stage, units: Sequence[int], count: int) -> str:
    activation = stage.activation if stage.activation not in ("", "linear") else ""
    sizes = f"{size(stage.given)} → {size(stage.shape)}"
    formula = f"{activation}(Σ value·weight + bias)" if activation else "Σ value·weight + bias"
    lines = [f"{place}. {stage.name}: {sizes}, each {formula}"]
    for unit in units:
        lines += ["", _unit(stage.unit(unit), activation, count)]
    left = len(stage.values) - len(units)
    if activation == "softmax":
        lines += ["", columns(largest_classes(stage))]
    elif left > 0:
        silent = sum(1 for place, value in enumerate(stage.values) if value == 0.0 and place not in units)
        others = f"   … and {left} more unit" if units else f"   {left} unit"
        lines += ["", others + "s" * (left > 1) + (f", of which {silent} give 0" if silent else "")]
    return "\n".join(lines)


def _unit(unit: Unit, activation: str, count: int) -> str:
    head, rows = parts_of(unit, activation, count)
    return f"   {head}\n" + columns(rows, indent="     ", left=(1, 2))


def parts_of(unit: Unit, activation: str, count: int) -> tuple[str, list[tuple[str, str, str]]]:
    """What a unit is, and the parts of its sum: how much, of what, and how that is made; the largest first."""
    parts, rest = unit.largest(count)
    others = len(unit.contributions) - len(parts)
    sums = [part.product for part in parts] + ([rest] if others else []) + [unit.bias, unit.weighted_sum]
    names = [clipped(part.label) for part in parts] + ([f"{others} more"] if others else []) + ["bias", "sum"]
    made = [f"{number(part.value)} × {number(part.weight)}" for part in parts] + [""] * (len(sums) - len(parts))
    if activation and activation != "softmax":
        head = f"{unit.label} = {activation}({number(unit.weighted_sum)}) = {number(unit.value)}"
    else:
        head = f"{unit.label}: {number(unit.weighted_sum)}" + (" before softmax" if activation else "")
    return head, list(zip(_aligned(sums), names, made, strict=True))


def largest_classes(stage: Stage) -> list[list[str]]:
    """The classes by probability, e^z / Σ e^z, below a head."""
    ranked = sorted(range(len(stage.values)), key=lambda place: -stage.values[place])
    rows = [["class", "z", "softmax: e^z / Σ e^z"]]
    for place in ranked[:_CLASSES]:
        rows.append([clipped(stage.labels[place]), number(float(stage.sums[place])), f"{stage.values[place]:.4f}"])
    if len(ranked) > _CLASSES:
        rows.append(
            [f"{len(ranked) - _CLASSES} more", "", f"{sum(float(stage.values[i]) for i in ranked[_CLASSES:]):.4f}"]
        )
    return rows


def worked(stage: Stage, place: int) -> str:
    """One element of a preparing layer in numbers: (1.9 − 1.5) / 0.4; nothing where it is not short."""
    made = stage.expression(place)
    return "" if made is None else _TABLE.write(made, numbers=True)


def _aligned(values: Sequence[float]) -> list[str]:
    """Signed numbers with as many decimals each as the largest needs for five digits."""
    largest = max(map(abs, values))
    decimals = min(8, max(0, 4 - math.floor(math.log10(largest)))) if largest > 0 else 1
    return [f"{value + 0.0:+,.{decimals}f}".replace("-", "−") for value in values]  # + 0.0: no minus zero


def clipped(text: str) -> str:
    """A label as long as a column bears."""
    text = " ".join(text.split())
    return text if len(text) <= _NAME else text[: _NAME - 1] + "…"
