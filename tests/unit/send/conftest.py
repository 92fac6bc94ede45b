"""A snapshot to send, and a server that records what comes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bcd.snapshot import from_dict
from tests.upload_server import UploadServer, answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcd.snapshot.model import Snapshot

SAMPLE = Path(__file__).parents[2] / "samples" / "checkout.bcd.json"


@pytest.fixture(name="sample", scope="session")
def _sample() -> Snapshot:
    return from_dict(json.loads(SAMPLE.read_bytes()))


@pytest.fixture(name="server")
def _server() -> Iterator[UploadServer]:
    with UploadServer(answer(200, b"{}")) as server:
        yield server


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy stands between, and nothing is configured."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("SENTRY_DSN", "BACKTRACE_URL", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
