"""A viewer of a shop's snapshots, in this process."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.viewer.client import Client
from tests.viewer.fake_index import FakeIndex
from tests.viewer.snapshots import shop

pytest.importorskip("starlette")

from bcd.viewer.access import LOOPBACK_NAMES, Access
from bcd.viewer.application import application

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "correct-horse-battery-staple"  # noqa: S105 - of a test


@pytest.fixture(name="index")
def _index() -> FakeIndex:
    now = datetime.now(UTC)
    return FakeIndex(shop(now), now)


@pytest.fixture(name="client")
def _client(index: FakeIndex) -> Iterator[Client]:
    app = application(index, Access(token=None, hosts=LOOPBACK_NAMES), patience=5)
    client = Client(app, "http://localhost:8432")
    yield client
    client.close()


@pytest.fixture(name="locked")
def _locked(index: FakeIndex) -> Iterator[Client]:
    client = Client(application(index, Access(token=TOKEN, hosts=None)), "http://viewer.test")
    yield client
    client.close()
