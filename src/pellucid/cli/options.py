"""Options and phrases that several commands share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pellucid.cli import console
from pellucid.explain.numbers import columns

if TYPE_CHECKING:
    from pellucid.data.target import Target
    from pellucid.explain.rendered import Rendered
    from pellucid.train.model import Model
    from pellucid.train.tabular import TableModel

DATA = click.argument("data", type=click.Path(path_type=Path))
MODEL = click.argument("model", type=click.Path(path_type=Path))
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
FORMAT = click.option(
    "--format", "form", type=click.Choice(("text", "html", "latex", "json")), help="Text, unless told."
)
OUT = click.option("--out", type=click.Path(path_type=Path), help="The file to write; its suffix says how.")
KIND = click.option(
    "--kind",
    "kinds",
    multiple=True,
    metavar="COLUMN=KIND",
    help="What a column is: number, boolean, category, datetime, ignored, … or its categories in order: size=S,M,L.",
)
TARGET_HELP = "The column to predict."

_SHOWN_CLASSES = 12


def parse_kinds(given: Iterable[str]) -> dict[str, str | list[str]]:
    """`COLUMN=KIND` options as the dict that `Schema.infer` takes."""
    kinds: dict[str, str | list[str]] = {}
    for item in given:
        column, equals, kind = item.rpartition("=")
        if not equals or not column or not kind:
            raise click.BadParameter(f"{item!r} is not COLUMN=KIND, such as zip=category", param_hint="'--kind'")
        kinds[column] = kind.split(",") if "," in kind else kind
    return kinds


def load(path: Path) -> TableModel:
    """The table model of a file."""
    from pellucid.train.tabular import TableModel

    return TableModel.load(path)


def load_any(path: Path) -> TableModel | Model:
    """The table model of a file, or the network of one that holds no table's columns."""
    from pellucid.train.model import Model
    from pellucid.train.saving import read_model
    from pellucid.train.tabular import TableModel

    network, extra = read_model(path)
    if isinstance(extra, dict) and "table" in extra:
        return TableModel.of_file(path, network, extra)
    if not isinstance(network, Model):
        raise click.UsageError(f"{path.name} holds a GAN; open its networks in Python: load_model(…).generator")
    return network


def notes(notices: Iterable[str]) -> None:
    """Each notice as a message."""
    for notice in notices:
        console.note(notice)


def show(record: Rendered, form: str | None, out: Path | None) -> None:
    """Print an explanation in one of its forms, text unless told, or write it into a file."""
    if out is not None:
        record.save(out)
        console.say(f"saved {out}")
    elif form == "json":
        console.document(record.to_json())
    else:
        console.out({"html": record.html, "latex": record.latex}.get(form or "text", record.text)())


def figures(target: Target, found: dict[str, Any]) -> str:
    """The figures of a task as text, with the confusion matrix where there are classes."""
    from pellucid.train.table_figures import LABELS, meaning, names, written

    rows = [(LABELS[name], written(name, found[name]), meaning(name, target)) for name in names(target)]
    text = columns(rows, indent="  ", left=(0, 2))
    return text + "\n\n" + confusion(found) if "confusion_matrix" in found else text


def confusion(found: dict[str, Any]) -> str:
    """The confusion matrix with names; of many classes those that are mistaken most."""
    names = [str(name) for name in found["classes"]]
    matrix = found["confusion_matrix"]
    if len(names) > _SHOWN_CLASSES:
        pairs = [(count, i, j) for i, row in enumerate(matrix) for j, count in enumerate(row) if i != j and count]
        most = sorted(pairs, key=lambda pair: (-pair[0], pair[1:]))[:_SHOWN_CLASSES]
        rows = [("true", "taken for", "rows"), *((names[i], names[j], f"{count:,}") for count, i, j in most)]
        return f"  commonest mistakes among {len(names)} classes\n" + columns(rows, indent="    ", left=(0, 1))
    header = ["true \\ predicted", *names]
    body = [[name, *(f"{count:,}" for count in row)] for name, row in zip(names, matrix, strict=True)]
    return columns([header, *body], indent="  ")
