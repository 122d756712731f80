"""`.. public:: pellucid.layers`: every public name of a module, with what its docstring says; ops with their formulas.

`:members:` adds the methods of classes.
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from docstrings import as_rest
from docutils import nodes
from docutils.parsers.rst import directives
from public import public
from sphinx.util.docutils import SphinxDirective

import pellucid
from pellucid.core.op import Op


class Public(SphinxDirective):
    """The entries of one module, each as autodoc or, for an op, its formula makes it."""

    required_arguments = 1
    option_spec: ClassVar = {"members": directives.flag}

    def run(self) -> list[nodes.Node]:
        module = self.arguments[0]
        found = public(module)
        lines = [f".. py:currentmodule:: {module}", ""]
        above = [] if module == "pellucid" else pellucid.__all__  # described on the first page
        for name in [name for name in found if name not in above]:
            lines += entry(f"{module}.{name}", found[name], "members" in self.options)
        return self.parse_text_to_nodes("\n".join(lines))


def entry(path: str, item: Any, members: bool) -> list[str]:
    if isinstance(item, Op):
        lines = [f".. py:function:: {path}({', '.join(item.inputs)})", ""]
        formula = ["", ".. math::", "", f"   {item.latex}", ""] if item.latex else ["", f"``{item.formula}``", ""]
        first, *rest = as_rest(inspect.getdoc(item) or "")
        return lines + [f"   {line}" for line in [first, *formula, *rest]] + [""]
    if inspect.isclass(item):
        described = [base.__name__ for base in item.__mro__[1:] if base.__name__ in pellucid.__all__]
        options = ["   :members:", f"   :inherited-members: {', '.join(['object', *described])}"]  # of other bases
        return [f".. autoclass:: {path}", *(options if members else []), ""]
    return [f".. autofunction:: {path}", ""]


def setup(app: Any) -> dict[str, bool]:
    app.add_directive("public", Public)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
