"""`RowExplanation`: how the prediction for one row of a table comes about, layer by layer, with the real numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.explain.forward import Stage, as_json
from pellucid.explain.rendered import Rendered


@dataclass(frozen=True, eq=False, repr=False)
class RowExplanation(Rendered):
    """The forward pass of one row: raw columns are prepared, each layer sums its inputs times weights, an activation
    bends the sum, the last layer gives the prediction.

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
        """A document that needs amsmath alone."""
        from pellucid.explain.forward_latex import render

        return render(self.headline, self.stages, self.units, self.count)

    def to_json(self) -> dict[str, Any]:
        """Plain values: every value of every layer and, of the units shown, every part."""
        return {**self.facts, "layers": as_json(self.stages, self.units)}
