"""Run a tracer when a signal comes (rules 27 to 31 of the engine's design).

A handler of Python hands the number of the signal over to a daemon thread, which traces; the
program goes on. Nothing in the handler waits for a lock that anything else could hold.
"""

from __future__ import annotations

import signal
from contextlib import suppress

from bcd import _linux
from bcd.errors import ConfigError
from bcd.signals.handler import Handler, handlers, registrations
from bcd.signals.registration import Registration
from bcd.tracer import LogPriority

TYPE_CHECKING = False  # typing is not needed to run, and costs milliseconds to import
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bcd.signals.handler import Standing
    from bcd.tracer import TracerSig

__all__ = ["register", "unregister"]


def register(tracer: TracerSig) -> None:
    """Run a tracer whenever one of its signals comes, in a thread of its own (rule 28).

    The main thread is the faulted one, the error is a :class:`bcd.SignalError`. One trace is
    made for each signal and each registered tracer, in the order of registration; signals that
    come meanwhile are queued in ``tracer.sigchan()``, as many as the set has, and further ones
    are dropped. A forked child is registered too.

    A function that stood as the handler is still called, at once; a handler that is set later
    stands alone. A signal that an extension handles in C (``faulthandler``) is left to it. Real
    faults of the program (an invalid pointer) end it as ever.

    With ``resend_signal`` (read now) a signal that nobody else handles is sent again after its
    trace and takes its default action; without it the program goes on (rule 29).

    An empty set of signals is logged as an error and changes nothing. A tracer that is
    registered already is registered anew, with the set that it has now (rule 30).

    Args:
        tracer: What runs; ``sigset()`` tells for which signals.

    Raises:
        ConfigError: A signal cannot be caught, or this is not the main thread; nothing was
            changed.
    """
    sigset = tracer.sigset()
    if not sigset:
        tracer.logf(LogPriority.ERROR, "Failed to register signal handler: empty sigset")
        return
    taken = _take(tracer, sigset)
    registration = Registration(tracer, sigset)
    tracer.set_sigchan(registration.channel)
    handlers.update(taken)
    registrations[id(tracer)] = registration
    _leave_unwanted()


def unregister(tracer: TracerSig) -> None:
    """Run a tracer no more when its signals come; does nothing if it is not registered.

    Signals that are queued are still traced. A signal that no other tracer wants gets the
    handler back that stood before, unless another one was set meanwhile (rule 30). Outside the
    main thread, where no handler can be changed, that happens when the signal next comes.

    Args:
        tracer: What was given to :func:`register`.
    """
    if registrations.pop(id(tracer), None) is not None:
        _leave_unwanted()


def _leave_unwanted() -> None:
    """Restore what stood for each signal that no registered tracer wants any more."""
    wanted = frozenset[int]().union(*(each.numbers for each in registrations.values()))
    for number in handlers.keys() - wanted:
        with suppress(ValueError):  # not the main thread: the handler gives way by itself
            handlers.pop(number).remove()


def _take(tracer: TracerSig, sigset: Sequence[int]) -> dict[int, Handler]:
    """Install a handler for each signal, or for none if one of them cannot be had."""
    taken: dict[int, Handler] = {}
    replaced: list[tuple[int, Standing]] = []
    try:
        for number in sigset:
            standing = _standing(number)
            handler = None if standing is None else _install(number, standing)
            if standing is None or handler is None:
                tracer.logf(LogPriority.WARNING, "signal %s is left to its handler in C", number)
            else:
                replaced.append((number, standing))
                taken[number] = handler
    except BaseException:
        for number, standing in reversed(replaced):
            signal.signal(number, standing)
        raise
    return taken


def _standing(number: int) -> Standing | None:
    """What Python does with a signal, also its default action; None where C handles it.

    Raises:
        ConfigError: There is no such signal.
    """
    try:
        standing = signal.getsignal(number)
        in_c = not callable(standing) and _linux.has_handler(number)
    except (OSError, TypeError, ValueError) as error:
        raise ConfigError(
            f"the set of signals to register for has {number!r}, which is no signal of this "
            "system; accepted are numbers like signal.SIGABRT"
        ) from error
    return None if in_c else standing


def _install(number: int, standing: Standing) -> Handler | None:
    """Make a handler stand for a signal; None where it must not.

    Raises:
        ConfigError: The signal cannot be caught, or this is not the main thread.
    """
    handler = standing if isinstance(standing, Handler) else Handler(number, standing)
    try:
        return handler if handler.install() else None
    except ValueError as error:
        raise ConfigError(
            "register was called where Python sets no signal handlers; "
            "call it in the main thread of the main interpreter"
        ) from error
    except OSError as error:
        raise ConfigError(
            f"the set of signals to register for has {signal.Signals(number).name}, "
            "which no program can catch; take it out of the set"
        ) from error
