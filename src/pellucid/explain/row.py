"""`RowExplanation`: how the prediction for one example comes about, layer by layer, with the real numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.explain.forward import Stage, as_json, forward_pass, units_that_matter
from pellucid.explain.opened import Opened
from pellucid.explain.rendered import Rendered
from pellucid.explain.why import choose
from pellucid.explain.why_text import rounded
from pellucid.nn.network import Network


@dataclass(frozen=True, eq=False, repr=False)
class RowExplanation(Rendered):
    """The forward pass of one example: raw columns are prepared, each layer sums its inputs times weights, an
    activation bends the sum, the last layer gives the prediction.

    `units` are by layer those that matter most for what comes after; of each sum the `count` largest parts are shown,
    and the rest as one number. `facts` is the answer in plain values.
    """

    headline: str
    stages: Sequence[Stage]
    units: Mapping[str, Sequence[int]]
    count: int
    facts: Mapping[str, Any]

    @property
    def title(self) -> str:
        return self.headline

    def text(self) -> str:
        from pellucid.explain.forward_text import render

        return f"{self.headline}\n\n{render(self.stages, self.units, self.count)}"

    def body(self) -> str:
        from pellucid.explain.forward_html import render

        return render(self.stages, self.units, self.count)

    def latex(self) -> str:
        """A document that every LaTeX sets."""
        from pellucid.explain.forward_latex import render

        return render(self.headline, self.stages, self.units, self.count)

    def to_json(self) -> dict[str, Any]:
        """Plain values: every value of every layer and, of the units shown, every part."""
        return {**self.facts, "layers": as_json(self.stages, self.units)}


def explain_row(
    network: Network,
    opened: Opened,
    output: Any,
    count: int,
    names: Mapping[str, Sequence[str]] | None,
    classes: Sequence[str] | None,
) -> RowExplanation:
    """The forward pass of a network that is opened on one example, towards one of its outputs: see `Model.explain_row`.

    Raises `ShapeError` for several examples, `ArgumentError` and `UnknownNameError` for an output that there is not.
    """
    values = [opened.exact[value][0] for value in opened.outputs.values()]
    chosen = choose(network, output, classes, lambda: values)
    value = float(values[chosen.output].ravel()[chosen.index])
    layer = getattr(getattr(network.outputs[chosen.output].origin, "layer", None), "name", "")
    stages = forward_pass(opened, {layer: classes or (), **(names or {})})
    last = max((i for i, stage in enumerate(stages) if stage.name == layer), default=len(stages) - 1)
    units = units_that_matter(stages[: last + 1], chosen.index, count)
    given = {name: one.tolist() for name, one in zip(opened.outputs, values, strict=True)}
    return RowExplanation(
        f"{chosen.words} is {rounded(value)}", stages, units, count, {"what": chosen.words, "outputs": given}
    )
