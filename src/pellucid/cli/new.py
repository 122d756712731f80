"""`pellucid new`: a recipe of your own: one of the worked examples as a file to run and to change."""

from __future__ import annotations

import ast
from pathlib import Path

import click

from pellucid.cli import console, options
from pellucid.explain.numbers import columns

PACKAGE = Path(__file__).parents[1]


@click.command("new")
@click.argument("name", required=False)
@click.option("--out", type=click.Path(path_type=Path), help="The file to write; NAME.py here by default.")
@options.JSON
def command(name: str | None, out: Path | None, as_json: bool) -> None:
    """Copy the recipe NAME into this folder, ready to run and to change.

    Without NAME, list all recipes: each trains one kind of network for one job, on real data, in about a hundred lines.
    """
    recipes = {path.stem: path for path in sorted(_folder().glob("*.py"))}
    if name is None:
        titles = [(recipe, _title(path)) for recipe, path in recipes.items()]
        if as_json:
            console.document([{"name": recipe, "title": title} for recipe, title in titles])
        else:
            console.out(columns(titles, indent="", left=(0, 1)))
        return
    from pellucid.errors import UnknownNameError

    name = name.removesuffix(".py")
    if name not in recipes:
        raise UnknownNameError("recipe", name, recipes)
    target = out or Path(f"{name}.py")
    if target.exists():
        raise click.UsageError(f"{target} exists already; name another file with --out")
    text = recipes[name].read_text(encoding="utf-8").replace(f"python examples/{name}.py", f"python {target}")
    target.write_text(text, encoding="utf-8")
    quick = " --quick" if "--quick" in text else ""
    if as_json:
        console.document({"file": str(target), "run": f"python {target}{quick}"})
    else:
        console.say(f"wrote {target}; next: python {target}{quick}")


def _folder() -> Path:
    """Where the recipes are: beside the package's modules once it is installed, else in its repository."""
    installed = PACKAGE / "examples"
    return installed if installed.is_dir() else PACKAGE.parents[1] / "examples"


def _title(path: Path) -> str:
    """The first line of what a recipe says about itself."""
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return said.partition("\n")[0]
