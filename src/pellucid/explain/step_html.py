"""A training step as a page: layers, paths and updates unfold, formulas are MathML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pellucid.explain.expression import Number, Product, Symbol, add, multiply
from pellucid.explain.notation import MATHML, MathML
from pellucid.explain.numbers import number
from pellucid.explain.page import escape, fold, table
from pellucid.explain.record import Equation, LayerStep, LocalDerivative, Path, StepExplanation, WeightStep
from pellucid.explain.step_text import NO_PATH

_OPENED = 3  # paths that are shown unfolded
_LONG = 12  # factors of a product that is still written out


def render(step: StepExplanation) -> str:
    """What a page or a notebook says."""
    examples = "one example" if step.examples == 1 else f"{step.examples} examples"
    parts = [
        f'<p class="lead">Forward pass, loss, backpropagation and the update by {escape(step.optimizer)}, '
        f"on {examples}, with the real numbers.</p>",
    ]
    if step.inputs:
        parts.append(_line(_value(one) for one in step.inputs))
    parts.append("<h2>Forward pass</h2>")
    parts += [_layer(layer, len(step.layers) <= 4) for layer in step.layers]
    parts += [f"<h2>Loss: {escape(step.loss_name)}</h2>", _equations([step.loss]), _aside(step.loss_aside)]
    parts.append("<h2>Backward pass and update</h2>")
    parts.append(
        '<p class="note">A path leads from a weight to the loss. Along it the local derivatives are multiplied; the '
        "products of all paths together are the gradient.</p>"
    )
    if step.rule:
        parts.append(f'<p class="note">The rule of {escape(step.optimizer)}: {escape(step.rule)}</p>')
    parts += [_weight(weight, place == 0) for place, weight in enumerate(step.weights)]
    if step.legend:
        rows = [[escape(name), f"= {escape(text)}"] for name, text in step.legend.items()]
        parts += ["<h2>Where</h2>", table(rows, left=(0, 1))]
    return "\n".join(part for part in parts if part)


def _value(equation: Equation) -> str:
    return MATHML.inline(MATHML.joined([MATHML.symbol(equation.symbol), MATHML.number(equation.value)]))


def _line(formulas: Iterable[str]) -> str:
    return f"<p>{'&emsp;'.join(formulas)}</p>"


def _equations(equations: Sequence[Equation], notation: MathML = MATHML) -> str:
    return "\n".join(notation.formula(_sides(one, notation)) for one in equations)


def _sides(equation: Equation, notation: MathML) -> list[str]:
    *others, last = notation.sides(equation.symbol, equation.expression)
    return [*others, f"{last}<mtext>&emsp;({escape(equation.note)})</mtext>" if equation.note else last]


def _aside(equations: Sequence[Equation], notation: MathML = MATHML) -> str:
    return f'<p class="note">where</p>\n{_equations(equations, notation)}' if equations else ""


def _layer(layer: LayerStep, opened: bool) -> str:
    size = " × ".join(map(str, layer.shape)) or "1"
    hidden = f'<p class="note">… and {layer.hidden:,} more values</p>' if layer.hidden else ""
    notation = MathML(layer.label)
    summary = f'{escape(layer.name)} <span class="note">{escape(layer.kind)}, {size}</span>'
    return fold(summary, _equations(layer.equations, notation) + _aside(layer.aside, notation) + hidden, opened)


def _weight(weight: WeightStep, opened: bool) -> str:
    symbol, gradient = MATHML.symbol(weight.symbol), MATHML.symbol(Symbol("L", by=weight.symbol))
    alone = len(weight.paths) == 1 and weight.complete
    parts = [
        _path(path, gradient if alone else "<mtext>product</mtext>") if place < _OPENED else _folded(path)
        for place, path in enumerate(weight.paths)
    ]
    if not weight.paths and weight.complete:
        parts.append(f"<p>{MATHML.inline(MATHML.joined([gradient, MATHML.number(0.0)]))}: {NO_PATH}.</p>")
    elif not alone:
        shown = [MATHML.write(add(Number(path.product) for path in weight.paths[:4]))]
        more = ["<mo>…</mo>"] if len(weight.paths) > 4 else []
        others = [] if weight.complete else [f"<mtext>all other paths:&nbsp;</mtext>{MATHML.number(weight.rest)}"]
        total = "<mo>+</mo>".join(f"<mrow>{one}</mrow>" for one in (*shown, *more, *others))
        sides = [side for side in (gradient, total, MATHML.number(weight.gradient)) if side]
        parts.append("<p>The sum over all paths:</p>" + MATHML.formula(sides))
    if weight.update:
        parts.append(f"<h3>Update</h3>\n{_equations(weight.update)}{_aside(weight.aside)}")
    alias = "" if escape(weight.name) in symbol else f' <span class="note">{escape(weight.name)}</span>'
    summary = (
        f"{MATHML.inline(MATHML.joined([symbol, MATHML.number(weight.value)]))}{alias}&ensp;"
        f"{MATHML.inline(MATHML.joined([gradient, MATHML.number(weight.gradient)]))}"
        + (f"&ensp;→ new {number(weight.new)}" if weight.update else "")
    )
    return fold(summary, "\n".join(parts), opened)


def _way(path: Path) -> str:
    """The values of a path, each a formula of its own, so that a long one breaks into lines."""
    return " → ".join(MATHML.inline(MATHML.symbol(symbol)) for symbol in path.symbols)


def _folded(path: Path) -> str:
    return fold(f"{_way(path)}&ensp;{number(path.product)}", _locals(path, "<mtext>product</mtext>"))


def _path(path: Path, result: str) -> str:
    return f"<h3>Path {_way(path)}</h3>\n{_locals(path, result)}"


def _locals(path: Path, result: str) -> str:
    """A table of the local derivatives, and their product."""
    rows = [
        [
            MATHML.inline(MATHML.joined([_fraction(one), MATHML.write(one.formula)])),
            MATHML.inline(f"<mo>=</mo>{MATHML.number(one.value)}"),
        ]
        for one in path.derivatives
    ]
    sides = [result]
    product = multiply(one.formula for one in path.derivatives)
    if isinstance(product, Product) and len(product.parts) <= _LONG:
        sides += [MATHML.write(product), MATHML.write(product, numbers=True)]
    return table(rows, left=(0, 1)) + MATHML.formula([*sides, MATHML.number(path.product)])


def _fraction(one: LocalDerivative) -> str:
    of, by = MATHML.symbol(one.of), MATHML.symbol(one.by)
    return f"<mfrac><mrow><mo>∂</mo>{of}</mrow><mrow><mo>∂</mo>{by}</mrow></mfrac>"
