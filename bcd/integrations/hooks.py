"""Errors that reach the top of the process: ``handle = hooks.install()``.

Each hook has the error traced and then does what was done before, so that what the program
prints and how it ends stay as they were.

Python calls none for the error of a future that nobody asks for, or of a bare greenlet of gevent
or eventlet, which prints it itself. Where a process of ``multiprocessing`` prints the error that
ends it, bcd looks on.
"""

from __future__ import annotations

import sys
import threading
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from bcd.engine import type_name
from bcd.errors import ConfigError
from bcd.integrations._capture import BeforeTrace, Capture, Ignore
from bcd.integrations._enclosing import want_requests
from bcd.integrations._imports import when_imported
from bcd.integrations._logged import take_logged
from bcd.integrations._points import CHANGES, Point, point_of_class
from bcd.settings import DEFAULT_HOOKS

if TYPE_CHECKING:
    import asyncio
    import logging
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from bcd.tracer import TraceOptions, Tracer

__all__ = ["POINTS", "Handle", "install", "install_loop"]

POINTS = (*DEFAULT_HOOKS, "unraisable", "logging")
"""Where errors come up that nothing handles, and where the program logs those that it handled."""


class Handle:
    """What was installed, to be uninstalled."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._undo: list[Callable[[], object]] | None = []

    def uninstall(self) -> None:
        """Trace no more, and restore what stood before; does nothing the second time.

        Where another function was put over a hook by then, the hook stays below it and only
        passes on.
        """
        with CHANGES:
            undo, self._undo = self._undo, None
        for step in reversed(undo or []):
            step()

    def add(self, point: Point) -> None:
        """Install one more."""
        with CHANGES:
            if self._undo is not None:  # not uninstalled while asyncio was being imported
                self._undo.append(partial(point.remove, self._capture))
                point.add(self._capture)

    def add_later(self, module: str, point: Callable[[], Point]) -> None:
        """Install one, now or once the program has imported a module, which takes its time."""
        later = when_imported(module, lambda: self.add(point()))
        with CHANGES:
            if self._undo is not None:
                self._undo.append(later)


def install(
    tracer: Tracer | None = None,
    options: TraceOptions | None = None,
    ignore: Ignore = (),
    before_trace: BeforeTrace | None = None,
    *,
    points: Iterable[str] = DEFAULT_HOOKS,
) -> Handle:
    """Have errors traced that nothing in the program handles.

    Who installs again takes the errors over from the earlier handle until the later one is
    uninstalled. ``KeyboardInterrupt`` and ``SystemExit`` are never traced.

    Args:
        tracer: None takes the default tracer.
        options: Options of each trace; None takes the tracer's own.
        ignore: Exception classes, or names like ``"shop.OutOfStock"``, that are expected.
        before_trace: Gets ``(error, attributes)``; returns the attributes, edited or not, or
            None for no trace.
        points: Where: ``excepthook`` is the main thread (``sys.excepthook``), ``threading`` the
            others, ``multiprocessing`` the processes that it starts, ``asyncio`` what its event
            loops report (a task that failed and was never awaited, a callback that failed),
            ``unraisable`` what comes up where nothing can be raised, as in ``__del__``,
            ``logging`` what the program logs at ERROR and above with ``exc_info``, whatever its
            handlers; see :mod:`bcd.integrations.logging` for a handler.

    Returns:
        What uninstalls them.

    Raises:
        ConfigError: An argument that cannot be used; nothing was installed.
    """
    chosen = list(points)
    for name in chosen:
        if name not in POINTS:
            raise ConfigError(f"points has {name!r}; accepted are {', '.join(POINTS)}")
    handle = Handle(Capture("hooks", tracer, options, ignore, before_trace))
    for name in chosen:
        for module, point in _LATER.get(name, {}).items():
            handle.add_later(module, point)
        if name not in _LATER:
            handle.add(_HERE[name])
    return handle


def install_loop(
    loop: asyncio.AbstractEventLoop,
    tracer: Tracer | None = None,
    options: TraceOptions | None = None,
    ignore: Ignore = (),
    before_trace: BeforeTrace | None = None,
) -> Handle:
    """Have the errors traced that one event loop reports.

    For loops of another make than asyncio's and uvloop's, which :func:`install` knows.

    Args:
        loop: The loop.
        tracer: As for :func:`install`, and so are the others.
        options: Options of each trace.
        ignore: What is expected.
        before_trace: Edits the attributes.

    Returns:
        What uninstalls it.

    Raises:
        ConfigError: An argument that cannot be used; nothing was installed.
    """
    handle = Handle(Capture("hooks", tracer, options, ignore, before_trace))
    handle.add(_own_point(loop) or Point(loop, _REPORT, _reporting_one))
    return handle


class _Uncaught:
    """How an error reached the top."""

    def __init__(self, hook: str, message: str | None = None) -> None:
        self._hook = hook
        self._message = message

    def scope(self) -> None:
        """It belongs to no request or task that anything is known of."""

    def client_gone(self) -> bool:
        """There is no client."""
        return False

    def attributes(self, error: BaseException) -> dict[str, str]:  # noqa: ARG002 - any hook's
        """The hook, its message, and the thread as Python numbers them.

        Source: https://opentelemetry.io/docs/specs/semconv/attributes-registry/thread/
        """
        number = threading.get_ident()
        # current_thread() would make an object for a thread that Python does not know.
        thread = threading._active.get(number)  # type: ignore[attr-defined]  # noqa: SLF001
        found = {
            "bcd.hook": self._hook,
            "bcd.hook.message": self._message,
            "thread.id": str(number),
            "thread.name": getattr(thread, "_name", None),  # the property could be overridden
        }
        return {name: value for name, value in found.items() if isinstance(value, str)}


def _excepthook(point: Point, before: Callable[..., object]) -> Callable[..., object]:
    def excepthook(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        capture = point.capture_of(excepthook)
        try:
            if capture is not None:
                capture.take(error, _Uncaught("excepthook"))
        except KeyboardInterrupt:  # ends the wait for a slow tracer; the program ends anyway
            pass
        finally:  # also where a handler of a signal ends the program meanwhile
            before(kind, error, traceback)

    return excepthook


def _threading(point: Point, before: Callable[..., object]) -> Callable[..., object]:
    def excepthook(args: threading.ExceptHookArgs, /) -> None:
        capture = point.capture_of(excepthook)
        if capture is not None and args.exc_value is not None:
            capture.take(args.exc_value, _Uncaught("threading"))
        before(args)

    return excepthook


def _unraisable(point: Point, before: Callable[..., object]) -> Callable[..., object]:
    def unraisablehook(unraisable: sys.UnraisableHookArgs, /) -> None:
        capture = point.capture_of(unraisablehook)
        error = unraisable.exc_value
        if capture is not None and error is not None:
            said = unraisable.err_msg or "Exception ignored in"
            occasion = _Uncaught("unraisable", f"{said}: {type_name(unraisable.object)}")
            capture.take(error, occasion, may_wait=False)
        before(unraisable)

    return unraisablehook


def _reporting(point: Point, before: Callable[..., object]) -> Callable[..., object]:
    @wraps(before)
    def call_exception_handler(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if _own_point(loop) is None:
            _take_reported(point.capture_of(call_exception_handler), context)
        before(loop, context)

    return call_exception_handler


def _reporting_one(point: Point, before: Callable[..., object]) -> Callable[..., object]:
    def call_exception_handler(context: dict[str, Any]) -> None:
        _take_reported(point.capture_of(call_exception_handler), context)
        before(context)

    call_exception_handler.bcd_point = point  # type: ignore[attr-defined]  # for _own_point
    return call_exception_handler


def _take_reported(capture: Capture | None, context: dict[str, Any]) -> None:
    error = context.get("exception")
    if capture is not None and isinstance(error, BaseException):
        capture.take(error, _Uncaught("asyncio", context.get("message")), may_wait=False)


def _handling(point: Point, before: Callable[..., object]) -> Callable[..., object]:
    @wraps(before)
    def call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
        before(logger, record)
        if record.levelno >= _ERROR and (capture := point.capture_of(call_handlers)) is not None:
            take_logged(capture, record, "logging")

    return call_handlers


def _printing(point: Point, before: Callable[..., None]) -> Callable[..., None]:
    from multiprocessing.process import BaseProcess  # the program has loaded it

    bootstrap = BaseProcess._bootstrap.__code__  # type: ignore[attr-defined]  # noqa: SLF001 - see below

    @wraps(before)
    def print_exc(*arguments: Any, **named: Any) -> None:
        if sys._getframe(1).f_code is bootstrap:  # noqa: SLF001 - documented
            capture, error = point.capture_of(print_exc), sys.exception()
            if capture is not None and error is not None:
                capture.take(error, _Uncaught("multiprocessing"))
        before(*arguments, **named)

    return print_exc


_ERROR = 40  # logging.ERROR
_REPORT = "call_exception_handler"

_HERE = {
    "excepthook": Point(sys, "excepthook", _excepthook),
    "threading": Point(threading, "excepthook", _threading),
    "unraisable": Point(sys, "unraisablehook", _unraisable),
}


def _own_point(loop: object) -> Point | None:
    """The point of one loop, where :func:`install_loop` made one that is in place."""
    reporting = getattr(loop, "__dict__", {}).get(_REPORT)
    return getattr(reporting, "bcd_point", None)


def _point_of_loops() -> Point:
    from asyncio.base_events import BaseEventLoop  # the program has loaded it

    return point_of_class(BaseEventLoop, _REPORT, _reporting)


def _point_of_uvloop() -> Point:
    return point_of_class(sys.modules["uvloop"].Loop, _REPORT, _reporting)


def _point_of_loggers() -> Point:
    from logging import Logger  # likewise

    want_requests("logging")
    return point_of_class(Logger, "callHandlers", _handling)


def _point_of_children() -> Point:
    """Processes of ``multiprocessing`` print the error that ends them, and do nothing else with it.

    A wrapped function of theirs would be seen in what is printed.

    Source: multiprocessing/process.py, 3.11 to 3.15: ``_bootstrap``.
    """
    import traceback  # what prints it

    return _HERE.setdefault("multiprocessing", Point(traceback, "print_exc", _printing))


_LATER: dict[str, dict[str, Callable[[], Point]]] = {
    "multiprocessing": {"multiprocessing.process": _point_of_children},
    "asyncio": {"asyncio.base_events": _point_of_loops, "uvloop": _point_of_uvloop},
    "logging": {"logging": _point_of_loggers},
}
