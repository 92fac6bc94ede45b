"""``posix_spawn`` with the GIL kept: 165 µs at any size of the program, measured."""

from __future__ import annotations

import errno
import os
from functools import partial
from itertools import count

from bcd._linux.libc import LIBC, ctypes, failure, in_one_call
from bcd._linux.process import child_cell, reaping

TYPE_CHECKING = False  # typing is not needed to run, and costs milliseconds to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["Spawn"]

_OBJECT_BYTES = 512  # posix_spawnattr_t: 336 with glibc and musl; the other type is smaller
_SETPGROUP, _SETSIGDEF, _SETSIGMASK = 0x02, 0x04, 0x08  # Source: spawn.h


class Spawn:
    """The start of a program, made ready, so that the start itself is one call of C.

    The program leads a process group of its own. All its signals have their default actions and
    none is blocked.

    Args:
        argv: The program's path, not looked up in ``PATH``, and its arguments.
        env: Its environment; None inherits.
        cwd: Its working directory; None inherits.
        descriptors: Descriptor number in the program → descriptor in this process. 0, 1 and 2
            have to be there. With glibc 2.34 or newer nothing else is inherited; before, what
            was made inheritable is.

    Attributes:
        child: Holds the process id from the start on.

    Raises:
        OSError: With the working directory as ``filename``, where none can be given.
        ValueError: A NUL in ``argv``, ``env`` or ``cwd``.
    """

    _actions: ctypes.Array[ctypes.c_char] | None = None

    def __init__(
        self,
        argv: Sequence[str | bytes],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        descriptors: Mapping[int, int],
    ) -> None:
        if cwd is not None and "_file_actions_addchdir_np" not in LIBC.spawn_step:
            raise failure(cwd, errno.ENOSYS)  # glibc before 2.29
        arguments = [os.fsencode(argument) for argument in argv]
        pairs = () if env is None else env.items()
        variables = [os.fsencode(name) + b"=" + os.fsencode(value) for name, value in pairs]
        self._program, self._cwd = arguments[0], cwd
        self.child = child_cell()
        self._ending = reaping(self.child)
        self._actions = _file_actions(descriptors, cwd)
        self._step = partial(
            LIBC.posix_spawn,
            ctypes.byref(self.child),
            arguments[0],
            self._actions,
            _spawn_attributes(),
            _strings(arguments),
            LIBC.environ if env is None else _strings(variables),
        )

    def start(self, then: Iterable[Callable[[], object]] = ()) -> int:
        """Start the program, once, with the GIL kept.

        Args:
            then: Functions of C to be called right afterwards, in the same call.

        Returns:
            The process id.

        Raises:
            OSError: With the program's path, or the working directory, as ``filename``.
        """
        try:
            code = in_one_call([self._step, *then])[0]
        except BaseException:
            list(self._ending)
            raise
        if code:
            raise failure(_culprit(self._program, self._cwd), code)
        return self.child.value

    def __del__(self) -> None:
        if self._actions is not None:
            LIBC.spawn_step["_file_actions_destroy"](self._actions)


def _strings(items: Sequence[bytes]) -> ctypes.Array[ctypes.c_char_p]:
    if any(b"\0" in item for item in items):
        raise ValueError("a NUL cannot be part of a program's argument or environment")
    return (ctypes.c_char_p * (len(items) + 1))(*items, None)


def _culprit(program: bytes, cwd: str | None) -> str | bytes:
    """The path that a failed start is about; the kernel's answer is the same for both."""
    if cwd is None or os.path.isdir(cwd):  # noqa: PTH112 - pathlib costs milliseconds to import
        return program
    return cwd


def _spawn_attributes() -> ctypes.Array[ctypes.c_char]:
    attributes = ctypes.create_string_buffer(_OBJECT_BYTES)
    LIBC.spawn_step["attr_init"](attributes)
    LIBC.spawn_step["attr_setsigmask"](attributes, LIBC.no_signal)
    LIBC.spawn_step["attr_setsigdefault"](attributes, LIBC.every_signal)
    flags = _SETPGROUP | _SETSIGDEF | _SETSIGMASK
    LIBC.spawn_step["attr_setflags"](attributes, flags)
    return attributes


def _file_actions(descriptors: Mapping[int, int], cwd: str | None) -> ctypes.Array[ctypes.c_char]:
    """What ``posix_spawn`` does in the new process, in this order, before the program runs."""
    step = LIBC.spawn_step
    actions = ctypes.create_string_buffer(_OBJECT_BYTES)
    step["_file_actions_init"](actions)
    if cwd is not None:
        step["_file_actions_addchdir_np"](actions, _strings([os.fsencode(cwd)])[0])
    copies, closed = _order(descriptors)
    for source, target in copies:
        step["_file_actions_adddup2"](actions, source, target)
    for descriptor in closed:
        step["_file_actions_addclose"](actions, descriptor)
    if "_file_actions_addclosefrom_np" in step:
        step["_file_actions_addclosefrom_np"](actions, max(descriptors) + 1)
    return actions


def _order(descriptors: Mapping[int, int]) -> tuple[list[tuple[int, int]], list[int]]:
    """Order the copies so that none overwrites the source of another.

    A source that is also a target is moved out of the way first. So is one that is its own
    target: copying a descriptor onto itself leaves it close-on-exec with glibc before 2.29.

    Returns:
        Pairs (from, to), and the descriptors to close afterwards: gaps and moved ones.
    """
    taken = {*descriptors, *descriptors.values()}
    spare = (number for number in count(3) if number not in taken)  # low: below any limit
    moved: dict[int, int] = {}
    for source in descriptors.values():
        if source in descriptors and source not in moved:
            moved[source] = next(spare)
    copies = list(moved.items())
    copies += [(moved.get(source, source), target) for target, source in descriptors.items()]
    last = max(*descriptors, *moved.values())
    return copies, [number for number in range(last + 1) if number not in descriptors]
