"""Programs of users, as a type checker sees them: mypy reads this file, pytest runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bcd

if TYPE_CHECKING:
    from collections.abc import Mapping


class OwnTracer:
    """A tracer that a user writes for a program of their own."""

    def __init__(self) -> None:
        self._options: list[str] = []

    def __str__(self) -> str:
        return "OwnTracer"

    def add_options(self, *values: str, options: list[str] | None = None) -> list[str] | None:
        """Add options as they are."""
        if options is not None:
            return [*options, *values]
        self._options.extend(values)
        return None

    def add_kv(self, key: str, val: str, options: list[str] | None = None) -> list[str] | None:
        """Add an attribute."""
        return self.add_options(f"{key}={val}", options=options)

    def add_thread_filter(self, tid: int, options: list[str] | None = None) -> list[str] | None:
        """Add a filter."""
        return self.add_options(f"only={tid}", options=options)

    def add_faulted_thread(self, tid: int, options: list[str] | None = None) -> list[str] | None:
        """Add a thread."""
        return self.add_options(f"faulted={tid}", options=options)

    def add_classifier(self, classifier: str, options: list[str] | None = None) -> list[str] | None:
        """Add a classifier."""
        return self.add_options(f"is={classifier}", options=options)

    def options(self) -> list[str]:
        """The base options."""
        return list(self._options)

    def clear_options(self) -> None:
        """Have no base options."""
        self._options.clear()

    def default_trace_options(self) -> bcd.TraceOptions:
        """Trace with the error's type, for a second at most."""
        return bcd.TraceOptions(err_classification=True, timeout=1.0)

    def finalize(self, options: list[str]) -> bcd.Command:
        """Print the options."""
        return bcd.Command(argv=["/bin/echo", *options])

    def logf(self, level: bcd.LogPriority, format: str, *args: object) -> None:  # noqa: A002 - Go's word
        """Log nothing."""

    def set_log_level(self, level: bcd.LogPriority) -> None:
        """Log nothing."""


@bcd.recover(OwnTracer(), reraise=False)
def half(number: int) -> int:
    """A decorated function keeps its type."""
    return number // 2


@bcd.recover(bcd.PythonTracer(), True, bcd.TraceOptions(faulted=True))  # noqa: FBT003 - as in Go
async def soon(number: int) -> int:
    """A decorated coroutine function keeps its type."""
    return number


def before_trace(error: BaseException, attributes: dict[str, str]) -> Mapping[str, str] | None:
    """An editor of attributes, as every integration takes it."""
    return None if isinstance(error, ValueError) else attributes | {"team": "shop"}


def test_own_tracer_traces() -> None:
    """A class with the methods of the protocol is a tracer, without a base class."""
    bcd.update_config(bcd.GlobalConfig(rate_limit=0))
    tracer: bcd.Tracer = OwnTracer()

    result: bcd.TraceResult = bcd.trace(tracer, ZeroDivisionError("why"))

    bcd.update_config(bcd.GlobalConfig())
    assert result.stdout == b"error=why is=ZeroDivisionError\n"


def test_default_tracer_is_one_of_memory() -> None:
    """The default tracer fits both protocols."""
    tracer: bcd.MemoryTracer = bcd.PythonTracer()
    plain: bcd.Tracer = tracer
    assert str(plain) == "PythonTracer"


def test_types_are_kept() -> None:
    """What is decorated takes and gives what it did before."""
    number: int = half(4)
    assert number == 2
    soon(1).close()
    assert before_trace(KeyError(), {}) == {"team": "shop"}
