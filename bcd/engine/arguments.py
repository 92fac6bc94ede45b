"""The options of one trace, in their order (rule 7), and its time (rules 14 and 15)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bcd.config import seconds
from bcd.engine.wording import error_text, plain, type_name
from bcd.errors import FinalizeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bcd.tracer import TraceOptions, Tracer

__all__ = ["FALLBACK_TIMEOUT", "timeout_of", "with_attributes", "with_extras"]

FALLBACK_TIMEOUT = 120.0
"""Seconds for a tracer whose own default is 0; that of Go's ``BTTracer``."""


def timeout_of(tracer: Tracer, options: TraceOptions) -> float:
    """Find the time-out of a trace (rule 14).

    Returns:
        Seconds, above 0; infinite for none.

    Raises:
        ConfigError: It is no duration.
    """
    timeout = seconds("timeout", options.timeout)
    if timeout == 0:
        timeout = seconds("timeout", tracer.default_trace_options().timeout) or FALLBACK_TIMEOUT
    return timeout if timeout > 0 else math.inf


def with_extras(
    tracer: Tracer,
    error: BaseException | None,
    options: TraceOptions,
    thread: int,
    task: int | None = None,
) -> list[str]:
    """Extend the base options by what this trace adds, in the order of rule 7.

    The base is read once and never written (rule 5).

    Args:
        tracer: Whose options they are.
        error: What went wrong, if anything.
        options: What the trace is to do.
        thread: Native id of the thread in trouble (rule 8).
        task: ``id()`` of the asyncio task in trouble, for a tracer that can be told.

    Returns:
        The options.

    Raises:
        FinalizeError: The tracer breaks its contract.
    """
    extended = tracer.options()
    if options.caller_only:
        extended = _list(tracer.add_thread_filter(thread, extended))
    if options.faulted:
        extended = _list(tracer.add_faulted_thread(thread, extended))
        add_caller_task = getattr(tracer, "add_caller_task", None)
        if task is not None and add_caller_task is not None:
            extended = _list(add_caller_task(task, extended))
    if error is not None:
        extended = _list(tracer.add_kv("error", error_text(error), extended))
        if options.err_classification:
            extended = _list(tracer.add_classifier(type_name(error), extended))
    for classification in options.classifications:
        extended = _list(tracer.add_classifier(_text(classification), extended))
    return extended


def with_attributes(tracer: Tracer, options: list[str], attributes: Mapping[str, str]) -> list[str]:
    """Extend options by attributes, which come last.

    Raises:
        FinalizeError: The tracer breaks its contract.
    """
    extended = options
    for key, value in attributes.items():
        extended = _list(tracer.add_kv(_text(key), _text(value), extended))
    return extended


def _text(value: object) -> str:
    return plain(value) if isinstance(value, str) else error_text(value)


def _list(extended: list[str] | None) -> list[str]:
    if extended is None:  # the next call would write into the base
        raise FinalizeError(
            "the tracer returned None where it was given options to extend: "
            "its add_... methods have to return a new list then (rule 2)"
        )
    return extended
