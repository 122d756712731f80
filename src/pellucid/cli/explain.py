"""`pellucid explain`: how the prediction for one row comes about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pellucid.cli import console, options

if TYPE_CHECKING:
    from pellucid.data.table import Table
    from pellucid.train.tabular import TableModel


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

    --why compares the row with a usual one, and shares the difference of the two predictions out to the columns. --out
    writes a .txt, .html or .json file.
    """
    from pellucid.data.read import read
    from pellucid.explain.forward import as_json as stages_json
    from pellucid.explain.forward import forward_pass, units_that_matter
    from pellucid.explain.forward_text import render
    from pellucid.train.opening import open_model

    table = options.load(model)
    rows = read(data)
    one = _row(rows, row)
    if why:
        options.show(table.why(one, output=output), "json" if as_json else form, out)
        return
    if form or out or output:
        raise click.UsageError("--format, --out and --class go with --why")
    notices: list[str] = []
    arrays = table.encoder.features(one, notices)
    stages = forward_pass(open_model(table.model, arrays, unrolled=True), table.element_names())
    outputs = stages[-1].values[None]
    place = int(outputs[0].argmax()) if table.target.task == "multiclass" else 0
    units = units_that_matter(stages, place, top)
    record = _answer(table, one, outputs)
    if as_json:
        raw = {name: console.cell(one[name]) for name in one.names}
        console.document(
            {"model": str(model), "data": str(data), "row": row, "columns": raw, **record,
             "layers": stages_json(stages, units), "notices": notices}
        )  # fmt: skip
        return
    options.notes(notices)
    console.out(f"{_headline(table, record, data, row)}\n\n{render(stages, units, top)}")


def _row(table: Table, row: int) -> Table:
    import numpy

    from pellucid.errors import ArgumentError

    if row >= len(table):
        raise ArgumentError(f"--row {row}: {table.name} has {len(table):,} rows, counted from 0 to {len(table) - 1:,}")
    return table.take(numpy.array([row]))


def _answer(table: TableModel, one: Table, outputs: Any) -> dict[str, Any]:
    """The prediction, the probabilities of the classes, and the true value where the table has one."""
    record: dict[str, Any] = {"target": table.target.name, "prediction": table.encoder.decode(outputs).tolist()[0]}
    if table.target.classes:
        chances = table.probabilities(outputs)[0].tolist()
        record["probabilities"] = dict(zip(map(str, table.target.classes), chances, strict=True))
    if table.target.name in one.columns:
        record["true"] = console.cell(one[table.target.name])
    return record


def _headline(table: TableModel, record: dict[str, Any], data: Path, row: int) -> str:
    from pellucid.explain.numbers import number

    predicted, true = record["prediction"], record.get("true")
    text = f"{data.name}, row {row}: {table.target.name} is predicted as "
    if not table.target.classes:
        text += number(predicted)
        return text + (f"; the table says {number(true)}" if isinstance(true, (int, float)) else "")
    text += f"{predicted!r} with probability {record['probabilities'][str(predicted)]:.4f}"
    return text + (f"; the table says {true!r}" if true is not None else "")
