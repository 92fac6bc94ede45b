"""Celery: ``setup()``.

Celery tells by two signals which tasks failed, so nothing of bcd runs for one that succeeds.
"""

from __future__ import annotations

import sys
import weakref
from types import TracebackType
from typing import TYPE_CHECKING, Any

from celery import signals
from celery._state import _task_stack

from bcd._greenlets import identity
from bcd.engine import error_text, type_name
from bcd.integrations._capture import BeforeTrace, Capture, Ignore
from bcd.integrations._complaints import complain
from bcd.integrations._enclosing import knows
from bcd.integrations._expected import Ignored, is_expected
from bcd.integrations._points import CHANGES, Captures
from bcd.notice import notice
from bcd.scope import FRAMEWORKS

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from bcd.tracer import TraceOptions, Tracer

__all__ = ["Handle", "setup", "setup_for_all"]

_WORKER = "celery.worker.request"
"""What tells in the worker of tasks that failed in a process of its pool."""

_LONGEST = 500  # characters of an error's text on stderr


def setup(
    tracer: Tracer | None = None,
    options: TraceOptions | None = None,
    ignore: Ignore = (),
    before_trace: BeforeTrace | None = None,
) -> Handle:
    """Have the tasks traced that fail, those of all Celery applications of this process.

    Call it in the module of the application, so that a worker calls it; the processes of its
    pool inherit it. Who sets up again takes the errors over from the earlier handle until the
    later one is uninstalled.

    Retries, ``Ignore``, ``Reject`` and what a task has in its ``throws`` are never traced. A
    process that was lost, also to a hard time limit, has nothing left to be looked at: that is
    counted, and a line on stderr.

    Args:
        tracer: None takes the default tracer.
        options: Options of each trace; None takes the tracer's own.
        ignore: Exception classes, or names like ``"shop.OutOfStock"``, that are expected.
        before_trace: Gets ``(error, attributes)``; returns the attributes, edited or not, or
            None for no trace.

    Returns:
        What uninstalls it.

    Raises:
        ConfigError: An entry of ``ignore`` is neither a class nor a name.
    """
    capture = Capture("celery", tracer, options, ignore, before_trace)
    _receivers.add(capture)
    return Handle(capture)


def setup_for_all() -> Handle:
    """Do the same for ``bcd.init``: where the program calls :func:`setup` itself, that holds."""
    capture = Capture("celery")
    _receivers.add(capture, below=True)
    return Handle(capture)


