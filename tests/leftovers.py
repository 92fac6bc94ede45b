"""What a trace must not leave behind: descriptors, processes, zombies, threads and the slot."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bcd.engine.attempt import GATE

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Inventory",
    "children",
    "end_session",
    "inventory",
    "nothing_left",
    "open_descriptors",
]

_PATIENCE = 20.0  # seconds in which reapers and killed processes have to be gone


class Inventory(NamedTuple):
    """What a process has.

    Attributes:
        descriptors: Number → what is open under it.
        processes: The children of all its threads, copies of itself and zombies among them.
        threads: Their ids, those included that Python does not know.
        queue: How many have the tracers' slot or wait for it.
    """

    descriptors: dict[int, str]
    processes: frozenset[int]
    threads: frozenset[int]
    queue: int

    def beside(self, before: Inventory) -> Inventory:
        """What came since: what an earlier test left to end meanwhile is nobody's fault here."""
        opened = self.descriptors.items() - before.descriptors.items()
        return Inventory(
            descriptors=dict(opened),
            processes=self.processes - before.processes,
            threads=self.threads - before.threads,
            queue=self.queue,
        )


_NOTHING = Inventory(descriptors={}, processes=frozenset(), threads=frozenset(), queue=0)


def inventory() -> Inventory:
    """Take stock of this process."""
    threads = frozenset(int(task.name) for task in Path("/proc/self/task").iterdir())
    return Inventory(open_descriptors(), frozenset(children()), threads, len(GATE.queue))


def open_descriptors() -> dict[int, str]:
    """The descriptors of this process and what they are."""
    found: dict[int, str] = {}
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that lists them
            found[int(link.name)] = str(link.readlink())
    return found


def children() -> list[int]:
    """The children of all threads of this process, copies and zombies among them."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended
            found += map(int, (task / "children").read_text(encoding="ascii").split())
    return found


@contextmanager
def nothing_left(*, at_once: bool = False) -> Iterator[None]:
    """Let a block leave nothing: what has ended may take a moment to go, but not for ever.

    Args:
        at_once: Give that moment to threads alone, which end after they have said so.

    Raises:
        AssertionError: Something is left.
    """
    before = inventory()
    yield
    left = inventory().beside(before)
    if at_once:
        assert left._replace(threads=_NOTHING.threads) == _NOTHING
    ends = time.monotonic() + _PATIENCE
    while left != _NOTHING and time.monotonic() < ends:
        time.sleep(0.005)
        left = inventory().beside(before)
    assert left == _NOTHING


def end_session(session: int) -> list[int]:
    """End what is left of a session: tracers that wait for nobody any more, copies, children.

    The number stays that of the session as long as anybody is left, its leader's end unheard of
    or not. Source: ``alloc_pid`` and ``struct pid`` in Linux's kernel/pid.c.

    Returns:
        The process ids of the others.
    """
    left: dict[int, None] = {}
    for _ in range(2):  # what the leader was starting when it was looked at first
        for pid in [session, *_processes()]:
            with suppress(ProcessLookupError):
                if os.getsid(pid) == session:
                    left[pid] = None
                    os.kill(pid, signal.SIGKILL)
    left.pop(session, None)
    return list(left)


def _processes() -> list[int]:
    """All of the machine; without psutil, which not every Python that runs a target has."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
