"""How much one snapshot may hold and one folder may keep: names, meanings and defaults.

Shared by the program, which checks what it is given, and the tracer process, which obeys it.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULTS = {
    "string": 200,
    "value": 1000,
    "message": 4096,
    "items": 10,
    "slots": 4096,
    "depth": 3,
    "variables": 60,
    "frames": 400,
    "exceptions": 50,
    "values": 50_000,
    "threads": 1000,
    "tasks": 2000,
    "tasks_with_variables": 200,
    "file_bytes": 4 * 1024 * 1024,
    "deadline_ms": 1000,
    "snapshots": 200,
    "alike": 10,
    "folder_bytes": 256 * 1024 * 1024,
}
"""Characters of a string, of a whole value and of an exception's message; items of a container
that are shown, and slots of its table that are looked at (deleted items leave theirs empty); depth
of nesting; variables of a frame; frames of a stack (first and last kept); exceptions; values in
all; threads; tasks, and how many of them with variables; bytes of the document before compression;
milliseconds for reading, of a frozen copy those that the tracer itself runs; snapshots that a
folder keeps, those of one fingerprint (the first and the latest), and their bytes."""

MOST_BYTES = 64 * 1024 * 1024
"""Bytes of a document above which no reader accepts it."""


def problem_with(limits: Mapping[str, object]) -> str | None:
    """Say what is wrong with limits that somebody gives.

    Args:
        limits: Name → value, of those that are to differ from the defaults.

    Returns:
        What is wrong and what is accepted; None where all is well.
    """
    for name, value in limits.items():
        if name not in DEFAULTS:
            return f"no limit is called {name!r}; there are {', '.join(sorted(DEFAULTS))}"
        if type(value) is not int or value < 1:
            return f"the limit {name!r} is {value!r}; it has to be a whole number of at least 1"
        if name == "file_bytes" and value > MOST_BYTES:
            return f"the limit {name!r} is {value!r}; a reader accepts {MOST_BYTES} at most"
    return None
