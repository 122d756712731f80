"""`Fault`: what can be wrong, described at length; and the registry of all of them by code."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pellucid.errors import UnknownNameError
from pellucid.explain.doctor.findings import Finding

View = TypeVar("View")
_WIDTH = 100


@dataclass(frozen=True)
class Fault:
    """A fault that the doctor knows. `why` and `repair` are one sentence each; the rest is for `pellucid help CODE`."""

    code: str
    title: str
    why: str
    repair: str
    meaning: str
    causes: str
    signs: str
    repairs: tuple[str, ...]
    source: str
    follows_from: tuple[str, ...] = ()  # codes of faults that explain it: where one is found, this one is not reported

    def found(self, where: str, what: str, repair: str = "", **evidence: Any) -> Finding:
        """A finding of this fault."""
        return Finding(self.code, self.title, where, what, evidence, self.why, repair or self.repair)

    def text(self) -> str:
        """The fault at length, for a terminal."""
        parts = [("What it is", self.meaning), ("Why it matters", self.why), ("How it arises", self.causes)]
        parts += [("How to see it", self.signs), ("Repairs", "")]
        blocks = [f"{self.code}  {self.title}"]
        for title, sentence in parts:
            body = [textwrap.fill(sentence, _WIDTH, initial_indent="  ", subsequent_indent="  ")] if sentence else []
            blocks.append("\n".join([title, *body]))
        blocks[-1] += "".join(
            "\n" + textwrap.fill(one, _WIDTH, initial_indent="  - ", subsequent_indent="    ") for one in self.repairs
        )
        return "\n\n".join([*blocks, textwrap.fill(f"Source: {self.source}", _WIDTH)])

    def markdown(self) -> str:
        """The same as a section of the documentation."""
        repairs = "\n".join(f"- {one}" for one in self.repairs)
        return (
            f"### {self.code}: {self.title}\n\n{self.meaning} {self.why}\n\n**How it arises.** {self.causes}\n\n"
            f"**How to see it.** {self.signs}\n\n**Repairs.**\n\n{repairs}\n\n*Source: {self.source}*"
        )


FAULTS: dict[str, Fault] = {}


def register(fault: Fault) -> Fault:
    """Make a fault known by its code; raises `ValueError` where the code is taken."""
    if fault.code in FAULTS:
        raise ValueError(f"the code {fault.code} is taken by {FAULTS[fault.code].title!r}")
    FAULTS[fault.code] = fault
    return fault


def fault(code: str) -> Fault:
    """A fault by its code, in either case; raises `UnknownNameError` with the nearest one."""
    found = FAULTS.get(code.upper())
    if found is None:
        raise UnknownNameError("code", code, FAULTS)
    return found


def without_consequences(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings by code, without those that others of them explain."""
    found = sorted(findings, key=lambda finding: finding.code)
    codes = {finding.code for finding in found}
    return tuple(finding for finding in found if not codes.intersection(FAULTS[finding.code].follows_from))


class Family(Generic[View]):
    """Checks that look at the same kind of thing."""

    def __init__(self) -> None:
        self._checks: list[tuple[Fault, Callable[[Fault, View], Iterable[Finding]]]] = []

    def check(
        self, fault: Fault
    ) -> Callable[[Callable[[Fault, View], Iterable[Finding]]], Callable[[Fault, View], Iterable[Finding]]]:
        """Register a fault and the function that finds it, which is given the fault and what to look at."""
        register(fault)

        def keep(function: Callable[[Fault, View], Iterable[Finding]]) -> Callable[[Fault, View], Iterable[Finding]]:
            self._checks.append((fault, function))
            return function

        return keep

    def examine(self, view: View) -> list[Finding]:
        """What all checks of the family find."""
        return [finding for fault, function in self._checks for finding in function(fault, view)]
