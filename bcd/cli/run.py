"""``bcd run``: a program with bcd in it, without any change to its code."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from bcd.cli._interpreter import passes_python_path_over
from bcd.cli._output import print_message
from bcd.config import config_from
from bcd.errors import ConfigError
from bcd.settings import read
from bcd.variables import PREFIX, Variables, variable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["OPTIONS", "run_command"]

_AUTOSTART = Path(__file__).parents[1] / "autostart"
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126  # as a shell has it

OPTIONS = {
    "service": "Attribute service.name of every snapshot.",
    "release": "Attribute service.version.",
    "environment": "Attribute deployment.environment.name.",
    "attributes": "Further ones, as name=value,name=value.",
    "folder": "Folder of the snapshots.",
    "rate_limit": "Seconds between two snapshots.",
    "ignore": "Names of exception classes that are expected.",
    "before_trace": "Function as module:function, called before each trace.",
    "integrations": "Frameworks to watch; with a minus: all but these.",
    "hooks": "Where errors come up that nothing handles.",
    "redact": "Further names whose values are kept out of snapshots.",
    "reveal": "Names that look secret and may be shown.",
    "limits": "What is read and kept, as name=number,name=number.",
    "tracer": "Name or path of another tracer.",
    "timeout": "Seconds that a tracer may take.",
    "python": "Path of the interpreter, where it is inside another program.",
    "resend_signal": "Let signals take their action after the trace: on or off.",
    "raise_on_kill_failure": "Raise where a tracer cannot be killed: on or off.",
}
"""Each option is a setting of ``bcd.init``, in the form of its variable."""


def _with_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for name, meaning in reversed(OPTIONS.items()):
        option = click.option(f"--{name.replace('_', '-')}", name, metavar="TEXT", help=meaning)
        command = option(command)
    return command


@click.command(
    "run",
    short_help="Run a program with bcd in it.",
    context_settings={"allow_interspersed_args": False},
)
@_with_options
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run_command(*, command: Sequence[str], **options: str | None) -> NoReturn:
    """Run COMMAND with bcd in it and in all Python processes that it starts.

    Write `--` before COMMAND. It takes the place of this program: its process, terminal, signals
    and exit status are its own. The options are the settings of bcd.init, lists separated by
    commas; what is not given comes from BCD_... variables.
    """
    given = {name: text for name, text in options.items() if text is not None}
    variables = _variables(given)
    reason = passes_python_path_over(command)
    if reason is not None:
        _tell(f"{reason}, so it runs without bcd")
    _become(command, {**_environment(), **variables})


def _variables(given: Mapping[str, str]) -> dict[str, str]:
    """The variables that say what the options do.

    Raises:
        UsageError: One cannot be used.
    """
    for name, text in given.items():
        if not text.strip():
            raise click.UsageError(f"--{name.replace('_', '-')} is empty")
    named = {variable(name): text for name, text in given.items()}
    try:
        read({}, Variables(named, strict=True))
        config_from(Variables(named, strict=True))
    except ConfigError as error:
        called, is_, problem = str(error).partition(" is ")
        option = called.removeprefix(PREFIX).lower().replace("_", "-")
        raise click.UsageError(f"--{option}{is_}{problem}") from None
    if "folder" in given:  # the program may change its directory before an error
        named[variable("folder")] = str(Path(given["folder"]).absolute())
    return named


def _environment() -> dict[str, str]:
    """The environment of this process as it was, with the folder that starts bcd."""
    environment = dict(os.environ)
    if not _was_set("LC_CTYPE"):  # Python sets it for itself in the C locale (PEP 538)
        environment.pop("LC_CTYPE", None)
    paths = environment.get("PYTHONPATH", "")
    own = str(_AUTOSTART)
    if own not in paths.split(os.pathsep):
        environment["PYTHONPATH"] = f"{own}{os.pathsep}{paths}" if paths else own
    environment["BCD_RUN"] = str(os.getpid())
    return environment


def _was_set(name: str) -> bool:
    try:
        given = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        return True
    return any(entry.startswith(f"{name}=".encode()) for entry in given)


def _become(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Let the program take the place of this one, as it would have been started."""
    for name in ("SIGPIPE", "SIGXFSZ"):  # ignored by Python, and ignored signals are inherited
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        _execute(command, environment)
    except FileNotFoundError:
        problem, status = "there is no such program", _NOT_FOUND
    except (OSError, ValueError) as error:
        problem, status = getattr(error, "strerror", None) or str(error), _NOT_EXECUTABLE
    _tell(f"{command[0]} cannot be run: {problem}")
    sys.exit(status)


def _execute(command: Sequence[str], environment: Mapping[str, str]) -> None:
    path = shutil.which(command[0]) or command[0]
    try:
        os.execve(path, list(command), environment)  # noqa: S606 - the user's own program
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
    # A script that names no interpreter is one of the shell's (man 3 execvp).
    os.execve("/bin/sh", ["/bin/sh", path, *command[1:]], environment)  # noqa: S606 - as above


def _tell(sentence: str) -> None:
    if sys.stderr is not None:  # closed by the caller, which is no matter of the program
        print_message(sentence)
