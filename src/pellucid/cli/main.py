"""`pellucid`: the group of commands, and what every one of them shares: errors, exit codes, Ctrl-C and closed pipes.

Nothing heavy is imported here, not even NumPy: `pellucid --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from pellucid._version import __version__
from pellucid.cli import console

COMMANDS = {
    "train": "Train a network for one column of a table.",
    "evaluate": "Tell how good a model's predictions for a table are.",
    "predict": "Predict the target for each row of a table, as CSV.",
    "describe": "Show what the columns of a table mean, or what is in a model.",
    "plot": "Draw learning curves, confusion matrix, ROC curve, predictions or residuals.",
    "explain": "Show how a prediction comes about, layer by layer, with all numbers.",
    "diagram": "Draw a picture of a network: neurons, weights, and the values of one row.",
    "doctor": "Look for what may go wrong when a network learns from a table.",
    "new": "Copy a recipe into this folder: a network for a job on real data, to run and to change.",
    "help": "Explain a code of the doctor, such as D301, at length.",
    "info": "Show executors, threads, instruction set and versions.",
}

EXIT_CODES = """\b
Exit codes:
  0    done
  1    an error of Pellucid itself; please report it
  2    a command, option or value that cannot be used
  3    data that cannot be used: file, columns, cells, labels
  4    training diverged: a value became infinite or NaN
  5    a model file that is malformed, damaged or foreign
  6    an executor that is absent or cannot run a network
  7    the doctor found something
  130  interrupted with Ctrl-C
  141  the reader of the output went away
"""
INTERRUPTED, CLOSED_PIPE = 130, 141


class Commands(click.Group):
    """The commands by name; a module is imported when its command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"pellucid.cli.{name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from pellucid.errors import nearest

            raise click.UsageError(f"unknown command '{args[0]}'{nearest(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=Commands, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, "-V", "--version", message="pellucid %(version)s")
def commands() -> None:
    """Neural networks you can see through: from a table to a trained network, and to the reason for every prediction.

    \b
    pellucid train housing.csv --target median_house_value
    pellucid predict housing.safetensors new_houses.csv --out predictions.csv
    pellucid explain housing.safetensors new_houses.csv --row 0
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))


def run(arguments: list[str]) -> int:
    """Run one command; the exit code. Whatever goes wrong is one line on stderr, never a traceback."""
    from pellucid.errors import PellucidError

    try:
        with commands.make_context("pellucid", arguments or ["--help"]) as context:
            commands.invoke(context)
        sys.stdout.flush()
        return 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        return _usage(error)
    except (KeyboardInterrupt, click.Abort):
        console.say("interrupted")
        return INTERRUPTED
    except PellucidError as error:
        console.fail(str(error))
        return error.code
    except BrokenPipeError:
        _leave_pipe()
        return CLOSED_PIPE
    except OSError as error:
        console.fail(f"{error.filename or 'a file'}: {error.strerror or error}")
        return 3
    except MemoryError:
        console.fail("out of memory; use fewer rows, a smaller network, or smaller batches")
        return 3
    except Exception as error:
        return _internal(error)


def _usage(error: click.ClickException) -> int:
    """An option that cannot be used, with the line that shows how."""
    console.fail(error.format_message())
    context: Any = getattr(error, "ctx", None)
    if context is not None:
        console.say(f"see `{context.command_path} --help`")
    return 2


def _internal(error: Exception) -> int:
    """A fault of ours: the traceback goes to a file, so that it can be sent."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="pellucid-", suffix=".txt", delete=False, encoding="utf-8") as file:
        traceback.print_exception(error, file=file)
    console.fail(f"internal: {type(error).__name__}: {error}; please report it with {file.name}")
    return 1


def _leave_pipe() -> None:
    """Nobody reads any more: send what Python still wants to flush nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


if __name__ == "__main__":
    main()
