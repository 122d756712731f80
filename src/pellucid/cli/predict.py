"""`pellucid predict`: the target of each row of a table, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pellucid.cli import console, options

if TYPE_CHECKING:
    from pellucid.train.tabular import TableModel

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")


@click.command("predict")
@options.MODEL
@options.DATA
@click.option("--out", type=click.Path(path_type=Path), help="File for the CSV, replaced whole.  [default: stdout]")
@click.option("--probabilities", is_flag=True, help="Add one column per class.")
@options.JSON
def command(model: Path, data: Path, out: Path | None, probabilities: bool, as_json: bool) -> None:
    """Predict the target for each row of DATA, in its order, with the labels of the training data.

    Columns are found by name, in any order; the target's column is not needed. The CSV has the column `prediction`,
    and with --probabilities one column `probability of …` per class. A label that a spreadsheet would take for a
    formula gets an apostrophe before it.
    """
    table = options.load(model)
    if probabilities and not table.target.classes:
        raise click.UsageError(
            f"'{table.target.name}' is a number and has no class probabilities; leave out --probabilities"
        )
    notices: list[str] = []
    columns = _predictions(table, data, probabilities, notices)
    options.notes(notices)
    if as_json:
        record = {"model": str(model), "data": str(data), "target": table.target.name, "notices": notices, **columns}
        if out is None:
            console.document(record)
        else:
            _write(out, console.as_json(record) + "\n")
        return
    text = _csv(columns)
    if out is None:
        console.write_data(text)
    else:
        _write(out, text)
        console.say(f"wrote {len(columns['prediction']):,} predictions to {out}")


def _predictions(table: TableModel, data: Path, probabilities: bool, notices: list[str]) -> dict[str, list[Any]]:
    """Columns by name, as plain values."""
    if not table.target.classes:
        return {"prediction": [_shortest(value) for value in table.predict(data, notices)]}
    chances = table.predict_proba(data, notices)
    columns: dict[str, list[Any]] = {"prediction": table.encoder.decode(chances).tolist()}
    if probabilities:
        for place, name in enumerate(table.target.classes):
            columns[f"probability of {name}"] = [_shortest(value) for value in chances[:, place]]
    return columns


def _shortest(value: Any) -> float:
    """The number with the fewest digits that is still this float32."""
    return float(str(value))


def _csv(columns: dict[str, list[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_safe(columns))
    writer.writerows(map(_safe, zip(*columns.values(), strict=True)))
    return text.getvalue()


def _safe(cells: Iterable[Any]) -> list[Any]:
    """Cells that no spreadsheet takes for a formula (CWE-1236); texts that spell numbers stay numbers."""
    return [
        f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) and not _is_number(cell) else cell
        for cell in cells
    ]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _write(path: Path, text: str) -> None:
    from pellucid.data import atomic
    from pellucid.errors import ArgumentError

    try:
        atomic.replace(path, [text.encode()])
    except OSError as error:
        raise ArgumentError(f"{path} cannot be written: {error.strerror}") from error
