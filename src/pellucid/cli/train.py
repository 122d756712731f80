"""`pellucid train`: from a table to a model file in one command."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pellucid.cli import console, options
from pellucid.explain.numbers import columns

if TYPE_CHECKING:
    from pellucid.train.tabular import TableModel


_PLURALS = {
    "number": ("number", "numbers"), "category": ("category", "categories"), "boolean": ("boolean", "booleans"),
    "ordered": ("ordered category", "ordered categories"), "datetime": ("date", "dates"),
}  # fmt: skip


@click.command("train")
@options.DATA
@click.option("--target", required=True, metavar="COLUMN", help=options.TARGET_HELP)
@click.option(
    "--hidden", metavar="UNITS", help="Units of each hidden layer, such as 64,32 (0: none).  [default: by the data]"
)
@click.option("--activation", default="relu", show_default=True, help="Activation of the hidden layers.")
@click.option("--optimizer", default="adam", show_default=True, help="Optimizer, by name.")
@click.option("--learning-rate", type=float, help="Highest learning rate; it falls to 0.  [default: by the optimizer]")
@click.option("--epochs", type=int, help="Most epochs.  [default: by the data]")
@click.option("--batch-size", type=int, help="Rows per step.  [default: by the data]")
@click.option("--dropout", type=float, help="Share of hidden units silenced in each step.  [default: by the data]")
@click.option(
    "--test-size",
    default="0.2",
    show_default=True,
    metavar="SHARE|ROWS",
    help="What to hold out for the test; 0: nothing.",
)
@click.option("--validation", type=float, help="Share of the rest that tells when to stop.  [default: 0.1]")
@click.option("--seed", type=int, help="Makes the run repeatable, to the bit.  [default: drawn, and said]")
@options.KIND
@click.option(
    "--task", type=click.Choice(["regression", "binary", "multiclass"]), help="What the target is.  [default: inferred]"
)
@click.option(
    "--precision", type=click.Choice(["float32", "bfloat16"]), default="float32", show_default=True, help="Of products."
)
@click.option(
    "--executor",
    type=click.Choice(["native", "numpy", "xla"]),
    help="What runs the network.  [default: native if built]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Model file, replaced whole.  [default: DATA's name, .safetensors, here]",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    help="Also write a page (.html) on data, training, errors, reasons and network.",
)
@options.JSON
@click.option("--quiet", "-q", is_flag=True, help="No progress and no notes.")
def command(
    data: Path, target: str, out: Path | None, report: Path | None, as_json: bool, quiet: bool, **given: Any
) -> None:
    """Train a network to predict one column of DATA from the others.

    DATA is a CSV, TSV, JSON lines or Parquet file. Columns are understood by their contents (`pellucid describe DATA`
    shows how), a part of the rows is held out to test the result, and everything is written into one model file.

    Ctrl-C stops training; with --out the network as trained so far is saved. Press it twice to stop at once.

    \b
    pellucid train housing.csv --target median_house_value
    pellucid train churn.parquet --target left --kind plan=ignored --seed 7 --json
    """
    given = {
        **given,
        "hidden": _hidden(given["hidden"]),
        "test_size": _test_size(given["test_size"]),
        "kinds": options.parse_kinds(given["kinds"]),
    }
    from pellucid.train.tabular import TableModel

    began = time.monotonic()
    path = _writable(out or Path((data.name.split(".")[0] or "model") + ".safetensors"))
    _need_report(report, given["test_size"])
    table = TableModel.prepare(data, target, **given)
    if not quiet:
        _introduce(table)
    told = len(table.notices)
    try:
        _fit(table, quiet)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C ends the process at once
        _keep(table, out, f"interrupted after {table.model.epochs_trained} epochs")
        raise
    except ArithmeticError:
        _keep(table, out, "diverged; these are the last good weights")
        raise
    table.save(path)
    if report is not None:
        table.report(command=" ".join(["pellucid", *map(shlex.quote, sys.argv[1:])])).save(report)
    seconds = time.monotonic() - began
    if as_json:
        console.document(_record(table, path, seconds))
        return
    if not quiet:
        options.notes(table.notices[told:])
    console.out(_report(table, seconds))
    if report is not None:
        console.say(f"wrote {report}")
    console.say(f"saved {path}{_next(path, data) if not quiet else ''}")


def _hidden(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        units = tuple(int(part) for part in text.split(","))
    except ValueError:
        units = (-1,)
    if min(units) < 0 or (0 in units and units != (0,)):
        raise click.BadParameter(
            f"{text!r} is not a list of units, such as 64,32 (0 for no hidden layer)", param_hint="'--hidden'"
        )
    return () if units == (0,) else units


def _test_size(text: str) -> float | int:
    try:
        return int(text) if text.strip().lstrip("-").isdigit() else float(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is neither a share nor a number of rows", param_hint="'--test-size'"
        ) from None


def _writable(path: Path, option: str = "--out") -> Path:
    """The path of a file that can be written, found out before hours of training; `option` is where it was given."""
    from pellucid.errors import ArgumentError

    folder = path.parent
    if not folder.is_dir():
        raise ArgumentError(
            f"{option} {path}: the folder {folder} does not exist; create it first, or correct the path"
        )
    if path.is_dir() or not os.access(folder, os.W_OK):
        why = "it is a folder" if path.is_dir() else f"you may not write to {folder}"
        raise ArgumentError(f"{option} {path}: {why}; choose another path")
    return path


def _need_report(path: Path | None, test_size: float | int) -> None:
    """Refuse a report that cannot be written, before hours of training."""
    from pellucid.errors import ArgumentError

    if path is None:
        return
    if path.suffix not in (".html", ".txt", ".json"):
        raise ArgumentError(f"--report {path}: the name must end in .html (or .txt, .json)")
    if not test_size:
        raise ArgumentError("--report needs rows to test on; leave --test-size 0 away")
    if path.suffix == ".html":
        from pellucid.plot.figure import pyplot

        pyplot()  # raises where Matplotlib is not installed
    _writable(path, "--report")


def _introduce(table: TableModel) -> None:
    """What was read, what is learned from what, and what was chosen."""
    schema, rows = table.schema, table.source["rows"]
    kinds = [field.kind for field in schema.features]
    counted = ", ".join(f"{kinds.count(kind)} {_PLURALS[kind][kinds.count(kind) > 1]}" for kind in dict.fromkeys(kinds))
    sizes = " → ".join(str(size) for size in _sizes(table))
    weights, runs_on = f"{table.model.count_params():,} weights", f"{table.model.executor.name} executor"
    parts = [f"{rows['train']:,} to train"]
    parts += [f"{rows['validate']:,} to validate"] if rows["validate"] else []
    parts += [f"{rows['test']:,} held out"] if rows["test"] else ["none held out"]
    lines = [
        ("data", f"{table.source['name']}: {rows['all']:,} rows"),
        ("target", f"{table.target.name}: {table.target.task} ({table.target.reason})"),
        ("features", counted),
        ("rows", ", ".join(parts)),
        ("network", f"{sizes}, {table.settings.activation}; {weights}, {runs_on}"),
        ("seed", str(table.settings.seed)),
    ]
    console.say(columns(lines, indent="", left=(0, 1)))
    options.notes(table.notices)


def _sizes(table: TableModel) -> list[int]:
    """The widths of the network: prepared features, hidden layers, outputs."""
    layers = [layer for layer in table.model.layers if type(layer).__name__ == "Dense"]
    return [layers[0].variables[0].shape[0], *(layer.variables[0].shape[1] for layer in layers)]


def _fit(table: TableModel, quiet: bool) -> None:
    from pellucid.train.progress import progress

    display = None if quiet else progress("auto", table.settings.epochs, table.steps_per_epoch, sys.stderr)
    try:
        table.fit(verbose=0, callbacks=[display] if display else None)
    finally:
        if display:
            display.close()


def _keep(table: TableModel, out: Path | None, why: str) -> None:
    """Save what there is, if the user said where."""
    if out is None:
        console.say(f"{why}; not saved (with --out FILE it would have been)")
        return
    table.notices.append(why)
    table.save(out)
    console.say(f"{why}; saved {out}")


def _report(table: TableModel, seconds: float) -> str:
    history = table.history
    assert history is not None
    count = len(history.epoch)
    fitting, whole = _seconds(history.params["seconds"]), _seconds(seconds)
    each = f"{count} epoch{'s' * (count != 1)} in {fitting} ({whole} with reading and testing)"
    if table.test_metrics is None:
        return f"trained {each}; no rows were held out to test it"
    return f"trained {each}; on the {table.test_metrics['rows']:,} rows held out:\n\n" + options.figures(
        table.target, table.test_metrics
    )


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value >= 1 else f"{value:.2f} s"


def _next(path: Path, data: Path) -> str:
    return f"; next: pellucid predict {path} {data}, or explain, evaluate, describe"


def _record(table: TableModel, path: Path, seconds: float) -> dict[str, Any]:
    history = table.history
    assert history is not None
    return {
        "model": str(path),
        "target": {"name": table.target.name, "task": table.target.task, "classes": list(table.target.classes)},
        "rows": table.source["rows"],
        "test_metrics": table.test_metrics,
        "settings": table.settings.to_json(),
        "network": {"sizes": _sizes(table), "weights": table.model.count_params()},
        "epochs": len(history.epoch),
        "seconds": {"fit": history.params["seconds"], "total": seconds},
        "history": history.history,
        "notices": table.notices,
    }
