"""Running another tool on a process, and putting into words why it failed."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # `signal` takes 5 ms to import
import os
import resource

from bcd.ptrace.errors import ReadError
from bcd.ptrace.guard import Bounds, Guard, let_go_on

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_REASON = 300
_HIGHEST_STATUS = 125  # above, a shell has something to say
_REFUSED = ("not permitted", "permission denied", "eperm", "eacces")
_REFUSAL = (
    "; nobody may trace the process: allow ptrace by kernel.yama.ptrace_scope = 0 or the capability"
    " SYS_PTRACE, in a container by its seccomp profile, or use PythonTracer, which needs none"
)


class ToolFailed(ReadError):  # noqa: N818 - says what it is
    """The tool gave nothing that is worth keeping.

    Attributes:
        status: Exit status to pass on.
    """

    def __init__(self, reason: str, status: int = 1) -> None:
        super().__init__(reason)
        self.status = status if 0 < status <= _HIGHEST_STATUS else 1

    @classmethod
    def of(cls, program: str, complaints: bytes, otherwise: str, status: int = 1) -> ToolFailed:
        """Put into one line what a tool printed on its standard error.

        Args:
            program: Its path.
            complaints: What it printed.
            otherwise: What to say where that is nothing.
            status: Its exit status.
        """
        reason = _reason(complaints.decode("utf-8", "backslashreplace"))
        hint = _REFUSAL if any(word in reason.lower() for word in _REFUSED) else ""
        return cls(f"{program}: {reason or otherwise}{hint}", status)


def _reason(text: str) -> str:
    """The lines of an error output that say why: the first, and what ``Caused by`` names.

    Warnings precede the reason, explanations and stacks of the tool itself follow it.
    """
    lines = [line.strip() for line in text.partition("Stack backtrace:")[0].splitlines()]
    warnings = [line for line in lines if line.lower().startswith("warning")]
    told = [line for line in lines if line and line not in warnings]
    first = (told or warnings[-1:] or [""])[0]
    causes = told[told.index("Caused by:") + 1 :] if "Caused by:" in told else []
    causes = [line.lstrip("0123456789: ") for line in causes]
    parts = dict.fromkeys([first.removeprefix("Error: ").strip("💀 "), *causes])
    return ": ".join(parts)[:_LONGEST_REASON]


def run(command: Sequence[str], target: int, bounds: Bounds) -> tuple[bytes, bytes]:
    """Run a tool that attaches to a process, and wait for its end.

    What it prints stays in memory: secrets must not reach the disk. It keeps this process's
    priority, since the target stands still while it works.

    Args:
        command: Path and arguments.
        target: The process that it attaches to.
        bounds: What it may take.

    Returns:
        What it printed, and what it printed on its standard error.

    Raises:
        ToolFailed: It could not be started, or ended otherwise than with status 0.
    """
    outputs = [os.memfd_create(name) for name in ("printed", "complaints")]
    guard = Guard(command[0], target, bounds)
    try:
        end = _wait_for(_start(command, outputs, bounds.most))
    except OSError as error:
        guard.dismiss()
        raise ToolFailed(
            f"{command[0]} could not be started: {error.strerror}; check that it is there and that"
            " this user may execute it"
        ) from None
    if end < 0:
        let_go_on(target)
    guard.dismiss()
    printed, complaints = map(_content, outputs)
    if end == -_signal.SIGXFSZ:
        raise ToolFailed(f"{command[0]} was stopped: it wrote more than {bounds.most:,} bytes")
    if end < 0:
        raise ToolFailed(f"{command[0]} was ended by signal {-end}")
    if end:
        raise ToolFailed.of(command[0], complaints, f"exited with status {end}", end)
    return printed, complaints


def _start(command: Sequence[str], outputs: Sequence[int], most: int) -> int:
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    bounds = [each for each in (most, soft, hard) if each != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_FSIZE, (min(bounds), hard))
    try:
        return os.posix_spawn(
            command[0],
            list(command),
            _environment(),
            file_actions=[
                (os.POSIX_SPAWN_DUP2, source, number)
                for number, source in enumerate([null, *outputs])
            ],
            setsigdef=[_signal.SIGPIPE, _signal.SIGXFSZ],  # ignored by every Python
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        os.close(null)


def _environment() -> dict[str, str]:
    """That of the program, save what is meant for its own interpreter alone.

    gdb has one inside, which does not start with a ``PYTHONHOME`` of another version; pystack
    could not print names in other alphabets where the locale lacks them.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**own, "LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "utf-8:backslashreplace"}


def _wait_for(child: int) -> int:
    """The exit status of a child, negative for the signal that ended it."""
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _content(descriptor: int) -> bytes:
    with open(descriptor, "rb") as file:
        file.seek(0)
        return file.read()


def version_of(tool: str, program: str) -> str | None:
    """The version of a tool that is a package of Python, by the folder beside its program.

    Asking the tool itself would take longer than all the rest.
    """
    root = os.path.dirname(os.path.dirname(program))
    begin = tool.replace("-", "_") + "-"
    for library in _names_in(os.path.join(root, "lib")):
        for name in _names_in(os.path.join(root, "lib", library, "site-packages")):
            if name.startswith(begin) and name.endswith(".dist-info"):
                return name.removeprefix(begin).removesuffix(".dist-info")
    return None


def _names_in(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
