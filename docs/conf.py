"""How Sphinx builds the site of docs/: `scripts/docs` builds and opens it.

Pages are Markdown (MyST), the reference comes from the docstrings. Nothing is fetched, neither here nor by a reader's
browser: formulas are MathML, which browsers set themselves, and fonts are the system's.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "extensions"), str(HERE.parent / "src")]

from pellucid import __version__  # noqa: E402 - found by the line above

project = "Pellucid"
author = "the Pellucid authors"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "mathml", "docstrings", "reference"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"
autodoc_typehints = "none"  # signatures say them in the sources; here they would drown the names
autodoc_class_signature = "mixed"
autodoc_member_order = "bysource"
exclude_patterns = ["_build"]
suppress_warnings = ["misc.highlighting_failure"]  # blocks that show half a line of a shell
highlight_language = "text"

html_theme = "furo"
html_title = f"Pellucid {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False

ROOT_PAGES = {"changelog": "CHANGELOG.md", "contributing": "CONTRIBUTING.md"}


def root_pages(app: Any, page: str, source: list[str]) -> None:
    """Pages of the repository's root, and links to them: with paths that hold in docs/."""
    if page in ROOT_PAGES:
        text = (HERE.parent / ROOT_PAGES[page]).read_text(encoding="utf-8")
        source[0] = re.sub(r"\]\((?!\w+:|#)", "](../", text).replace("](../docs/", "](")
        source[0] = re.sub(r"\[([^]]+)\]\(\.\./[^)]+\.md\)", r"\1", source[0])  # no page of the site
    for name, file in ROOT_PAGES.items():
        source[0] = source[0].replace(f"](../{file}", f"]({name}.md")


def setup(app: Any) -> None:
    app.connect("source-read", root_pages)
