"""LaTeX documents: names as LaTeX takes them, tables, and formulas in lines that fit a page."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

_HEAD = r"""\documentclass[fleqn]{article}
\usepackage[a4paper, margin=2cm]{geometry}
\usepackage{amsmath}
\setlength{\mathindent}{1em}
\setlength{\jot}{6pt}
\allowdisplaybreaks
\begin{document}
\raggedright
\setlength{\parindent}{0pt}"""
_LINE = 92.0  # digits of 10 point that a line of formulas holds
MATHEMATICS = {
    "α": r"\alpha", "β": r"\beta", "γ": r"\gamma", "δ": r"\delta", "ε": r"\epsilon", "η": r"\eta", "θ": r"\theta",
    "λ": r"\lambda", "μ": r"\mu", "π": r"\pi", "ρ": r"\rho", "σ": r"\sigma", "φ": r"\varphi", "Δ": r"\Delta",
    "Σ": r"\Sigma", "Φ": r"\Phi", "ŷ": r"\hat{y}", "∂": r"\partial", "∫": r"\textstyle\int", "√": r"\surd",
    "∞": r"\infty",
    "−": "-", "·": r"\cdot", "×": r"\times", "⊙": r"\odot", "±": r"\pm", "≠": r"\ne", "≤": r"\le", "≥": r"\ge",
    "≈": r"\approx", "→": r"\rightarrow", "←": r"\leftarrow", "↔": r"\leftrightarrow", "↵": r"\hookleftarrow",
    "⇥": r"\mapsto", "′": r"^\prime", "‖": r"\Vert", "⌈": r"\lceil", "⌉": r"\rceil", "⌊": r"\lfloor", "⌋": r"\rfloor",
}  # fmt: skip
_LETTERS = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", "'": r"\textquotesingle{}", '"': "''",
    "[": "{[}", "*": "{*}",  # which LaTeX takes for options where they begin a row
    **{letter: f"\\{letter}" for letter in "_%#&${}"},
    **{letter: rf"\ensuremath{{{name}}}" for letter, name in MATHEMATICS.items()},
}  # fmt: skip
_PLAIN = frozenset("–—‘’“”…␣°µ£§½")  # that every LaTeX knows, beside most letters of Latin-1 and Latin Extended-A
_OTHER = frozenset("ĄąĘęĮįŲųÐðÞþĐđŊŋĦħĸŦŧĿŀŉ")  # that need other fonts
_RAISED = {"<super>": "^", "<sub>": "_"}


def escaped(text: str) -> str:
    """Any text as LaTeX takes it; letters beyond Latin ones, which need fonts of their own, by their number.

    >>> print(escaped("size_m & 5 % of Köln, 日"))
    size\\_m \\& 5 \\% of Köln, {[}U+65E5]
    """
    return "".join(_letter(letter) for letter in text)


def _letter(letter: str) -> str:
    if letter in _LETTERS:
        return _LETTERS[letter]
    if letter.isascii() or letter in _PLAIN or ("À" <= letter <= "ž" and letter not in _OTHER):
        return letter
    kind, _, code = unicodedata.decomposition(letter).partition(" ")
    if kind in _RAISED and " " not in code:
        return rf"\ensuremath{{{_RAISED[kind]}{_LETTERS.get(chr(int(code, 16)), chr(int(code, 16)))}}}"
    return f"{{[}}U+{ord(letter):04X}]"


def words(text: str) -> str:
    """Plain words within a formula."""
    return rf"\text{{{escaped(text)}}}"


def document(title: str, parts: Sequence[str]) -> str:
    """A document that needs amsmath and geometry, which every LaTeX has."""
    return "\n".join([_HEAD, rf"\section*{{{escaped(title)}}}", *parts, r"\end{document}", ""])


def tabular(rows: Sequence[Sequence[str]], head: Sequence[str] = (), left: Sequence[int] = (0,)) -> str:
    """Cells of plain text; the columns at `left` are flush left, the others flush right."""
    kinds = "".join("l" if place in left else "r" for place in range(len(rows[0])))
    top, *lines = (" & ".join(map(escaped, row)) + r" \\" for row in ([head, *rows] if head else rows))
    top = top + r" \hline" if head else top
    return "\n".join(
        [r"\par\medskip", rf"\begin{{tabular}}{{@{{}}{kinds}@{{}}}}", top, *lines, r"\end{tabular}\par\medskip"]
    )


def aligned(equations: Iterable[Sequence[str]]) -> str:
    """Equations as their sides, lined up; each side of a long one has lines of its own."""
    made = [list(sides) for sides in equations]
    room = _LINE - max((_width(sides[0]) for sides in made), default=0.0)
    lines = [line for sides in made for line in _lines(sides, room)]
    return "\\begin{align*}\n" + " \\\\\n".join(lines) + "\n\\end{align*}"


def _lines(sides: list[str], room: float) -> list[str]:
    first, *others = sides
    whole = " = ".join(others)
    if _width(whole) <= room:
        return [f"{first} &= {whole}"]
    lines: list[str] = []
    for side in others:
        start, *more = broken(side, room - 6)
        lines += [f"{'' if lines else first} &= {start}".lstrip(), *(rf"&\qquad {line}" for line in more)]
    return lines


# Lines of a long formula

_TOKEN = re.compile(
    r"\\text(?:tt)?\{(?:\\.|[^{}\\]|\{[^{}]*\})*\}"  # words
    r"| [+-] | \\cdot |, |\\[A-Za-z]+|\\.|."
)
_WIDTHS = {
    **dict.fromkeys(MATHEMATICS.values(), 1.3), r"\cdot": 1.9, r"\rightarrow": 3.0, r"\infty": 2.0, r"\qquad": 4.0,
    r"\ln": 1.8, r"\sqrt": 1.7, r"\hat": 0.0, "=": 2.7, "+": 2.5, "-": 2.0, "}": 0.0, ",": 0.8,
}  # fmt: skip
_FRACTIONS = (r"\frac", r"\dfrac")
_DEEPEST = 3  # brackets within each other that are broken
_SMALL = 0.75  # what stands above or below


def broken(formula: str, room: float) -> list[str]:
    """A formula in lines no wider than `room` digits, cut before a plus or minus, and where need be before a dot or
    after a comma; a fraction wider than a line is written with a slash.

    A bracket that is open at the end of a line is closed there, unseen, and opened again.
    """
    lines, line, used, depth = list[str](), "", 0.0, 0
    for piece in _pieces(formula, room):
        wide = _width(piece)
        if line and used + wide > room:
            lines.append(line + r" \right." * depth)
            line, used = r"\left. " * depth + "{}" + piece, wide
        else:
            line, used = line + piece, used + wide
        depth += piece.count(r"\left") - piece.count(r"\right")
    return [*lines, line]


def _pieces(formula: str, room: float, brackets: int = 0) -> Iterator[str]:
    """The formula cut into pieces that fit, where it can be; within `brackets` only where it must be."""
    for summand in _cut(formula, (" + ", " - "), brackets):
        for piece in _cut(summand, (r" \cdot ", ", "), brackets) if _width(summand) > room else [summand]:
            flat = _with_slash(piece) if _width(piece) > room else piece
            if flat != piece:
                yield from _pieces(flat, room, brackets)
            elif _width(piece) > room and brackets < _DEEPEST:
                yield from _pieces(piece, room, brackets + 1)
            else:
                yield piece


def _cut(formula: str, signs: Sequence[str], brackets: int = 0) -> list[str]:
    """The formula in pieces that begin with a sign, or end with a comma; what stands in braces stays whole."""
    pieces, braces, depth = [""], 0, 0
    for token in _TOKEN.findall(formula):
        braces += (token == "{") - (token == "}")
        depth += (token == r"\left") - (token == r"\right")
        ends = token in signs and braces == 0 and depth <= brackets
        if ends and token != ", " and pieces[-1]:
            pieces.append("")
        pieces[-1] += token
        if ends and token == ", ":
            pieces.append("")
    return pieces


def _with_slash(formula: str) -> str:
    """The first fraction that stands in no braces as (top) / bottom; brackets where they are needed."""
    tokens = iter(_TOKEN.findall(formula))
    before, depth = "", 0
    for token in tokens:
        if depth == 0 and token in _FRACTIONS:
            top, bottom = _braced(tokens), _braced(tokens)
            top = top if len(_cut(top, (" + ", " - "))) == 1 else rf"\left({top}\right)"
            bottom = bottom if len(_cut(bottom, (" + ", " - ", r" \cdot "))) == 1 else rf"\left({bottom}\right)"
            return f"{before}{top} / {bottom}{''.join(tokens)}"
        depth += (token == "{") - (token == "}")
        before += token
    return formula


def _braced(tokens: Iterator[str]) -> str:
    """What stands in the next braces."""
    inside, depth = "", 0
    for token in tokens:
        depth += (token == "{") - (token == "}")
        if depth == 0:
            break
        inside += token
    return inside[1:]


def _width(formula: str) -> float:
    """About how many digits wide a formula is."""
    return _group(iter(_TOKEN.findall(formula)))


def _group(tokens: Iterator[str]) -> float:
    """The width up to the closing brace."""
    total = 0.0
    for token in tokens:
        if token == "}":
            break
        total += _one(token.strip(), tokens)
    return total


def _one(token: str, tokens: Iterator[str]) -> float:
    if token == "{":
        return _group(tokens)
    if token in ("_", "^"):
        return _SMALL * _one(next(tokens, ""), tokens)
    if token in _FRACTIONS:
        return max(_one(next(tokens, ""), tokens), _one(next(tokens, ""), tokens)) + 0.5
    if token == r"\underbrace":
        above = _one(next(tokens, ""), tokens)
        return max(above, _one(next(tokens, ""), tokens))
    if token.startswith(r"\text"):
        inside = token[token.index("{") + 1 : -1]
        return 1.05 * len(re.sub(r"\\[A-Za-z]+(\{\})?|\\.", "x", inside))
    return _WIDTHS.get(token, 0.0 if len(token) > 1 or not token else 1.0)
