"""The group of commands, and how the program ends: one line of error, an exit status."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from bcd import __version__
from bcd.cli._output import OutputClosedError, print_message
from bcd.cli.completion import completion_command
from bcd.cli.diff import diff_command
from bcd.cli.doctor import doctor_command
from bcd.cli.dump import dump_command
from bcd.cli.export import export_command
from bcd.cli.forward import forward_command
from bcd.cli.import_ import import_command
from bcd.cli.list import list_command
from bcd.cli.open import open_command
from bcd.cli.prune import prune_command
from bcd.cli.run import run_command
from bcd.cli.send import send_command
from bcd.cli.serve import serve_command
from bcd.cli.show import show_command
from bcd.cli.state import state_command
from bcd.errors import BcdError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["bcd", "run"]

_FAILED = 1
_BY_SIGNAL = 128  # as a shell reports it


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
@click.pass_context
def bcd(context: click.Context) -> None:
    """Look at the snapshots of Python services that went wrong."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


bcd.add_command(completion_command)
bcd.add_command(diff_command)
bcd.add_command(doctor_command)
bcd.add_command(dump_command)
bcd.add_command(export_command)
bcd.add_command(forward_command)
bcd.add_command(import_command)
bcd.add_command(list_command)
bcd.add_command(open_command)
bcd.add_command(prune_command)
bcd.add_command(run_command)
bcd.add_command(send_command)
bcd.add_command(serve_command)
bcd.add_command(show_command)
bcd.add_command(state_command)


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program and end the process.

    Args:
        arguments: Of the command line; None takes those of this process.
    """
    given = sys.argv[1:] if arguments is None else arguments
    if (sys.stdout is None or sys.stderr is None) and given[:1] != ["run"]:
        sys.exit(_FAILED)  # closed by the caller: there is nowhere to say anything
    sys.exit(_status(arguments))


def _status(arguments: Sequence[str] | None) -> int:
    try:
        status = bcd.main(arguments, prog_name="bcd", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        return _BY_SIGNAL + signal.SIGINT
    except (OutputClosedError, BrokenPipeError):
        _discard_output()
        return _BY_SIGNAL + signal.SIGPIPE
    except click.ClickException as error:
        print_message(f"{error.format_message().rstrip('.')}; `bcd --help` shows what there is")
        return error.exit_code
    except BcdError as error:
        print_message(str(error))
        return _FAILED
    except OSError as error:
        _discard_output()
        print_message(f"the output cannot be written: {error.strerror}")
        return _FAILED
    return status if isinstance(status, int) else 0


def _discard_output() -> None:
    """Keep what is still buffered from being written when the interpreter ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return  # not a real file, as under a test: nothing is flushed at the end
