"""A `Why` as a piece of HTML: bars for columns, coloured words for tokens, and pictures."""

from __future__ import annotations

from collections.abc import Sequence

from pellucid.explain.colours import NEGATIVE, POSITIVE
from pellucid.explain.page import escape, table
from pellucid.explain.pixels import gray, overlay, picture
from pellucid.explain.why import Share, Why, visible
from pellucid.explain.why_text import closing, largest, regions, rounded, signed

_SHOWN = 24
_BAR = 11.0  # em, to each side


def render(why: Why) -> str:
    """The explanation, without the frame of its page."""
    lead = (
        f'<p class="lead">{escape(why.compared[:1].upper() + why.compared[1:])} gives {rounded(why.baseline)}. '
        f"The difference of {signed(why.prediction - why.baseline)} is made of:</p>"
    )
    parts = [_titled(why, share) for share in why.inputs]
    return "\n".join([lead, *parts, f'<p class="note">{escape(closing(why))}</p>'])


def bars(rows: Sequence[tuple[str, float, Sequence[str]]], head: Sequence[str]) -> str:
    """One bar for each number, to the right where it is positive; `rows` are (name, number, more cells)."""
    most = max((abs(value) for _, value, _ in rows), default=0.0) or 1.0
    lines = [[escape(name), *map(escape, more), bar(value / most), signed(value)] for name, value, more in rows]
    return table(lines, head=[*map(escape, head[:-1]), "", escape(head[-1])], left=range(len(head)))


def legend() -> str:
    """What the colours say."""
    return (
        f'<p class="note"><span style="color:{POSITIVE}">■</span> raises the output&ensp;'
        f'<span style="color:{NEGATIVE}">■</span> lowers it; the stronger, the more</p>'
    )


def _titled(why: Why, share: Share) -> str:
    title = f"<h2>{escape(share.name)}</h2>\n" if len(why.inputs) > 1 else ""
    return title + {"picture": _picture, "tokens": _tokens, "columns": _columns, "steps": _columns}[share.form](share)


def _columns(share: Share) -> str:
    places, rest, others = largest(share, _SHOWN)
    places = sorted(places) if share.form == "steps" else places
    more = [cells for cells in (share.shown, share.usual) if cells]
    rows: list[tuple[str, float, Sequence[str]]] = [
        (share.labels[i], float(share.contributions.ravel()[i]), [cells[i] for cells in more]) for i in places
    ]
    if others:
        rows.append((f"{others} other{'s' * (others > 1)}", rest, [""] * len(more)))
    return bars(rows, ["step" if share.form == "steps" else "column", *["value", "usual"][: len(more)], "contribution"])


def _tokens(share: Share) -> str:
    most = float(abs(share.contributions).max()) or 1.0
    words = []
    count = max((i for i, label in enumerate(share.labels, 1) if label), default=0)  # padding follows
    for label, value in zip(share.labels[:count], share.contributions.ravel().tolist(), strict=False):
        colour = POSITIVE if value > 0 else NEGATIVE
        strength = round(62 * (abs(value) / most) ** 0.8)
        style = f"background:color-mix(in srgb,{colour} {strength}%,transparent);padding:.1em .28em;border-radius:4px"
        words.append(f'<span style="{style}" title="{escape(signed(value))}">{escape(visible(label))}</span>')
    ranked, _, _ = largest(share, 10)
    rows: list[tuple[str, float, Sequence[str]]] = [
        (visible(share.labels[i]), float(share.contributions.ravel()[i]), [str(i)]) for i in ranked
    ]
    text = f'<p style="font-size:1.15rem;line-height:2.1">{" ".join(words)}</p>'
    return f"{text}\n{legend()}\n{bars(rows, ['token', 'place', 'contribution'])}"


def _picture(share: Share) -> str:
    shown = picture(gray(share.values), f"{share.name} as it was given")
    coloured = picture(overlay(share.values, share.pixels), "what each pixel contributes")
    figures = "".join(
        f'<figure style="margin:.4rem 0">{image}<figcaption>{words}</figcaption></figure>'
        for image, words in ((shown, "given"), (coloured, "what each pixel contributes"))
    )
    rows: list[tuple[str, float, Sequence[str]]] = [(name, value, []) for name, value in regions(share)[:8] if value]
    return f'<div style="display:flex;gap:1.5rem;flex-wrap:wrap">{figures}</div>\n{legend()}\n' + bars(
        rows, ["block of the picture", "contribution"]
    )


def bar(share: float, reach: float = _BAR) -> str:
    """A bar from the middle: its length is the share of the longest, which reaches that many em to its side."""
    width = abs(share) * reach
    colour, left = (POSITIVE, reach) if share > 0 else (NEGATIVE, reach - width)
    outer = f"display:inline-block;position:relative;width:{2 * reach}em;height:1em;vertical-align:middle"
    axis = f"position:absolute;left:{reach}em;width:1px;top:-.25em;bottom:-.25em;background:var(--line)"
    inner = f"position:absolute;left:{left:.3f}em;width:{width:.3f}em;top:.05em;bottom:.05em;background:{colour}"
    return f'<span style="{outer}"><span style="{axis}"></span><span style="{inner}"></span></span>'
