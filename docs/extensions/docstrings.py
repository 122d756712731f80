"""Docstrings, which are plain text to be read with `help`, as reStructuredText: labels in bold, code as code.

A paragraph is cut before `Formula:`, `Shapes:`, `Raises` and the like, so that each stands on a line of its own. What
reStructuredText would take for markup (`*`, `|`, a trailing `_`) is escaped; examples are left as they are.
"""

from __future__ import annotations

import re
from typing import Any

LABELS = ("Formula", "Shapes", "Weights", "Weight", "Args", "Raises", "Source", "When called")
_CUT = re.compile(rf"(?:(?<=\. )|(?<=; )|^)({'|'.join(LABELS)})(: | (?=`))")
_CODE = re.compile(r"(`[^`]+`)")


def marked_up(text: str) -> str:
    """A paragraph of plain text, escaped, with its `code` marked."""
    parts = _CODE.split(text)
    for i, part in enumerate(parts):
        if i % 2:
            parts[i] = f"`{part}`"
        else:
            between = r"\ " if i and re.match(r"[^\s.,:;!?)\]}'\"-]", part) else ""  # ends the code before a letter
            parts[i] = between + re.sub(r"([\\*|_])", r"\\\1", part)
    return "".join(parts)


def as_rest(text: str) -> list[str]:
    """The lines of a docstring in reStructuredText."""
    lines: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        if paragraph.lstrip().startswith((">>>", "- ", "1. ")):
            lines += [line if ">>>" in paragraph else marked_up(line) for line in paragraph.splitlines()]
        elif paragraph.startswith("    "):
            lines += ["::", "", *paragraph.splitlines()]
        else:
            one = " ".join(paragraph.split())
            cut = _CUT.sub(lambda match: f"\n{match[1]}{match[2]}", one).strip().splitlines()
            for piece in cut:
                label = _CUT.match(piece)
                lines += [f"**{label[1]}** {marked_up(piece[label.end() :])}" if label else marked_up(piece), ""]
        lines.append("")
    return lines


def process(app: Any, what: str, name: str, item: Any, options: Any, lines: list[str]) -> None:
    lines[:] = as_rest("\n".join(lines))


def setup(app: Any) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
