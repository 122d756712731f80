"""`Rendered`: what records of explanations share: pages, notebooks, files and pictures from their own renderings."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pellucid.data.atomic import replace
from pellucid.errors import ArgumentError, DataError
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
        forms = {".txt": lambda: self.text() + "\n", ".html": self.html, ".json": self._json, ".tex": self.latex}
        save(path, forms)

    def _json(self) -> str:
        return json.dumps(_finite(self.to_json()), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def _repr_html_(self) -> str:
        return fragment(self.body())

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return self.text()


def save(path: str | Path, forms: Mapping[str, Callable[[], str | bytes]], *others: str) -> None:
    """Write the form of a record that a file's suffix asks for; `others`: suffixes that the record writes itself.

    Raises `ArgumentError` for a suffix that has no form, `DataError` where the file cannot be written.
    """
    make = forms.get(Path(path).suffix.lower())
    if make is None:
        raise ArgumentError(f"cannot save as {Path(path).name!r}; the name must end in {', '.join((*forms, *others))}")
    made = make()
    write(path, made.encode() if isinstance(made, str) else made)


def write(path: str | Path, content: bytes | memoryview) -> None:
    """Replace a file whole; raises `DataError`, with cause and repair, where it cannot be written."""
    try:
        replace(path, [content])
    except OSError as error:
        raise DataError(f"{path} was not written: {error.strerror}") from error


def _finite(value: Any) -> Any:
    """Plain values with null for NaN and infinities, which JSON has not."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
