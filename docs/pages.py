"""The code of the pages: what runs, what it is to print, and the pictures that it draws.

    python docs/pages.py docs/learn/loss.md …    run pages, write what they print into them, and draw their pictures

`python` blocks share one namespace per page; `sh` blocks run in bash. A `text` block right after one is what it prints.
Between the two may stand `<!-- numbers vary -->`, where they differ between machines. A picture right after is what the
block's last expression shows: a Matplotlib figure or axes, or what saves itself as SVG or GIF. The tests run all of
it, and compare.
"""

from __future__ import annotations

import ast
import os
import re
import sys
import tempfile
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from pellucid.errors import PellucidError

HERE = Path(__file__).parent
DPI, COLOURS = 110, 256  # of pictures
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# with its sign, and 2·(−3) like 2·3
_NUMBER = re.compile(r"([-+−] ?)?\(?[-+−]?\d[\d,.]*(e[-+]?\d+|·10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?\)?")
_AFTER = re.compile(
    r"\n*(?P<vary><!-- numbers vary -->\n+)?(?:```text\n(?P<text>.*?)^```$)?\n*(?:!\[[^]]*\]\((?P<picture>[^)]+)\))?",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A fenced block: its language, text, first line in the page, and what comes right after it.

    `expected` is what it prints and `at` where that stands in the page; `varies` where numbers differ between machines.
    """

    language: str
    text: str
    line: int
    expected: str | None
    at: tuple[int, int]
    varies: bool
    picture: str | None


def pages() -> list[Path]:
    """The pages whose code runs."""
    found = sorted([*HERE.glob("*.md"), *HERE.glob("learn/**/*.md")])
    return [page for page in found if page.name != "benchmarks.md"]


def blocks(text: str) -> list[Block]:
    """The blocks of a page that run."""
    result = []
    for match in _BLOCK.finditer(text):
        if match[1] in ("python", "sh"):
            after = _AFTER.match(text, match.end())
            assert after
            line = text.count("\n", 0, match.start()) + 2
            picture = after["picture"] if match[1] == "python" else None
            result.append(
                Block(match[1], match[2], line, after["text"], after.span("text"), bool(after["vary"]), picture)
            )
    return result


def run_python(text: str, namespace: dict[str, object], where: str) -> tuple[str, Any]:
    """What a block prints, and the value of its last line if that is an expression."""
    output, value = StringIO(), None
    tree = ast.parse(text, where)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with redirect_stdout(output):
        try:
            exec(compile(tree, where, "exec"), namespace)
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), where, "eval"), namespace)
        except PellucidError as error:
            print(f"pellucid.errors.{type(error).__name__}: {error}")
    return output.getvalue(), value


def matches(expected: str, printed: str, numbers: bool) -> bool:
    """Whether a text is as expected: blanks collapsed, `…` for anything, and numbers only where they are to count."""
    if not numbers:
        expected, printed = _NUMBER.sub("0", expected), _NUMBER.sub("0", printed)
    parts = (re.escape(" ".join(part.split())) for part in expected.split("…"))
    return re.fullmatch(r"\s*" + r".*?".join(parts) + r"\s*", " ".join(printed.split()), re.DOTALL) is not None


def draw(value: Any, path: Path) -> None:
    """Save what a block shows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    from matplotlib import pyplot

    if path.suffix != ".png" and hasattr(value, "save"):
        value.save(path)
        return
    while not hasattr(value, "savefig"):
        value = value.figure if hasattr(value, "figure") else value[0]  # axes, or several of them
    value.savefig(path, dpi=DPI, bbox_inches="tight", pad_inches=0.15)
    pyplot.close(value)
    if path.suffix == ".png":  # in few colours: a third of the size
        from PIL import Image

        Image.open(path).convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
            path, optimize=True
        )


def rewrite(page: Path) -> None:
    """Run a page in a temporary folder; write what it prints into it, and its pictures beside it."""
    text = page.read_text(encoding="utf-8")
    namespace: dict[str, object] = {"__name__": "__main__"}
    changes = []
    for block in blocks(text):
        if block.language == "python":
            printed, value = run_python(block.text, namespace, f"{page}:{block.line}")
            if block.expected is not None and not matches(block.expected, printed, numbers=True):
                changes.append((block.at, printed))
            elif block.expected is None and printed:
                print(f"{page}:{block.line} prints\n{printed}")
            if block.picture:
                draw(value, page.parent / block.picture)
    for (start, end), printed in reversed(changes):
        text = text[:start] + printed + text[end:]
    page.write_text(text, encoding="utf-8")


def main() -> None:
    import matplotlib.pyplot

    matplotlib.use("Agg")
    named = [Path(name).resolve() for name in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for page in named:
            rewrite(page)
            matplotlib.pyplot.close("all")


if __name__ == "__main__":
    main()
