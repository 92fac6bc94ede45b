"""The list of options that a tracer keeps, in the words of Backtrace's ``ptrace``."""

from __future__ import annotations

__all__ = ["OptionList"]


class OptionList:
    """The part of :class:`bcd.tracer.Tracer` that keeps options; see there for the methods.

    There is no lock to be held across a fork: each method changes or copies the list in one
    call of C, so that no other thread sees half of an option (rule 6).
    """

    def __init__(self, *base: str) -> None:
        self._base = list(base)

    def add_options(self, *values: str, options: list[str] | None = None) -> list[str] | None:
        """Append to the base options, or return ``options`` extended, the list unchanged."""
        if options is not None:
            return [*options, *values]
        self._base.extend(values)
        return None

    def add_kv(self, key: str, val: str, options: list[str] | None = None) -> list[str] | None:
        """Add a key-value attribute; nothing is escaped, and a key may be added twice."""
        return self.add_options("--kv", f"{key}:{val}", options=options)

    def add_thread_filter(self, tid: int, options: list[str] | None = None) -> list[str] | None:
        """Leave out every thread but those named, by native thread id."""
        return self.add_options("--thread", str(tid), options=options)

    def add_faulted_thread(self, tid: int, options: list[str] | None = None) -> list[str] | None:
        """Mark a thread, by native thread id, as the cause of the trace."""
        return self.add_options("--fault-thread", str(tid), options=options)

    def add_classifier(self, classifier: str, options: list[str] | None = None) -> list[str] | None:
        """Add a classification."""
        return self.add_options("--classifier", classifier, options=options)

    def options(self) -> list[str]:
        """A copy of the base options, in the order in which they were added."""
        return list(self._base)

    def clear_options(self) -> None:
        """Empty the base options."""
        self._base.clear()
