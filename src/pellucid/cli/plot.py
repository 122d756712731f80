"""`pellucid plot`: a picture of how a model learned, or of how good its predictions for a table are."""

from __future__ import annotations

from pathlib import Path

import click

from pellucid.cli import console, options


@click.command("plot")
@options.MODEL
@click.argument("data", type=click.Path(path_type=Path), required=False)
@click.option(
    "--kind",
    required=True,
    metavar="KIND",
    help="learning_curves; confusion_matrix, roc, precision_recall for classes; predicted, residuals for numbers.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file to write: .png, .svg or .pdf.")
def command(model: Path, data: Path | None, kind: str, out: Path) -> None:
    """Draw a picture of MODEL, and of its predictions for the rows of DATA, which has the target column.

    \b
    pellucid plot housing.safetensors --kind learning_curves --out curves.png
    pellucid plot housing.safetensors new_houses.csv --kind predicted --out predicted.png

    Learning curves need no DATA. Where DATA holds the rows that the model was trained on, its predictions look better
    than they are for new rows. Pictures need Matplotlib: pip install 'pellucid[plot]'.
    """
    from pellucid.plot.figure import save
    from pellucid.plot.tables import table_plot

    notices: list[str] = []
    axes = table_plot(options.load(model), data, kind, notices)
    options.notes(notices)
    save(axes, out)
    console.say(f"wrote {out}")
