"""`pellucid describe`: what the columns of a table mean, or what is in a model file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pellucid.cli import console, options
from pellucid.explain.numbers import columns

if TYPE_CHECKING:
    from pellucid.train.tabular import TableModel

_TABLES = (".csv", ".tsv", ".txt", ".data", ".json", ".jsonl", ".ndjson", ".parquet", ".pq", ".gz")
_WHEN = 10  # epochs of the history that are shown


@click.command("describe")
@click.argument("path", metavar="DATA|MODEL", type=click.Path(path_type=Path))
@click.option(
    "--target", metavar="COLUMN", help="For DATA: " + options.TARGET_HELP[:1].lower() + options.TARGET_HELP[1:]
)
@options.KIND
@options.JSON
def command(path: Path, target: str | None, kinds: tuple[str, ...], as_json: bool) -> None:
    """Show what each column of DATA is taken for, and why; or the layers, columns, history and origin of MODEL."""
    if path.suffix.lower() in _TABLES:
        _describe_table(path, target, kinds, as_json)
    elif target or kinds:
        raise click.UsageError("--target and --kind are for DATA; a model has its target and kinds")
    else:
        _describe_model(path, as_json)


def _describe_table(path: Path, target: str | None, kinds: tuple[str, ...], as_json: bool) -> None:
    from pellucid.data.read import read
    from pellucid.data.schema import Schema

    table = read(path)
    schema = Schema.infer(table, target, options.parse_kinds(kinds))
    if as_json:
        console.document({**schema.to_json(), "notices": [*table.notices, *schema.notices]})
        return
    options.notes(table.notices)
    console.out(str(schema))


def _describe_model(path: Path, as_json: bool) -> None:
    table = options.load(path)
    if as_json:
        console.document(_record(table, path))
        return
    rows, history = table.source["rows"], table.history
    console.out(columns(_origin(table, path), indent="", left=(0, 1)))
    console.out("\nColumns\n")
    console.out(str(table.schema))
    console.out("\nNetwork\n")
    table.summary(print_fn=console.out)
    if history is not None and history.epoch:
        console.out("\nHistory\n")
        console.out(_history(history.epoch, history.history))
    if table.test_metrics is not None:
        console.out(f"\nTest, on {rows['test']:,} rows held out of training\n")
        console.out(options.figures(table.target, table.test_metrics))
    if table.notices:
        console.out("\nNotes\n")
        for notice in table.notices:
            console.out(f"  {notice}")


def _origin(table: TableModel, path: Path) -> list[tuple[str, str]]:
    rows, settings = table.source["rows"], table.settings
    schedule = f"rate {settings.learning_rate:g} falling to 0, decay {settings.weight_decay:g}"
    return [
        ("model", f"{path.name}, {path.stat().st_size:,} bytes"),
        ("predicts", f"{table.target.name}: {table.target.task} ({table.target.reason})"),
        (
            "trained on",
            f"{rows['train']:,} rows of {table.source['name']}, with {rows['validate']:,} more to tell when to stop",
        ),
        ("held out", f"{rows['test']:,} rows"),
        (
            "optimizer",
            f"{settings.optimizer}, {schedule}; batches of {settings.batch_size}; dropout {settings.dropout:g}",
        ),
        ("seed", f"{settings.seed} ({settings.precision}, {settings.executor} executor)"),
    ]


def _history(epochs: list[int], figures: dict[str, list[Any]]) -> str:
    """About ten epochs from the first to the last, evenly apart."""
    count = len(epochs)
    places = sorted({round(i * (count - 1) / (_WHEN - 1)) for i in range(_WHEN)})
    names = [name for name, values in figures.items() if len(values) == count]
    best = min(range(count), key=lambda place: figures["val_loss"][place]) if "val_loss" in names else None
    places = sorted({*places, *([best] if best is not None else [])})
    rows = [("epoch", *names, "")]
    for place in places:
        mark = "best" if place == best else ""
        rows.append((str(epochs[place] + 1), *(f"{figures[name][place]:.4g}" for name in names), mark))
    return columns(rows, indent="  ", left=(len(names) + 1,))


def _record(table: TableModel, path: Path) -> dict[str, Any]:
    from pellucid.nn.summary import summarize

    found, history = summarize(table.model), table.history
    layers = [
        {
            "name": row.name,
            "kind": row.kind,
            "shape": row.shape,
            "weights": row.parameters,
            "inputs": list(row.connected),
        }
        for row in found.rows
    ]
    return {
        "model": str(path),
        "source": table.source,
        "schema": table.schema.to_json(),
        "settings": table.settings.to_json(),
        "layers": layers,
        "weights": found.total,
        "history": None if history is None else {"epoch": history.epoch, **history.history},
        "test_metrics": table.test_metrics,
        "notices": table.notices,
    }
