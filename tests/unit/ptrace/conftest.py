"""This very process as the target: its memory, its layout, and a reader of its values."""

from __future__ import annotations

import asyncio  # noqa: F401 - before calibration, which otherwise stands in for it
import os
from typing import TYPE_CHECKING

import pytest

from bcd.ptrace.bounds import Limits
from bcd.ptrace.calibrate import calibrate
from bcd.ptrace.memory import LiveMemory
from bcd.ptrace.objects import Objects
from bcd.ptrace.redact import Redactor
from bcd.ptrace.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bcd.ptrace.layout import Layout


@pytest.fixture(scope="session")
def own() -> Iterator[LiveMemory]:
    """The memory of this process."""
    descriptor = os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC)
    yield LiveMemory(descriptor)
    os.close(descriptor)


@pytest.fixture(scope="session")
def layout(own: LiveMemory) -> Layout:
    """The layout of this interpreter."""
    return calibrate(own)


@pytest.fixture(scope="session")
def objects(own: LiveMemory, layout: Layout) -> Objects:
    """Reads the objects of this process."""
    return Objects(own, layout)


@pytest.fixture(scope="session")
def target(own: LiveMemory, layout: Layout) -> Callable[..., Target]:
    """Make a target of this process, with some limits set."""

    def make(redactor: Redactor | None = None, **limits: int) -> Target:
        return Target(
            own, layout, Limits({"deadline_ms": 60_000, **limits}), redactor or Redactor()
        )

    return make


@pytest.fixture(scope="session")
def shown(target: Callable[..., Target]) -> Callable[..., str]:
    """Render a value of this process, with some limits set."""

    def show(value: object, /, **limits: int) -> str:
        return target(**limits).renderer.render(id(value))

    return show
