"""`pellucid explain`: how the prediction for one row comes about, why it is so, and how training would change it."""

from __future__ import annotations

from pathlib import Path

import click

from pellucid.cli import options


@click.command("explain")
@options.MODEL
@options.DATA
@click.option("--row", type=click.IntRange(min=0), required=True, help="The row of DATA, counted from 0.")
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="Units per layer, and parts per sum, that are shown.",
)
@click.option(
    "--weight",
    "weights",
    multiple=True,
    metavar="LAYER/NAME[i,j]",
    help="Show instead a training step on the row: the chain rule from this weight to the loss, and its update.",
)
@click.option("--why", is_flag=True, help="Show instead what each column contributes to the prediction.")
@click.option("--class", "output", help="With --why: the class whose probability is explained; the predicted one else.")
@options.FORMAT
@options.OUT
@options.JSON
def command(
    model: Path,
    data: Path,
    row: int,
    top: int,
    weights: tuple[str, ...],
    why: bool,
    output: str | None,
    form: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Show the forward pass of one row, layer by layer, with the real numbers.

    Raw columns are prepared; each layer sums its inputs times weights; an activation bends the sum; the last layer
    gives the prediction. Of each layer the units are shown that matter most for what comes after, of each sum the
    largest parts, and the rest as one number. --json has every value and, of the same units, every part.

    --weight shows a training step on the row instead: each local derivative on the way from that weight to the loss as
    formula and number, their product, and what the optimizer makes of it. LAYER/NAME without an index stands for its
    weight with the largest gradient. The row needs the target's value.

    --why compares the row with a usual one, and shares the difference of the two predictions out to the columns.

    --out writes a .txt, .html, .json or, but for --why, .tex file.

    pellucid explain fruit.safetensors fruit.csv --row 3

    pellucid explain fruit.safetensors fruit.csv --row 3 --weight hidden_1/kernel[0,2] --out step.html
    """
    if why and weights:
        raise click.UsageError("give --why or --weight, not both")
    if output and not why:
        raise click.UsageError("--class goes with --why")
    form = "json" if as_json else form
    table = options.load(model)
    if why:
        options.show(table.why(data, row, output=output), form, out)
    elif weights:
        options.show(table.explain_step(data, row, list(weights)), form, out)
    else:
        notices: list[str] = []
        record = table.explain_row(data, row, top, notices)
        if form != "json":
            options.notes(notices)
        options.show(record, form, out)
