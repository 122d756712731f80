"""`Rendered`: what records of explanations share: pages, notebooks, files and pictures from their own renderings."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from pellucid.errors import ArgumentError
from pellucid.explain.page import escape, fragment, page


class Rendered:
    """A record that says itself as text, as a piece of HTML and as plain values."""

    @property
    def title(self) -> str:
        """What is shown, in a few words."""
        raise NotImplementedError

    def text(self) -> str:
        """For a terminal."""
        raise NotImplementedError

    def body(self) -> str:
        """For a page: HTML."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        raise NotImplementedError

    def latex(self) -> str:
        """A document in LaTeX; raises `ArgumentError` where there are no formulas to set."""
        raise ArgumentError(f"{self.title}: it has no formulas to set in LaTeX; ask for text, html or json")

    def html(self) -> str:
        """A page of its own, which opens offline."""
        return page(self.title, f"<h1>{escape(self.title)}</h1>\n{self.body()}")

    def save(self, path: str | Path) -> None:
        """Write .txt, .html, .json or, where there are formulas, .tex; raises `ArgumentError` for another suffix."""
        target = Path(path)
        writers = {".txt": lambda: self.text() + "\n", ".html": self.html, ".json": self._json, ".tex": self.latex}
        if target.suffix not in writers:
            raise ArgumentError(f"cannot save as {target.name!r}; the name must end in {', '.join(writers)}")
        target.write_text(writers[target.suffix](), encoding="utf-8")

    def _json(self) -> str:
        return json.dumps(_finite(self.to_json()), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def _repr_html_(self) -> str:
        return fragment(self.body())

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return self.text()


def _finite(value: Any) -> Any:
    """Plain values with null for NaN and infinities, which JSON has not."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
