"""The group of commands, and how the program ends: one line of error, an exit status."""

from __future__ import annotations

import os
import signal
import sys
from collections import UserDict
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

import click

from bcd import __version__
from bcd.cli._output import OutputClosedError, print_message
from bcd.errors import BcdError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["bcd", "run"]

_MODULES = {
    name: "import_" if name == "import" else name
    for name in (
        *("completion", "diff", "doctor", "dump", "export", "forward", "import", "list", "open"),
        *("prune", "run", "send", "serve", "show", "state", "store"),
    )
}
"""Name of a command → its module."""

_FAILED = 1
_BY_SIGNAL = 128  # as a shell reports it


class _Commands(UserDict[str, click.Command]):
    """Loads a command when it is used: to load all takes as long as to run one."""

    def __getitem__(self, name: str) -> click.Command:
        if name not in self.data and name in _MODULES:
            module = import_module(f"bcd.cli.{_MODULES[name]}")
            self.data[name] = getattr(module, f"{name}_command")
        return self.data[name]

    def __contains__(self, name: object) -> bool:
        return name in _MODULES

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


@click.group(
    commands=_Commands(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
@click.pass_context
def bcd(context: click.Context) -> None:
    """Look at the snapshots of Python services that went wrong."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


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
