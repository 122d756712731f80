"""A training step as text for a terminal: forward pass, loss, then for each weight its paths and its update."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from textwrap import fill

from pellucid.explain.expression import Number, Product, Symbol, add, multiply
from pellucid.explain.notation import TEXT, Text
from pellucid.explain.numbers import columns, number
from pellucid.explain.record import Equation, LayerStep, Path, StepExplanation, WeightStep

_WIDE = 118
NO_PATH = "on every way to the loss a local derivative is 0"
_OPENED = 2  # paths that are shown with each local derivative


def render(step: StepExplanation) -> str:
    """The whole step."""
    examples = "1 example" if step.examples == 1 else f"{step.examples} examples"
    head = f"One training step of {step.model} on {examples}, optimizer {step.optimizer}"
    parts = [f"{head}\n{'═' * len(head)}"]
    if step.inputs:
        parts.append(_title("Inputs") + "\n" + _inputs(step.inputs))
    parts.append(_title("Forward pass"))
    parts += [_layer(layer) for layer in step.layers]
    parts.append(_title(f"Loss: {step.loss_name}") + "\n" + write_equations([step.loss]) + _aside(step.loss_aside))
    parts.append(
        _title("Backward pass and update") + (f"\n   The rule of {step.optimizer}: {step.rule}" if step.rule else "")
    )
    parts += [_weight(weight) for weight in step.weights]
    if step.legend:
        names = [(name, "= " + text) for name, text in step.legend.items()]
        parts.append(_title("Where") + "\n" + columns(names, left=(0, 1), widest=60))
    return "\n\n".join(parts)


def _title(text: str) -> str:
    return f"── {text} " + "─" * max(3, 66 - len(text))


def _inputs(equations: Sequence[Equation]) -> str:
    return "   " + "   ".join(f"{TEXT.symbol(one.symbol)} = {number(one.value)}" for one in equations)


def _layer(layer: LayerStep) -> str:
    size = " × ".join(map(str, layer.shape)) or "1"
    notation = Text(layer.label)
    hidden = f"\n   … and {layer.hidden:,} more values" if layer.hidden else ""
    head = f"{layer.name} ({layer.kind}, {size})\n"
    return head + write_equations(layer.equations, notation=notation) + _aside(layer.aside, notation) + hidden


def _aside(equations: Sequence[Equation], notation: Text = TEXT) -> str:
    return f"\n   where\n{write_equations(equations, '     ', notation)}" if equations else ""


def write_equations(equations: Iterable[Equation], indent: str = "   ", notation: Text = TEXT) -> str:
    """Equations below each other; each side of a long one has lines of its own."""
    return "\n".join(_equation(one, indent, notation) for one in equations)


def _equation(equation: Equation, indent: str, notation: Text) -> str:
    """On one line where it fits; else each side on lines of its own, broken before a plus or minus."""
    text = indent + notation.equation(equation.symbol, equation.expression)
    text += f"  ({equation.note})" if equation.note else ""
    if len(text) <= _WIDE:
        return text
    symbol, *sides = notation.sides(equation.symbol, equation.expression)
    lead = f"{indent}{symbol} = " if len(symbol) < _WIDE // 3 else f"{indent}{symbol}\n{indent}  = "
    margin = " " * (len(lead) - lead.rfind("\n") - 1)
    return lead + f"\n{margin[:-2]}= ".join(_broken(side, margin) for side in sides)


def _broken(text: str, margin: str) -> str:
    lines, room = [""], _WIDE - len(margin)
    for piece in re.split(r" (?=[+−] )", text):
        if lines[-1] and len(lines[-1]) + len(piece) >= room:
            lines.append("")
        lines[-1] += f" {piece}" if lines[-1] else piece
    return f"\n{margin}  ".join(lines)


def _weight(weight: WeightStep) -> str:
    symbol, lines = TEXT.symbol(weight.symbol), []
    alias = f" ({weight.name})" if symbol != weight.name else ""
    lines.append(f"{symbol}{alias} = {number(weight.value)}")
    gradient = TEXT.symbol(Symbol("L", by=weight.symbol))
    count = len(weight.paths)
    for path in weight.paths[:_OPENED]:
        lines += [
            "",
            *(f"   {line}" for line in _path(path, gradient if count == 1 and weight.complete else "product")),
        ]
    if count > _OPENED:
        lines += ["", "   Further paths"]
        products = [number(path.product) for path in weight.paths[_OPENED:]]
        room = max(map(len, products)) + 7
        lines += [_way(path, f"     {product}".ljust(room))
                  for path, product in zip(weight.paths[_OPENED:], products, strict=True)]  # fmt: skip
    if not count and weight.complete:
        lines += ["", f"   {gradient} = 0: {NO_PATH}"]
    elif count != 1 or not weight.complete:
        rest = "" if weight.complete else f", all other paths {number(weight.rest)}"
        shown = TEXT.write(add(Number(path.product) for path in weight.paths[:4])) + (" + …" if count > 4 else "")
        lines += ["", f"   {gradient} = sum over paths = {shown}{rest}"]
        lines.append(f"   {gradient} = {number(weight.gradient)}")
    if weight.update:
        lines += ["", "   Update", write_equations(weight.update, "     ")]
        if weight.aside:
            lines.append("   where\n" + write_equations(weight.aside, "     "))
    return "\n".join(lines)


def _way(path: Path, lead: str) -> str:
    """The values of a path behind a lead, on as many lines as they need."""
    way = " → ".join(map(TEXT.symbol, path.symbols))
    return fill(lead + way, _WIDE, subsequent_indent=" " * len(lead), break_long_words=False, break_on_hyphens=False)


def _path(path: Path, result: str) -> list[str]:
    """A path as its values, a table of its local derivatives, and their product."""
    rows = [
        [f"∂{TEXT.symbol(one.of)}/∂{TEXT.symbol(one.by)}", f"= {TEXT.write(one.formula)}", f"= {number(one.value)}"]
        for one in path.derivatives
    ]
    for row in rows:
        if row[1] == row[2] or len(row[1]) > _WIDE:
            row[1] = ""
    product = multiply(one.formula for one in path.derivatives)
    lines = [*_way(path, "Path ").splitlines()]
    lines += columns(rows, "  ", left=(0, 1, 2), widest=60).splitlines()
    written = TEXT.write(product)
    sides = [number(path.product)]
    if isinstance(product, Product) and len(written) < _WIDE:
        sides = [written, TEXT.write(product, numbers=True), *sides]
    line = " = ".join([result, *sides])
    margin = " " * len(result)
    lines.append("  " + (line if len(line) < _WIDE else f"{result} = " + f"\n   {margin}  = ".join(sides)))
    return lines
