"""Permutation importance: how much worse a network does when one column is shuffled among the rows.

What a column says about its row is destroyed, while its values stay as they were. Breiman 2001, section 10. A column
that others repeat seems less important than it is: they still say it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from pellucid.errors import ArgumentError, UnknownNameError
from pellucid.explain.numbers import columns
from pellucid.explain.rendered import Rendered
from pellucid.explain.why_html import bars
from pellucid.explain.why_text import rounded, signed

Place = tuple[int, int | None]  # the place of an input; which of its last axis, or all
Places = Mapping[str, Sequence[Place]]


@dataclass(frozen=True, eq=False, repr=False)
class Importance(Rendered):
    """By column, the most important first: how much a figure gets worse when the column is shuffled, once per repeat.

    `figure` is its name, `score` what it was before, over `rows` rows.
    """

    figure: str
    score: float
    rows: int
    drops: dict[str, numpy.ndarray]  # [repeats]

    @property
    def title(self) -> str:
        return f"What the {self.figure} rests on"

    @property
    def means(self) -> dict[str, float]:
        """The mean over the repeats."""
        return {name: float(values.mean()) for name, values in self.drops.items()}

    @property
    def spreads(self) -> dict[str, float]:
        """The standard deviation over the repeats."""
        return {name: float(values.std()) for name, values in self.drops.items()}

    def __getitem__(self, name: str) -> float:
        """The mean of one column; raises `UnknownNameError` with those that there are."""
        if name not in self.drops:
            raise UnknownNameError("column", name, self.drops)
        return self.means[name]

    def text(self) -> str:
        """A table, the most important column first."""
        rows = [[name, signed(_short(mean)), f"± {rounded(_short(spread))}"] for name, mean, spread in self._lines()]
        return f"{self._head()}\n\n" + columns([["column", "worse by", ""], *rows])

    def body(self) -> str:
        """Bars, the most important column first."""
        rows = [(name, _short(mean), [f"± {rounded(_short(spread))}"]) for name, mean, spread in self._lines()]
        return f'<p class="lead">{self._head()}</p>\n' + bars(rows, ["column", "spread", "worse by"])

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        drops = {name: values.tolist() for name, values in self.drops.items()}
        return {"figure": self.figure, "score": self.score, "rows": self.rows, "means": self.means, "drops": drops}

    def plot(self, ax: Any = None) -> Any:
        """Draw it: `pellucid.plot.importance`."""
        import pellucid

        return pellucid.plot.importance(self, ax=ax)

    def _head(self) -> str:
        repeats = len(next(iter(self.drops.values())))
        return (
            f"{self.figure} {rounded(self.score)} on {self.rows:,} rows; "
            f"worse when one column is shuffled, {repeats} time{'s' * (repeats > 1)} each:"
        )

    def _lines(self) -> list[tuple[str, float, float]]:
        return [(name, self.means[name], self.spreads[name]) for name in self.drops]


def permutation_importance(
    arrays: Sequence[numpy.ndarray],
    places: Places,
    score: Callable[[list[numpy.ndarray]], float],
    figure: str,
    grows: bool,
    repeats: int = 5,
    seed: int = 0,
) -> Importance:
    """How much worse `score(arrays)` gets when each column's `places` in the arrays are shuffled together.

    `grows`: whether a larger score is better. The same seed shuffles in the same way.
    """
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
        raise ArgumentError(f"repeats must be a whole number from 1, got {repeats!r}")
    rows, before = len(arrays[0]), score(list(arrays))
    draw = numpy.random.default_rng(seed)
    drops = {}
    for name, where in places.items():
        worse = []
        for _ in range(repeats):
            after = score(_shuffled(arrays, where, draw.permutation(rows)))
            worse.append(before - after if grows else after - before)
        drops[name] = numpy.array(worse)
    ranked = sorted(drops, key=lambda name: -float(drops[name].mean()))
    return Importance(figure, before, rows, {name: drops[name] for name in ranked})


def _shuffled(arrays: Sequence[numpy.ndarray], where: Sequence[Place], order: numpy.ndarray) -> list[numpy.ndarray]:
    made = list(arrays)
    for place, column in where:
        if column is None:
            made[place] = arrays[place][order]
        else:
            made[place] = arrays[place].copy() if made[place] is arrays[place] else made[place]
            made[place][..., column] = arrays[place][order][..., column]
    return made


def places_of(arrays: Sequence[numpy.ndarray], inputs: Sequence[str], names: Sequence[str] | None = None) -> Places:
    """The columns of a network's inputs: along the last axis, by `names` where there is one input, else "input[i]"."""
    found: dict[str, list[Place]] = {}
    for place, (array, name) in enumerate(zip(arrays, inputs, strict=True)):
        if array.ndim == 1 or array.dtype.kind in "iub":
            found[name] = [(place, None)]
            continue
        count = array.shape[-1]
        if names is not None and (len(inputs) > 1 or len(names) != count):
            raise ArgumentError(
                f"names must be the {count} columns of one input, got {len(names)} for {len(inputs)} inputs"
            )
        for column in range(count):
            found[names[column] if names is not None else f"{name}[{column}]"] = [(place, column)]
    return found


def _short(value: float) -> float:
    """Three digits: more would say nothing of a mean over a few shuffles."""
    return float(f"{value:.3g}")
