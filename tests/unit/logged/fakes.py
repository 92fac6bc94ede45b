"""What stands in for the engine and its tracers where records of ``logging`` are traced."""

from __future__ import annotations

import logging
from typing import Any, cast

from bcd.integrations.logging import BcdHandler
from bcd.tracer import TraceOptions, Tracer


class FakeTracer:
    """A tracer that works on a frozen copy."""

    def finalize_memory(self) -> None:
        """Only has to be there."""

    def options(self) -> list[str]:
        """The base options."""
        return []

    def default_trace_options(self) -> TraceOptions:
        """What a trace does that is told nothing."""
        return TraceOptions(faulted=True, caller_only=True, err_classification=True)


class FakeLiveTracer:
    """A tracer that reads the live process."""

    options = FakeTracer.options
    default_trace_options = FakeTracer.default_trace_options


TRACER = cast("Tracer", FakeTracer())
LIVE_TRACER = cast("Tracer", FakeLiveTracer())


def handler(**settings: Any) -> BcdHandler:
    """A handler whose tracer is a fake."""
    return BcdHandler(**{"tracer": TRACER, **settings})


def raised(error: BaseException) -> BaseException:
    """The error with a traceback."""
    try:
        raise error  # noqa: TRY301 - that is the point
    except BaseException as caught:  # noqa: BLE001 - any
        return caught


def logger_called(name: str, *handlers: logging.Handler) -> logging.Logger:
    """A logger that nobody else gets, and that hands its records to nobody else."""
    made = logging.Logger(name)  # noqa: LOG001 - that is why
    for one in handlers:
        made.addHandler(one)
    return made


def record(template: object, *arguments: object, **more: object) -> logging.LogRecord:
    """A record of level ERROR as a logger makes it, with further attributes."""
    made = logging.LogRecord("shop", logging.ERROR, "x.py", 1, template, None, None)
    only = arguments[0] if len(arguments) == 1 else None
    made.__dict__.update(args=only if type(only) is dict else arguments, **more)
    return made
