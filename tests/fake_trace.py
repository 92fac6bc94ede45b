"""What stands in for the engine where the tests are about hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bcd.engine import TraceResult
from bcd.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bcd.tracer import TraceOptions, Tracer

__all__ = ["FakeTrace"]


class FakeTrace:
    """Stands in for ``bcd.engine.trace`` and keeps what it was asked for.

    Attributes:
        busy: Whether another trace runs.
        failure: What it raises.
        during: Called while the tracer would run.
        outcome: What came of a trace that nobody decided against.
        errors: Those that were traced, and so in the lists below.
        attributes: Of each.
        calls: The other arguments of each.
    """

    def __init__(self) -> None:
        self.busy = False
        self.failure: Exception | None = None
        self.during: Callable[[], None] = lambda: None
        self.outcome = TraceResult()
        self.errors: list[BaseException | None] = []
        self.attributes: list[Mapping[str, str]] = []
        self.calls: list[dict[str, Any]] = []

    def __call__(
        self,
        tracer: Tracer,
        error: BaseException | None = None,
        options: TraceOptions | None = None,
        *,
        attributes: Callable[[], Mapping[str, str] | None],
        **more: Any,
    ) -> TraceResult:
        """Note the call, and answer as told."""
        if self.failure is not None:
            raise self.failure
        if self.busy:
            return TraceResult(error=Busy("another trace runs"))
        tracer.options()  # of the program, as far as bcd knows
        found = attributes()
        self.during()
        if found is None:
            return TraceResult(dropped=True)
        self.errors.append(error)
        self.attributes.append(found)
        self.calls.append({"options": options, **more})
        return self.outcome
