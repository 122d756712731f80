"""`pellucid explain`: how a prediction comes about, why it is so, and how training would change it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pellucid.cli import options

if TYPE_CHECKING:
    from pellucid.explain.rendered import Rendered
    from pellucid.train.model import Model
    from pellucid.train.tabular import TableModel


@click.command("explain")
@options.MODEL
@options.DATA
@click.option("--row", type=click.IntRange(min=0), help="The example, counted from 0, where DATA has several.")
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
@click.option("--target", help="With --weight, unless MODEL knows it: the column or array of DATA with the true value.")
@click.option("--divide", type=float, help="Divide the numbers of DATA, as training did: 255 for pixels of 0 to 1.")
@options.FORMAT
@options.OUT
@options.JSON
def command(
    model: Path,
    data: Path,
    row: int | None,
    top: int,
    weights: tuple[str, ...],
    why: bool,
    output: str | None,
    target: str | None,
    divide: float | None,
    form: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Show the forward pass of one example, layer by layer, with the real numbers.

    Raw columns are prepared; each layer sums its inputs times weights; an activation bends the sum; the last layer
    gives the prediction. Of each layer the units are shown that matter most for what comes after, of each sum the
    largest parts, and the rest as one number. --json has every value and, of the same units, every part.

    DATA is a table with the columns that MODEL was trained on. For a network that was made by hand it is a table of
    numbers, one column for each that the network takes, arrays of NumPy (.npy, or .npz with one for each input), or an
    image file.

    --weight shows a training step on the row instead: each local derivative on the way from that weight to the loss as
    formula and number, their product, and what the optimizer makes of it. LAYER/NAME without an index stands for its
    weight with the largest gradient. The row needs its true value.

    --why compares the row with a usual one (made by hand: with zeros), and shares the difference of the two
    predictions out to columns, steps, words or pixels.

    --out writes a .txt, .html, .json or .tex file.

    \b
    pellucid explain fruit.safetensors fruit.csv --row 3
    pellucid explain fruit.safetensors fruit.csv --row 3 --weight hidden_1/kernel[0,2] --out step.html
    pellucid explain digits.safetensors seven.png --divide 255 --why --out why.html
    """
    from pellucid.train.tabular import TableModel

    if why and weights:
        raise click.UsageError("give --why or --weight, not both")
    if output and not why:
        raise click.UsageError("--class goes with --why")
    opened = options.load_any(model)
    if isinstance(opened, TableModel):
        if target or divide:
            raise click.UsageError(f"{model.name} knows its columns and their scale; leave out --target and --divide")
        record = _of_table(opened, data, row, top, weights, why, output)
    else:
        record = _of_network(opened, data, row, top, weights, why, output, target, divide)
    options.show(record, "json" if as_json else form, out)


def _of_table(
    model: TableModel, data: Path, row: int | None, top: int, weights: tuple[str, ...], why: bool, output: str | None
) -> Rendered:
    if why:
        return model.why(data, row, output)
    if weights:
        return model.explain_step(data, row, list(weights))
    notices: list[str] = []
    record = model.explain_row(data, row, top, notices)
    options.notes(notices)
    return record


def _of_network(
    model: Model,
    data: Path,
    row: int | None,
    top: int,
    weights: tuple[str, ...],
    why: bool,
    output: str | None,
    target: str | None,
    divide: float | None,
) -> Rendered:
    from pellucid.data.examples import read_examples

    shapes = {name: value.shape for name, value in zip(model.input_names, model.inputs, strict=True)}
    one = read_examples(data, shapes, target).row(row)
    x = {name: array / divide if divide else array for name, array in one.inputs.items()}
    if why:
        wanted = int(output) if output and output.isdecimal() else output
        return model.why(x, wanted, names=one.columns or None)
    names = dict.fromkeys(x, one.columns)
    if not weights:
        return model.explain_row(x, count=top, names=names)
    if one.truth is None:
        raise click.UsageError(
            f"a training step needs the true value, and {data.name} has none; with --target name a column of a table, "
            "or an array of an .npz file"
        )
    return model.explain_step(x, one.truth, list(weights), names=names)
