"""Servers that tests need beside themselves: where they are, and what to do without."""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit

import pytest

__all__ = ["POSTGRESQL", "RABBITMQ", "REDIS", "need_server"]

REDIS = os.environ.get("BCD_TEST_REDIS", "redis://127.0.0.1:6379/9")
RABBITMQ = os.environ.get("BCD_TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672")

POSTGRESQL = os.environ.get("BCD_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432")


def need_server(url: str) -> None:
    """Skip a test where a server does not answer; fail where the CI has to have it."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5).close()
    except OSError as problem:
        reason = f"no {parts.scheme} server at {parts.hostname}:{parts.port}: {problem}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