class Handle:
    """What was set up, to be uninstalled."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture

    def uninstall(self) -> None:
        """Trace no more; does nothing the second time."""
        _receivers.remove(self._capture)


class _Receivers:
    """Connected while somebody wants the errors; they serve the last of those."""

    def __init__(self) -> None:
        self._captures = Captures()
        self._told: tuple[object, ...] | None = None

    def add(self, capture: Capture, *, below: bool = False) -> None:
        with CHANGES:
            self._captures.add(capture, below=below)
            signals.task_failure.connect(self.failed, weak=False, dispatch_uid=__name__)
            signals.task_internal_error.connect(self.failed, weak=False, dispatch_uid=__name__)

    def remove(self, capture: Capture) -> None:
        with CHANGES:
            if not self._captures.remove(capture):
                signals.task_failure.disconnect(dispatch_uid=__name__)
                signals.task_internal_error.disconnect(dispatch_uid=__name__)

    def failed(self, sender: Any = None, exception: Any = None, **told: Any) -> None:
        """Receive either signal. Celery logs what leaves a receiver, so nothing may."""
        capture = self._captures.newest
        try:
            if capture is not None and isinstance(exception, BaseException):
                self._failed(capture, _Execution(sender, **told), exception)
        except Exception as problem:  # noqa: BLE001 - also a soft time limit that strikes here
            complain("celery: an error could not be traced", problem)

    def _failed(self, capture: Capture, execution: _Execution, exception: BaseException) -> None:
        error = execution.error_here(exception)
        throws = execution.throws()
        if throws and is_expected(error or exception, Ignored(throws), execution.client_gone):
            return
        if error is not None:
            capture.take(error, execution)
        elif not self._was_told(execution, exception) and capture.count(exception, execution):
            said = f"{type_name(exception)}: {error_text(exception)[:_LONGEST]}"
            notice(f"celery: task {execution} left nothing to take a snapshot of: {said}")

    def _was_told(self, execution: _Execution, exception: BaseException) -> bool:
        """Whether this is the second signal for a hard time limit: they differ in their form."""
        told = (execution.task_id, type_name(exception), isinstance(execution.traceback, str))
        earlier, self._told = self._told, told
        if earlier != (*told[:2], not told[2]):
            return False
        self._told = None
        return True


class _Execution:
    """What is known about a task that failed."""

    def __init__(
        self,
        task: Any,
        task_id: Any = None,
        traceback: Any = None,
        request: Any = None,
        **_: Any,
    ) -> None:
        self.task_id = task_id
        self.traceback = traceback
        self._task = task
        self._request = request

    def __str__(self) -> str:
        return f"{self._task.name}[{self.task_id}]"

    def error_here(self, exception: BaseException) -> BaseException | None:
        """The error itself; None where the task ran in another process.

        In place of an error that cannot be pickled Celery names another one, while it still
        handles the real one: they have the same traceback (celery/app/trace.py, 5.3 to 5.7).
        """
        traceback = exception.__traceback__ if self.traceback is None else self.traceback
        if not isinstance(traceback, TracebackType):  # text
            return None
        handled = sys.exception()
        if handled is not None and handled.__traceback__ is traceback:
            return handled
        by_worker = traceback.tb_frame.f_globals.get("__name__") == _WORKER
        return None if by_worker else exception

    def throws(self) -> Ignore:
        """What the task itself expects."""
        throws = getattr(self._task, "throws", ())
        return throws if isinstance(throws, (list, tuple)) else (throws,)

    def scope(self) -> str:
        """The id of what the worker runs: a task that another one applies is part of that one."""
        outermost = _outermost_request()
        return str(self.task_id if outermost is None else outermost.id)

    def client_gone(self) -> bool:
        """There is no client."""
        return False

    def attributes(self, error: BaseException) -> dict[str, str]:  # noqa: ARG002 - any hook's
        """Name, id, retries, host and queue; never the arguments.

        Source: https://opentelemetry.io/docs/specs/semconv/messaging/, and the names that
        OpenTelemetry's instrumentation of Celery has.
        """
        request = self._request or getattr(self._task, "request", None) or {}
        delivery = request.get("delivery_info") or {}
        found = {
            "celery.task_name": self._task.name,
            "celery.retries": request.get("retries"),
            "celery.hostname": request.get("hostname"),
            "messaging.message.id": self.task_id,
            "messaging.destination.name": delivery.get("routing_key") or delivery.get("exchange"),
        }
        return {name: str(value) for name, value in found.items() if value is not None}


def _running() -> _Execution | None:
    """The innermost task that the calling code runs in and that is more than a call of it."""
    for task in reversed(_task_stack.stack):
        if task.request.id is not None:
            return _Execution(task, task.request.id)
    return None


def _outermost_request() -> Any:
    """That of the task which a worker, or the program by ``apply``, runs in the calling thread."""
    running = _task_stack.stack
    requests = running[0].request_stack.stack if running else ()
    return requests[0] if requests and requests[0].id is not None else None


class _Running:
    """The outermost task that runs, for what the program sets as attributes.

    Celery runs the tasks of a process in one context after the other; their requests differ.
    """

    __slots__ = ("_request", "_who")

    def __init__(self, request: Any) -> None:
        self._request = weakref.ref(request)
        self._who = identity()

    def __call__(self) -> object:
        request = self._request()
        if identity() != self._who:  # a thread with a copy of the context: as long as it is known
            return request
        return request if request is _outermost_request() else None

    def kept(self) -> MutableMapping[str, Any]:
        """What Celery knows of the request."""
        return vars(self._request())


def _running_outermost() -> _Running | None:
    request = _outermost_request()
    return None if request is None else _Running(request)


knows(_running)
FRAMEWORKS.append(_running_outermost)
_receivers = _Receivers()
