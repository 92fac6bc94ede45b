"""Libraries that cannot be installed for every Python."""

from __future__ import annotations

import importlib.util
import os

import pytest

__all__ = ["need"]


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
