"""Formulas as MathML: browsers set it without a script, a font or a network, and screen readers can read it.

MathJax and KaTeX would need a megabyte of scripts and fonts in every copy of the site. The translation from LaTeX is
that of docutils, which Sphinx brings along; a formula that it cannot translate ends the build.
"""

from __future__ import annotations

import html
import re
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from docutils.utils.math import latex2mathml
from sphinx.errors import SphinxError

NAMESPACE = "{http://www.w3.org/1998/Math/MathML}"
ElementTree.register_namespace("", NAMESPACE.strip("{}"))


def mathml(source: str, block: bool) -> str:
    try:
        text = latex2mathml.tex2mathml(source, as_block=block)
        tree = ElementTree.fromstring(re.sub(r"&(?!lt;|gt;|amp;)\w+;", lambda entity: html.unescape(entity[0]), text))
    except Exception as error:
        raise SphinxError(f"this formula cannot be set: {source!r}: {error}") from error
    for accented in list(tree.iter(NAMESPACE + "munderover")):
        if accented[2].get("stretchy") == "false":
            beside_the_letter(accented)
    for table in tree.iter(NAMESPACE + "mtable"):
        table.set("displaystyle", "true")  # fractions of aligned equations as large as elsewhere
    return ElementTree.tostring(tree, encoding="unicode")


def beside_the_letter(accented: ElementTree.Element) -> None:
    r"""A letter with an accent and an index, \hat{y}_i: docutils puts the index below the letter."""
    letter, index, accent = list(accented)
    accented.tag = NAMESPACE + "msub"
    both = ElementTree.Element(NAMESPACE + "mover", {"accent": "true"})
    both.extend([letter, accent])
    accented[:] = [both, index]


def visit_math(translator: Any, node: nodes.math) -> None:
    translator.body.append(mathml(node.astext(), block=False))
    raise nodes.SkipNode


def visit_math_block(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="formula">{mathml(node.astext(), block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
