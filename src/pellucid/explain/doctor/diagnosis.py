"""`Diagnosis`: all that the doctor found, as text for a terminal, as a page, and as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pellucid.explain.doctor.faults import fault
from pellucid.explain.doctor.findings import Finding
from pellucid.explain.page import escape, fold, table
from pellucid.explain.rendered import Rendered

_STYLE = "border-left:4px solid var(--warn);padding:.1rem 1rem .6rem;margin:1.6rem 0"


@dataclass(frozen=True, repr=False)
class Diagnosis(Rendered):
    """What the doctor looked at, and the findings, in the order of their codes.

    >>> diagnosis = Diagnosis((), ("data: 100 rows",))
    >>> bool(diagnosis), diagnosis.codes
    (False, [])
    """

    findings: tuple[Finding, ...]
    looked_at: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()  # what could not be looked at, and why

    def __bool__(self) -> bool:
        return bool(self.findings)

    @property
    def codes(self) -> list[str]:
        """The codes of the findings."""
        return [finding.code for finding in self.findings]

    @property
    def title(self) -> str:
        count = len(self.findings)
        return "The doctor's diagnosis: " + (f"{count} finding{'s' * (count != 1)}" if count else "nothing found")

    def text(self) -> str:
        lines = [self.title, ""]
        lines += [f"  looked at   {item}" for item in self.looked_at]
        lines += [f"  left out    {item}" for item in self.left_out]
        blocks = ["\n".join(lines).rstrip(), *(finding.text() for finding in self.findings)]
        if self.findings:
            blocks.append(f"More on each: pellucid help {self.findings[0].code}")
        return "\n\n".join(blocks)

    def body(self) -> str:
        rows = [("looked at", escape(item)) for item in self.looked_at]
        rows += [("left out", escape(item)) for item in self.left_out]
        parts = [table(rows, left=(0, 1))] if rows else []
        return "\n".join([*parts, *map(_section, self.findings)])

    def to_json(self) -> dict[str, Any]:
        return {
            "findings": [finding.to_json() for finding in self.findings],
            "looked_at": list(self.looked_at),
            "left_out": list(self.left_out),
        }


def _section(finding: Finding) -> str:
    """One finding: what, why and repair in the open; the numbers, and the fault at length, folded."""
    known = fault(finding.code)
    numbers = table([(escape(name), escape(_shown(value))) for name, value in finding.evidence.items()])
    repairs = "".join(f"<li>{escape(one)}</li>" for one in known.repairs)
    more = (
        f"<p>{escape(known.meaning)}</p><h3>How it arises</h3><p>{escape(known.causes)}</p>"
        f"<h3>How to see it</h3><p>{escape(known.signs)}</p><h3>Repairs</h3><ul>{repairs}</ul>"
        f'<p class="note">Source: {escape(known.source)}</p>'
    )
    return (
        f'<section style="{_STYLE}">'
        f"<h3><code>{finding.code}</code> {escape(finding.title)}: {escape(finding.where)}</h3>"
        f"<p>{escape(finding.what)}.</p><p>{escape(finding.why)}</p>"
        f"<p><strong>Repair:</strong> {escape(finding.repair)}</p>"
        f"{fold('The numbers', numbers)}{fold(f'More on {finding.code}', more)}</section>"
    )


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
