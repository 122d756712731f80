"""The skeleton of every self-contained HTML page: one file that opens offline, light or dark as its reader's screen is.

`page` makes a whole document, `fragment` the same body for a notebook. Both share one style sheet, whose rules hold
inside `.pellucid` alone, and one palette of CSS variables (`--ink`, `--paper`, …) that drawings may use too. A page
asks the network for nothing: its content security policy forbids every address but those inside the file.

Text becomes HTML through `escape` alone; every other function here takes and returns HTML.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape as _escape
from typing import Any

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:; media-src data:; "
    "font-src data:"
)
_STYLE = """
.pellucid{--ink:#1c2430;--faint:#5d6878;--line:#d9dee6;--paper:#fff;--panel:#f5f7fa;--accent:#1f5fbf;
--good:#1a7f4b;--warn:#a15c00;--bad:#b3261e;--mark:#fff3c4;
color-scheme:light;color:var(--ink);background:var(--paper);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;overflow-wrap:anywhere}
@media (prefers-color-scheme:dark){.pellucid{--ink:#e6eaf0;--faint:#9aa6b6;--line:#37404d;--paper:#14181f;
--panel:#1d232c;--accent:#7fb2ff;--good:#5fce96;--warn:#f0b357;--bad:#ff8a80;--mark:#4a4014;color-scheme:dark}}
main.pellucid{max-width:68rem;margin:0 auto;padding:2rem 1.25rem 4rem;box-sizing:border-box}
div.pellucid{padding:.5rem 1rem;border:1px solid var(--line);border-radius:8px}
.pellucid h1{font-size:1.75rem;line-height:1.2;margin:0 0 .5rem}
.pellucid h2{font-size:1.25rem;line-height:1.3;margin:2.2rem 0 .6rem;padding-bottom:.25rem;
border-bottom:1px solid var(--line)}
.pellucid h3{font-size:1.03rem;margin:1.3rem 0 .35rem}
.pellucid p{margin:.5rem 0}
.pellucid .lead{font-size:1.08rem;color:var(--faint)}
.pellucid .note,.pellucid .note td{color:var(--faint);font-size:.92rem}
.pellucid a{color:var(--accent)}
.pellucid code,.pellucid pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,
"DejaVu Sans Mono",monospace;font-size:.9em}
.pellucid pre{background:var(--panel);padding:.7rem .9rem;border-radius:6px;overflow-x:auto}
.pellucid .wide{overflow-x:auto}
.pellucid table{overflow-wrap:normal;border-collapse:collapse;margin:.6rem 0;font-variant-numeric:tabular-nums}
.pellucid th,.pellucid td{padding:.22rem .8rem;text-align:right;
border-bottom:1px solid var(--line);vertical-align:baseline}
.pellucid th{white-space:nowrap;color:var(--faint);font-weight:600}
.pellucid th.left,.pellucid td.left{text-align:left}
.pellucid details{margin:.45rem 0;border:1px solid var(--line);border-radius:7px;background:var(--panel)}
.pellucid details>summary{cursor:pointer;padding:.4rem .8rem;font-weight:600}
.pellucid details>div{padding:.15rem 1rem .7rem;background:var(--paper);border-radius:0 0 7px 7px;overflow-x:auto}
.pellucid .formula{margin:.3rem 0;overflow-x:auto;overflow-y:hidden;padding:.15rem 0 .15rem 1.6rem;
text-indent:-1.6rem}
.pellucid math{font-size:1.08em}
.pellucid .formula span{display:inline-block;text-indent:0;padding:.25rem 0}
.pellucid .formula math{math-style:normal}
.pellucid svg{max-width:100%;height:auto}
.pellucid figure{margin:1rem 0}
.pellucid figcaption{color:var(--faint);font-size:.92rem}
.pellucid button,.pellucid input,.pellucid select{font:inherit}
@media print{.pellucid details>summary{list-style:none}main.pellucid{max-width:none;padding:0}}
"""


def page(title: str, body: str, script: str = "", style: str = "") -> str:
    """A whole document. `title` is plain text; `body` HTML; `script` and `style` what the page needs of its own.

    >>> page("A & B", "<p>hello</p>").splitlines()[5]
    '<title>A &amp; B</title>'
    """
    inside = script.replace("</script", "<\\/script").replace("<!--", "<\\!--")  # strings alone can hold these
    scripts = f"<script>\n{inside}\n</script>\n" if script else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{escape(title)}</title>\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_STYLE}{style}"
        "body{margin:0;background:#fff}@media (prefers-color-scheme:dark){body{background:#14181f}}</style>\n"
        f'</head>\n<body>\n<main class="pellucid">\n{body}\n</main>\n{scripts}</body>\n</html>\n'
    )


def fragment(body: str, style: str = "") -> str:
    """The same body for a notebook (`_repr_html_`): a box with its style sheet, no script."""
    return f'<style>{_STYLE}{style}</style>\n<div class="pellucid">\n{body}\n</div>\n'


def escape(text: object) -> str:
    """Any text as HTML, also inside attributes.

    >>> escape('<w "1">')
    '&lt;w &quot;1&quot;&gt;'
    """
    return _escape(str(text), quote=True)


def fold(summary: str, body: str, opened: bool = False) -> str:
    """A part that the reader can unfold."""
    return f"<details{' open' if opened else ''}><summary>{summary}</summary><div>\n{body}\n</div></details>"


def table(rows: Iterable[Sequence[str]], head: Sequence[str] = (), left: Sequence[int] = (0,)) -> str:
    """Rows of cells; the columns in `left` hold words, the others numbers, which stand on the right."""

    def line(cells: Sequence[str], tag: str) -> str:
        marks = (' class="left"' if place in left else "" for place in range(len(cells)))
        return "".join(f"<{tag}{mark}>{cell}</{tag}>" for mark, cell in zip(marks, cells, strict=True))

    top = f"<thead><tr>{line(head, 'th')}</tr></thead>" if head else ""
    lines = "\n".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return f'<div class="wide"><table>{top}<tbody>\n{lines}\n</tbody></table></div>'


def data(name: str, value: Any) -> str:
    """Plain values for a page's script, which reads them by `JSON.parse(document.getElementById(name).textContent)`.

    NaN and infinities, which JSON has not, must be replaced before.
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    inside = text.replace("<", "\\u003c")  # so that nothing in it can end the element
    return f'<script type="application/json" id="{escape(name)}">{inside}</script>'
