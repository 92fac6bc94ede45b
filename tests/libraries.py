"""Libraries that cannot be installed for every Python."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["need", "without"]


def need(library: str) -> str:
    """Skip a test where a library is missing; fail where the CI has to have it.

    Returns:
        Its name.
    """
    if importlib.util.find_spec(library) is None:
        reason = f"{library} is not installed for this Python"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return library


@contextlib.contextmanager
def without(library: str) -> Iterator[None]:
    """Let a library that is installed be missing, for what is imported in the block."""
    assert library not in sys.modules
    sys.modules[library] = None  # type: ignore[assignment] # as the import system has it
    try:
        yield
    finally:
        del sys.modules[library]
