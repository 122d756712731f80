"""`pellucid doctor`: what may be wrong with a table, found before and by a short trial fit."""

from __future__ import annotations

from pathlib import Path

import click

from pellucid.cli import console, options

FOUND = 7


@click.command("doctor")
@options.DATA
@click.option("--target", required=True, metavar="COLUMN", help=options.TARGET_HELP)
@options.KIND
@click.option("--seed", type=int, default=0, show_default=True, help="Of the trial fit.")
@options.JSON
def command(data: Path, target: str, kinds: tuple[str, ...], seed: int, as_json: bool) -> None:
    """Look for what may go wrong when a network learns COLUMN of DATA.

    First the table: broken cells, constant and duplicate columns, a column that gives the target away, rare classes,
    repeated rows. Then the default network is trained for some seconds, and its activations, gradients and losses are
    looked at. Each finding has a code; `pellucid help CODE` explains it at length.

    The exit code is 0 where nothing is found, and 7 where something is.
    """
    from pellucid.train.diagnosing import diagnose_table

    diagnosis = diagnose_table(data, target, options.parse_kinds(kinds), seed)
    if as_json:
        console.document({"data": str(data), "target": target, **diagnosis.to_json()})
    else:
        console.out(diagnosis.text())
    if diagnosis:
        raise click.exceptions.Exit(FOUND)
