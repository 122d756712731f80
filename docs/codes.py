"""The doctor's codes as the last part of docs/doctor.md, from the texts beside the checks.

python docs/codes.py    write them into the page; the tests compare
"""

from __future__ import annotations

from pathlib import Path

from pellucid.explain.doctor import FAULTS

PAGE = Path(__file__).with_name("doctor.md")
MARK = "<!-- What follows is written by `python docs/codes.py`. -->\n"


def written(text: str) -> str:
    """The page with the sections of all codes after the mark."""
    head, _, _ = text.partition(MARK)
    return head + MARK + "".join(f"\n{FAULTS[code].markdown()}\n" for code in sorted(FAULTS))


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
