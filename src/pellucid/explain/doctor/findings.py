"""`Finding`: one fault that was found, with the numbers that show it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pellucid.explain.numbers import number

_WIDTH = 100


@dataclass(frozen=True)
class Finding:
    """One fault that was found: its code, where it is, the numbers that show it, why it matters and what to do."""

    code: str
    title: str
    where: str
    what: str  # a sentence with the numbers
    evidence: Mapping[str, Any]  # the numbers
    why: str
    repair: str

    def line(self) -> str:
        """Everything that has to be known, in one line."""
        return f"{self.code} {self.title}, {self.where}: {self.what}. {self.repair} (pellucid help {self.code})"

    def text(self) -> str:
        """A few lines: what, where, why, the repair."""
        parts = [("", self.what), ("why", self.why), ("repair", self.repair)]
        lines = [f"{self.code}  {self.title}: {self.where}"]
        for label, sentence in parts:
            first = f"      {label:<8}" if label else "      "
            lines += textwrap.wrap(sentence, _WIDTH, initial_indent=first, subsequent_indent=" " * len(first))
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "evidence": dict(self.evidence)}


def share(part: float) -> str:
    """A share as a percentage: 12.5 %, 0.03 %.

    >>> share(0.125), share(1.0)
    ('12.5 %', '100 %')
    """
    return f"{number(float(f'{100 * part:.3g}'))} %"


def listed(names: Sequence[str], most: int = 4) -> str:
    """Names for a sentence: the first few, and how many more.

    >>> listed(["a", "b"]), listed(["a", "b", "c"], 1)
    ("'a', 'b'", "'a' and 2 more")
    """
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return shown + (f" and {len(names) - most:,} more" if len(names) > most else "")
