"""Points: attributes of the interpreter or of a library that bcd puts a function of its own into.

The function chains to what stood before. Only one function per point works at a time, and it
serves the newest of those who want the point, so that nothing is traced twice. Once nobody wants
the point what stood before is restored; where another function was put over ours by then, ours
stays below it and only passes on.
"""

from __future__ import annotations

import _thread
import os
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bcd.integrations._capture import Capture

    Wrap: TypeAlias = "Callable[[Point, Callable[..., Any]], Callable[..., Any]]"

__all__ = ["CHANGES", "Captures", "Installed", "Point", "point_of_class"]

CHANGES = _thread.RLock()
"""Held while hooks change, for no longer than that takes. A fork waits, so that no child has half
a change or a lock that nobody releases; nothing that traces an error needs it."""

os.register_at_fork(
    before=CHANGES.acquire,
    after_in_parent=CHANGES.release,
    after_in_child=CHANGES.release,
)

_MISSING = object()


class Captures:
    """Who wants the errors of a hook that was set up, maybe more than once: the last gets them.

    Changed while ``CHANGES`` is held, and read without it.
    """

    __slots__ = ("_all",)

    def __init__(self) -> None:
        self._all: tuple[Capture, ...] = ()

    def __contains__(self, capture: object) -> bool:
        return capture in self._all

    @property
    def newest(self) -> Capture | None:
        """Who gets the errors, if anybody wants them."""
        found = self._all
        return found[-1] if found else None

    def add(self, capture: Capture, *, below: bool = False) -> None:
        """Let one more have them, from now on this one.

        Args:
            capture: That one.
            below: Only where nobody else wants them.
        """
        self._all = (capture, *self._all) if below else (*self._all, capture)

    def remove(self, capture: Capture) -> bool:
        """Let one less have them, and tell whether anybody is left."""
        self._all = tuple(one for one in self._all if one is not capture)
        return bool(self._all)


class Point:
    """One attribute of one object.

    Attributes:
        captures: Who wants its errors, whichever function serves it.

    Args:
        owner: A module, a class or an instance that can be written to.
        name: Of the attribute.
        wrap: Makes the function to put there, given this point and the function that stood
            before. That one asks :meth:`capture_of` who wants the error.
    """

    def __init__(self, owner: Any, name: str, wrap: Wrap) -> None:
        self.owner = owner
        self.name = name
        self._wrap = wrap
        self.captures = Captures()
        self._ours: Callable[..., Any] | None = None
        self._before: Any = _MISSING

    def capture_of(self, function: Callable[..., Any]) -> Capture | None:
        """Who wants the errors that a function of ours sees; None where it only passes on."""
        return self.captures.newest if function is self._ours else None

    def add(self, capture: Capture) -> None:
        """Serve one more, from now on this one."""
        with CHANGES:
            self.captures.add(capture)
            if not self._stands():
                self._before = vars(self.owner).get(self.name, _MISSING)
                self._ours = self._wrap(self, getattr(self.owner, self.name))
                setattr(self.owner, self.name, self._ours)

    def remove(self, capture: Capture) -> None:
        """Serve one less."""
        with CHANGES:
            if self.captures.remove(capture):
                return
            if self._stands():
                self._restore()
            self._ours = None

    def _stands(self) -> bool:
        return self._ours is not None and vars(self.owner).get(self.name) is self._ours

    def _restore(self) -> None:
        if self._before is _MISSING:  # of an instance that has it from its class
            delattr(self.owner, self.name)
        else:
            setattr(self.owner, self.name, self._before)


class Installed:
    """What was installed at points, to be uninstalled."""

    def __init__(self, capture: Capture, points: Sequence[Point]) -> None:
        self._capture = capture
        self._points = points
        with CHANGES:
            for point in points:
                point.add(capture)

    def uninstall(self) -> None:
        """Trace no more, and restore what stood before; does nothing the second time."""
        with CHANGES:
            points, self._points = self._points, ()
            for point in points:
                point.remove(self._capture)


_of_classes: dict[str, Point] = {}


def point_of_class(owner: type, name: str, wrap: Wrap) -> Point:
    """The one point of an attribute of a class; when its module is reloaded it is another class."""
    key = f"{owner.__module__}.{owner.__qualname__}.{name}"
    with CHANGES:
        point = _of_classes.get(key)
        if point is None or point.owner is not owner:
            point = _of_classes[key] = Point(owner, name, wrap)
        return point
