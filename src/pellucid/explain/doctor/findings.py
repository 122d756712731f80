"""What the doctor gives back: findings, and the diagnosis that holds them, as text and as plain values for JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
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


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor looked at, and the findings, in the order of their codes.

    >>> diagnosis = Diagnosis((), ("data: 100 rows",))
    >>> bool(diagnosis), len(diagnosis.findings)
    (False, 0)
    """

    findings: tuple[Finding, ...]
    looked_at: tuple[str, ...] = ()
    left_out: tuple[str, ...] = field(default=())  # what could not be looked at, and why

    def __bool__(self) -> bool:
        return bool(self.findings)

    @property
    def codes(self) -> list[str]:
        """The codes of the findings."""
        return [finding.code for finding in self.findings]

    def text(self) -> str:
        """The whole diagnosis for a terminal."""
        count = len(self.findings)
        head = "nothing found" if not count else f"{count} finding{'s' * (count != 1)}"
        lines = [f"The doctor's diagnosis: {head}", ""]
        lines += [f"  looked at   {item}" for item in self.looked_at]
        lines += [f"  left out    {item}" for item in self.left_out]
        blocks = ["\n".join(lines).rstrip(), *(finding.text() for finding in self.findings)]
        if count:
            blocks.append(f"More on each: pellucid help {self.findings[0].code}")
        return "\n\n".join(blocks)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "findings": [{**asdict(finding), "evidence": dict(finding.evidence)} for finding in self.findings],
            "looked_at": list(self.looked_at),
            "left_out": list(self.left_out),
        }

    def __repr__(self) -> str:
        return self.text()


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
