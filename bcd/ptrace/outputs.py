"""What tools print, without secrets and without the threads that nobody asked for."""

from __future__ import annotations

from bcd.ptrace.errors import RequestError
from bcd.ptrace.redact import REDACTED, Redactor
from bcd.ptrace.request import decode
from bcd.ptrace.write import encode

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Set as AbstractSet
    from typing import Any


def clean_pyspy(printed: bytes, redactor: Redactor, only: AbstractSet[int]) -> bytes:
    """Clean what ``py-spy dump --json`` prints.

    Args:
        printed: All of it.
        redactor: Knows what is secret.
        only: Native ids of the threads to keep; empty for all.

    Raises:
        RequestError: It is not what py-spy prints.
    """
    document = decode(printed, "what py-spy printed")
    try:
        threads = [thread for thread in document if not only or thread["os_thread_id"] in only]
        shown = [
            each
            for thread in threads
            for frame in thread["frames"]
            for each in frame["locals"] or ()
            if isinstance(each["repr"], str)
        ]
        for variable in shown:
            variable["repr"] = _value(redactor, variable["name"], variable["repr"])
        for variable in shown if redactor.knows_any else ():
            variable["repr"] = redactor.scrub(variable["repr"])
    except (KeyError, TypeError) as error:
        raise RequestError(f"what py-spy printed is not understood: {error!r}") from None
    return encode_list(threads)


def encode_list(items: list[dict[str, Any]]) -> bytes:
    """Encode a list as JSON, an item a line."""
    return b"[" + b",\n".join(map(encode, items)) + b"]\n"


def clean_pystack(printed: bytes, redactor: Redactor, only: AbstractSet[int]) -> bytes:
    """Clean what ``pystack remote --locals`` prints; see :func:`clean_pyspy`.

    A value with line breaks is printed as it is. So a variable goes on until a line follows
    that pystack begins in one of its own ways.
    """
    text = printed.decode("utf-8", "backslashreplace")
    blocks = []
    for name, block in _blocks(text.split("\n"), only):
        if name is None:
            blocks.append(redactor.text(block))
        else:
            begin, _, value = block.partition(": ")
            blocks.append(f"{begin}: {_value(redactor, name, value)}")
    return redactor.scrub("\n".join(blocks)).encode("utf-8", "backslashreplace")


def _blocks(lines: list[str], only: AbstractSet[int]) -> Iterator[tuple[str | None, str]]:
    """(name, lines of the value) of each variable and (None, line) of all others."""
    import re

    structure = re.compile(
        r"Traceback for thread (\d+)|The frame stack for thread (\d+)|\* - Unable|  In |  Not "
        r"|    \((?:Python|C)\) File |      (?:Arguments|Locals):$|        ([^\W\d]\w*|\.\d+): "
    )
    wanted, name, block = True, None, []
    for line in lines:
        match = structure.match(line)
        if match is None and name is not None:
            block.append(line)
            continue
        if block and wanted:
            yield name, "\n".join(block)
        thread = match and (match[1] or match[2])
        if thread:
            wanted = not only or int(thread) in only
        name, block = match and match[3], [line]
    if block and wanted:
        yield name, "\n".join(block)


def _value(redactor: Redactor, name: str, shown: str) -> str:
    """What is shown of a variable's value, which a tool has quoted if it is a text."""
    if not redactor.is_secret(name):
        return redactor.text(shown)
    text = shown.strip()
    if text[:1] in ("'", '"'):
        redactor.learn(text.strip("'\"").removesuffix("..."))
    return REDACTED


CLEANERS: dict[str, Callable[[bytes, Redactor, AbstractSet[int]], bytes]] = {
    "py-spy": clean_pyspy,
    "pystack": clean_pystack,
}
