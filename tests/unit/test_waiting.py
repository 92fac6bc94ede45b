"""How long a request is held for a tracer that cannot work on a frozen copy."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from bcd import BTTracer
from bcd.integrations._waiting import hurried
from bcd.tracer import TraceOptions

if TYPE_CHECKING:
    from collections.abc import Callable

_WORKER = "def serve(self, work):\n    return work()"


def in_worker(
    worker: object, work: Callable[[], Any], module: str = "gunicorn.workers.sync"
) -> Any:
    """Do something below a frame of a worker."""
    namespace: dict[str, Any] = {"__name__": module}
    exec(_WORKER, namespace)  # noqa: S102 - its module has to have that name
    return namespace["serve"](worker, work)


def worker(timeout: float, spent: float) -> SimpleNamespace:
    """A worker that has been busy for so long."""
    told = time.monotonic() - spent
    tmp = SimpleNamespace(last_update=lambda: told)
    return SimpleNamespace(cfg=SimpleNamespace(timeout=timeout), tmp=tmp)


def longest() -> float:
    """The time-out of a trace that has one of 120 s."""
    return float(hurried(None, BTTracer()).timeout)  # type: ignore[arg-type]  # a number


def test_is_at_most_ten_seconds() -> None:
    """Where nobody else has a say; a shorter time-out stays."""
    assert longest() == 10
    assert hurried(TraceOptions(timeout=2.0), BTTracer()).timeout == 2


@pytest.mark.parametrize(
    ("timeout", "spent", "least", "most"),
    [(30, 0, 10, 10), (3, 0, 1.2, 1.5), (3, 2, 0.3, 0.5), (3, 5, 0.01, 0.1), (0, 5, 10, 10)],
)
def test_is_half_of_what_the_server_leaves(
    timeout: float, spent: float, least: float, most: float
) -> None:
    """A worker of gunicorn that does not answer in time is killed by its master (trap 3)."""
    assert least <= in_worker(worker(timeout, spent), longest) <= most


def test_is_not_bounded_by_other_workers() -> None:
    """They tell their master in another thread that they live; unknown ones are let be."""
    assert in_worker(worker(3, 0), longest, "gunicorn.workers.gthread") == 10
    assert in_worker(object(), longest) == 10
