"""`pellucid evaluate`: how good a model's predictions for a table are."""

from __future__ import annotations

from pathlib import Path

import click

from pellucid.cli import console, options


@click.command("evaluate")
@options.MODEL
@options.DATA
@options.JSON
def command(model: Path, data: Path, as_json: bool) -> None:
    """Compare the predictions of MODEL for the rows of DATA with its target column.

    Where DATA holds the rows that the model was trained on, the figures are better than for new rows: those that count
    are the test figures of `pellucid train`, which `pellucid describe MODEL` repeats.
    """
    table = options.load(model)
    notices: list[str] = []
    found = table.evaluate(data, notices)
    if as_json:
        target = {"name": table.target.name, "task": table.target.task}
        console.document(
            {"model": str(model), "data": str(data), "target": target, "metrics": found, "notices": notices}
        )
        return
    options.notes(notices)
    console.out(f"{table.target.name} in {data.name}, {found['rows']:,} rows:\n")
    console.out(options.figures(table.target, found))
