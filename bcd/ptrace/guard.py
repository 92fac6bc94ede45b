"""What keeps a process from harm while another tool holds it."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # `signal` takes 5 ms to import
import os
import select
import time

_MARGIN_SECONDS = 0.5  # the engine comes first, if it can
_LOOKS = 25
_LOOK_SECONDS = 0.02


class Bounds:
    """What a tool may take.

    Args:
        most: Bytes that it may write to any file.
        seconds: The longest time that it may hold the target, None for ever.
        half: A file that it writes, to be removed should it not live to finish it.
    """

    def __init__(self, most: int, seconds: float | None, half: str | None = None) -> None:
        self.most = most
        self.seconds = seconds
        self.half = half


class Guard:
    """A process that helps the target, which cannot help itself while it stands still.

    It waits for the end of this process, which closes a pipe, outside of the group that a
    time-out kills. A tool attaches with a SIGSTOP. If it is killed before it has seen that
    arrive, the signal does what it is meant for and stops the target for good: 2 of 71 kills of
    gcore at random moments did that, 1 of 174 of pystack. And a tool that hangs while it holds
    the target holds the engine in it too, which could end it: the guard does.

    Args:
        program: Path of the tool.
        target: The process that the tool attaches to.
        bounds: What the tool may take.
    """

    def __init__(self, program: str, target: int, bounds: Bounds) -> None:
        ours, theirs = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            os.close(theirs)
            _stand_guard(ours, program, target, bounds)
        os.close(ours)
        self._pipe = theirs

    def dismiss(self) -> None:
        """End it: the tool has ended by itself."""
        os.write(self._pipe, b"\n")
        os.waitpid(self._child, 0)


def _stand_guard(pipe: int, program: str, target: int, bounds: Bounds) -> None:
    keeper = os.getppid()
    try:
        os.setsid()
        os.close(0)
        os.close(1)
        if not _is_heard(pipe, bounds.seconds):
            seconds = f"{program} held the process for more than {bounds.seconds:g} s: killed\n"
            os.write(2, seconds.encode("utf-8", "backslashreplace"))
            _end(keeper)
        if os.read(pipe, 1):
            return
        if bounds.half is not None and os.path.lexists(bounds.half):
            os.unlink(bounds.half)
        let_go_on(target)
    finally:
        os._exit(0)


def _is_heard(pipe: int, seconds: float | None) -> bool:
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    return bool(poll.poll(None if seconds is None else (seconds + _MARGIN_SECONDS) * 1000))


def _end(keeper: int) -> None:
    """End the keeper, and the tool with it, if the group is theirs."""
    if os.getpgid(keeper) == keeper:
        os.killpg(keeper, _signal.SIGKILL)
    else:
        os.kill(keeper, _signal.SIGKILL)


def let_go_on(target: int) -> None:
    """Let a process go on that a tool has stopped and, killed itself, left so."""
    for _ in range(_LOOKS):
        try:
            with open(f"/proc/{target}/stat", "rb") as file:
                state = file.read().rpartition(b")")[2].split()[0]
            if state == b"T":
                os.kill(target, _signal.SIGCONT)
        except OSError:  # it has ended
            return
        time.sleep(_LOOK_SECONDS)
