"""Which file lies where in the memory of a process (man 5 proc_pid_maps)."""

from __future__ import annotations

from bcd.ptrace.errors import CalibrationError, RequestError

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Iterator

_FIELDS = 5
_NO_FILE = "0"


class Mapping:
    """One piece of memory that a file backs.

    Attributes:
        start: Its first address.
        end: The address behind its last.
        file: Device and inode, which are the same in every container.
        path: As this process's mounts, or those of a container, name it.
    """

    def __init__(self, line: str) -> None:
        span, _, _, device, inode, *rest = line.split(maxsplit=_FIELDS)
        start, _, end = span.partition("-")
        self.start, self.end = int(start, 16), int(end, 16)
        self.file = (device, inode)
        self.path = rest[0].strip() if rest else ""


def mappings(process: int | str) -> list[Mapping]:
    """All pieces of memory of a process that files back, by address.

    Args:
        process: Its id, or ``self``.

    Raises:
        RequestError: The kernel does not tell.
    """
    try:
        return list(_read(process))
    except (FileNotFoundError, ProcessLookupError):
        raise RequestError(f"process {process} ended before it could be read") from None
    except OSError as error:
        raise RequestError(
            f"/proc/{process}/maps: {error.strerror}; run the tracer as the user of that process"
            " or as root"
        ) from None


def _read(process: int | str) -> Iterator[Mapping]:
    with open(f"/proc/{process}/maps", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            mapping = Mapping(line)
            if mapping.file[1] != _NO_FILE:
                yield mapping


def distance(pid: int, address: int) -> int:
    """How far the file that backs an address here lies from the same file in a process.

    Raises:
        CalibrationError: The process does not have that very file in its memory.
        RequestError: It has ended.
    """
    own = mappings("self")
    here = next((each for each in own if each.start <= address < each.end), None)
    if here is None:
        raise CalibrationError(f"no file backs the address {address:#x} of this interpreter")
    theirs = mappings(pid)
    if not theirs:
        raise RequestError(f"process {pid} has no program in its memory any more; it has ended")
    others = [each.start for each in theirs if each.file == here.file]
    if not others:
        raise CalibrationError(
            f"process {pid} does not run {here.path}; start the tracer under the interpreter that"
            f" /proc/{pid}/exe names, or one that shares its libpython"
        )
    return others[0] - min(each.start for each in own if each.file == here.file)
