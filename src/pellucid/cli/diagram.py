"""`pellucid diagram`: a picture of a network, with the values of one row of a table."""

from __future__ import annotations

from pathlib import Path

import click

from pellucid.cli import console, options


@click.command("diagram")
@options.MODEL
@click.option("--out", type=click.Path(path_type=Path), help="The file to write: .svg, .png, .pdf, .html or .txt.")
@click.option("--data", type=click.Path(path_type=Path), help="A table, of which one row's values are shown.")
@click.option("--row", type=click.IntRange(min=0), default=0, show_default=True, help="The row, counted from 0.")
@click.option(
    "--show",
    metavar="WHAT",
    help="What the lines mean: weights (default), contributions (default with --data), or gradients of the loss.",
)
def command(model: Path, out: Path | None, data: Path | None, row: int, show: str | None) -> None:
    """Draw the network in MODEL, made by Pellucid for a table or by hand.

    Neurons are circles, lines between them weights: blue above 0, red below, thick where large. Wide layers are folded.
    Without --out the picture is told in words.
    """
    from pellucid.train.tabular import TableModel

    opened = options.load_any(model)
    if isinstance(opened, TableModel):
        picture = opened.diagram(data, row, show or ("weights" if data is None else "contributions"))
    elif data is not None:
        raise click.UsageError(f"--data is for models of tables; {model.name} holds a network without columns")
    else:
        picture = opened.diagram(show=show or "weights")
    if out is None:
        console.out(picture.text())
        return
    picture.save(out)
    console.say(f"saved {out}")
