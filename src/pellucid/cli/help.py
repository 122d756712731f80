"""`pellucid help`: what a code of the doctor means."""

from __future__ import annotations

import click

from pellucid.cli import console, options
from pellucid.explain.numbers import columns


@click.command("help")
@click.argument("code", required=False)
@options.JSON
def command(code: str | None, as_json: bool) -> None:
    """Explain a finding of the doctor by its CODE, such as D301: what it is, how it arises, how to see it, repairs.

    Without CODE, list all codes.
    """
    from pellucid.explain.doctor import FAULTS, fault

    if code is None:
        if as_json:
            console.document([{"code": one.code, "title": one.title, "repair": one.repair} for one in FAULTS.values()])
        else:
            console.out(columns([(one.code, one.title) for _, one in sorted(FAULTS.items())], indent="", left=(0, 1)))
    elif as_json:
        console.document(vars(fault(code)))
    else:
        console.out(fault(code).text())
